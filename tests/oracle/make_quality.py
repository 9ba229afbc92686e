"""make_quality -- quality.json: WeightWatcher's numbers of the sample networks and of small weights from a formula.

Needs weightwatcher (0.7.7) beside PyTorch, so it is no part of make.py's default: run it by its name.
"""
import logging
import sys
import warnings

import numpy as np
import torch

from common import read_safetensors, write_json

COLUMNS = {name: name for name in (
    "alpha D stable_rank spectral_norm num_spikes xmin xmax num_pl_spikes alpha_weighted log_alpha_norm log_norm "
    "log_spectral_norm norm sv_max matrix_rank entropy sigma_mp mp_softrank N M num_evals").split()}
COLUMNS.update(lambda_plus="bulk_max", alpha_sigma="sigma")
SHAPES = {"tall": (30, 24), "few": (10, 64), "square": (40, 40), "conv": (12, 6, 3, 3), "wide": (6, 12, 3, 3),
          "depth": (16, 1, 3, 3), "point": (24, 20, 1, 1), "five": (4, 3, 5, 5), "low_rank": (32, 32), "heavy": (48, 60)}


def from_formula(name, shape):
    """Exact in float32, and the same in C: tests/spectral/test_quality.c."""
    i = np.arange(np.prod(shape), dtype=np.int64)
    w = ((7919 * i + 104729 * (i * i % 1013) + 31 * (i * i * i % 4093)) % 2039 - 1019) / 512
    if name == "heavy":  # cubes: a heavier tail
        w = (w**3).astype(np.float32).astype(np.float64)
    w = w.reshape(shape)
    if name == "low_rank":
        w[5:] = w[np.arange(5, shape[0]) % 5]
    return w


def effective_rank(w, whole):
    """Roy and Vetterli's, of the singular values of all slices."""
    if w.ndim == 2 or whole:
        slices = [w.reshape(len(w), -1)]
    else:
        slices = [w[:, :, i, j] for i in range(w.shape[2]) for j in range(w.shape[3])]
    s = np.concatenate([np.linalg.svd(part.astype(np.float64), compute_uv=False) for part in slices])
    p = s[s > 0] / s.sum()
    return np.exp(-(p * np.log(p)).sum())


def watch(weights, whole=False):
    import weightwatcher
    state = {name + ".weight": torch.from_numpy(np.ascontiguousarray(w, dtype=np.float32)) for name, w in weights.items()}
    if whole:
        state = {name: w.reshape(len(w), -1) for name, w in state.items()}
    watcher = weightwatcher.WeightWatcher(model=state)
    details = watcher.analyze(svd_method="accurate", mp_fit=True)
    rows = []
    for _, row in details.iterrows():
        assert row["status"] == "success", row["name"]
        numbers = {ours: float(row[theirs]) for ours, theirs in COLUMNS.items()}
        numbers["effective_rank"] = effective_rank(weights[row["longname"]], whole)
        rows.append({"layer": row["longname"], "warning": row["warning"], **numbers})
    return {"layers": rows, "means": watcher.get_summary(details)}


def make():
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    found = {"formula": watch({name: from_formula(name, shape) for name, shape in SHAPES.items()})}
    for name in ("fashion-resnet8", "fashion-resnet20"):
        tensors = {key[:-7]: w for key, w in read_safetensors(name)[0].items() if key.endswith(".weight") and w.ndim > 1}
        found[name] = watch(tensors)
        if name == "fashion-resnet8":
            found["whole"] = watch(tensors, whole=True)
    write_json("quality", found)


if __name__ == "__main__":
    sys.exit(make())
