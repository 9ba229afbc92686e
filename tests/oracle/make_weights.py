"""make_weights -- synthetic.json, sratio.json, lowpass.*, svdmod.*, interp.json, plane.json: analyses of weights and what
changed weights do to the answers. The weights are those of the sample ResNet8, where nothing else is said."""
import numpy as np

from common import (Network, flat, lowpass, lowpass_by_convolution, norm_of, read_images, s_ratio, scale_last,
                    singular_values, summary, unflat, write_arrays, write_json)

SMALL, DEEP = "fashion-resnet8", "fashion-resnet20"
MODES, CUTOFFS, FACTORS = ("1d", "2d", "raw1d"), (0.5, 1, 2, 4, 23.53), (0.5, 0)
STAGES = (1, 2, 3, "stages", "all")
IMAGES, FEW = 200, 60  # for what is measured once for each network; for a surface of networks


def synthetic():
    """Weights from a formula, exact in float32: odd K, fewer than 15 singular values, kernels of 1x1, 3x3 and 5x5."""
    cases = []
    for shape in ((5, 2, 3, 3), (3, 4, 1, 1), (7, 1, 3, 3), (2, 3, 5, 5)):
        i = np.arange(np.prod(shape))
        w = (((37 * i + i * i) % 23 - 11) / 8).reshape(shape)
        case = {"shape": shape, "singular_values": singular_values(w), "s_ratio": s_ratio(w)}
        for mode in MODES:
            case[f"lowpass_{mode}_D0=1.25"] = lowpass(w, 1.25, mode).reshape(-1)
        case["svdmod_last15_x0.5"] = scale_last(w, 0.5).reshape(-1)
        case["svdmod_last2_x0.25"] = scale_last(w, 0.25, 2).reshape(-1)
        cases.append(case)
    write_json("synthetic", {"cases": cases})


def sratio():
    values = {}
    for name, stored in ((SMALL, ("conv1", "layer2.0.conv1", "layer3.0.conv2")), (DEEP, ("conv1", "layer2.0.conv1"))):
        layers = []
        for layer, w in Network(name).weights().items():
            s = singular_values(w.numpy())
            row = {"name": layer, "n": len(w), "m": w[0].numel(), "k": len(s), "s_ratio": s_ratio(w.numpy()),
                   "energy": float((s**2).sum())}
            layers.append({**row, "singular_values": s} if layer in stored else row)
        ratios = [row["s_ratio"] for row in layers]
        values[name] = {"layers": layers, "layer_average": np.mean(ratios),
                        "last_half_average": {"mean": np.mean(ratios[len(ratios) // 2 :])}}
    write_json("sratio", values)


class Measure:
    def __init__(self, network, images):
        self.network, (self.pixels, self.labels) = network, read_images(images)

    def __call__(self, weights=None):
        return summary(self.network.logits(self.pixels, weights), self.labels)


def mean_ratio(weights):
    return np.mean([s_ratio(w.numpy()) for w in weights.values()])


def sweep(network, settings, change):
    """Rows for each stage and setting: the answers, and the change of S_ratio."""
    measure, before, rows = Measure(network, IMAGES), mean_ratio(network.weights()), []
    for stage in STAGES:
        for key, value in settings:
            weights = network.changed(network.stage(stage), lambda w: change(w, value))
            rows.append({"stage": stage, key: value, **measure(weights),
                         "s_ratio_minus_original_layer_mean": mean_ratio(weights) - before})
    return measure(), rows


def changed_weights(name, keys):
    """The first filters of what `keys` give of a layer (all of them would be a megabyte), and the whole's norm."""
    arrays, norms = {}, {}
    for key, w in keys.items():
        arrays[key], norms[key] = w.reshape(len(w), -1)[:2].reshape(-1), norm_of(w)
    write_arrays(name, arrays)
    return norms


def lowpassed(network):
    keys = {}
    for layer in ("conv1", "layer2.0.conv1"):
        w = network.weights()[layer].numpy()
        for mode in MODES:
            for cutoff in CUTOFFS:
                made = lowpass(w, cutoff, mode)
                assert np.abs(made - lowpass_by_convolution(w, cutoff, mode)).max() < 1e-14
                keys[f"{layer}.{mode}.D0={cutoff:g}"] = made
    norms = changed_weights("lowpass", keys)
    unfiltered, rows = sweep(network, [("D0", cutoff) for cutoff in CUTOFFS], lowpass)
    write_json("lowpass", {"l2": norms, "unfiltered": unfiltered, "evaluation": rows})


def modulated(network):
    keys = {f"{layer}.factor={factor:g}": scale_last(network.weights()[layer].numpy(), factor)
            for layer in ("layer1.0.conv1", "layer3.0.conv1") for factor in FACTORS}
    norms = changed_weights("svdmod", keys)
    # not 0: the stem has nine singular values, and nothing of it would be left
    _, rows = sweep(network, [("factor", factor) for factor in (0.5, 0.1)], scale_last)
    write_json("svdmod", {"l2": norms, "evaluation": rows})


def interpolated(network, other):
    measure, a, b = Measure(network, FEW), flat(network.weights()), flat(other)
    rows = []
    for alpha in np.arange(11) / 10:
        mixed = (1 - alpha) * a + alpha * b
        rows.append({"alpha": alpha, **measure(unflat(mixed, other)),
                     "distance_rms": (mixed - a).pow(2).mean().sqrt().item()})
    write_json("interp", {"images": FEW, "rows": rows})


def plane(network, second, third, grid):
    """Origin w1, u = w2 - w1, v = (w3 - w1) less its projection on u; tables by rows of b (along v), then a (along u)."""
    measure, origin = Measure(network, FEW), flat(network.weights())
    u, d = flat(second) - origin, flat(third) - origin
    along = (d @ u / (u @ u)).item()
    v = d - along * u
    tables = {"ce": [], "error_percent": []}
    for b in grid:
        row = [measure(unflat(origin + a * u + b * v, second)) for a in grid]
        tables["ce"].append([point["ce"] for point in row])
        tables["error_percent"].append([100 - point["accuracy"] for point in row])
    points = {"w1": {"a": 0, "b": 0}, "w2": {"a": 1, "b": 0}, "w3": {"a": along, "b": 1}}
    return {"norm_u": norm_of(u), "norm_v": norm_of(v), "points": points, "a_grid": grid, "b_grid": grid, **tables}


def planes(network, smooth):
    scaled = network.changed(network.stage(3), lambda w: scale_last(w, 0.5))
    milder = network.changed(network.stage(2), lambda w: lowpass(w, 2))
    both = {name: milder[name] if name in network.stage(2) else scaled[name] for name in network.convs}
    # scaled - w1 is orthogonal to u; of `both` the projection is something
    write_json("plane", {"images": FEW, "plane_a": plane(network, smooth, scaled, np.linspace(-0.5, 1.5, 5)),
                         "plane_b": plane(network, smooth, both, np.linspace(-0.5, 1.5, 4))})


def make():
    network = Network(SMALL)
    smooth = network.changed(network.stage(2), lambda w: lowpass(w, 1))
    synthetic()
    sratio()
    lowpassed(network)
    modulated(network)
    interpolated(network, smooth)
    planes(network, smooth)


if __name__ == "__main__":
    make()
