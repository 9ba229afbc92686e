#!/usr/bin/env python3
"""Tables, and what pandas makes of them: joins, groups and a stack, for tests/base/test_table_pandas.c.

Writes tables/*.tsv. A heading is NAME:TYPE (text, integer, real); an empty cell is missing. Repeated and missing keys,
keys that only one table has, and missing values are among the rows."""
import pathlib

import numpy as np
import pandas as pd

FOLDER = pathlib.Path(__file__).parent / "tables"
FOLDER.mkdir(exist_ok=True)
TYPES = {"layer": "text", "stage": "text", "run": "text", "epoch": "integer", "weights": "integer", "count": "integer"}


def cell(value, kind):
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return ""
    return f"{int(value)}" if kind == "integer" else f"{value:.17g}" if kind == "real" else value


def write(name, frame):
    kinds = []
    for column in frame:
        base = next((key for key in TYPES if column == key or column.startswith(key + "_") and key == "weights"), None)
        kind = TYPES.get(base, "real")
        if column.endswith("_count"):
            kind = "integer"
        elif kind == "integer" and (frame[column].isna().any() or base == "weights" and column[8:] in STATISTICS):
            kind = "real"
        kinds.append(kind)
    lines = ["\t".join(f"{c}:{k}" for c, k in zip(frame, kinds))]
    for row in frame.itertuples(index=False):
        lines.append("\t".join(cell(v, k) for v, k in zip(row, kinds)))
    (FOLDER / f"{name}.tsv").write_text("\n".join(lines) + "\n")


STATISTICS = ["mean", "std", "min", "max", "median", "sum", "count"]
rng = np.random.default_rng(12)
layers = [f"layer{s}.{b}.conv{c}" for s in (1, 2, 10) for b in (0, 1) for c in (1, 2)]


def table(rows, missing):
    names = [layers[i] for i in rng.integers(0, len(layers), rows)]
    frame = pd.DataFrame({
        "layer": [None if i % 9 == missing else n for i, n in enumerate(names)],
        "epoch": rng.integers(1, 4, rows),
        "accuracy": np.where(rng.random(rows) < 0.2, np.nan, rng.normal(90, 3, rows)),
        "weights": rng.integers(-1000, 100000, rows),
    })
    return frame


a, b, c = table(23, 4), table(17, 5), table(11, 20)
c["loss"] = rng.normal(size=11)
for name, frame in (("a", a), ("b", b), ("c", c)):
    write(name, frame)


def merged(frames, names, keys, how):
    """As weft names columns: those that several tables have get the table's name."""
    out = None
    for name, frame in zip(names, frames):
        rename = {x: f"{x}_{name}" for x in frame if x not in keys and sum(x in f for f in frames) > 1}
        frame = frame.rename(columns=rename)
        out = frame if out is None else out.merge(frame, on=keys, how=how)
    return out


for how, keep in (("inner", "common"), ("left", "first"), ("outer", "all")):
    write(f"join-ab-{keep}", merged([a, b], ["a", "b"], ["layer", "epoch"], how))
    write(f"join-abc-{keep}", merged([a, b, c], ["a", "b", "c"], ["layer", "epoch"], how))
    write(f"join-layer-{keep}", merged([a, b], ["a", "b"], ["layer"], how))


def grouped(frame, keys):
    groups = frame.groupby(keys, dropna=False, sort=False)
    parts = [groups.size().rename("count")]
    for column in [x for x in frame.select_dtypes("number") if x not in keys]:
        for statistic in STATISTICS:
            values = groups[column].sum(min_count=1) if statistic == "sum" else getattr(groups[column], statistic)()
            parts.append(values.rename(f"{column}_{statistic}"))
    return pd.concat(parts, axis=1).reset_index()


write("group-layer", grouped(a, ["layer"]))
write("group-both", grouped(a, ["layer", "epoch"]))
write("group-epoch", grouped(c, ["epoch"]))
write("stack", pd.concat([a.assign(run="a"), b.assign(run="b"), c.assign(run="c")])[
    ["run", "layer", "epoch", "accuracy", "weights", "loss"]])
