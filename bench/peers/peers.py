#!/usr/bin/env python3
"""What a user runs today instead of a C++ library: structured state space layers in PyTorch, JAX, numba and numpy on CPU.

    peers.py --list                                 the cases and their standard shapes
    peers.py --check                                every case against an fp64 reference, at a small shape
    peers.py --case 's4d.*' --threads 1 --json out.json
    peers.py --case s5.jax.scan --shape B=1,H=256,P=256,L=16384
    peers.py --accuracy                             float32 error of every form for dt = 1e-3, 1e-2, 1e-1

Each case is built in a process of its own (so that its memory is its own); the processes of one shape then take turns, one
round each, so that a slow minute of the machine falls on all of them alike. See README.md.
"""
import argparse, ctypes, fnmatch, json, math, os, platform, statistics, subprocess, sys, time

# ------------------------------------------------------------------------------------------------ registry
CASES = {}

S4D_SHAPES = ["B=1,H=256,N=64,L=1024", "B=1,H=256,N=64,L=16384", "B=16,H=256,N=64,L=1024", "B=1,H=64,N=64,L=131072"]
S5_SHAPES = ["B=1,H=256,P=256,L=16384", "B=1,H=64,P=256,L=16384", "B=1,H=64,P=64,L=16384", "B=16,H=256,P=256,L=1024",
             "B=16,H=64,P=64,L=1024"]
STEP_SHAPES = ["H=256,N=64"]
STEP5_SHAPES = ["H=256,P=256", "H=64,P=64"]
SCAN_SHAPES = ["P=256,L=65536"]
SMALL = {"s4d": "B=2,H=3,N=8,L=67", "s4": "B=2,H=3,N=8,L=64", "s5": "B=2,H=5,P=8,L=67", "scan": "P=5,L=67", "step": "H=3,N=8",
         "step5": "H=5,P=8", "train": "B=2,H=4,N=8,L=23", "hippo": "B=2,N=8,L=19"}
STEPS = 64  # a call of a step case makes this many steps, unless its shape says L


class Case:
    def __init__(self, name, kind, shapes, build, needs, bytes_needed=None, tol=1e-4):
        self.name, self.kind, self.shapes, self.build, self.needs = name, kind, shapes, build, needs
        self.bytes_needed, self.tol, self.doc = bytes_needed, tol, (build.__doc__ or "").strip()


def case(name, kind, shapes, needs=(), bytes_needed=None, tol=1e-4):
    def add(build):
        CASES[name] = Case(name, kind, shapes, build, needs, bytes_needed, tol)
        return build
    return add


def parse_shape(text):
    out = {}
    for part in text.split(","):
        key, value = part.split("=")
        out[key.strip()] = float(value) if key.strip() == "dt" else int(value)
    return out


def feature_steps(kind, s):
    """How many (feature, step) pairs one call computes: the unit of `ns per feature-step`."""
    if kind in ("s4d", "s4", "s5", "train"):
        return s["B"] * s["H"] * s["L"]
    if kind == "scan":
        return s["P"] * s["L"]
    if kind in ("step", "step5"):
        return s["H"] * s.get("L", STEPS)
    return s["B"] * s["L"]  # hippo: one scalar input per memory and step


# ------------------------------------------------------------------------------------------------ systems, all in fp64
import numpy as np


def rng_of(s):
    return np.random.default_rng(20240229 + sum(int(v * 1000) if k == "dt" else v for k, v in s.items()))


def time_steps(g, n, s):
    if "dt" in s:
        return np.full(n, s["dt"])
    return np.exp(g.uniform(math.log(1e-3), math.log(1e-1), n))


def f32(*arrays):
    """Round to single precision and return in double: what both sides take as exact."""
    out = []
    for a in arrays:
        a = np.asarray(a)
        out.append(a.astype(np.complex64).astype(np.complex128) if np.iscomplexobj(a) else a.astype(np.float32).astype(np.float64))
    return out


def hippo_legs(N):
    """A_nk = -sqrt((2n+1)(2k+1)) below the diagonal, -(n+1) on it; B_n = sqrt(2n+1)."""
    q = np.sqrt(2 * np.arange(N) + 1.0)
    return -np.tril(np.outer(q, q), -1) - np.diag(np.arange(N) + 1.0), q


def hippo_dplr(N):
    """A = V (diag(lam) - p p*) V*: the half of lam with positive imaginary part, p and b in that basis, and V's columns."""
    A, b = hippo_legs(N)
    p = np.sqrt(np.arange(N) + 0.5)
    skew = A + np.outer(p, p) + 0.5 * np.eye(N)
    skew = (skew - skew.T) / 2
    w, V = np.linalg.eigh(-1j * skew)
    keep = np.argsort(w)[N // 2:]
    V = V[:, keep]
    return -0.5 + 1j * w[keep], V.conj().T @ p, V.conj().T @ b, V


def s4d_system(s):
    """S4D-Lin: lam (H, M), c (H, M), D (H), log_dt (H), M = N/2 conjugate pairs, b = 1."""
    g, H, M = rng_of(s), s["H"], s["N"] // 2
    lam = np.tile(-0.5 + 1j * math.pi * np.arange(M), (H, 1))
    c = (g.standard_normal((H, M)) + 1j * g.standard_normal((H, M))) * math.sqrt(0.5)
    log_dt = np.log(time_steps(g, H, s))
    return dict(zip(("lam", "c", "D", "log_dt"), f32(lam, c, g.standard_normal(H), log_dt)), g=g)


def s4d_discrete(p):
    dt = np.exp(p["log_dt"])[:, None]
    z = dt * p["lam"]
    return np.exp(z), np.expm1(z) / p["lam"]


def diagonal_recurrence(a, b, c, D, u):
    """x = a x + b u, y = 2 Re(c x) + D u per feature; a, b, c (H, M), u (B, H, L)."""
    B, H, L = u.shape
    x, y = np.zeros((B, H, a.shape[1]), complex), np.empty(u.shape)
    for k in range(L):
        x = a * x + b * u[:, :, k, None]
        y[:, :, k] = 2 * (c * x).sum(-1).real + D * u[:, :, k]
    return y


def s4_system(s, L=None):
    """S4 from HiPPO-LegS: lam, p, b (M), c (H, M), D, log_dt (H); the discrete dense system (H, 2M, 2M) and C~ for length L."""
    g, H, N = rng_of(s), s["H"], s["N"]
    lam, p, b, _ = hippo_dplr(N)
    c = (g.standard_normal((H, N // 2)) + 1j * g.standard_normal((H, N // 2))) * math.sqrt(0.5)
    log_dt = np.log(time_steps(g, H, s))
    lam, p, b, c, D, log_dt = f32(lam, p, b, c, g.standard_normal(H), log_dt)
    both = lambda v: np.concatenate([v, v.conj()], -1)
    A = np.diag(both(lam)) - np.outer(both(p), both(p).conj())
    half = np.exp(log_dt)[:, None, None] / 2
    left = np.eye(N) - half * A
    Ab = np.linalg.solve(left, np.eye(N) + half * A)
    Bb = np.linalg.solve(left, np.broadcast_to(2 * half * both(b)[:, None], (H, N, 1)).astype(complex))[..., 0]
    out = dict(lam=lam, p=p, b=b, c=c, D=D, log_dt=log_dt, Ab=Ab, Bb=Bb, Cb=both(c), g=g)
    if L:
        out["ct"] = (both(c) - np.einsum("hn,hnm->hm", both(c), np.linalg.matrix_power(Ab, L)))[:, : N // 2]
    return out


def dense_recurrence(q, u):
    B, H, L = u.shape
    x, y = np.zeros((B, H, q["Bb"].shape[1]), complex), np.empty(u.shape)
    for k in range(L):
        x = np.einsum("hmn,bhn->bhm", q["Ab"], x) + q["Bb"] * u[:, :, k, None]
        y[:, :, k] = (q["Cb"] * x).sum(-1).real + q["D"] * u[:, :, k]
    return y


def s5_system(s):
    """S5: lam (M), B (M, H), C (H, M), D (H), log_dt (M), M = P/2 conjugate pairs."""
    g, H, P = rng_of(s), s["H"], s["P"]
    lam, _, _, V = hippo_dplr(P)
    Bt = V.conj().T @ (g.standard_normal((P, H)) / math.sqrt(H))
    Ct = (g.standard_normal((H, P)) / math.sqrt(P)) @ V
    log_dt = np.log(time_steps(g, P // 2, s))
    return dict(zip(("lam", "B", "C", "D", "log_dt"), f32(lam, Bt, Ct, g.standard_normal(H), log_dt)), g=g)


def s5_recurrence(p, u):
    z = np.exp(p["log_dt"]) * p["lam"]
    a, Bb = np.exp(z), (np.expm1(z) / p["lam"])[:, None] * p["B"]
    x, y = np.zeros((u.shape[0], len(a)), complex), np.empty(u.shape)
    for k in range(u.shape[1]):
        x = a * x + u[:, k] @ Bb.T
        y[:, k] = 2 * (x @ p["C"].T).real + p["D"] * u[:, k]
    return y


def signal(g, *shape):
    return f32(g.standard_normal(shape))[0]


def impulse(H, L):
    u = np.zeros((1, H, L))
    u[..., 0] = 1
    return u


# ------------------------------------------------------------------------------------------------ torch helpers
def torch_():
    import torch
    return torch


def tt(a):
    """numpy double -> torch single."""
    torch = torch_()
    return torch.tensor(a, dtype=torch.complex64 if np.iscomplexobj(a) else torch.float32)


def s4d_kernel(torch, lam, c, log_dt, L):
    """K_l = 2 Re sum_n c_n (e^{dt lam_n} - 1)/lam_n e^{l dt lam_n}: the whole (H, M, L) Vandermonde tensor is made."""
    z = lam * torch.exp(log_dt)[:, None]
    weight = c * (torch.exp(z) - 1.0) / lam
    powers = torch.exp(z[:, :, None] * torch.arange(L))
    return 2 * torch.einsum("hn,hnl->hl", weight, powers).real


def fft_conv(torch, u, K):
    n = 2 * u.shape[-1]
    return torch.fft.irfft(torch.fft.rfft(u, n=n) * torch.fft.rfft(K, n=n), n=n)[..., : u.shape[-1]]


def s4_kernel(torch, lam, p, b, ct, log_dt, omega, z, L):
    """Truncated generating function at the L roots of unity by four Cauchy sums, each a materialised tensor; Woodbury; irfft."""
    dt = torch.exp(log_dt)[:, None]
    rows = torch.stack([ct, p.conj().expand_as(ct)])
    cols = torch.stack([b.expand_as(ct), p.expand_as(ct)])
    v = rows[:, None] * cols[None] * dt
    w = lam * dt
    v, w = torch.cat([v, v.conj()], -1), torch.cat([w, w.conj()], -1)
    r = (v[..., None] / (z - w[..., None])).sum(-2)
    spectrum = (r[0, 0] - r[0, 1] * r[1, 0] / (1 + r[1, 1])) * 2 / (1 + omega)
    return torch.fft.irfft(spectrum, n=L)


def s4_nodes(L):
    omega = np.exp(-2j * np.pi * np.arange(L // 2 + 1) / L)
    return omega, 2 * (1 - omega) / (1 + omega)


# ------------------------------------------------------------------------------------------------ S4D
def vandermonde_bytes(s):
    return 3.2 * s["H"] * s["N"] / 2 * s["L"] * 8 + 12 * s["B"] * s["H"] * s["L"] * 4


@case("s4d.torch.naive", "s4d", S4D_SHAPES, ["torch"], vandermonde_bytes)
def _(s):
    """parameters -> K (materialised Vandermonde tensor) -> FFT convolution -> + D u"""
    torch, p = torch_(), s4d_system(s)
    u64 = signal(p["g"], s["B"], s["H"], s["L"])
    lam, c, D, log_dt, u = map(tt, (p["lam"], p["c"], p["D"], p["log_dt"], u64))

    @torch.no_grad()
    def run():
        return fft_conv(torch, u, s4d_kernel(torch, lam, c, log_dt, s["L"])) + D[:, None] * u
    a, b = s4d_discrete(p)
    return run, lambda: diagonal_recurrence(a, b, p["c"], p["D"], u64)


@case("s4d.torch.kernel", "s4d", S4D_SHAPES[:2], ["torch"], vandermonde_bytes)
def _(s):
    """parameters -> K only (B is not used)"""
    torch, p = torch_(), s4d_system(s)
    lam, c, log_dt = map(tt, (p["lam"], p["c"], p["log_dt"]))

    @torch.no_grad()
    def run():
        return s4d_kernel(torch, lam, c, log_dt, s["L"])
    a, b = s4d_discrete(p)
    return run, lambda: diagonal_recurrence(a, b, p["c"], 0 * p["D"], impulse(s["H"], s["L"]))[0]


@case("s4d.torch.cached_fft", "s4d", S4D_SHAPES, ["torch"])
def _(s):
    """the kernel's spectrum is kept: rfft, product, irfft, + D u"""
    torch, p = torch_(), s4d_system(s)
    u64, L = signal(p["g"], s["B"], s["H"], s["L"]), s["L"]
    a, b = s4d_discrete(p)
    step = max(1, (64 << 20) // (16 * a.shape[1] * L))
    K = np.concatenate([2 * np.einsum("hn,hnl->hl", (p["c"] * b)[h:h + step], np.exp(np.log(a[h:h + step])[..., None] * np.arange(L))).real
                        for h in range(0, s["H"], step)])
    D, u, Kf = tt(p["D"]), tt(u64), torch.fft.rfft(torch.tensor(K), n=2 * L).to(torch.complex64)
    del K

    @torch.no_grad()
    def run():
        return torch.fft.irfft(torch.fft.rfft(u, n=2 * L) * Kf, n=2 * L)[..., :L] + D[:, None] * u
    return run, lambda: diagonal_recurrence(a, b, p["c"], p["D"], u64)


@case("s4d.torch.compiled", "s4d", S4D_SHAPES, ["torch"], None)
def _(s):
    """as naive, but the kernel in real arithmetic (exp, cos, sin, sum) under torch.compile, which fuses it: nothing is materialised"""
    torch, p = torch_(), s4d_system(s)
    u64, L = signal(p["g"], s["B"], s["H"], s["L"]), s["L"]
    lam, c, D, log_dt, u = map(tt, (p["lam"], p["c"], p["D"], p["log_dt"], u64))

    @torch.compile(dynamic=False)
    def kernel(zr, zi, wr, wi):
        l = torch.arange(L, dtype=torch.float32)
        phase = zi[:, :, None] * l
        return 2 * (torch.exp(zr[:, :, None] * l) * (wr[:, :, None] * torch.cos(phase) - wi[:, :, None] * torch.sin(phase))).sum(1)

    @torch.no_grad()
    def run():
        z = lam * torch.exp(log_dt)[:, None]
        w = c * (torch.exp(z) - 1.0) / lam
        return fft_conv(torch, u, kernel(z.real.contiguous(), z.imag.contiguous(), w.real.contiguous(), w.imag.contiguous())) + D[:, None] * u
    run()
    a, b = s4d_discrete(p)
    return run, lambda: diagonal_recurrence(a, b, p["c"], p["D"], u64)


@case("s4d.jax.naive", "s4d", S4D_SHAPES, ["jax"], None)
def _(s):
    """the naive form, jitted: XLA decides what is materialised"""
    jax, jnp = jax_()
    p = s4d_system(s)
    u64, L = signal(p["g"], s["B"], s["H"], s["L"]), s["L"]

    def layer(lam, c, D, log_dt, u):
        z = lam * jnp.exp(log_dt)[:, None]
        weight = c * (jnp.exp(z) - 1.0) / lam
        K = 2 * jnp.einsum("hn,hnl->hl", weight, jnp.exp(z[:, :, None] * jnp.arange(L))).real
        return jnp.fft.irfft(jnp.fft.rfft(u, n=2 * L) * jnp.fft.rfft(K, n=2 * L), n=2 * L)[..., :L] + D[:, None] * u
    run = compiled(jax, layer, *map(jj, (p["lam"], p["c"], p["D"], p["log_dt"], u64)))
    a, b = s4d_discrete(p)
    return run, lambda: diagonal_recurrence(a, b, p["c"], p["D"], u64)


@case("s4d.numba.recurrence", "s4d", S4D_SHAPES, ["numba"])
def _(s):
    """parameters -> discretization -> recurrence in float32, fastmath; 64 features in the inner loop, blocks of time, layout (B, L, H), threads over blocks"""
    import numba
    p = s4d_system(s)
    u64 = signal(p["g"], s["B"], s["H"], s["L"])
    H, M, L, W, T = s["H"], s["N"] // 2, s["L"], 64 if s["H"] >= 128 else 32, 64
    Hp = -(-H // W) * W
    pad = lambda v: np.concatenate([v, np.zeros((Hp - H,) + v.shape[1:], v.dtype)])
    u = np.zeros((s["B"], L, Hp), np.float32)
    u[:, :, :H] = u64.transpose(0, 2, 1)
    D, y = pad(p["D"]).astype(np.float32), np.empty_like(u)
    lam, c, log_dt = p["lam"].astype(np.complex64), p["c"].astype(np.complex64), p["log_dt"].astype(np.float32)

    @numba.njit(parallel=True, fastmath=True, boundscheck=False)
    def go(ar, ai, cr, ci, D, u, y):
        blocks = u.shape[2] // W
        for job in numba.prange(u.shape[0] * blocks):
            i, h0 = job // blocks, (job % blocks) * W
            d, xr, xi = D[h0:h0 + W], np.zeros((M, W), np.float32), np.zeros((M, W), np.float32)
            for t0 in range(0, L, T):
                n = min(T, L - t0)
                for t in range(t0, t0 + n):
                    v, o = u[i, t, h0:h0 + W], y[i, t, h0:h0 + W]
                    for w in range(W):
                        o[w] = d[w] * v[w]
                for m in range(M):
                    a, b, e, f = ar[m, h0:h0 + W], ai[m, h0:h0 + W], cr[m, h0:h0 + W], ci[m, h0:h0 + W]
                    p, q = xr[m], xi[m]
                    for t in range(t0, t0 + n):
                        v, o = u[i, t, h0:h0 + W], y[i, t, h0:h0 + W]
                        for w in range(W):
                            r = a[w] * p[w] - b[w] * q[w] + v[w]
                            k = a[w] * q[w] + b[w] * p[w]
                            p[w] = r
                            q[w] = k
                            o[w] += e[w] * r - f[w] * k

    def run():
        z = lam * np.exp(log_dt)[:, None]
        a, k = np.exp(z), 2 * c * np.expm1(z) / lam
        split = lambda v: (np.ascontiguousarray(pad(v.real).T), np.ascontiguousarray(pad(v.imag).T))
        go(*split(a), *split(k), D, u, y)
        return y[:, :, :H].transpose(0, 2, 1)
    run()
    a, b = s4d_discrete(p)
    return run, lambda: diagonal_recurrence(a, b, p["c"], p["D"], u64)


@case("s4d.torch.fwdbwd", "s4d", S4D_SHAPES[:3], ["torch"], lambda s: 2.2 * vandermonde_bytes(s), tol=1e-3)
def _(s):
    """naive form, forward and backward: gradients of <w, y> for lam, c, D, log_dt and u"""
    torch, p = torch_(), s4d_system(s)
    u64, w64 = signal(p["g"], s["B"], s["H"], s["L"]), signal(p["g"], s["B"], s["H"], s["L"])

    def gradients(double):
        leaf = lambda v: torch.tensor(v, dtype=(torch.complex128 if np.iscomplexobj(v) else torch.float64) if double else
                                      (torch.complex64 if np.iscomplexobj(v) else torch.float32), requires_grad=True)
        lam, c, D, log_dt, u = leaves = [leaf(p[k]) for k in ("lam", "c", "D", "log_dt")] + [leaf(u64)]
        w = leaf(w64).detach()

        def run():
            y = fft_conv(torch, u, s4d_kernel(torch, lam, c, log_dt, s["L"])) + D[:, None] * u
            return torch.autograd.grad((y * w).sum(), leaves)
        return run

    def reference():
        lam, c, D, log_dt, u = leaves = [torch.tensor(v, requires_grad=True) for v in (p["lam"], p["c"], p["D"], p["log_dt"], u64)]
        z = lam * torch.exp(log_dt)[:, None]
        a, b = torch.exp(z), (torch.exp(z) - 1) / lam
        x, loss = 0, 0
        for k in range(s["L"]):
            x = a * x + b * u[:, :, k, None]
            loss = loss + ((2 * (c * x).sum(-1).real + D * u[:, :, k]) * torch.tensor(w64[:, :, k])).sum()
        return torch.autograd.grad(loss, leaves)
    return gradients(False), reference


# ------------------------------------------------------------------------------------------------ S4
def cauchy_bytes(s):
    return 1.25 * (4 + 1.2) * s["H"] * s["N"] * (s["L"] / 2 + 1) * 8


@case("s4.torch.kernel", "s4", S4D_SHAPES[:2], ["torch"], cauchy_bytes, tol=5e-4)
def _(s):
    """C~ given -> four Cauchy sums (materialised tensor of both conjugate halves) -> Woodbury -> irfft (B is not used)"""
    torch, q = torch_(), s4_system(s, s["L"])
    lam, p, b, ct, log_dt = map(tt, (q["lam"], q["p"], q["b"], q["ct"], q["log_dt"]))
    omega, z = map(tt, s4_nodes(s["L"]))

    @torch.no_grad()
    def run():
        return s4_kernel(torch, lam, p, b, ct, log_dt, omega, z, s["L"])
    return run, lambda: dense_recurrence(dict(q, D=0 * q["D"]), impulse(s["H"], s["L"]))[0]


@case("s4.torch.layer", "s4", S4D_SHAPES, ["torch"], cauchy_bytes, tol=5e-4)
def _(s):
    """kernel as above -> FFT convolution -> + D u"""
    torch, q = torch_(), s4_system(s, s["L"])
    u64 = signal(q["g"], s["B"], s["H"], s["L"])
    lam, p, b, ct, log_dt, D, u = map(tt, (q["lam"], q["p"], q["b"], q["ct"], q["log_dt"], q["D"], u64))
    omega, z = map(tt, s4_nodes(s["L"]))

    @torch.no_grad()
    def run():
        return fft_conv(torch, u, s4_kernel(torch, lam, p, b, ct, log_dt, omega, z, s["L"])) + D[:, None] * u
    return run, lambda: dense_recurrence(q, u64)


@case("s4.jax.kernel", "s4", [S4D_SHAPES[0], S4D_SHAPES[1], S4D_SHAPES[3]], ["jax"], None, tol=5e-4)
def _(s):
    """the kernel, jitted: XLA may fuse the Cauchy sums and then materialises nothing (B is not used)"""
    jax, jnp = jax_()
    q, L = s4_system(s, s["L"]), s["L"]
    omega, z = map(jj, s4_nodes(L))

    def kernel(lam, p, b, ct, log_dt):
        dt = jnp.exp(log_dt)[:, None]
        v = jnp.stack([ct * b, ct * p, jnp.broadcast_to(p.conj() * b, ct.shape), jnp.broadcast_to(p.conj() * p, ct.shape)]) * dt
        w = lam * dt
        v, w = jnp.concatenate([v, v.conj()], -1), jnp.concatenate([w, w.conj()], -1)
        r = (v[..., None] / (z - w[..., None])).sum(-2)
        return jnp.fft.irfft((r[0] - r[1] * r[2] / (1 + r[3])) * 2 / (1 + omega), n=L)
    run = compiled(jax, kernel, *map(jj, (q["lam"], q["p"], q["b"], q["ct"], q["log_dt"])))
    return run, lambda: dense_recurrence(dict(q, D=0 * q["D"]), impulse(s["H"], s["L"]))[0]


# ------------------------------------------------------------------------------------------------ S5
def jax_():
    import jax, jax.numpy as jnp
    return jax, jnp


def jj(a):
    _, jnp = jax_()
    return jnp.asarray(a, dtype=jnp.complex64 if np.iscomplexobj(a) else jnp.float32)


def compiled(jax, f, *args):
    """Compiled before anything is measured; the call waits for its result."""
    exe = jax.jit(f).lower(*args).compile()
    return lambda: jax.block_until_ready(exe(*args))


def combine(left, right):
    return right[0] * left[0], right[0] * left[1] + right[1]


def s5_forward(jax, jnp, how, lam, B, C, D, log_dt, u):
    """One sequence u (L, H). The input is promoted to complex, as both peers do."""
    z = lam * jnp.exp(log_dt)
    a, Bb = jnp.exp(z), ((jnp.exp(z) - 1) / lam)[:, None] * B
    bu = u.astype(B.dtype) @ Bb.T
    if how == "assoc":
        _, x = jax.lax.associative_scan(combine, (jnp.broadcast_to(a, bu.shape), bu))
    else:
        def body(x, v):
            x = a * x + v
            return x, x
        _, x = jax.lax.scan(body, jnp.zeros_like(a), bu)
    return 2 * (x @ C.T).real + D * u


def s5_jax_case(how):
    def build(s):
        jax, jnp = jax_()
        p = s5_system(s)
        u64 = signal(p["g"], s["B"], s["L"], s["H"])
        keys = ("lam", "B", "C", "D", "log_dt")
        one = lambda *a: s5_forward(jax, jnp, how, *a)
        f = jax.vmap(one, (None,) * 5 + (0,))
        return compiled(jax, f, *[jj(p[k]) for k in keys], jj(u64)), lambda: s5_recurrence(p, u64)
    build.__doc__ = f"parameters -> zero-order hold -> complex B u -> {'lax.associative_scan' if how == 'assoc' else 'lax.scan'} -> 2 Re(C x) + D u, jitted; batch by vmap"
    return build


def s5_jax_grad_case(how):
    def build(s):
        jax, jnp = jax_()
        p = s5_system(s)
        u64, w64 = signal(p["g"], s["B"], s["L"], s["H"]), signal(p["g"], s["B"], s["L"], s["H"])
        parts = [p["lam"].real, p["lam"].imag, p["B"].real, p["B"].imag, p["C"].real, p["C"].imag, p["D"], p["log_dt"], u64]

        def loss(w, lr, li, br, bi, cr, ci, D, log_dt, u):
            one = lambda u: s5_forward(jax, jnp, how, lr + 1j * li, br + 1j * bi, cr + 1j * ci, D, log_dt, u)
            return (w * jax.vmap(one)(u)).sum()
        run = compiled(jax, jax.grad(loss, tuple(range(1, 10))), jj(w64), *map(jj, parts))

        def reference():
            torch = torch_()
            lr, li, br, bi, cr, ci, D, log_dt, u = leaves = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in parts]
            lam, B, C = torch.complex(lr, li), torch.complex(br, bi), torch.complex(cr, ci)
            z = lam * torch.exp(log_dt)
            a, Bb = torch.exp(z), ((torch.exp(z) - 1) / lam)[:, None] * B
            x, total = 0, 0
            for k in range(s["L"]):
                x = a * x + u[:, k].to(Bb.dtype) @ Bb.T
                total = total + ((2 * (x @ C.T).real + D * u[:, k]) * torch.tensor(w64[:, k])).sum()
            return torch.autograd.grad(total, leaves)
        return run, reference
    build.__doc__ = f"forward and backward of <w, y> for all parameters and u, {how}, jitted"
    return build


for how in ("assoc", "scan"):
    case(f"s5.jax.{how}", "s5", S5_SHAPES, ["jax"])(s5_jax_case(how))
    case(f"s5.jax.fwdbwd_{how}", "s5", S5_SHAPES[:2] + S5_SHAPES[3:4], ["jax"], tol=1e-3)(s5_jax_grad_case(how))


def s5_package(P_of):
    def build(s):
        import contextlib, io
        from s5 import S5
        torch, p = torch_(), s5_system(s)
        with contextlib.redirect_stdout(io.StringIO()):
            model = S5(s["H"], P_of(s["P"]))
        u64 = signal(p["g"], s["B"], s["L"], s["H"])
        u = tt(u64)

        @torch.no_grad()
        def run():
            return model(u)

        def reference():
            n = model.seq
            q = lambda v: v.detach().numpy().astype(np.complex128 if v.is_complex() else np.float64)
            Bt = q(n.B)[..., 0] + 1j * q(n.B)[..., 1]
            # no conjugate symmetry in the package: y = Re(C x), hence C / 2 for the recurrence above, which doubles
            return s5_recurrence(dict(lam=q(n.Lambda), B=Bt, C=q(n.C) / 2, D=q(n.D), log_dt=q(n.log_step)), u64)
        return run, reference
    return build


build = s5_package(lambda P: P)
build.__doc__ = "the package s5-pytorch: S5(width=H, state_width=P), forward; it has no conjugate symmetry, so P complex modes"
case("s5.package", "s5", S5_SHAPES, ["torch", "s5"], tol=1e-3)(build)
build = s5_package(lambda P: P // 2)
build.__doc__ = "the same with state_width=P/2: half the state, for the arithmetic of P/2 conjugate pairs"
case("s5.package_half", "s5", S5_SHAPES[:1], ["torch", "s5"], tol=1e-3)(build)


@case("s5.numba.unfused", "s5", S5_SHAPES, ["numba"])
def _(s):
    """what a careful user writes: real sgemm (numpy) with real and imaginary parts stacked, numba scan in place, real sgemm"""
    import numba
    p = s5_system(s)
    u64, M = signal(p["g"], s["B"], s["L"], s["H"]), s["P"] // 2
    u, D = u64.astype(np.float32), p["D"].astype(np.float32)

    @numba.njit(parallel=True, fastmath=True, boundscheck=False)
    def scan(ar, ai, x):
        B, L, W = x.shape[0], x.shape[1], 32
        blocks = -(-M // W)
        for job in numba.prange(B * blocks):
            i, m0 = job // blocks, (job % blocks) * W
            m1 = min(M, m0 + W)
            for t in range(1, L):
                for m in range(m0, m1):
                    r = ar[m] * x[i, t - 1, m] - ai[m] * x[i, t - 1, M + m] + x[i, t, m]
                    q = ar[m] * x[i, t - 1, M + m] + ai[m] * x[i, t - 1, m] + x[i, t, M + m]
                    x[i, t, m] = r
                    x[i, t, M + m] = q

    def run():
        z = p["lam"] * np.exp(p["log_dt"])
        a, Bb = np.exp(z), (np.expm1(z) / p["lam"])[:, None] * p["B"]
        W1 = np.concatenate([Bb.real, Bb.imag]).astype(np.float32)
        W2 = np.concatenate([2 * p["C"].real, -2 * p["C"].imag], 1).astype(np.float32)
        x = u @ W1.T
        scan(a.real.astype(np.float32), a.imag.astype(np.float32), x)
        y = x @ W2.T
        y += D * u
        return y
    run()
    return run, lambda: s5_recurrence(p, u64)


@case("limit.sgemm.blas", "s5", S5_SHAPES, [])
def _(s):
    """the two real matrix products of S5 as whole ones by numpy's BLAS: a limit, not a peer (no reference)"""
    g, rows = rng_of(s), s["B"] * s["L"]
    make = lambda *n: g.standard_normal(n, np.float32)
    u, B, C = make(rows, s["H"]), make(s["H"], s["P"]), make(s["P"], s["H"])
    x, y = np.empty((rows, s["P"]), np.float32), np.empty((rows, s["H"]), np.float32)

    def run():
        np.matmul(u, B, out=x)
        np.matmul(x, C, out=y)
        return y
    return run, None


# ------------------------------------------------------------------------------------------------ attention
@case("attention.torch", "s4d", ["B=1,H=256,L=1024", "B=1,H=256,L=4096", "B=1,H=256,L=16384"], ["torch"])
def _(s):
    """causal self-attention, 4 heads: Linear(H, 3H), scaled_dot_product_attention, Linear(H, H); not a state space layer (no reference)"""
    torch = torch_()
    H, heads = s["H"], 4
    into, out = torch.nn.Linear(H, 3 * H), torch.nn.Linear(H, H)
    u = torch.randn(s["B"], s["L"], H)

    @torch.no_grad()
    def run():
        q, k, v = into(u).view(s["B"], s["L"], 3, heads, H // heads).permute(2, 0, 3, 1, 4)
        y = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return out(y.transpose(1, 2).reshape(s["B"], s["L"], H))
    return run, None


# ------------------------------------------------------------------------------------------------ bare scan
def scan_problem(s):
    g, P, L = rng_of(s), s["P"], s["L"]
    z = time_steps(g, P, s) * (-0.5 + 1j * math.pi * np.arange(P))
    a, = f32(np.exp(z))
    v = (g.standard_normal((L, P), np.float32) + 1j * g.standard_normal((L, P), np.float32)).astype(np.complex64)

    def reference():
        x, out = np.zeros(P, complex), np.empty((L, P), complex)
        for k in range(L):
            x = a * x + v[k]
            out[k] = x
        return out
    return a, v, reference


def scan_jax_case(how):
    def build(s):
        jax, jnp = jax_()
        a, v, reference = scan_problem(s)

        def f(a, v):
            if how == "assoc":
                return jax.lax.associative_scan(combine, (jnp.broadcast_to(a, v.shape), v))[1]

            def body(x, w):
                x = a * x + w
                return x, x
            return jax.lax.scan(body, jnp.zeros_like(a), v)[1]
        return compiled(jax, f, jj(a), jj(v)), reference
    build.__doc__ = f"x_k = a x_(k-1) + v_k, P complex modes, v (L, P) given: jax lax.{'associative_scan' if how == 'assoc' else 'scan'}, jitted"
    return build


for how in ("assoc", "scan"):
    case(f"scan.jax.{how}", "scan", SCAN_SHAPES, ["jax"])(scan_jax_case(how))


@case("scan.torch.loop", "scan", SCAN_SHAPES, ["torch"])
def _(s):
    """a Python loop of torch.addcmul over the steps"""
    torch = torch_()
    a64, v64, reference = scan_problem(s)
    a, v = tt(a64), tt(v64)

    @torch.no_grad()
    def run():
        out = torch.empty_like(v)
        x = torch.zeros_like(a)
        for row_in, row_out in zip(v.unbind(0), out.unbind(0)):
            x = torch.addcmul(row_in, a, x, out=row_out)
        return out
    return run, reference


@case("scan.numba", "scan", SCAN_SHAPES, ["numba"])
def _(s):
    """numba, real and imaginary parts apart, threads over blocks of 32 modes"""
    import numba
    a, v, reference = scan_problem(s)
    vr, vi = np.ascontiguousarray(v.real), np.ascontiguousarray(v.imag)

    @numba.njit(parallel=True, fastmath=True, boundscheck=False)
    def go(ar, ai, vr, vi, xr, xi):
        L, P = vr.shape
        for job in numba.prange(-(-P // 32)):
            m0, m1 = job * 32, min(P, job * 32 + 32)
            sr, si = np.zeros(32, np.float32), np.zeros(32, np.float32)
            for t in range(L):
                for m in range(m0, m1):
                    r = ar[m] * sr[m - m0] - ai[m] * si[m - m0] + vr[t, m]
                    q = ar[m] * si[m - m0] + ai[m] * sr[m - m0] + vi[t, m]
                    sr[m - m0] = r
                    si[m - m0] = q
                    xr[t, m] = r
                    xi[t, m] = q

    ar, ai = a.real.astype(np.float32), a.imag.astype(np.float32)

    class Pair:  # joined only when looked at
        def __init__(self, r, i):
            self.r, self.i = r, i

        def __array__(self, dtype=None, copy=None):
            return self.r + 1j * self.i

    def run():
        xr, xi = np.empty_like(vr), np.empty_like(vi)
        go(ar, ai, vr, vi, xr, xi)
        return Pair(xr, xi)
    run()
    return run, reference


# ------------------------------------------------------------------------------------------------ steps
def step_signal(p, s):
    return signal(p["g"], 1, s["H"], s.get("L", STEPS))


def chunk_runner(steps, reset):
    """A call of a timed step case goes on from where the last one stopped; its first call starts from zero."""
    state = [reset()]

    def run():
        state[0], ys = steps(state[0])
        return ys
    return run


@case("step.s4d.torch", "step", STEP_SHAPES, ["torch"])
def _(s):
    """S4D, one step: x = a x + b u; y = 2 Re sum c x + D u; (H, M) complex tensors, the discretization kept"""
    torch, p = torch_(), s4d_system(s)
    u64 = step_signal(p, s)
    a64, b64 = s4d_discrete(p)
    a, b, c, D, u = tt(a64), tt(b64), tt(2 * p["c"]), tt(p["D"]), tt(u64[0].T.copy()).unbind(0)

    @torch.no_grad()
    def steps(x):
        ys = []
        for v in u:
            x = a * x + b * v[:, None]
            ys.append(torch.einsum("hn,hn->h", c, x).real + D * v)
        return x, ys
    return chunk_runner(steps, lambda: torch.zeros_like(a)), lambda: diagonal_recurrence(a64, b64, p["c"], p["D"], u64)[0].T


@case("step.s4d.jax", "step", STEP_SHAPES, ["jax"])
def _(s):
    """the same, one jitted call per step, waiting for each output"""
    jax, jnp = jax_()
    p = s4d_system(s)
    u64 = step_signal(p, s)
    a64, b64 = s4d_discrete(p)
    a, b, c, D = jj(a64), jj(b64), jj(2 * p["c"]), jj(p["D"])
    us = [jj(v) for v in u64[0].T]

    def one(a, b, c, D, x, v):
        x = a * x + b * v[:, None]
        return x, (c * x).sum(-1).real + D * v
    exe = jax.jit(one).lower(a, b, c, D, jnp.zeros_like(a), us[0]).compile()

    def steps(x):
        ys = []
        for v in us:
            x, y = exe(a, b, c, D, x, v)
            ys.append(jax.block_until_ready(y))
        return x, ys
    return chunk_runner(steps, lambda: jnp.zeros_like(a)), lambda: diagonal_recurrence(a64, b64, p["c"], p["D"], u64)[0].T


@case("step.s4d.numba", "step", STEP_SHAPES, ["numba"])
def _(s):
    """the same in numba: one call per step, one thread, real and imaginary parts apart, features in the inner loop"""
    import numba
    p = s4d_system(s)
    u64 = step_signal(p, s)
    a64, b64 = s4d_discrete(p)
    k64 = 2 * p["c"] * b64  # b taken into c
    split = lambda v: (np.ascontiguousarray(v.real.T).astype(np.float32), np.ascontiguousarray(v.imag.T).astype(np.float32))
    (ar, ai), (kr, ki) = split(a64), split(k64)
    D, us = p["D"].astype(np.float32), [np.ascontiguousarray(v).astype(np.float32) for v in u64[0].T]

    @numba.njit(fastmath=True, boundscheck=False)
    def one(ar, ai, kr, ki, D, xr, xi, v, y):
        M, H = ar.shape
        for h in range(H):
            y[h] = D[h] * v[h]
        for m in range(M):
            for h in range(H):
                r = ar[m, h] * xr[m, h] - ai[m, h] * xi[m, h] + v[h]
                q = ar[m, h] * xi[m, h] + ai[m, h] * xr[m, h]
                xr[m, h] = r
                xi[m, h] = q
                y[h] += kr[m, h] * r - ki[m, h] * q

    def steps(x):
        ys = []
        for v in us:
            y = np.empty_like(v)
            one(ar, ai, kr, ki, D, x[0], x[1], v, y)
            ys.append(y)
        return x, ys
    zero = lambda: (np.zeros_like(ar), np.zeros_like(ai))
    steps(zero())
    return chunk_runner(steps, zero), lambda: diagonal_recurrence(a64, b64, p["c"], p["D"], u64)[0].T


@case("step.s4.torch.dense", "step", STEP_SHAPES, ["torch"], tol=5e-4)
def _(s):
    """S4, one step with the dense A_bar (H, N, N) complex, both conjugate halves: the default of the original code"""
    torch, q = torch_(), s4_system(s)
    u64 = step_signal(q, s)
    Ab, Bb, Cb, D, u = tt(q["Ab"]), tt(q["Bb"]), tt(q["Cb"]), tt(q["D"]), tt(u64[0].T.copy()).unbind(0)

    @torch.no_grad()
    def steps(x):
        ys = []
        for v in u:
            x = torch.einsum("hmn,bhn->bhm", Ab, x) + Bb * v[:, None]  # without the batch axis torch takes a path 3 times slower
            ys.append(torch.einsum("hn,bhn->bh", Cb, x)[0].real + D * v)
        return x, ys
    return chunk_runner(steps, lambda: torch.zeros_like(Bb)[None]), lambda: dense_recurrence(q, u64)[0].T


@case("step.s4.torch.linear", "step", STEP_SHAPES, ["torch"], tol=5e-4)
def _(s):
    """S4, one O(N) step: forward half-step by diagonal minus rank one, backward half-step by Woodbury, half the conjugates"""
    torch, q = torch_(), s4_system(s)
    u64 = step_signal(q, s)
    two = 2 / np.exp(q["log_dt"])[:, None]
    lam, p, b = q["lam"], q["p"], q["b"]
    E64, R64 = two + lam, 1 / (two - lam)
    gain = 1 / (1 + 2 * (np.abs(p) ** 2 * R64).sum(-1, keepdims=True).real)  # 1 / (1 + q* D p), over both halves
    E, R, G, pt, pc, bt, c2, D = tt(E64), tt(R64), tt(gain * R64 * p), tt(p), tt(p.conj()), tt(2 * b), tt(2 * q["c"]), tt(q["D"])
    pr = tt(p.conj() * R64)
    u = tt(u64[0].T.copy()).unbind(0)

    @torch.no_grad()
    def steps(x):
        ys = []
        for v in u:
            r = E * x - pt * (2 * (pc * x).sum(-1, keepdim=True).real) + bt * v[:, None]
            x = R * r - G * (2 * (pr * r).sum(-1, keepdim=True).real)
            ys.append((c2 * x).sum(-1).real + D * v)
        return x, ys
    return chunk_runner(steps, lambda: torch.zeros_like(E)), lambda: dense_recurrence(q, u64)[0].T


@case("step.s5.torch", "step5", STEP5_SHAPES, ["torch"])
def _(s):
    """S5, one step: x = a x + B u, y = 2 Re(C x) + D u; complex matrix-vector products, the discretization kept"""
    torch, p = torch_(), s5_system(s)
    u64 = signal(p["g"], 1, s.get("L", STEPS), s["H"])
    z = p["lam"] * np.exp(p["log_dt"])
    a, Bb, C, D = tt(np.exp(z)), tt((np.expm1(z) / p["lam"])[:, None] * p["B"]), tt(2 * p["C"]), tt(p["D"])
    u = tt(u64[0]).unbind(0)

    @torch.no_grad()
    def steps(x):
        ys = []
        for v in u:
            x = a * x + Bb @ v.to(Bb.dtype)
            ys.append((C @ x).real + D * v)
        return x, ys
    return chunk_runner(steps, lambda: torch.zeros_like(a)), lambda: s5_recurrence(p, u64)[0]


# ------------------------------------------------------------------------------------------------ training
@case("train.s4d.torch", "train", ["B=32,H=64,N=64,L=784", "B=1,H=64,N=64,L=16384"], ["torch"], tol=1e-3)
def _(s):
    """one AdamW step of a classifier: Linear(1,H), 4 x [LayerNorm, S4D naive, GELU, Linear H->2H, GLU, +], mean over time, Linear(H,10)"""
    torch, p = torch_(), s4d_system(s)
    nn, F = torch.nn, torch.nn.functional
    B, H, M, L = s["B"], s["H"], s["N"] // 2, s["L"]

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.mix = nn.LayerNorm(H), nn.Linear(H, 2 * H)
            self.log_re, self.im = nn.Parameter(torch.full((H, M), math.log(0.5))), nn.Parameter(math.pi * torch.arange(M).expand(H, M).clone())
            self.c, self.D = nn.Parameter(torch.randn(H, M, 2) * math.sqrt(0.5)), nn.Parameter(torch.randn(H))
            self.log_dt = nn.Parameter(torch.rand(H) * math.log(100.0) + math.log(1e-3))

        def forward(self, x):
            u = self.norm(x).transpose(1, 2)
            K = s4d_kernel(torch, torch.complex(-torch.exp(self.log_re), self.im), torch.view_as_complex(self.c), self.log_dt, L)
            y = F.gelu(fft_conv(torch, u, K) + self.D[:, None] * u)
            return x + F.glu(self.mix(y.transpose(1, 2)), -1)

    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(1, H), *[Block() for _ in range(4)])
    head = nn.Linear(H, 10)
    both = nn.ModuleList([model, head])
    x, label = tt(signal(p["g"], B, L, 1)), torch.arange(B) % 10
    import copy
    twin = copy.deepcopy(both).double()
    optimizer = torch.optim.AdamW(both.parameters(), lr=1e-3)

    def run():
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(head(model(x).mean(1)), label)
        loss.backward()
        grads = [p.grad for p in both.parameters()] if L < 100 else []
        optimizer.step()
        return [loss.detach()] + grads

    def reference():
        loss = F.cross_entropy(twin[1](twin[0](x.double()).mean(1)), label)
        return [loss.detach()] + list(torch.autograd.grad(loss, list(twin.parameters())))
    return run, reference


# ------------------------------------------------------------------------------------------------ HiPPO-LegS memory
HIPPO_SHAPES = ["B=1,N=64,L=1024", "B=1,N=256,L=1024", "B=16,N=256,L=1024"]


def hippo_reference(N, u):
    A, b = hippo_legs(N)
    x = np.zeros((u.shape[0], N))
    for k in range(1, u.shape[1] + 1):
        left, right = np.eye(N) - A / (2 * k), np.eye(N) + A / (2 * k)
        x = np.linalg.solve(left, (x @ right.T + np.outer(u[:, k - 1], b) / k).T).T
    return x


@case("hippo.numpy.stacked", "hippo", HIPPO_SHAPES, [], lambda s: 6 * s["L"] * s["N"] ** 2 * 4)
def _(s):
    """memory of B signals: c_k = A_k c_(k-1) + B_k u_k (bilinear), all L dense A_k made beforehand, as the original Python does"""
    from scipy.linalg import solve_triangular
    g, N, L = rng_of(s), s["N"], s["L"]
    u64 = signal(g, s["B"], L)
    A, b = hippo_legs(N)
    As, Bs = np.empty((L, N, N), np.float32), np.empty((L, N), np.float32)
    for k in range(1, L + 1):
        left = np.eye(N) - A / (2 * k)
        As[k - 1] = solve_triangular(left, np.eye(N) + A / (2 * k), lower=True).T
        Bs[k - 1] = solve_triangular(left, b / k, lower=True)
    u = u64.astype(np.float32)

    def run():
        x = np.zeros((s["B"], N), np.float32)
        for k in range(L):
            x = x @ As[k] + u[:, k, None] * Bs[k]
        return x
    return run, lambda: hippo_reference(N, u64)


@case("hippo.numpy.online", "hippo", HIPPO_SHAPES, [])
def _(s):
    """the same without tables: O(N) right-hand side by cumulative sums, then a dense triangular solve per step"""
    from scipy.linalg.blas import strsm
    g, N, L = rng_of(s), s["N"], s["L"]
    u64 = signal(g, s["B"], L)
    A64, b64 = hippo_legs(N)
    A, b, n1 = np.asfortranarray(A64, np.float32), b64.astype(np.float32)[:, None], np.arange(1, N + 1, dtype=np.float32)[:, None]
    eye, u = np.asfortranarray(np.eye(N, dtype=np.float32)), u64.astype(np.float32)

    def run():
        x = np.zeros((N, s["B"]), np.float32)
        for k in range(1, L + 1):
            h = np.float32(0.5 / k)
            bx = b * x
            r = x - h * (b * (np.cumsum(bx, 0) - bx) + n1 * x) + (2 * h * b) * u[:, k - 1]
            x = strsm(np.float32(1), eye - h * A, r, lower=1)
        return x.T
    return run, lambda: hippo_reference(N, u64)


@case("hippo.numba", "hippo", HIPPO_SHAPES, ["numba"])
def _(s):
    """the same in O(N) per step: numba, one thread, signals outermost"""
    import numba
    g, N, L = rng_of(s), s["N"], s["L"]
    u64 = signal(g, s["B"], L)
    b, u = hippo_legs(N)[1].astype(np.float32), u64.astype(np.float32)

    @numba.njit(fastmath=True, boundscheck=False)
    def go(b, u, x):
        for i in range(u.shape[0]):
            for k in range(1, u.shape[1] + 1):
                h, v = np.float32(0.5 / k), np.float32(u[i, k - 1] / k)
                before, after = np.float32(0), np.float32(0)
                for n in range(x.shape[1]):
                    d = h * np.float32(n + 1)
                    y = (x[i, n] - h * b[n] * before - d * x[i, n] + v * b[n] - h * b[n] * after) / (np.float32(1) + d)
                    before += b[n] * x[i, n]
                    after += b[n] * y
                    x[i, n] = y

    def run():
        x = np.zeros((s["B"], N), np.float32)
        go(b, u, x)
        return x
    run()
    return run, lambda: hippo_reference(N, u64)


# ------------------------------------------------------------------------------------------------ measuring
def as_vector(out):
    if isinstance(out, (list, tuple)):
        return np.concatenate([as_vector(v) for v in out])
    if hasattr(out, "detach"):
        out = out.detach().resolve_conj().numpy()
    out = np.asarray(out)
    if np.iscomplexobj(out):
        out = np.stack([out.real, out.imag], -1)
    return out.astype(np.float64).ravel()


def relative_error(got, want):
    """Largest difference over the largest value; a list (gradients) is compared part by part and the worst is returned."""
    if isinstance(want, (list, tuple)) and len(got) == len(want) and not np.isscalar(want[0]) and hasattr(want[0], "shape"):
        return max(relative_error(x, y) for x, y in zip(got, want))
    x, y = as_vector(got), as_vector(want)
    if x.shape != y.shape:
        raise ValueError(f"sizes differ: {x.shape} and {y.shape}")
    return float(np.abs(x - y).max() / max(np.abs(y).max(), 1e-30)) if np.isfinite(x).all() else math.inf


def status_kib(key):
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(key))


def first_call_memory(run):
    """Peak of resident memory during one call, less what was resident before it (inputs and parameters are, outputs are not)."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except AttributeError:
        pass
    before = status_kib("VmRSS:")
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5")
    start = time.perf_counter()
    out = run()
    elapsed = time.perf_counter() - start
    peak = status_kib("VmHWM:")
    del out
    return (peak - before) / 1024, elapsed


def available_bytes():
    with open("/proc/meminfo") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("MemAvailable"))


def set_threads(needs, threads):
    if "torch" in needs:
        import torch
        torch.set_num_threads(threads)
        try:
            torch.set_num_interop_threads(1)
        except RuntimeError:
            pass
    if "numba" in needs:
        import numba
        numba.set_num_threads(threads)


def worker(name, shape, threads):
    """Build, tell the memory, then one line of seconds for every line `go` on standard input."""
    c, s = CASES[name], parse_shape(shape)
    out = sys.stdout
    sys.stdout = sys.stderr
    say = lambda **kw: (out.write(json.dumps(kw) + "\n"), out.flush())
    need = c.bytes_needed(s) if c.bytes_needed else 0
    if need > 0.9 * available_bytes():
        return say(error=f"needs about {need / 2**30:.1f} GiB, {available_bytes() / 2**30:.1f} available")
    try:
        set_threads(c.needs, threads)
        run, _ = c.build(s)
        mib, elapsed = first_call_memory(run)
    except Exception as e:  # an absent package, a compiler that is missing: the other cases go on
        return say(error=f"{type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}"[:200])
    inner, once = 1, elapsed
    if elapsed < 1:
        start = time.perf_counter()
        run()
        once = time.perf_counter() - start
    if once < 0.01:
        inner = min(1000, max(1, int(0.01 / max(once, 1e-7))))
    say(peak_mib=mib, first_s=elapsed, second_s=once, inner=inner)
    for line in sys.stdin:
        if line.strip() != "go":
            break
        start = time.perf_counter()
        for _ in range(inner):
            run()
        say(s=(time.perf_counter() - start) / inner)


def environment(threads):
    cpus = sorted(os.sched_getaffinity(0))
    env = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS=str(threads),
               NUMBA_NUM_THREADS=str(threads), JAX_PLATFORMS="cpu", PYTHONWARNINGS="ignore")
    if threads == 1:
        env["XLA_FLAGS"] = (env.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false").strip()
    return env, set(cpus[-threads:])


def start_worker(name, shape, threads, settings={}):
    """Starts a case in a process of its own; `settings` are environment variables beside ours."""
    env, cpus = environment(threads)
    for key, value in settings.items():
        env[key] = " ".join(filter(None, [env.get(key, "") if key == "XLA_FLAGS" else "", value]))
    proc = subprocess.Popen([sys.executable, SCRIPT, *SCRIPT_ARGUMENTS, "--worker", name, "--shape", shape, "--threads", str(threads)],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env, stderr=subprocess.PIPE if not VERBOSE else None,
                            preexec_fn=lambda: os.sched_setaffinity(0, cpus))
    line = proc.stdout.readline()
    info = json.loads(line) if line else {"error": "died: " + ((proc.stderr.read() if proc.stderr else "") or "").strip()[-200:]}
    if "error" in info:
        stop_worker(proc)
    return proc, info


def stop_worker(proc):
    try:
        proc.stdin.close()
    except OSError:
        pass
    proc.wait()


def measure_group(names, shape, threads, rounds, budget):
    """All cases of one shape: built one after the other, then timed in turns."""
    rows, live = {}, []
    for name in names:
        proc, info = start_worker(name, shape, threads)
        rows[name] = dict(case=name, shape=shape, threads=threads, load=os.getloadavg()[0], **info)
        if "error" not in info:
            per_round = info["second_s"] * info["inner"]
            live.append((name, proc, max(3, min(rounds, int(budget / max(per_round, 1e-9))))))
        print(f"  built {name} {shape}: " + (info.get("error") or f"first call {info['first_s'] * 1e3:.1f} ms"), file=sys.stderr)
    times = {name: [] for name, _, _ in live}
    for r in range(rounds):
        for name, proc, n in live:
            if r < n:
                proc.stdin.write("go\n")
                proc.stdin.flush()
                line = proc.stdout.readline()
                if line:
                    times[name].append(json.loads(line)["s"])
    for name, proc, _ in live:
        stop_worker(proc)
        t = times[name]
        if not t:
            rows[name]["error"] = "died while timed"
            continue
        rows[name].update(rounds=len(t), min_ms=min(t) * 1e3, median_ms=statistics.median(t) * 1e3, max_ms=max(t) * 1e3,
                          ns_per_feature_step=statistics.median(t) * 1e9 / feature_steps(CASES[name].kind, parse_shape(shape)), all_ms=[x * 1e3 for x in t])
        if CASES[name].kind in ("step", "step5"):
            rows[name]["us_per_step"] = statistics.median(t) * 1e6 / parse_shape(shape).get("L", STEPS)
    return [rows[name] for name in names]


def packages():
    import importlib.metadata as m
    out = {}
    for name in ("numpy", "scipy", "torch", "jax", "jaxlib", "numba", "s5-pytorch"):
        try:
            out[name] = m.version(name)
        except m.PackageNotFoundError:
            out[name] = None
    return out


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith(("model name", "Model"))), platform.machine())
    return dict(cpu=model, cpus=sorted(os.sched_getaffinity(0)), load=os.getloadavg(), python=platform.python_version(), packages=packages(),
                time=time.strftime("%Y-%m-%d %H:%M"))


def checks(names, small, tolerance=True):
    bad = []
    for name in names:
        c = CASES[name]
        for shape in small(c):
            try:
                run, reference = c.build(parse_shape(shape))
                if reference is None:
                    print(f"{name:26s} {shape:32s} has no reference: timed only")
                    continue
                error = relative_error(run(), reference())
            except ImportError as e:
                print(f"{name:26s} {shape:32s} skipped: {e}")
                continue
            ok = error <= c.tol or not tolerance
            if not ok:
                bad.append(name)
            print(f"{name:26s} {shape:32s} relative error {error:.2e}{'' if not tolerance else '  ok' if ok else f'  FAILED (> {c.tol})'}", flush=True)
    return bad


ACCURACY = {"s4d": "B=1,H=4,N=64,L=4096", "s4": "B=1,H=4,N=64,L=4096", "s5": "B=1,H=16,P=64,L=4096", "scan": "P=64,L=4096", "step": "H=4,N=64,L=4096",
            "step5": "H=16,P=64,L=4096"}
VERBOSE = bool(os.environ.get("PEERS_VERBOSE"))
SCRIPT, SCRIPT_ARGUMENTS = os.path.abspath(__file__), []  # what a worker runs; a script that adds cases of its own sets both


def main(arguments=None):
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--case", default="all", help="a name, a pattern such as 's5.*', several by commas, or all")
    a.add_argument("--shape", action="append", help="B=1,H=256,N=64,L=1024: instead of the case's standard shapes; may be repeated")
    a.add_argument("--threads", type=int, default=1)
    a.add_argument("--rounds", type=int, default=15)
    a.add_argument("--budget", type=float, default=30, help="seconds per case and shape: slow ones make fewer rounds, at least 3")
    a.add_argument("--json", help="write everything measured to this file")
    a.add_argument("--list", action="store_true")
    a.add_argument("--check", action="store_true")
    a.add_argument("--accuracy", action="store_true")
    a.add_argument("--worker", help="build this one case and answer `go` lines; for scripts that take turns with it")
    o = a.parse_args(arguments)
    if o.worker:
        return worker(o.worker, o.shape[0], o.threads)
    patterns = ["*"] if o.case == "all" else o.case.split(",")
    names = [n for n in CASES if any(fnmatch.fnmatch(n, p) for p in patterns)]
    if not names:
        sys.exit(f"no case matches {o.case!r}; --list shows them")
    if o.list:
        for n in names:
            print(f"{n:24s} {CASES[n].doc}\n{'':24s} {'  '.join(CASES[n].shapes)}")
        return
    if o.check or o.accuracy:
        if o.check:
            bad = checks(names, lambda c: [SMALL[c.kind]])
        else:
            bad = checks([n for n in names if CASES[n].kind in ACCURACY and "fwdbwd" not in n and n != "s5.package_half"],
                         lambda c: [f"{ACCURACY[c.kind]},dt={dt}" for dt in (1e-3, 1e-2, 1e-1)], tolerance=False)
        sys.exit(f"failed: {', '.join(bad)}" if bad else 0)
    groups = {}
    for n in names:
        for shape in o.shape or CASES[n].shapes:
            groups.setdefault((CASES[n].kind if CASES[n].kind != "step5" else "step", shape), []).append(n)
    rows, about = [], machine()
    print(f"{about['cpu']}, {o.threads} thread(s), load {about['load'][0]:.2f}; " + ", ".join(f"{k} {v}" for k, v in about["packages"].items() if v))
    print(f"{'case':24s} {'shape':26s} {'median ms':>10s} {'min ms':>10s} {'rounds':>6s} {'peak MiB':>9s} {'ns/feat-step':>12s}")
    for (_, shape), members in groups.items():
        for r in measure_group(members, shape, o.threads, o.rounds, o.budget):
            rows.append(r)
            if "error" in r:
                print(f"{r['case']:24s} {shape:26s} {r['error']}", flush=True)
            else:
                print(f"{r['case']:24s} {shape:26s} {r['median_ms']:10.3f} {r['min_ms']:10.3f} {r['rounds']:6d} {r['peak_mib']:9.1f} {r['ns_per_feature_step']:12.3f}"
                      + (f"  {r['us_per_step']:.2f} us/step" if "us_per_step" in r else ""), flush=True)
        if o.json:
            with open(o.json + ".tmp", "w") as f:
                json.dump(dict(machine=about, threads=o.threads, rows=rows), f, indent=1)
            os.replace(o.json + ".tmp", o.json)


if __name__ == "__main__":
    main()
