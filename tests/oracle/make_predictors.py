"""make_predictors -- predictor.*, permutation.*, cr.json, ranger.*: encoding, weight predictors, orders of kernels,
optimisers. The kernels are those of the sample ResNet8, where nothing else is said."""
import json
import math
import zlib

import numpy as np
import torch
import torch.nn.functional as F

from common import Network, norm_of, read_safetensors, write_arrays, write_json

SMALL, DEEP, PREDICTOR = "fashion-resnet8", "fashion-resnet20", "fashion-resnet8-predictor"
BASE, LEVELS = 0.76, 40
NAMES = [f"layers.{i}.{part}" for i in range(4) for part in ("weight", "bias")]
NAMES += [f"final_linear_layer.{part}" for part in ("weight", "bias")]

# ---- encoding --------------------------------------------------------------------------------------------------------


def encode(triples):
    """(n, 3) indices: for each of the three sin and cos of pi b^j p, j = 0 .. N - 1, alternating."""
    angle = math.pi * BASE ** torch.arange(LEVELS, dtype=torch.float64) * torch.as_tensor(triples)[:, :, None].double()
    return torch.stack([angle.sin(), angle.cos()], -1).reshape(len(triples), -1)


def indices(network):
    """Layer, filter and channel of every kernel, in the network's order."""
    return np.concatenate([np.stack(np.meshgrid([layer], *(np.arange(n) for n in w.shape[:2]), indexing="ij"), -1)
                           .reshape(-1, 3) for layer, w in enumerate(network.weights().values())])


def kernels(network):
    return torch.cat([w.reshape(-1, 9) for w in network.weights().values()])


# ---- predictors ------------------------------------------------------------------------------------------------------


def initial(hidden, seed):
    """Five linear layers, uniform within 1 / sqrt(inputs), as PyTorch begins; float32."""
    rng = np.random.default_rng(seed)
    sizes = [6 * LEVELS, hidden, hidden, hidden, hidden, 9]
    parameters = {}
    for i, name in enumerate(NAMES):
        rows, columns = sizes[i // 2 + 1], sizes[i // 2]
        shape = (rows, columns) if name.endswith("weight") else (rows,)
        parameters[name] = (rng.uniform(-1, 1, shape) / math.sqrt(columns)).astype(np.float32)
    return parameters


def doubles(parameters):
    return {name: torch.from_numpy(parameters[name].astype(np.float64)) for name in NAMES}


def predict(parameters, encoded):
    x = encoded
    for i in range(0, 8, 2):
        x = F.relu(F.linear(x, parameters[NAMES[i]], parameters[NAMES[i + 1]]))
    return F.linear(x, parameters[NAMES[8]], parameters[NAMES[9]])


def near_kinks(parameters, encoded):
    """Kernels for which a ReLU's input is so small that float32 may give it another sign. Each then has another gradient,
    and of a trained predictor, whose gradients nearly cancel, one kernel's is a share of the sum that shows."""
    x, least = encoded, torch.full((len(encoded),), math.inf, dtype=torch.float64)
    for i in range(0, 8, 2):
        x = F.linear(x, parameters[NAMES[i]], parameters[NAMES[i + 1]])
        least = torch.minimum(least, x.abs().min(dim=1).values)
        x = F.relu(x)
    return (least < 1e-5).numpy()


def reconstruction(parameters, encoded, targets, batch=None):
    """L_recon over all weights, and its gradient where only the kernels of `batch` depend on the parameters; one that
    stands there twice counts twice."""
    parameters = {name: p.clone().requires_grad_(True) for name, p in parameters.items()}
    with torch.no_grad():
        loss = (predict(parameters, encoded) - targets).pow(2).mean().sqrt()
    batch = torch.arange(len(targets)) if batch is None else torch.as_tensor(np.array(batch, np.int64))
    made = predict(parameters, encoded[batch])
    slope = (made.detach() - targets[batch]) / (targets.numel() * loss)
    return loss.item(), dict(zip(NAMES, torch.autograd.grad(made, list(parameters.values()), slope)))


def drawn(rng, targets, count, chosen=None):
    """With replacement, with a probability proportional to the kernels' norms; of those that are `chosen`."""
    size = targets.norm(dim=1).numpy() * (1 if chosen is None else chosen)
    return rng.choice(len(size), count, p=size / size.sum())


def check_a_predictor(tag, parameters, encoded, targets, network, values, arrays):
    with torch.no_grad():
        made, at = predict(parameters, encoded), 0
    for layer, w in network.weights().items():
        if layer in ("conv1", "layer1.0.conv1"):
            arrays[f"{tag}.kernels.{layer}"] = made[at : at + len(w) * w.shape[1]].reshape(w.shape).float()
        at += len(w) * w.shape[1]
    kinks = near_kinks(parameters, encoded)
    arrays[f"{tag}.near_kinks"] = np.flatnonzero(kinks).astype(np.int32)
    batches = {"clear": np.flatnonzero(~kinks), "batch512": arrays["batch512"], "batch512_dup_counted": arrays["batch512_dup"],
               "batch512_dup_once": np.unique(arrays["batch512_dup"])}
    norms = {}
    for row, batch in batches.items():
        loss, gradient = reconstruction(parameters, encoded, targets, batch)
        norms[row] = {name: norm_of(g) for name, g in gradient.items()}
        for name, g in gradient.items():
            if g.numel() <= 1024 and (row == "clear" or name.startswith("final")):
                arrays[f"{tag}.grad_{row}.{name}"] = g.float()
    values[tag] = {"loss": loss, "grad_l2": norms}


def predictors():
    """One that is not trained, hidden size 32, and the sample, hidden size 64, with the order that it was trained in."""
    network, rng = Network(SMALL), np.random.default_rng(512)
    triples, targets = indices(network), kernels(network)
    some = [(0, 0, 0), (0, 15, 2), (1, 7, 3), (5, 15, 15), (7, 31, 15), (9, 0, 31), (13, 63, 31), (18, 63, 63),
            (18, 1, 62), (15, 511, 511)]
    sample, metadata = read_safetensors(PREDICTOR)
    assert json.loads(metadata["weft.predictor"])["permutation"] == "in-filter"
    ordered = np.stack([triples[:, 0], sample["order.filter"], sample["order.channel"]], 1)
    assert (ordered == order_indices(network, "infilter")).all()
    start = initial(32, 32)
    trials = {"h32": (doubles(start), encode(triples)), "h64": (doubles(sample), encode(ordered))}
    clear = ~np.any([near_kinks(*trial) for trial in trials.values()], axis=0)
    values = {"kernels": len(triples), "weights": targets.numel()}
    arrays = {"enc.triples": np.array(some, np.int32), "enc.f64": encode(some),
              "batch512": np.sort(rng.permutation(np.flatnonzero(clear))[:512]).astype(np.int32),
              "batch512_dup": drawn(rng, targets, 512, clear).astype(np.int32)}
    arrays.update({f"h32.{name}": p for name, p in start.items()})
    for tag, trial in trials.items():
        check_a_predictor(tag, *trial, targets, network, values, arrays)
    write_json("predictor", values)
    write_arrays("predictor", arrays)


# ---- orders of kernels -----------------------------------------------------------------------------------------------


def greedy(rows):
    """From row 0 always on to the unused row whose product with the last one is the largest, the lowest of equals."""
    order, free = [0], np.ones(len(rows), bool)
    free[0] = False
    for _ in range(len(rows) - 1):
        order.append(int(np.argmax(np.where(free, rows @ rows[order[-1]], -np.inf))))
        free[order[-1]] = False
    return np.array(order)


def unit_kernels(w):
    k = w.reshape(*w.shape[:2], -1)
    return k / np.linalg.norm(k, axis=-1, keepdims=True)


def in_filter(w):
    unit = unit_kernels(w)
    channels = np.stack([greedy(rows) for rows in unit])
    ordered = np.take_along_axis(unit, channels[:, :, None], 1)
    return greedy(ordered.reshape(len(w), -1)), channels


def cross_filter(w):
    return greedy(unit_kernels(w).reshape(w.shape[0] * w.shape[1], -1))


def order_indices(network, mode):
    """What each kernel is encoded with: ranks in the place of filter and channel."""
    out = []
    for layer, w in enumerate(network.weights().values()):
        filters, channels = w.shape[:2]
        if mode == "infilter":
            by_filter, by_channel = (np.argsort(order, -1) for order in in_filter(w.numpy()))
            ranks = np.stack([np.repeat(by_filter, channels), by_channel.reshape(-1)], 1)
        else:
            ranks = np.stack(np.divmod(np.argsort(cross_filter(w.numpy())), channels), 1)
        out.append(np.concatenate([np.full((filters * channels, 1), layer), ranks], 1))
    return np.concatenate(out)


def orders():
    values, arrays, network = {}, {}, Network(SMALL)
    for layer, w in network.weights().items():
        arrays[f"{layer}.filter_order"], arrays[f"{layer}.channel_order"] = (x.astype(np.int16)
                                                                             for x in in_filter(w.numpy()))
        arrays[f"{layer}.cross_order"] = cross_filter(w.numpy()).astype(np.int16)
    # the direction of an order shows in the loss, clearly in that of a predictor that was trained with one
    start, targets = doubles(initial(32, 32)), kernels(network)
    modes = {"none": indices(network), "infilter": order_indices(network, "infilter"),
             "crossfilter": order_indices(network, "crossfilter")}
    for tag, parameters in (("h32", start), ("h64", doubles(read_safetensors(PREDICTOR)[0]))):
        values[f"recon_loss_of_{tag}_predictor"] = {
            mode: reconstruction(parameters, encode(made), targets, [0])[0] for mode, made in modes.items()}
    # of the deeper network, a sum over all of them
    values["crc32_of_triples"] = {
        mode: zlib.crc32(order_indices(Network(DEEP), mode).astype("<u4").tobytes()) for mode in ("infilter", "crossfilter")}
    write_json("permutation", values)
    write_arrays("permutation", arrays)


# ---- compression ratios ----------------------------------------------------------------------------------------------


def ratios():
    rows = []
    for name in (SMALL, DEEP):
        tensors, _ = read_safetensors(name)
        total = sum(x.size for key, x in tensors.items() if "running_" not in key)
        weights = sum(x.size for x in tensors.values() if x.ndim == 4)
        for hidden in (16, 32, 64, 120, 140, 180, 300):
            count = sum(p.size for p in initial(hidden, 0).values())
            rows.append({"network": name, "hidden": hidden, "parameters": count, "size_mb": 4 * count / 2**20,
                         "cr_total": count / total, "cr_conv": count / weights})
    write_json("cr", {"rows": rows})


# ---- optimisers ------------------------------------------------------------------------------------------------------


def cosine(step, steps, first=5e-3, last=1e-6):
    return last + (first - last) / 2 * (1 + math.cos(math.pi * step / steps))


class Ranger:
    """RAdam with decoupled weight decay, Lookahead around it; centralise: the mean over all axes but the first is taken
    off a matrix's gradient."""

    def __init__(self, parameters, betas=(0.5, 0.999), eps=1e-5, decay=1e-3, every=6, part=0.5, centralise=False):
        self.p = [p.astype(np.float64) for p in parameters]
        self.slow, self.step_number = [p.copy() for p in self.p], 0
        self.m, self.v = ([np.zeros_like(p) for p in self.p] for _ in range(2))
        self.betas, self.eps, self.decay, self.every, self.part, self.centralise = betas, eps, decay, every, part, centralise

    def step(self, gradients, rate):
        self.step_number += 1
        t, (b1, b2) = self.step_number, self.betas
        most = 2 / (1 - b2) - 1
        length = most - 2 * t * b2**t / (1 - b2**t)
        for i, g in enumerate(gradients):
            if self.centralise and g.ndim > 1:
                g = g - g.reshape(len(g), -1).mean(1).reshape(-1, *[1] * (g.ndim - 1))
            self.m[i] = b1 * self.m[i] + (1 - b1) * g
            self.v[i] = b2 * self.v[i] + (1 - b2) * g * g
            p, mean = self.p[i] * (1 - self.decay * rate), self.m[i] / (1 - b1**t)
            if length > 5:
                r = (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)
                p = p - rate * mean * math.sqrt(r * (1 - b2**t)) / (np.sqrt(self.v[i]) + self.eps)
            else:
                p = p - rate * mean
            if t % self.every == 0:
                self.slow[i] = self.slow[i] + self.part * (p - self.slow[i])
                p = self.slow[i].copy()
            self.p[i] = p


def trajectory_of_ranger(start, gradients, rates, **settings):
    ranger, out = Ranger(start, **settings), []
    for step, rate in zip(gradients, rates):
        ranger.step([g.astype(np.float64) for g in step], rate)
        out.append([p.copy() for p in ranger.p])
    return out


def trajectory_of_torch(kind, settings, start, gradients, rates):
    parameters = [torch.tensor(p, dtype=torch.float64, requires_grad=True) for p in start]
    optimiser, out = kind(parameters, lr=rates[0], **settings), []
    for step, rate in zip(gradients, rates):
        optimiser.param_groups[0]["lr"] = rate
        for p, g in zip(parameters, step):
            p.grad = torch.tensor(g, dtype=torch.float64)
        optimiser.step()
        out.append([p.detach().numpy().copy() for p in parameters])
    return out


def trajectories(arrays):
    """30 steps of a 5 x 7 matrix and 5 more parameters along gradients of all sizes."""
    steps, rng = 30, np.random.default_rng(30)
    start = [rng.standard_normal((5, 7)).astype(np.float32), rng.standard_normal(5).astype(np.float32)]
    drift = [rng.standard_normal(p.shape) for p in start]
    gradients = [[(scale * (0.6 * d + rng.standard_normal(d.shape))).astype(np.float32) for d in drift]
                 for scale in np.exp(rng.uniform(-5, 0, steps))]
    rates = [cosine(step, steps) for step in range(steps)]
    arrays.update({"p0_weight": start[0], "p0_bias": start[1], "lr": np.array(rates),
                   "grad_weight": np.stack([g[0] for g in gradients]), "grad_bias": np.stack([g[1] for g in gradients])})
    made = {name: trajectory_of_ranger(start, gradients, rates, **settings) for name, settings in {
        "ranger": {}, "ranger_gc": {"centralise": True}, "ranger_wd0": {"decay": 0},
        "ranger_beta95": {"betas": (0.95, 0.999)}, "radam": {"every": steps + 1}}.items()}
    adam, decay = {"betas": (0.5, 0.999), "eps": 1e-8}, {"weight_decay": 1e-3}
    sgd, o = {"momentum": 0.9, "nesterov": True}, torch.optim
    for name, kind, settings in (("adam", o.Adam, adam), ("adam_l2", o.Adam, {**adam, **decay}),
                                 ("adam_beta9", o.Adam, {**adam, "betas": (0.9, 0.999)}),
                                 ("adamw", o.AdamW, {**adam, **decay}), ("sgd_nesterov", o.SGD, sgd),
                                 ("sgd_nesterov_wd", o.SGD, {**sgd, **decay})):
        made[name] = trajectory_of_torch(kind, settings, start, gradients, rates)
    for name, steps_of in made.items():
        arrays[f"{name}.weight"] = np.stack([p[0] for p in steps_of]).astype(np.float32)
        arrays[f"{name}.bias"] = np.stack([p[1] for p in steps_of]).astype(np.float32)


def training(arrays, values):
    """20 steps of the untrained predictor, with Ranger, a batch of 1024 kernels a step."""
    steps, network, rng = 20, Network(SMALL), np.random.default_rng(20)
    encoded, targets = encode(indices(network)), kernels(network)
    uniform = [rng.permutation(len(targets))[:1024] for _ in range(steps)]
    weighted = {step: drawn(rng, targets, 1024) for step in (4, 9, 14, 19)}
    mixed = [weighted.get(step, batch) for step, batch in enumerate(uniform)]
    arrays["train.batches_uniform"] = np.stack(uniform).astype(np.int32)
    arrays["train.batches_weighted_steps_4_9_14_19"] = np.stack(list(weighted.values())).astype(np.int32)
    runs = {"uniform": (uniform, False), "uniform_gc": (uniform, True), "mixed_counted": (mixed, False),
            "mixed_once": ([np.unique(batch) for batch in mixed], False), "mixed_counted_gc": (mixed, True)}
    values["training"] = {"runs": {}}
    for name, (batches, centralise) in runs.items():
        ranger, losses = Ranger(list(initial(32, 32).values()), centralise=centralise), []
        for step, batch in enumerate(batches):
            parameters = dict(zip(NAMES, map(torch.from_numpy, ranger.p)))
            loss, gradient = reconstruction(parameters, encoded, targets, batch)
            losses.append(loss)
            ranger.step([g.numpy() for g in gradient.values()], cosine(step, steps))
        parameters = dict(zip(NAMES, map(torch.from_numpy, ranger.p)))
        final = reconstruction(parameters, encoded, targets, [0])[0]
        values["training"]["runs"][name] = {"losses": losses, "final_loss": final}


def optimisers():
    values, arrays = {}, {}
    trajectories(arrays)
    training(arrays, values)
    write_json("ranger", values)
    write_arrays("ranger", arrays)


def make():
    predictors()
    orders()
    ratios()
    optimisers()


if __name__ == "__main__":
    make()
