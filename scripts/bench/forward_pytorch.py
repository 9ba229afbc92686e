#!/usr/bin/python3
"""forward_pytorch -- images per second of PyTorch (eager, no_grad) on a CIFAR ResNet: the peer of bench_forward.

usage: forward_pytorch.py CHECKPOINT [BATCH] [THREADS]
"""
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


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


def main():
    batch = int(sys.argv[2]) if len(sys.argv) > 2 else 256
    torch.set_num_threads(int(sys.argv[3]) if len(sys.argv) > 3 else 2)
    net = load(sys.argv[1])
    channels = net.conv1.weight.shape[1]
    size = 28 if channels == 1 else 32
    x = torch.rand(batch, channels, size, size)
    best = 0.0
    with torch.no_grad():
        net(x)
        for _ in range(7):
            start, calls = time.perf_counter(), 0
            while time.perf_counter() - start < 0.5:
                net(x)
                calls += 1
            best = max(best, batch * calls / (time.perf_counter() - start))
    print(f"PyTorch {torch.__version__} batch {batch} threads {torch.get_num_threads()}: {best:.0f} images/s")


if __name__ == "__main__":
    main()
