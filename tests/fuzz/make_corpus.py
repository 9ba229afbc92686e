#!/usr/bin/env python3
"""make_corpus -- the seeds of the targets that make an archive around their input: the members of tests/fixtures' files.

fuzz_tar reads two lengths (u16le), then pickle, tensors, storages; fuzz_torch_zip data.pkl, data/0, data/1.
"""
import pathlib
import struct
import tarfile
import zipfile

here = pathlib.Path(__file__).parent
fixtures = here.parent / "fixtures"


def write(target, name, parts):
    folder = here / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    lengths = struct.pack("<HH", *(min(len(part), 65535) for part in parts[:2]))
    (folder / name).write_bytes(lengths + b"".join(parts))


with tarfile.open(fixtures / "files" / "tar.pth") as tar:
    write("fuzz_tar", "tar", [tar.extractfile(name).read() for name in ("pickle", "tensors", "storages")])

for path in sorted([*fixtures.glob("torch-*.pth"), *(fixtures / "files").glob("*.pth")]):
    if not zipfile.is_zipfile(path) or path.stat().st_size > 4096:
        continue
    with zipfile.ZipFile(path) as zip:
        root = next(name for name in zip.namelist() if name.endswith("/data.pkl"))[:-len("data.pkl")]
        names = zip.namelist()
        write("fuzz_torch_zip", path.stem, [zip.read(root + name) if root + name in names else b""
                                            for name in ("data.pkl", "data/0", "data/1")])
