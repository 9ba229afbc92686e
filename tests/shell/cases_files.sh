#!/usr/bin/env bash
# Files as people save them, through the program: which state dict is taken, what is said to be left out, what a refusal says to do; and names in
# files never act on a terminal. (What the files read as, value by value: tests/format/test_files.c.)
. "$(dirname "$0")/../support/tap.sh"
files=tests/fixtures/files
run() { "$weft" -c "$1" 2>&1; }
status() { "$weft" -c "$1" >"$work/out" 2>"$work/err" </dev/null; echo $?; }

text=$(COLUMNS=300 "$weft" --format table -c "show $files/ema.pth" 2>&1)
contains "show FILE lists the candidates with their sizes" "$text" '--key selects among "state_dict_ema" (9 tensors, 38 elements), "optimizer.state.0" (1 tensor, 2 elements)'
contains "show FILE --key shows that one" "$("$weft" --format table -c "show $files/folds.pth --key fold1" 2>&1)" 'the state dict is "fold1.model"'
contains "load net --key takes it" "$(run "load net n $files/ema.pth --key state_dict_ema")" 'the state dict is "state_dict_ema": 9 of the file'
equal "and its values" "0" "$("$weft" -q -c "load net a $files/ema.pth --key state_dict_ema; load net b $files/plain.npz" \
    -c 't = distance{"a", "b"}; s = 0; for i = 1, #t do s = s + t[i].rms end; print(s == 0 and 0 or s)' 2>&1)"
equal "an unknown key is a usage error" 2 "$(status "load net n $files/ema.pth --key state_dict_em")"
contains "that says what was meant" "$(cat "$work/err")" "did you mean state_dict_ema"
contains "and what there is" "$(cat "$work/err")" '"state_dict_ema" (9 tensors, 38 elements)'
equal "--key needs a file" 2 "$(status "load net n $files/ema.pth; show n --key x")"
contains "a whole module" "$(run "load net n $files/module.pth")" "a whole module, home.models.Net: its parameters and buffers are read; none of its code is executed"
contains "what is left out is named" "$(run "load net n $files/objects.pth")" '"datetime" (datetime.datetime)'
contains "integer weights are noted" "$(run "load net n $files/dtypes.pth")" "These weights are integers, and no layers: "
contains "members of an npz that are left out are named" "$(run "load net n $files/mixed.npz")" '"text" (text), "objects" (Python objects)'
mkdir "$work/hf"; cp "$files"/pytorch_model* "$work/hf"
equal "a folder is refused" 3 "$(status "load net n $work/hf")"
contains "with the file to open" "$(cat "$work/err")" "a Hugging Face folder; open $work/hf/pytorch_model.bin.index.json"

# The files of the cases' escape2: names with ESC, BEL, C1 and bidirectional controls, in file, metadata, tensors, members, classes.
python3 - "$work" <<'PYTHON' || not_ok "the files are written"
import json, os, struct, sys, zipfile, zlib
folder, evil = sys.argv[1], "\x1b]0;pwned\x07\x1b[31m\u009b1m\u202e"
def safetensors(path, metadata, tensor):
    head = json.dumps({"__metadata__": metadata, tensor: {"dtype": "F32", "shape": [2, 1, 3, 3], "data_offsets": [0, 72]}}).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head + struct.pack("<18f", *range(18)))
safetensors(f"{folder}/meta.safetensors", {"key" + evil: "value" + evil, "a_b": "line\nline"}, "conv.weight")
safetensors(f"{folder}/layer.safetensors", {}, f"conv{evil}.weight")
safetensors(f"{folder}/name\x1b[31m\u202e.safetensors", {}, "conv.weight")
safetensors(f"{folder}/long.safetensors", {"comment": "x" * 100000, "next": "y"}, "conv.weight")
npy = b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1, 3, 3), }".ljust(117) + b"\n" + bytes(72)
with zipfile.ZipFile(f"{folder}/member.npz", "w") as out:
    out.writestr(f"conv{evil}.npy", npy)
def png(path):
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes(96) for _ in range(32))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 32, 32, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
for name in ("a" + evil, "b"):
    os.makedirs(f"{folder}/images/{name}")
    png(f"{folder}/images/{name}/x.png")
PYTHON

# What a terminal would get, less the line ends and the erasing of the progress line: no control character at all.
raw() { # COMMANDS FORMAT: prints what is there that must not be
    python3 - "$weft" "$1" "$2" <<'PYTHON'
import os, pty, re, select, sys
weft, commands, form = sys.argv[1:]
child, terminal = pty.fork()
if child == 0:
    os.environ.update(TERM="xterm-256color", NO_COLOR="1", LC_ALL="C.UTF-8")
    os.execv(weft, [weft, "--format", form, "-c", commands])
out = b""
while select.select([terminal], [], [], 20)[0]:
    try:
        more = os.read(terminal, 65536)
    except OSError:
        break
    if not more:
        break
    out += more
text = re.sub("\x1b\\[K|\r", "", out.decode("utf-8", "surrogateescape"))
found = re.findall("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\udc80-\udcff]", text)
print(len(text) < 40 and "nothing was printed" or sorted(set(map(repr, found))) or "")
PYTHON
}
for form in table csv tsv md json; do
    for file in meta.safetensors layer.safetensors $'name\x1b[31m\u202e.safetensors' member.npz; do
        equal "$form: $(printf %q "$file")" "" "$(raw "show '$work/$file'; load net n '$work/$file'; show n; ls; kernels n 0; sratio n; print(show{'n'}.layer[1])" "$form")"
    done
    equal "$form: classes" "" "$(raw "load data d 'images:$work/images'; show d; ls; image d 0" "$form")"
done
"$weft" --format tsv -c "load net n '$work/layer.safetensors' --quiet; show n" 2>/dev/null >"$work/piped"
check "a pipe gets the names as they are" grep -q $'\x1b]0;pwned' "$work/piped"
equal "JSON says the same in escapes" "True" "$("$weft" --format json -c "load net n '$work/layer.safetensors' --quiet; show n" 2>/dev/null |
    python3 -c 'import json,sys; t=sys.stdin.read(); print("\u202e" not in t and "\x1b" not in t and "\x1b]0;pwned\x07" in json.loads(t)["rows"][0]["layer"])')"
text=$(run "load net n '$work/long.safetensors'")
contains "100 kB of metadata is one line" "$text" "... (100000 bytes)"
contains "and the next entry another" "$text" $'\nnext: y'
equal "a line end in metadata ends no line" 1 "$(run "load net n '$work/meta.safetensors'" | grep -c 'a_b: line\\x0aline')"
finish
