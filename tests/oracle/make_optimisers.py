"""make_optimisers -- optimisers.npz: 20 steps of Muon and SOAP along given gradients, in float64.

Muon is torch.optim.Muon itself, with its Newton-Schulz iterations in float64 where it has bfloat16, and torch.optim.Adam for what
is no matrix. SOAP is written from its paper (arXiv:2409.11321, algorithm 3) and its authors' implementation (github.com/nikhilvyas/SOAP),
whose moment, kept in the basis, is turned back before each change of the bases and into them afterwards."""
import inspect
import math

import numpy as np
import torch
from torch.optim import _muon

from common import write_arrays

STEPS = 20
# Matrices in their order in the network, then a bias. The longer sides, above the limit of 6, have no basis: where a gradient has
# fewer rows than columns, the eigenvectors of G^T G with eigenvalue 0 are not determined.
SHAPES = {"square": (6, 6), "wide": (4, 9), "tall": (9, 4), "last": (3, 7), "bias": (5,)}
LIMIT = 6


def cosine(step, first, last=1e-6):
    return last + (first - last) / 2 * (1 + math.cos(math.pi * step / STEPS))


def in_double(function):
    """The function of torch.optim._muon, with float64 in the place of bfloat16."""
    source = inspect.getsource(function)
    assert source.count("bfloat16, copy") == 1
    names = dict(vars(_muon))
    exec(source.replace("bfloat16, copy", "float64, copy"), names)
    return names[function.__name__]


_muon._zeropower_via_newtonschulz = in_double(_muon._zeropower_via_newtonschulz)


def muon(start, gradients, matrices, rate, rest, decay, momentum):
    p = {name: torch.tensor(x, dtype=torch.float64, requires_grad=True) for name, x in start.items()}
    others = [x for name, x in p.items() if name not in matrices]
    whole = torch.optim.Muon([p[name] for name in matrices], lr=rate, momentum=momentum, weight_decay=decay, eps=1e-30)
    adam = torch.optim.AdamW(others, lr=rate * rest, betas=(0.9, 0.999), eps=1e-8, weight_decay=0)
    made = []
    for step in range(STEPS):
        whole.param_groups[0]["lr"] = cosine(step, rate)
        adam.param_groups[0]["lr"] = cosine(step, rate) * rest
        for name, x in p.items():
            x.grad = torch.tensor(gradients[name][step], dtype=torch.float64)
        for x in others:  # Adam's own decay goes with its own rate; weft's goes with the learning rate
            x.data.mul_(1 - cosine(step, rate) * decay)
        whole.step()
        adam.step()
        made.append({name: x.detach().numpy().copy() for name, x in p.items()})
    return made


class Soap:
    """One parameter; a side without a basis has None."""

    def __init__(self, p, betas, eps, decay, every, preconditioned):
        self.p, self.betas, self.eps, self.decay, self.every = p.astype(np.float64), betas, eps, decay, every
        self.m, self.v, self.t = np.zeros_like(self.p), np.zeros_like(self.p), 0
        sides = self.p.shape if preconditioned else ()
        self.gg = [np.zeros((n, n)) if n <= LIMIT else None for n in sides]
        self.q = None

    def turn(self, x, back=False):
        for axis, q in enumerate(self.q or []):
            if q is not None:
                x = np.moveaxis(np.tensordot(x, q.T if back else q, axes=([axis], [0])), -1, axis)
        return x

    def follow(self, g):
        for axis, gg in enumerate(self.gg):
            if gg is not None:
                gg += (1 - self.betas[1]) * ((g @ g.T if axis == 0 else g.T @ g) - gg)

    def refresh(self):
        for axis, (gg, q) in enumerate(zip(self.gg, self.q)):
            if gg is None:
                continue
            order = np.argsort(-np.diag(q.T @ gg @ q), kind="stable")
            self.v = np.take(self.v, order, axis)
            self.q[axis] = np.linalg.qr(gg @ q[:, order])[0]

    def step(self, g, rate, rest):
        if self.q is None:  # the first step only makes the bases
            self.follow(g)
            self.q = [None if gg is None else np.linalg.eigh(gg)[1][:, ::-1] for gg in self.gg]
            return
        self.t += 1
        (b1, b2), turned = self.betas, self.turn(g)
        self.m = b1 * self.m + (1 - b1) * turned
        self.v = b2 * self.v + (1 - b2) * turned**2
        size = rate * rest * math.sqrt(1 - b2**self.t) / (1 - b1**self.t)
        keep = 1 - rate * self.decay  # the reference decays after the step, also what has no bases; weft there before, as AdamW
        self.p = self.p * (1 if self.gg else keep) - size * self.turn(self.m / (np.sqrt(self.v) + self.eps), back=True)
        self.p = self.p * (keep if self.gg else 1)
        moment = self.turn(self.m, back=True)
        self.follow(g)
        if self.t % self.every == 0:
            self.refresh()
        self.m = self.turn(moment)


def soap(start, gradients, matrices, rate, rest, decay, every):
    p = {name: Soap(x, (0.95, 0.95), 1e-8, decay, every, name in matrices) for name, x in start.items()}
    made = []
    for step in range(STEPS):
        for name, one in p.items():
            one.step(gradients[name][step].astype(np.float64), cosine(step, rate), 1 if name in matrices else rest)
        made.append({name: one.p.copy() for name, one in p.items()})
    return made


def make():
    rng = np.random.default_rng(47)
    start = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in SHAPES.items()}
    drift = {name: rng.standard_normal(shape) for name, shape in SHAPES.items()}
    sizes = np.exp(rng.uniform(-5, 0, STEPS))
    gradients = {name: np.stack([(size * (0.6 * d + rng.standard_normal(d.shape))).astype(np.float32) for size in sizes])
                 for name, d in drift.items()}
    arrays = {**{f"start.{name}": x for name, x in start.items()}, **{f"gradient.{name}": g for name, g in gradients.items()}}
    everything, inner = ["square", "wide", "tall", "last"], ["wide", "tall"]
    runs = {"muon": muon(start, gradients, everything, 0.02, 0.1, 0, 0.95),
            "muon_not_last": muon(start, gradients, everything[:-1], 0.05, 0.25, 0.1, 0.9),
            "muon_hidden": muon(start, gradients, inner, 0.02, 0.1, 0, 0.95),
            "soap": soap(start, gradients, everything, 0.01, 1, 0, 10),
            "soap_often": soap(start, gradients, everything, 0.01, 0.5, 0.1, 3),
            "soap_hidden": soap(start, gradients, inner, 0.01, 1, 0, 10)}
    for name, made in runs.items():
        for part in SHAPES:
            arrays[f"{name}.{part}"] = np.stack([p[part] for p in made]).astype(np.float32)
    write_arrays("optimisers", arrays)


if __name__ == "__main__":
    make()
