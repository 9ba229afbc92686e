#!/usr/bin/env bash
# Networks and images of other sizes than CIFAR's: predictors of MobileNet's mixed kernels, what is usual for networks with many weights,
# STL-10's images of 96 x 96 pixels.
. "$(dirname "$0")/../support/tap.sh"
export XDG_STATE_HOME=$work/state
status() { "$@" >"$work/out" 2>"$work/err" </dev/null; echo $?; }
parameters() { # hash of the parameters that a run folder ends with
    "$weft" --format json -c "show $1/last.safetensors" 2>/dev/null | python3 -c '
import json, sys
hashes = json.loads(json.load(sys.stdin)["notes"]["weft.run"])["hashes"]
print({name: hash[:8] for name, hash in sorted(hashes.items()) if not name.startswith("metadata")})'
}
await() { for _ in $(seq 600); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done; return 1; }

# MobileNet: 3x3 and 1x1 kernels in one predictor. It trains, is stopped and goes on to the same bits, and makes a network again.
equal "a MobileNet is made" 0 "$(status "$weft" -c "load data few sample:fashion-test --limit 64" \
    -c "fit m --arch mobilenet:0.25 --data few --steps 2" -c "save m $work/m.safetensors")"
load="load net m $work/m.safetensors --quiet; load data few sample:fashion-test --limit 64 --quiet"
options="--net m --hidden 50 --steps 120 --save-every 1000 --eval-every 0 --seed 3"
equal "a predictor of it" 0 "$(status "$weft" -c "$load" -c "train p $options --run $work/whole" -c 'show p' -c 'reconstruct p --into r' -c 'evaluate r few')"
contains "its pointwise kernels are predicted" "$(cat "$work/out" "$work/err")" "256x256x1x1"
contains "and its depthwise ones" "$(cat "$work/out" "$work/err")" "256x1x3x3"
contains "in the usual order" "$(cat "$work/whole/config.json")" '"permutation": "in-filter"'
setsid "$weft" -q -c "$load" -c "train p $options --run $work/stopped" 2>"$work/err" &
pid=$!
await test -s "$work/stopped/config.json"; sleep 0.3
kill -s INT "$pid"; wait "$pid"
equal "it is resumed" 0 "$(status "$weft" -c "resume $work/stopped")"
equal "to the same bits" "$(parameters "$work/whole")" "$(parameters "$work/stopped")"

# More than 5 million predicted weights: cross-filter order, 65,536 kernels a step. Kernels of one direction are ordered at once.
python3 - "$work/wide.safetensors" <<'END'
import json, struct, sys
shape = [768, 768, 3, 3]
size = 4 * 768 * 768 * 9
header = json.dumps({"a.weight": {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}}).encode()
with open(sys.argv[1], "wb") as f:
    f.write(struct.pack("<Q", len(header)) + header + struct.pack("<f", 0.5) * (size // 4))
END
wide="load net w $work/wide.safetensors --quiet"
equal "a wide network" 0 "$(status "$weft" -c "$wide" -c "train p --net w --hidden 8 --steps 1 --run $work/wide" -c 'show p')"
contains "has cross-filter order" "$(cat "$work/wide/config.json")" '"permutation": "cross-filter"'
contains "and larger batches of kernels" "$(cat "$work/wide/config.json")" '"batch": 65536'
equal "both can be chosen" 0 "$(status "$weft" -c "$wide" -c "train p --net w --hidden 8 --steps 1 --permutation none --batch 100 --run $work/chosen" -c 'show p')"
contains "the order" "$(cat "$work/chosen/config.json")" '"permutation": "none"'
contains "the batch" "$(cat "$work/chosen/config.json")" '"batch": 100'

# STL-10's images.
python3 - "$work" <<'END'
import random, sys
random.seed(1)
for part, count in (("train", 24), ("test", 12)):
    with open(f"{sys.argv[1]}/{part}_X.bin", "wb") as f: f.write(random.randbytes(count * 3 * 96 * 96))
    with open(f"{sys.argv[1]}/{part}_y.bin", "wb") as f: f.write(bytes(1 + i % 10 for i in range(count)))
END
stl="load data train stl10:$work:train --limit 16; load data test stl10:$work:test"
equal "images of 96 x 96 pixels" 0 "$(status "$weft" -c "$stl" -c 'fit b --arch resnet8 --data train --on test --epochs 1 --image-batch 8 --lr 0.01' -c "save b $work/b.safetensors")"
contains "are read" "$(cat "$work/err")" "3x96x96"
equal "are evaluated" 0 "$(status "$weft" -c "$stl" -c "load net b $work/b.safetensors" -c 'evaluate b test')"
equal "train predictors" 0 "$(status "$weft" -c "$stl" -c "load net b $work/b.safetensors" \
    -c 'train p --net b --hidden 16 --steps 2 --scheme joint --data train --on test --image-batch 8')"
equal "with STL-10's weights of the losses" 0 "$(status "$weft" -c "$stl" -c "load net b $work/b.safetensors" \
    -c "train p --net b --hidden 16 --steps 1 --scheme joint --data train --image-batch 8 --run $work/joint")"
contains "of 1e-5" "$(cat "$work/joint/config.json")" '1.0000000000000001e-5'
# Weights that stay in their file give the numbers of those in memory.
analyses='sratio a --format tsv; distance a b --format tsv; hist a --vs b --format tsv; spectrum a layer1.0.conv1 --format tsv'
nets='load net a sample:fashion-resnet20'
"$weft" -c "$nets; svscale a --factor 0.5 --last 3 --into b; $analyses; mix a b --alpha 0.3 --into m; save m $work/memory.safetensors" >"$work/in-memory" 2>/dev/null
"$weft" --max-memory 2M -c "$nets; svscale a --factor 0.5 --last 3 --into b; $analyses; mix a b --alpha 0.3 --into m; save m $work/parts.safetensors" >"$work/parts" 2>/dev/null
equal "analyses of weights in a file" "$(cat "$work/in-memory")" "$(cat "$work/parts")"
equal "and there are some" y "$([ "$(wc -l <"$work/parts")" -gt 50 ] && echo y)"
equal "a mixture made while it is saved" "$(sha256sum <"$work/memory.safetensors")" "$(sha256sum <"$work/parts.safetensors")"
# Estimates: a row for each layer, before anything is computed; nothing is made.
for line in sratio "sratio --vs a" "quality" "quality --matrix" "hist" "distance a" "lowpass --cutoff 4 --into m" \
    "svscale --factor 0.5 --into m" "quantise --into m" "mix a --alpha 0.5 --into m"; do
    read -r command rest <<<"$line"
    equal "$command --dry-run" 0 "$(status "$weft" --max-memory 500K --format tsv -c "$nets" -c "$command a $rest --layers stage:3 --dry-run" -c 'expect #last == 6')"
    equal "names its columns" $'layer\trows\tcolumns\tmemory\tseconds' "$(head -1 "$work/out")"
    equal "makes nothing" 2 "$(status "$weft" -c "$nets" -c "$command a $rest --dry-run" -c 'show m')"
done
for command in distance sratio hist quality; do # only the layers of both; the others are named
    other=b; [ $command = distance ] || other="--vs b"
    equal "$command --dry-run of two networks" 0 "$(status "$weft" --format table -c "$nets; load net b sample:fashion-resnet8" -c "$command a $other --dry-run" -c 'expect #last == 8')"
    contains "names what has no partner" "$(cat "$work/out")" "unmatched: layer1.1.conv1 (only in the first network)"
done
equal "spectrum --dry-run" 0 "$(status "$weft" --max-memory 20G --format table -c "$nets" -c 'spectrum a layer1.0.conv1 --dry-run')"
contains "says what the limit is" "$(cat "$work/out")" "limit 20,480 MB (--max-memory)"
equal "what needs all weights says how much" 5 "$(status "$weft" --max-memory 500K -c "$nets; load data t sample:fashion-test; evaluate a t")"
contains "and the limit" "$(cat "$work/err")" "limit 500.0 KiB (set --max-memory)"
finish
