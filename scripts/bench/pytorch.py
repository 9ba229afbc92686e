#!/usr/bin/python3
"""pytorch -- PyTorch's side of scripts/bench/engine: the same work as tests/bench/bench.c, written as one would write it.

usage: pytorch.py forward|distil NETWORK [BATCH]
       pytorch.py recon NETWORK HIDDEN

Eager mode, no_grad where no gradient is needed, BENCH_THREADS threads (all cores), convolutions in contiguous and in channels-last
memory, of which the faster counts. Prints one line of JSON. The recon step predicts all kernels without gradient for the loss, then
the batch of 4096 with gradient, and takes a Ranger step (RAdam and Lookahead with gradient centralisation).
"""
import json
import math
import os
import resource
import sys
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

SECONDS = float(os.environ.get("BENCH_SECONDS", "2"))


class Block(nn.Module):
    def __init__(self, before, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.added = stride, width - before

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.stride > 1 or self.added:
            half = self.added // 2
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, self.added - half))
        return F.relu(y + x)


class ResNet(nn.Module):
    def __init__(self, channels, widths, blocks, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        before = widths[0]
        for s in range(3):
            stage = []
            for b in range(blocks[s]):
                stage.append(Block(before, widths[s], 2 if s and not b else 1))
                before = widths[s]
            setattr(self, f"layer{s + 1}", nn.Sequential(*stage))
        self.linear = nn.Linear(before, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean(dim=(2, 3)))


def load(path):
    state = torch.load(path, map_location="cpu")
    state = state.get("state_dict", state)
    state = {name.removeprefix("module."): value for name, value in state.items()}
    blocks = [1 + max(int(n.split(".")[1]) for n in state if n.startswith(f"layer{s}.")) for s in (1, 2, 3)]
    widths = [state[f"layer{s}.0.conv1.weight"].shape[0] for s in (1, 2, 3)]
    net = ResNet(state["conv1.weight"].shape[1], widths, blocks, state["linear.weight"].shape[0])
    net.load_state_dict(state, strict=False)
    return net.eval()


def measure(step):
    step()
    seconds, begun = [], time.perf_counter()
    while len(seconds) < 5 or time.perf_counter() - begun < SECONDS:
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)[len(seconds) // 2]


def images(net, batch):
    channels = net.conv1.weight.shape[1]
    size = 28 if channels == 1 else 32
    return torch.rand(batch, channels, size, size)


def forward(path, batch, layout):
    net = load(path).to(memory_format=layout)
    x = images(net, batch).contiguous(memory_format=layout)

    def step():
        with torch.no_grad():
            net(x)

    return measure(step)


def distil(path, batch, layout):
    teacher, student = load(path).to(memory_format=layout), load(path).to(memory_format=layout)
    x = images(student, batch).contiguous(memory_format=layout)
    wanted = [p for n, p in student.named_parameters() if p.dim() == 4]
    for p in student.parameters():
        p.requires_grad_(p.dim() == 4)

    def step():
        with torch.no_grad():
            target = F.softmax(teacher(x), dim=1)
        loss = F.kl_div(F.log_softmax(student(x), dim=1), target, reduction="batchmean")
        torch.autograd.grad(loss, wanted)

    return measure(step)


class Ranger:
    """RAdam with decoupled weight decay, Lookahead and gradient centralisation, over PyTorch's batched tensor functions."""

    def __init__(self, params, betas=(0.5, 0.999), eps=1e-5, wd=1e-3, k=6, alpha=0.5):
        self.p = list(params)
        self.m = [torch.zeros_like(p) for p in self.p]
        self.v = [torch.zeros_like(p) for p in self.p]
        self.slow = [p.detach().clone() for p in self.p]
        self.t, self.h = 0, (betas, eps, wd, k, alpha)

    @torch.no_grad()
    def step(self, grads, lr):
        (b1, b2), eps, wd, k, alpha = self.h
        self.t += 1
        t = self.t
        limit = 2 / (1 - b2) - 1
        length = limit - 2 * t * b2**t / (1 - b2**t)
        grads = [g - g.mean(dim=1, keepdim=True) if g.dim() > 1 else g for g in grads]
        torch._foreach_mul_(self.m, b1)
        torch._foreach_add_(self.m, grads, alpha=1 - b1)
        torch._foreach_mul_(self.v, b2)
        torch._foreach_addcmul_(self.v, grads, grads, 1 - b2)
        torch._foreach_mul_(self.p, 1 - wd * lr)
        if length > 5:
            size = math.sqrt((1 - b2**t) * (length - 4) / (limit - 4) * (length - 2) / length * limit / (limit - 2))
            below = torch._foreach_sqrt(self.v)
            torch._foreach_add_(below, eps)
            torch._foreach_addcdiv_(self.p, self.m, below, -lr * size / (1 - b1**t))
        else:
            torch._foreach_add_(self.p, self.m, alpha=-lr / (1 - b1**t))
        if t % k == 0:
            for p, s in zip(self.p, self.slow):
                s.add_(p - s, alpha=alpha)
                p.copy_(s)


def recon(path, hidden):
    convs = [p for p in load(path).parameters() if p.dim() == 4]
    rows = []
    for layer, w in enumerate(convs):
        f, c = np.meshgrid(np.arange(w.shape[0]), np.arange(w.shape[1]), indexing="ij")
        rows.append(np.stack([np.full(f.size, layer), f.ravel(), c.ravel()], 1))
    index = torch.tensor(np.concatenate(rows)).double()
    angle = index[:, :, None] * (torch.tensor(0.76, dtype=torch.float64) ** torch.arange(40)) * math.pi
    encoded = torch.stack([angle.sin(), angle.cos()], -1).reshape(len(index), -1).float()
    target = torch.cat([w.detach().reshape(-1, 9) for w in convs])
    sizes = [240, hidden, hidden, hidden, hidden, 9]
    layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
    params = list(layers.parameters())
    optimiser = Ranger(params)

    def predict(x):
        for layer in layers[:-1]:
            x = F.relu(layer(x))
        return layers[-1](x)

    def step():
        with torch.no_grad():
            loss = (predict(encoded) - target).square().mean().sqrt()
        batch = torch.randperm(len(encoded))[:4096]
        y = predict(encoded[batch])
        delta = (y.detach() - target[batch]) / (target.numel() * loss)
        optimiser.step(torch.autograd.grad(y, params, delta), 5e-3)

    return measure(step)


def main():
    kind, path = sys.argv[1], sys.argv[2]
    number = int(sys.argv[3]) if len(sys.argv) > 3 else 256
    torch.set_num_threads(int(os.environ.get("BENCH_THREADS", os.cpu_count())))
    torch.manual_seed(1)
    if kind == "recon":
        seconds, layout = recon(path, number), "-"
    else:
        run = {"forward": forward, "distil": distil}[kind]
        layouts = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
        wanted = os.environ.get("BENCH_LAYOUT")
        found = {n: run(path, number, f) for n, f in layouts.items() if wanted in (None, n)}
        layout = min(found, key=found.get)
        seconds = found[layout]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"case": kind, "seconds": seconds, "layout": layout, "threads": torch.get_num_threads(),
                      "torch": torch.__version__, "peak_mb": round(peak, 1)}))


if __name__ == "__main__":
    main()
