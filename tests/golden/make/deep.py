"""Makes tests/golden/deep: small deep models with every choice of a block, and what PyTorch makes of them in fp64.

Run by hand: python3 deep.py FOLDER, with numpy and torch. Each model is a file as the library itself writes it, whose self-test is
PyTorch's; beside it NAME.gradient holds the gradients of sum(y dy), and where there is batch norm y as training gives it.
"""
import json
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

L, H, N = 64, 4, 4
STACK = dict(inputs=3, symbols=0, features=H, states=N, layers=1, outputs=5, pool="mean", dropout=0, dt_min=1e-3, dt_max=1e-1,
             dropout_shared=1, encoder="linear", norm="none", epsilon=1e-5, momentum=0.1, decoder=1, log_softmax=0, compare=0,
             compare_activation="tanh gelu")
BLOCK = dict(norm="layer", place="before", epsilon=1e-5, momentum=0.1, residual="input", channels=1, activation="gelu", mixing="glu",
             bias=1, layer="S4D")
FEED_FORWARD = BLOCK | dict(layer="none", activation="identity", mixing="linear", gate="gelu", width=4 * H)
FUNCTIONS = {"identity": lambda x: x, "gelu": F.gelu, "tanh gelu": lambda x: F.gelu(x, approximate="tanh"), "relu": F.relu, "silu": F.silu,
             "tanh": torch.tanh, "sigmoid": torch.sigmoid, "softplus": F.softplus}
CASES = {
    "s4": ({}, [{}, {}]),
    "after": (dict(pool="last"), [dict(place="after")]),
    "no_norm": (dict(pool="first"), [dict(norm="none", residual="none", activation="tanh")]),
    "batch": (dict(encoder="none", inputs=H, pool="last", norm="batch", epsilon=1e-3, momentum=0.25), [dict(norm="batch", momentum=0.3, epsilon=1e-4)]),
    "batch_after": (dict(pool="last"), [dict(norm="batch", place="after")]),
    "rms": (dict(norm="rms", epsilon=1e-6), [dict(norm="rms", epsilon=1e-6, activation="relu", mixing="linear", gate="silu")]),
    "scalar": (dict(norm="scalar", epsilon=0), [dict(norm="scalar", epsilon=0, activation="silu")]),
    "s5_full_glu": (dict(pool="none", log_softmax=1), [dict(norm="layer", epsilon=1e-6, activation="tanh gelu")]),
    "s5_half_glu1": (dict(log_softmax=1), [dict(norm="batch", activation="tanh gelu", mixing="half glu 1")]),
    "s5_half_glu2": (dict(pool="last"), [dict(norm="layer", place="after", activation="tanh gelu", mixing="half glu 2")]),
    "s5_gelu": (dict(pool="sum"), [dict(activation="tanh gelu", mixing="none")]),
    "s5pytorch": (dict(encoder="none", inputs=H, decoder=0, outputs=H, pool="none"),
                  [dict(residual="normed", mixing="none"),
                   FEED_FORWARD | dict(residual="normed", mixing="glu", gate="gelu", width=2 * H, bias=0)] * 2),
    "s4_ff": (dict(norm="layer"), [{}, FEED_FORWARD]),
    "channels": ({}, [dict(channels=3)]),
    "channels_glu": ({}, [dict(channels=2, activation="glu", mixing="linear")]),
    "two_ways": ({}, [dict(channels=2, width=2 * H)]),
    "softplus": ({}, [dict(activation="softplus", mixing="linear", gate="sigmoid"), dict(activation="sigmoid", mixing="linear", width=3)]),
    "half_width": ({}, [dict(mixing="half glu 1", width=H, gate="softplus"), dict(mixing="half glu 2", width=H, gate="tanh", bias=0)]),
    "embedding": (dict(encoder="embedding", symbols=6, inputs=1, zero_symbol=2), [{}]),
    "one_hot": (dict(encoder="one-hot", symbols=6, inputs=1), [{}]),
    "retrieval": (dict(compare=1), [dict(activation="tanh gelu", mixing="half glu 1")]),
}


class Model:
    """A model of drawn parameters: self.arrays by the names of the library, complex ones as (re, im)."""

    def __init__(self, stack, blocks, rng):
        self.stack, self.blocks, self.rng, self.arrays = stack, blocks, rng, {}
        if stack["encoder"] == "linear":
            self.linear("encoder", stack["inputs"], H)
        elif stack["encoder"] != "none":
            self.draw("encoder/W", (stack["symbols"], H), 1)
            if stack["encoder"] == "one-hot":
                self.draw("encoder/b", (H,), 1)
        for i, block in enumerate(blocks):
            name = f"block{i}"
            self.norm_arrays(f"{name}/norm", block["norm"])
            outputs = H * block["channels"]
            if block["layer"] != "none":
                self.layer_arrays(f"{name}/ssm", outputs)
            active = outputs // 2 if block["activation"] == "glu" else outputs
            mixed = block.get("width", H)
            if block["mixing"] != "none":
                self.linear(f"{name}/mix", active, 2 * mixed if block["mixing"] == "glu" else mixed, block["bias"])
            if "width" in block:
                self.linear(f"{name}/project", mixed, H, block["bias"])
        self.norm_arrays("norm", stack["norm"])
        if stack["compare"]:
            self.linear("compare", 4 * H, H)
        if stack["decoder"]:
            self.linear("decoder", H, stack["outputs"])

    def draw(self, name, shape, scale, middle=0.0):
        self.arrays[name] = torch.tensor(middle + scale * self.rng.standard_normal(shape), requires_grad=True)

    def linear(self, name, inputs, outputs, bias=1):
        self.draw(f"{name}/W", (outputs, inputs), inputs**-0.5)
        if bias:
            self.draw(f"{name}/b", (outputs,), 0.3)

    def norm_arrays(self, name, kind):
        if kind == "none":
            return
        size = 1 if kind == "scalar" else H
        self.draw(f"{name}/weight", (size,), 0.3, 1.0)
        if kind != "rms":
            self.draw(f"{name}/bias", (size,), 0.3)
        if kind == "batch":
            self.arrays[f"{name}/running_mean"] = torch.tensor(0.3 * self.rng.standard_normal(size))
            self.arrays[f"{name}/running_var"] = torch.tensor(np.exp(0.3 * self.rng.standard_normal(size)))

    def layer_arrays(self, name, features):
        M = N // 2
        self.draw(f"{name}/A_re_log", (features, M), 0.3, np.log(0.5))
        self.draw(f"{name}/A_im", (features, M), 0.5, 3.0)
        self.draw(f"{name}/B_ri", (features, M, 2), 0.5)
        self.draw(f"{name}/C_ri", (features, M, 2), 0.7)
        self.draw(f"{name}/D", (features,), 1)
        self.draw(f"{name}/log_dt", (features,), 0.3, np.log(0.05))

    def layer(self, name, u):
        """x_k = Lambda_bar x_{k-1} + B_bar u_k, y_k = 2 Re(C x_k) + D u_k, by zero-order hold."""
        of = {key: self.arrays[f"{name}/{key}"] for key in ("A_re_log", "A_im", "B_ri", "C_ri", "D", "log_dt")}
        Lambda = torch.complex(-torch.exp(of["A_re_log"]), of["A_im"])
        dt = torch.exp(of["log_dt"])[:, None]
        step = torch.exp(dt * Lambda)
        B = (step - 1) / Lambda * torch.view_as_complex(of["B_ri"])
        C = torch.view_as_complex(of["C_ri"])
        x, y = torch.zeros_like(Lambda), []
        for u_k in u:
            x = step * x + B * u_k[:, None]
            y.append(2 * (C * x).sum(-1).real + of["D"] * u_k)
        return torch.stack(y)

    def map(self, name, x):
        return F.linear(x, self.arrays[f"{name}/W"], self.arrays.get(f"{name}/b"))

    def norm(self, name, kind, epsilon, momentum, x, training):
        """x: the sequences of a batch; the running statistics of training are kept."""
        weight, bias = self.arrays.get(f"{name}/weight"), self.arrays.get(f"{name}/bias")
        if kind == "layer":
            return [F.layer_norm(each, (H,), weight, bias, epsilon) for each in x]
        if kind == "rms":
            return [F.rms_norm(each, (H,), weight, epsilon) for each in x]
        if kind == "scalar":
            deviation = [torch.std_mean(each, dim=-1, unbiased=False, keepdim=True) for each in x]
            return [weight / (s**2 + epsilon).sqrt() * (each - m + bias) for each, (s, m) in zip(x, deviation)]
        if kind == "batch":
            rows = F.batch_norm(torch.cat(x), self.arrays[f"{name}/running_mean"], self.arrays[f"{name}/running_var"], weight, bias,
                                training, momentum, epsilon)
            return list(rows.split([len(each) for each in x]))
        return x

    def body(self, name, block, n):
        y = n if block["layer"] == "none" else self.layer(f"{name}/ssm", n.repeat(1, block["channels"]))
        g = F.glu(y) if block["activation"] == "glu" else FUNCTIONS[block["activation"]](y)
        f = FUNCTIONS[block.get("gate", "identity" if block["mixing"] == "linear" else "sigmoid")]
        m = g
        if block["mixing"] != "none":
            m = self.map(f"{name}/mix", g)
            if block["mixing"] == "glu":
                a, c = m.chunk(2, -1)
                m = a * f(c)
            else:
                m = f(m) * {"linear": 1, "half glu 1": g, "half glu 2": y}[block["mixing"]]
        return self.map(f"{name}/project", m) if "width" in block else m

    def __call__(self, batch, training):
        """The answers to sequences (L, inputs); to pairs of them where two are compared."""
        stack = self.stack
        x = []
        for u in batch:
            if stack["encoder"] == "linear":
                x.append(self.map("encoder", u))
            elif stack["encoder"] == "none":
                x.append(u)
            else:
                rows = self.arrays["encoder/W"][u[:, 0].long()]
                if stack["encoder"] == "one-hot":
                    rows = rows + self.arrays["encoder/b"]
                if "zero_symbol" in stack:
                    rows = torch.where(u == stack["zero_symbol"], 0.0, rows)
                x.append(rows)
        for i, block in enumerate(self.blocks):
            name = f"block{i}"
            norm = lambda x: self.norm(f"{name}/norm", block["norm"], block["epsilon"], block["momentum"], x, training)
            before = block["place"] == "before"
            n = norm(x) if before else x
            base = {"input": x, "normed": n, "none": [0] * len(x)}[block["residual"]]
            x = [b + self.body(name, block, each) for b, each in zip(base, n)]
            if not before:
                x = norm(x)
        x = self.norm("norm", stack["norm"], stack["epsilon"], stack["momentum"], x, training)
        pool = {"mean": lambda x: x.mean(0, True), "sum": lambda x: x.sum(0, True), "first": lambda x: x[:1], "last": lambda x: x[-1:],
                "none": lambda x: x}[stack["pool"]]
        x = [pool(each) for each in x]
        if stack["compare"]:
            a, b = x
            x = [FUNCTIONS[stack["compare_activation"]](self.map("compare", torch.cat([a, b, a - b, a * b], -1)))]
        if stack["decoder"]:
            x = [self.map("decoder", each) for each in x]
        return [F.log_softmax(each, -1) for each in x] if stack["log_softmax"] else x


def write(path, tensors, metadata):
    header, blob = {"__metadata__": metadata}, b""
    for name, value in tensors.items():
        value = value.detach().numpy()
        data = np.ascontiguousarray(value, dtype="<f8").tobytes()
        shape = list(value.shape)
        inner = shape[:-1] if name.endswith("_ri") else shape
        while len(inner) > 1 and inner[-1] == 1 and not name.startswith("self_test"):
            inner = inner[:-1]
        header[name] = {"dtype": "F64", "shape": inner + shape[-1:] if name.endswith("_ri") else inner,
                        "data_offsets": [len(blob), len(blob) + len(data)]}
        blob += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + blob)


def main():
    folder = pathlib.Path(sys.argv[1])
    for seed, (name, (stack, blocks)) in enumerate(CASES.items()):
        rng = np.random.default_rng(seed)
        stack, blocks = STACK | stack, [BLOCK | block for block in blocks]
        model = Model(stack, blocks, rng)
        u = rng.integers(0, stack["symbols"], (L, 1)).astype(float) if stack["symbols"] else rng.standard_normal((L, stack["inputs"]))
        u = torch.tensor(u)
        batch = [u[: L // 2], u[L // 2:]] if stack["compare"] else [u]
        metadata = {"format": "ssm stack", "version": "3", "rate": "1", "source": f"torch {torch.__version__}, fp64"}
        metadata |= {key: str(value) for key, value in stack.items()} | {"blocks": str(len(blocks))}
        for i, block in enumerate(blocks):
            metadata |= {f"block{i}/{key}": str(value) for key, value in block.items()}
            if block["layer"] != "none":
                metadata |= {f"block{i}/ssm/states": str(N), f"block{i}/ssm/discretization": "zero-order hold"}
        [y] = model(batch, False)
        write(folder / f"{name}.safetensors", model.arrays | {"self_test/input": u, "self_test/output": y}, metadata)
        [y] = model(batch, True)  # moves the running statistics
        dy = torch.tensor(rng.standard_normal(y.shape))
        (y * dy).sum().backward()
        gradients = {f"gradient/{key}": value.grad for key, value in model.arrays.items() if value.grad is not None}
        running = {f"after/{key}": value for key, value in model.arrays.items() if "running" in key}
        write(folder / f"{name}.gradient.safetensors", gradients | running | {"y": y, "dy": dy},
              {"what": f"gradients of {name} in training", "tolerance_f64": "1e-9", "source": f"torch {torch.__version__}, fp64"})


if __name__ == "__main__":
    main()
