"""Makes tests/golden/own: systems as matrices, and what scipy answers. Run by hand: python3 own.py FOLDER, with numpy and scipy.

A, B, C, D are continuous, A_bar and B_bar their zero-order hold at dt (a filter that is discrete from the start has these alone).
y is scipy.signal.dlsim of u, response that of dfreqresp at omega, from every input to every output; poles are sorted.
"""
import json
import pathlib
import sys

import numpy as np
import scipy
from scipy import signal


def write(path, tensors, metadata):
    header, blob = {"__metadata__": metadata}, b""
    for name, value in tensors.items():
        if np.iscomplexobj(value):
            name, value = name + "_ri", np.stack([value.real, value.imag], -1)
        data = np.ascontiguousarray(value, dtype="<f8").tobytes()
        header[name] = {"dtype": "F64", "shape": list(np.shape(value)), "data_offsets": [len(blob), len(blob) + len(data)]}
        blob += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + blob)


def case(folder, name, what, rng, discrete, dt, continuous=None, length=50):
    A_bar, B_bar, C, D = discrete
    u = rng.standard_normal((length, B_bar.shape[1]))
    _, y, _ = signal.dlsim((A_bar, B_bar, C, D, dt), u)
    omega = np.array([0.0, 0.01, 0.3, 1.0, 2.5, np.pi])
    response = np.empty((len(omega), C.shape[0], B_bar.shape[1]), complex)
    for i in range(B_bar.shape[1]):
        for o in range(C.shape[0]):
            one = signal.dlti(A_bar, B_bar[:, i : i + 1], C[o : o + 1], D[o : o + 1, i : i + 1], dt=dt)
            response[:, o, i] = signal.dfreqresp(one, omega)[1]
    poles = np.sort_complex(np.linalg.eigvals(A_bar))
    tensors = dict(A_bar=A_bar, B_bar=B_bar, C=C, D=D, dt=np.array([dt]), u=u, y=y.reshape(length, -1), omega=omega,
                   response=response, poles=poles.astype(complex))
    if continuous is not None:
        tensors |= dict(A=continuous[0], B=continuous[1])
    write(folder / f"{name}.safetensors", tensors,
          {"what": what, "tolerance_f64": "1e-10", "source": f"scipy {scipy.__version__}"})


def main():
    folder = pathlib.Path(sys.argv[1])
    rng = np.random.default_rng(16)
    for name, N, inputs, outputs, dt in (("siso", 4, 1, 1, 0.1), ("mimo", 5, 2, 3, 0.05), ("wide", 3, 4, 1, 0.2), ("square", 6, 2, 2, 0.1)):
        A = rng.standard_normal((N, N))
        A -= (np.linalg.eigvals(A).real.max() + 0.5) * np.eye(N)
        continuous = A, rng.standard_normal((N, inputs)), rng.standard_normal((outputs, N)), rng.standard_normal((outputs, inputs))
        A_bar, B_bar, C, D, _ = signal.cont2discrete(continuous, dt, "zoh")
        case(folder, name, f"a random system of {N} states, {inputs} inputs, {outputs} outputs", rng, (A_bar, B_bar, C, D), dt, continuous)
    numbers = signal.butter(4, 0.2)
    case(folder, "butterworth", "a Butterworth low pass of order 4, cut at a fifth of the Nyquist frequency", rng,
         signal.tf2ss(*numbers), 1.0)


main()
