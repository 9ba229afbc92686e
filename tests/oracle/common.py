"""common -- what the scripts of this folder share: files, the sample networks in PyTorch, changes of weights.

Everything is computed in float64 from the float32 numbers of the files.
"""
import gzip
import json
import os
import struct

import numpy as np
import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLES = os.path.join(HERE, "..", "..", "samples")
NORM_EPS = 1e-5

# ---- files -----------------------------------------------------------------------------------------------------------


def read_safetensors(name):
    """The tensors of samples/NAME.safetensors, as NumPy arrays, and its metadata."""
    with open(os.path.join(SAMPLES, name + ".safetensors"), "rb") as file:
        data = file.read()
    length = struct.unpack("<Q", data[:8])[0]
    header, data = json.loads(data[8 : 8 + length]), data[8 + length :]
    metadata = header.pop("__metadata__", {})
    types = {"F32": np.float32, "U16": np.uint16}
    tensors = {}
    for key, about in header.items():
        begin, end = about["data_offsets"]
        tensors[key] = np.frombuffer(data[begin:end], types[about["dtype"]]).reshape(about["shape"])
    return tensors, metadata


def read_images(count, path=os.path.join(SAMPLES, "fashion-test-{}-ubyte.gz")):
    """The first images of the sample of Fashion-MNIST, on [0, 1], and their labels."""
    with gzip.open(path.format("images-idx3")) as file:
        pixels = np.frombuffer(file.read()[16:], np.uint8).reshape(-1, 1, 28, 28)[:count]
    with gzip.open(path.format("labels-idx1")) as file:
        labels = np.frombuffer(file.read()[8:], np.uint8)[:count]
    # in float32 first: that is what a float32 program is given
    exact = (pixels.astype(np.float32) / np.float32(255)).astype(np.float64)
    return torch.from_numpy(exact), torch.from_numpy(labels.astype(np.int64))


def plain(value):
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, (np.ndarray, np.generic, torch.Tensor)):
        return value.tolist()
    return value


def write_json(name, value):
    path = os.path.join(HERE, name + ".json")
    with open(path, "w") as file:
        file.write(json.dumps(plain(value), separators=(",", ":")).replace("},", "},\n") + "\n")
    print(f"{name}.json {os.path.getsize(path)}")


def write_arrays(name, arrays):
    path = os.path.join(HERE, name + ".npz")
    np.savez_compressed(path, **{key: np.ascontiguousarray(value) for key, value in arrays.items()})
    print(f"{name}.npz {os.path.getsize(path)}")


# ---- networks --------------------------------------------------------------------------------------------------------


class Network:
    """A CIFAR ResNet: three stages of basic blocks, shortcuts of option A, batch norm with stored statistics."""

    def __init__(self, name):
        tensors, metadata = read_safetensors(name)
        self.p = {key: torch.from_numpy(value.astype(np.float64)) for key, value in tensors.items()}
        self.mean, self.std = (float(part) for part in metadata["weft.normalise"].split("/"))
        self.convs = [key[:-7] for key, value in self.p.items() if value.dim() == 4]
        self.blocks = [len({key.split(".")[1] for key in self.p if key.startswith(f"layer{s}.")}) for s in (1, 2, 3)]

    def weights(self):
        return {name: self.p[name + ".weight"] for name in self.convs}

    def norm(self, name, x):
        p = self.p
        return F.batch_norm(x, p[name + ".running_mean"], p[name + ".running_var"], p[name + ".weight"],
                            p[name + ".bias"], training=False, eps=NORM_EPS)

    def forward(self, pixels, weights=None, maps=None, norm=None):
        """Logits of images on [0, 1]. `weights` replace those of convolutions; `maps` receives every map before a ReLU;
        `norm` replaces batch norm."""
        w, norm = weights or self.weights(), norm or self.norm

        def keep(name, x):
            if maps is not None:
                maps[name] = x
            return x

        x = F.relu(keep("bn1", norm("bn1", F.conv2d((pixels - self.mean) / self.std, w["conv1"], padding=1))))
        for stage in (1, 2, 3):
            for block in range(self.blocks[stage - 1]):
                at = f"layer{stage}.{block}."
                stride = 2 if stage > 1 and block == 0 else 1
                y = F.conv2d(x, w[at + "conv1"], stride=stride, padding=1)
                y = F.relu(keep(at + "bn1", norm(at + "bn1", y)))
                y = keep(at + "bn2", norm(at + "bn2", F.conv2d(y, w[at + "conv2"], padding=1)))
                if stride == 2:  # every second pixel, and new channels of zeros on both sides
                    more = y.shape[1] - x.shape[1]
                    x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, more // 2, more - more // 2))
                x = F.relu(keep(at + "add", x + y))
        return F.linear(x.mean(dim=(2, 3)), self.p["linear.weight"], self.p["linear.bias"])

    def logits(self, pixels, weights=None):
        with torch.no_grad():
            return torch.cat([self.forward(part, weights) for part in pixels.split(100)])

    def stage(self, which):
        """Names of a stage's convolutions; "stages": of all three; "all": of these and the stem."""
        begin = {"all": "", "stages": "layer"}.get(which, f"layer{which}.")
        return [name for name in self.convs if name.startswith(begin)]

    def changed(self, names, change):
        return {name: torch.from_numpy(change(w.numpy())) if name in names else w
                for name, w in self.weights().items()}


def summary(logits, labels):
    correct = int((logits.argmax(1) == labels).sum())
    return {"n": len(labels), "correct": correct, "accuracy": 100 * correct / len(labels),
            "ce": F.cross_entropy(logits, labels).item()}


def norm_of(value):
    return float(np.linalg.norm(np.asarray(value, np.float64)))


# ---- changes of weights ----------------------------------------------------------------------------------------------


def response(k, cutoff, mode):
    """The Gaussian's factor for each frequency of a k x k kernel: of the flattened one, or of both axes."""
    i = np.arange(k if mode == "2d" else k * k)
    f = i.astype(float) if mode == "raw1d" else np.minimum(i, len(i) - i).astype(float)
    if mode == "2d":
        f = np.hypot(f[:, None], f[None, :])
    return np.exp(-0.5 * (f / cutoff) ** 2)


def lowpass(w, cutoff, mode="1d"):
    h = response(w.shape[-1], cutoff, mode)
    if mode == "2d":
        return np.fft.ifft2(np.fft.fft2(w) * h).real
    flat = w.reshape(*w.shape[:2], -1)
    return np.ascontiguousarray(np.fft.ifft(np.fft.fft(flat) * h).real.reshape(w.shape))


def lowpass_by_convolution(w, cutoff, mode):
    """The same without a Fourier transform of the weights: a circular convolution with the filter's response."""
    h = response(w.shape[-1], cutoff, mode)
    if mode == "2d":
        k, r = w.shape[-1], np.fft.ifft2(h).real
        return sum(r[a, b] * np.roll(w, (a, b), (2, 3)) for a in range(k) for b in range(k))
    flat, r = w.reshape(*w.shape[:2], -1), np.fft.ifft(h).real
    return sum(r[a] * np.roll(flat, a, 2) for a in range(len(r))).reshape(w.shape)


def singular_values(w):
    return np.linalg.svd(w.reshape(len(w), -1), compute_uv=False)


def s_ratio(w):
    square = singular_values(w) ** 2
    return float(square[: len(square) // 2].sum() / square.sum())


def scale_last(w, factor, count=15):
    """The last `count` singular values, or all where there are fewer, times the factor."""
    u, s, v = np.linalg.svd(w.reshape(len(w), -1), full_matrices=False)
    s[-min(count, len(s)) :] *= factor
    return np.ascontiguousarray((u * s @ v).reshape(w.shape))


def flat(weights):
    return torch.cat([w.reshape(-1) for w in weights.values()])


def unflat(vector, like):
    parts = vector.split([w.numel() for w in like.values()])
    return {name: part.reshape(w.shape) for (name, w), part in zip(like.items(), parts)}
