"""make_files -- narrow.th, narrow.pth, narrow.npz, narrow.json: a small ResNet8 with random weights in the ways in which
PyTorch wrote and writes checkpoints, its tensors as NumPy writes them, and its loss on tests/fixtures/cifar/cifar10.bin.

narrow.th is what akamaster's pytorch_resnet_cifar10 saves: the state dict of a DataParallel module beside its accuracy, in
the format of PyTorch before 1.6, without the counters that batch norm had not then.
"""
import os
from collections import OrderedDict

import numpy as np
import torch
import torch.nn.functional as F

from common import HERE, Network, write_arrays, write_json

WIDTHS = (2, 4, 8)


def state():
    generator, tensors = torch.Generator().manual_seed(8), OrderedDict()

    def conv(name, outputs, inputs):
        tensors[name + ".weight"] = torch.randn(outputs, inputs, 3, 3, generator=generator) / (3 * inputs**0.5)

    def norm(name, channels):
        tensors[name + ".weight"] = 1 + torch.randn(channels, generator=generator) / 4
        tensors[name + ".bias"] = torch.randn(channels, generator=generator)
        tensors[name + ".running_mean"] = torch.randn(channels, generator=generator)
        tensors[name + ".running_var"] = 0.5 + torch.rand(channels, generator=generator)
        tensors[name + ".num_batches_tracked"] = torch.tensor(196)

    before = WIDTHS[0]
    conv("conv1", before, 3)
    norm("bn1", before)
    for stage, width in enumerate(WIDTHS, 1):
        for i, inputs in ((1, before), (2, width)):
            conv(f"layer{stage}.0.conv{i}", width, inputs)
            norm(f"layer{stage}.0.bn{i}", width)
        before = width
    tensors["linear.weight"] = torch.randn(10, before, generator=generator)
    tensors["linear.bias"] = torch.randn(10, generator=generator)
    return tensors


class Narrow(Network):
    def __init__(self, tensors):
        self.p = {key: value.double() for key, value in tensors.items()}
        self.mean = torch.tensor([0.485, 0.456, 0.406], dtype=torch.float64).view(-1, 1, 1)
        self.std = torch.tensor([0.229, 0.224, 0.225], dtype=torch.float64).view(-1, 1, 1)
        self.convs = [key[:-7] for key, value in tensors.items() if value.dim() == 4]
        self.blocks = [1, 1, 1]


def make():
    tensors = state()
    old = OrderedDict(("module." + key, value) for key, value in tensors.items() if "num_batches" not in key)
    torch.save({"best_prec1": 12.5, "state_dict": old}, os.path.join(HERE, "narrow.th"),
               _use_new_zipfile_serialization=False)
    torch.save(tensors, os.path.join(HERE, "narrow.pth"))
    write_arrays("narrow", {key: value.numpy() for key, value in tensors.items()})
    records = np.fromfile(os.path.join(HERE, "..", "fixtures", "cifar", "cifar10.bin"), np.uint8).reshape(-1, 3073)
    pixels = torch.from_numpy(records[:, 1:].reshape(-1, 3, 32, 32).astype(np.float64) / 255)
    labels = torch.from_numpy(records[:, 0].astype(np.int64))
    logits = Narrow(tensors).logits(pixels)
    write_json("narrow", {"ce": F.cross_entropy(logits, labels).item()})


if __name__ == "__main__":
    make()
