#!/usr/bin/python3
"""pytorch -- the peers' side of scripts/bench/engine: the same work as tests/bench/bench.c, written as one would write it.

usage: pytorch.py forward|distil NETWORK [BATCH]
       pytorch.py recon NETWORK HIDDEN [SEL]
       pytorch.py phase2|joint NETWORK HIDDEN cifar10:FOLDER:train
       pytorch.py fit NETWORK BATCH cifar10:FOLDER:train
       pytorch.py fgsm NETWORK BATCH cifar10:FOLDER:test
       pytorch.py landscape NETWORK GRID cifar10:FOLDER:test

Every form is tried, the fastest counts, and its name is printed; BENCH_FORM chooses one. Forms of work on images: eager mode and
torch.compile, each in contiguous and in channels-last memory; of forward passes also torch.compile with frozen weights, and onnxruntime
with the network as PyTorch exports it. Forms of recon: eager mode and torch.compile. What fails to run here is left out and named on
standard error. No_grad where no gradient is needed, BENCH_THREADS threads (all cores). Prints one line of JSON.

NETWORK: a ResNet for CIFAR or, where the file's name begins with torchvision_, that network of torchvision. The recon step predicts all
kernels without gradient for the loss, 65,536 at a time, then the batch of 4096 (65,536 of networks with more than 5 million predicted
weights) with gradient, and takes a Ranger step (RAdam and Lookahead with gradient centralisation). SEL: names of layers with wildcards,
separated by commas; smaller kernels than the largest are the centre of what is predicted. phase2 and joint evaluate the batch with
gradient and the others without, run the network with the predicted weights, and load their images: crop and flip of a whole batch by
indexing, in the same thread. fgsm takes the gradient with respect to the pixels, moves them by 2/255 and evaluates what comes out,
batch by batch. landscape sets the weights and evaluates all images, point by point; its time is that of a point times the points.
"""
import contextlib
import fnmatch
import glob
import json
import math
import os
import resource
import sys
import tempfile
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.stateless import functional_call

SECONDS = float(os.environ.get("BENCH_SECONDS", "2"))


class Block(nn.Module):
    def __init__(self, before, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.added = stride, width - before

    def forward(self, x, maps):
        y = self.bn1(self.conv1(x))
        maps.append(y)
        y = self.bn2(self.conv2(F.relu(y)))
        maps.append(y)
        if self.stride > 1 or self.added:
            half = self.added // 2
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, self.added - half))
        y = y + x
        maps.append(y)
        return F.relu(y)


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

    def forward(self, x, maps=None):
        """Logits; adds the maps before each ReLU to `maps`."""
        maps = [] if maps is None else maps
        x = self.bn1(self.conv1(x))
        maps.append(x)
        x = F.relu(x)
        for stage in (self.layer1, self.layer2, self.layer3):
            for block in stage:
                x = block(x, maps)
        return self.linear(x.mean(dim=(2, 3)))


def read(path):
    if path.endswith(".safetensors"):
        from safetensors.torch import load_file

        return load_file(path)
    state = torch.load(path, map_location="cpu", weights_only=True)
    state = state.get("state_dict", state)
    return {name.removeprefix("module."): value for name, value in state.items()}


def load(path):
    state = read(path)
    name = os.path.basename(path)
    if name.startswith("torchvision_"):
        import torchvision

        net = getattr(torchvision.models, name.removeprefix("torchvision_").removesuffix(".safetensors"))()
        net.load_state_dict(state)
        net.image = (3, 224, 224)
        return net.eval()
    blocks = [1 + max(int(n.split(".")[1]) for n in state if n.startswith(f"layer{s}.")) for s in (1, 2, 3)]
    widths = [state[f"layer{s}.0.conv1.weight"].shape[0] for s in (1, 2, 3)]
    net = ResNet(state["conv1.weight"].shape[1], widths, blocks, state["linear.weight"].shape[0])
    net.load_state_dict(state, strict=False)
    channels = state["conv1.weight"].shape[1]
    net.image = (1, 28, 28) if channels == 1 else (3, 32, 32)
    return net.eval()


CPU = {}  # what all threads computed in a step, on average, by the median time of the step


def measure(step):
    step()
    seconds, begun, computed = [], time.perf_counter(), time.process_time()
    while not seconds or time.perf_counter() - begun < (SECONDS if len(seconds) >= 5 else 5 * SECONDS):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    median = sorted(seconds)[len(seconds) // 2]
    CPU[median] = (time.process_time() - computed) / len(seconds)
    return median


class Form:
    """How a case is run: the memory layout of maps, and what makes a function of one (torch.compile or nothing)."""

    def __init__(self, name):
        self.layout = torch.channels_last if name.endswith("channels last") else torch.contiguous_format
        self.compile = torch.compile if name.startswith("compiled") or name == "frozen" else lambda f: f

    def network(self, path):
        return load(path).to(memory_format=self.layout)

    def pixels(self, net, batch):
        return torch.rand(batch, *net.image).contiguous(memory_format=self.layout)


def forward(path, batch, form):
    net = form.network(path)
    x = form.pixels(net, batch)
    run = form.compile(lambda x: net(x))

    def step():
        with torch.no_grad():
            run(x)

    return measure(step)


def frozen(path, batch):
    import torch._inductor.config

    torch._inductor.config.freezing = True
    return forward(path, batch, Form("frozen"))


def onnx(path, batch):
    import onnxruntime

    net, form = load(path), Form("onnxruntime")
    x = form.pixels(net, batch)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        file = os.path.join(folder, "network.onnx")
        torch.onnx.export(net, (x,), file, dynamo=True, external_data=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: x.numpy()}
    return measure(lambda: session.run(None, feed))


def distil(path, batch, form):
    teacher, student = form.network(path), form.network(path)
    x = form.pixels(student, batch)
    wanted = [p for n, p in student.named_parameters() if p.dim() == 4]
    for p in student.parameters():
        p.requires_grad_(p.dim() == 4)
    teach = form.compile(lambda x: F.softmax(teacher(x), dim=1))
    lose = form.compile(lambda x, target: F.kl_div(F.log_softmax(student(x), dim=1), target, reduction="batchmean"))

    def step():
        with torch.no_grad():
            target = teach(x)
        torch.autograd.grad(lose(x, target), wanted)

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


class Nern:
    """A predictor of all kernels of a network's convolutions, of those that are 3x3 or 1x1."""

    def __init__(self, tensors, hidden, chosen="*"):
        wanted = [(n, p.detach()) for n, p in tensors if p.dim() == 4]
        wanted = [(n, p) for n, p in wanted if any(fnmatch.fnmatch(n.removesuffix(".weight"), c) for c in chosen.split(","))]
        self.names, self.convs = zip(*wanted)
        rows = []
        for layer, w in enumerate(self.convs):
            f, c = np.meshgrid(np.arange(w.shape[0]), np.arange(w.shape[1]), indexing="ij")
            rows.append(np.stack([np.full(f.size, layer), f.ravel(), c.ravel()], 1))
        index = torch.tensor(np.concatenate(rows))
        frequencies = math.pi * torch.tensor(0.76, dtype=torch.float64) ** torch.arange(40)
        self.encoded = torch.empty(len(index), 240)
        for part, out in zip(index.split(65536), self.encoded.split(65536)):
            angle = part[:, :, None] * frequencies
            out.copy_(torch.stack([angle.sin(), angle.cos()], -1).reshape(len(part), -1))
        self.target = torch.cat([F.pad(w, [(3 - w.shape[-1]) // 2] * 4).reshape(-1, 9) for w in self.convs])
        inside = [F.pad(torch.ones_like(w), [(3 - w.shape[-1]) // 2] * 4).reshape(-1, 9) for w in self.convs]
        self.mask = torch.cat(inside) if any(w.shape[-1] < 3 for w in self.convs) else None
        self.weights_count = sum(w.numel() for w in self.convs)
        self.batch = 65536 if self.weights_count > 5e6 else 4096
        sizes = [240, hidden, hidden, hidden, hidden, 9]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        self.params = list(self.layers.parameters())
        self.optimiser = Ranger(self.params)

    def predict(self, x):
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)

    def kernels(self, predict):
        """All kernels, of which a random 4096 carry gradients."""
        order = torch.randperm(len(self.encoded))
        batch, others = order[:4096], order[4096:]
        with torch.no_grad():
            kernels = torch.empty_like(self.target)
            kernels[others] = predict(self.encoded[others])
        return kernels.index_copy(0, batch, predict(self.encoded[batch]))

    def weights(self, kernels):
        parts = kernels.split([w.shape[0] * w.shape[1] for w in self.convs])
        return {name: part.view(w.shape) for name, part, w in zip(self.names, parts, self.convs)}


def recon(path, hidden, chosen, form):
    nern = Nern(read(path).items(), hidden, chosen)
    encoded, target, mask = nern.encoded, nern.target, nern.mask
    predict = form.compile(nern.predict)

    def error(y, rows):
        return (y - target[rows]) if mask is None else (y - target[rows]) * mask[rows]

    def step():
        squares = 0
        with torch.no_grad():
            for first in range(0, len(encoded), 65536):
                rows = slice(first, first + 65536)
                squares += error(predict(encoded[rows]), rows).square().sum().item()
        loss = math.sqrt(squares / nern.weights_count)
        batch = torch.randperm(len(encoded))[: nern.batch]
        y = predict(encoded[batch])
        delta = error(y.detach(), batch) / (nern.weights_count * loss)
        nern.optimiser.step(torch.autograd.grad(y, nern.params, delta), 5e-3)

    return measure(step)


MEAN, STD = torch.tensor([0.485, 0.456, 0.406])[:, None, None], torch.tensor([0.229, 0.224, 0.225])[:, None, None]


class Images:
    """CIFAR-10's training images in shuffled batches: random crop with padding 4, random flip, normalised."""

    def __init__(self, spec, batch, layout):
        files = sorted(glob.glob(os.path.join(spec.split(":")[1], "data_batch_*.bin")))
        records = torch.tensor(np.concatenate([np.fromfile(f, np.uint8) for f in files]).reshape(-1, 3073))
        self.labels = records[:, 0].long()
        self.padded = F.pad(records[:, 1:].reshape(-1, 3, 32, 32), (4, 4, 4, 4))
        self.batch, self.layout, self.order = batch, layout, torch.empty(0)

    def next(self):
        if len(self.order) < self.batch:
            self.order = torch.randperm(len(self.labels))
        chosen, self.order = self.order[: self.batch], self.order[self.batch :]
        top, left = torch.randint(9, (2, self.batch, 1))
        flip = torch.rand(self.batch, 1) < 0.5
        side = torch.arange(32)
        rows, columns = top + side, left + torch.where(flip, 31 - side, side)
        x = self.padded[chosen[:, None, None, None], torch.arange(3)[:, None, None], rows[:, None, :, None], columns[:, None, None, :]]
        x = x.float().div_(255).sub_(MEAN).div_(STD)
        return x.contiguous(memory_format=self.layout), self.labels[chosen]


def normalised(map):
    return map / (map.flatten(1).norm(dim=1)[:, None, None, None] + 1e-3)


def on_images(kind, path, hidden, data, form):
    teacher, student = form.network(path), form.network(path)
    for p in student.parameters():
        p.requires_grad_(False)
    nern, images = Nern(student.named_parameters(), hidden), Images(data, 256, form.layout)
    joint = kind == "joint"

    def teach(x):
        theirs = []
        return F.softmax(teacher(x, theirs), dim=1), theirs

    def lose(kernels, x, target, theirs):
        ours = []
        logits = functional_call(student, nern.weights(kernels), (x, ours))
        loss = (1e-4 if joint else 0.01) * F.kl_div(F.log_softmax(logits, dim=1), target, reduction="batchmean")
        if joint:
            distances = [(normalised(a) - normalised(b)).square().sum() for a, b in zip(ours, theirs)]
            loss = loss + 1e-4 * sum(distances) / len(x) + (kernels - nern.target).square().mean().sqrt()
        return loss

    teach, lose, predict = form.compile(teach), form.compile(lose), form.compile(nern.predict)

    def step():
        x, _ = images.next()
        kernels = nern.kernels(predict)
        with torch.no_grad():
            target, theirs = teach(x)
        nern.optimiser.step(torch.autograd.grad(lose(kernels, x, target, theirs if joint else []), nern.params), 5e-3)

    return measure(step)


def fit(path, batch, data, form):
    net, images = form.network(path).train(), Images(data, batch, form.layout)
    optimiser = torch.optim.SGD(net.parameters(), 5e-3, momentum=0.9, nesterov=True, weight_decay=5e-4, foreach=True)
    lose = form.compile(lambda x, labels: F.cross_entropy(net(x), labels))

    def step():
        x, labels = images.next()
        optimiser.zero_grad(set_to_none=True)
        lose(x, labels).backward()
        optimiser.step()

    return measure(step)


def test_images(data):
    records = torch.tensor(np.fromfile(os.path.join(data.split(":")[1], "test_batch.bin"), np.uint8).reshape(-1, 3073))
    return records[:, 0].long(), records[:, 1:].reshape(-1, 3, 32, 32)


def fgsm(path, batch, data, form):
    net = form.network(path)
    for p in net.parameters():
        p.requires_grad_(False)
    labels, pixels = test_images(data)
    lose = form.compile(lambda x, y: F.cross_entropy(net((x - MEAN) / STD), y))
    classify = form.compile(lambda x: net((x - MEAN) / STD).argmax(dim=1))

    def step():
        correct = 0
        for first in range(0, len(labels), batch):
            y = labels[first : first + batch]
            x = pixels[first : first + batch].float().div_(255).contiguous(memory_format=form.layout).requires_grad_(True)
            (gradient,) = torch.autograd.grad(lose(x, y), x)
            with torch.no_grad():
                attacked = (x + 2 / 255 * gradient.sign()).clamp_(0, 1)
                correct += (classify(attacked) == y).sum().item()
        return correct

    return measure(step)


def landscape(path, grid, data, form):
    labels, pixels = test_images(data)
    x = ((pixels.float() / 255 - MEAN) / STD).contiguous(memory_format=form.layout)
    net = form.network(path)
    moved = [p for p in net.parameters() if p.dim() > 1]
    origin, directions = [p.clone() for p in moved], []
    for _ in range(2):
        directions.append([torch.randn_like(p) for p in moved])
        for d, p in zip(directions[-1], moved):
            rows = d.reshape(len(d), -1)
            rows *= (p.reshape(len(p), -1).norm(dim=1) / rows.norm(dim=1)).unsqueeze(1)

    def measured(x, y):
        logits = net(x)
        return F.cross_entropy(logits, y, reduction="sum"), (logits.argmax(1) != y).sum()

    measured, place = form.compile(measured), iter(np.random.default_rng(0).uniform(-1, 1, 1000000))

    def step():
        a, b, loss, errors = float(next(place)), float(next(place)), 0.0, 0
        with torch.no_grad():
            for p, w, d, e in zip(moved, origin, *directions):
                p.copy_(w + a * d + b * e)
            for i in range(0, len(x), 256):
                more, wrong = measured(x[i : i + 256], labels[i : i + 256])
                loss, errors = loss + more.item(), errors + wrong.item()
        return loss, errors

    return grid * grid * measure(step)


ON_IMAGES = [f"{mode} {layout}" for mode in ("eager", "compiled") for layout in ("contiguous", "channels last")]
FORMS = {"recon": ["eager", "compiled"], "forward": ON_IMAGES + ["frozen", "onnxruntime"]}


def run(kind, path, number, rest, name):
    form = Form(name)
    if name == "onnxruntime":
        return onnx(path, number)
    if name == "frozen":
        return frozen(path, number)
    return {
        "recon": lambda: recon(path, number, rest or "*", form),
        "forward": lambda: forward(path, number, form),
        "distil": lambda: distil(path, number, form),
        "phase2": lambda: on_images(kind, path, number, rest, form),
        "joint": lambda: on_images(kind, path, number, rest, form),
        "fit": lambda: fit(path, number, rest, form),
        "fgsm": lambda: fgsm(path, number, rest, form),
        "landscape": lambda: landscape(path, number, rest, form),
    }[kind]()


def main():
    kind, path = sys.argv[1], sys.argv[2]
    number = int(sys.argv[3]) if len(sys.argv) > 3 else 256
    torch.set_num_threads(int(os.environ.get("BENCH_THREADS", os.cpu_count())))
    torch.manual_seed(1)
    wanted, found = os.environ.get("BENCH_FORM"), {}
    for name in FORMS.get(kind, ON_IMAGES):
        if wanted not in (None, name) or (name.startswith("compiled") and not hasattr(torch, "compile")):
            continue
        try:
            found[name] = run(kind, path, number, sys.argv[4] if len(sys.argv) > 4 else None, name)
        except Exception as error:  # a peer that cannot run here is no peer; the first line says why
            print(f"{kind}: {name} is left out: {str(error).splitlines()[0][:200]}", file=sys.stderr)
        if hasattr(torch, "_dynamo"):
            torch._dynamo.reset()
    form = min(found, key=found.get)
    seconds = found[form]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"case": kind, "seconds": seconds, "cpu": CPU.get(seconds, 0), "form": form, "forms": found,
                      "threads": torch.get_num_threads(), "torch": torch.__version__, "peak_mb": round(peak, 1)}))


if __name__ == "__main__":
    main()
