#!/usr/bin/env bash
# Training on images through the program, beside what fit.sh and progressive.sh show: rows, what makes no sense, distillation stopped and gone on with.
. "$(dirname "$0")/../support/tap.sh"
export XDG_STATE_HOME=$work/state
status() { "$@" >"$work/out" 2>"$work/err" </dev/null; echo $?; }
load='load net base sample:fashion-resnet8 --quiet; load predictor pred sample:fashion-resnet8-predictor --for base --quiet; load data test sample:fashion-test --limit 64 --quiet'
say() { # NAME STATUS COMMAND TEXT: it fails so
    equal "$1" "$2" "$(status "$weft" -c "$load" -c "$3")"
    contains "  says why" "$(cat "$work/err")" "$4"
}
await() { for _ in $(seq 300); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done; return 1; }

# Rows.
equal "joint" 0 "$(status "$weft" -c "$load" -c 'train j --net base --hidden 16 --steps 3 --scheme joint --data test --warm-up 1; log j')"
contains "  its row says so" "$(cat "$work/out")" "joint"
contains "  its log has all terms" "$(cat "$work/out")" "fmd"
equal "distil" 0 "$(status "$weft" -c "$load" -c 'train d --from pred --steps 3 --scheme distil --data test; reconstruct d --into r')"
equal "distil without data" 0 "$(status "$weft" -c "$load" -c 'load data n noise:64:1x28x28; train d --from pred --steps 3 --scheme distil --data n --on test')"
mkdir "$work/images" && cp tests/fixtures/pictures/grey8.png "$work/images"
equal "distil on images without labels" 0 "$(status "$weft" -c "$load" -c "load data u images:$work/images:28x28; train d --from pred --steps 2 --scheme distil --data u --run $work/unlabelled")"
equal "  whose run is read again" 0 "$(status "$weft" -c "resume $work/unlabelled")"
equal "fit" 0 "$(status "$weft" -c "$load" -c 'fit f --arch resnet14 --widths 4,6,8 --shortcut B --data test --steps 3; ls')"
contains "  what it made" "$(cat "$work/out")" "ResNet14 (CIFAR, option B, widths 4/6/8)"

mkdir -p "$work/mine/a" "$work/mine/b" && cp tests/fixtures/pictures/grey8.png "$work/mine/a" && cp tests/fixtures/pictures/grey.jpg "$work/mine/b"
equal "fit on images of one's own: normalised as they are" 0 "$(status "$weft" -c "load data m images:$work/mine:28x28; fit f --arch resnet8 --widths 4 --data m --steps 2; evaluate f m")"
equal "  and so where it is asked for" 0 "$(status "$weft" -c "$load" -c 'fit f --arch resnet8 --widths 4 --data test --normalise data --steps 2; save f '"$work/own.safetensors")"
check "  to what the images have" python3 - "$work/own.safetensors" <<'PY'
import gzip, json, struct, sys
data = open(sys.argv[1], "rb").read()
said = json.loads(data[8:8 + struct.unpack("<Q", data[:8])[0]])["__metadata__"]["weft.normalise"]
pixels = gzip.open("samples/fashion-test-images-idx3-ubyte.gz").read()[16:16 + 64 * 784]
mean = sum(pixels) / len(pixels) / 255
std = (sum(p * p for p in pixels) / len(pixels) / 255**2 - mean**2) ** 0.5
got = [float(x) for x in said.split("/")]
assert abs(got[0] - mean) < 1e-6 and abs(got[1] - std) < 1e-6, (said, mean, std)
PY
loss() { "$weft" -c "$load" -c "train j --net base --hidden 16 --steps 3 --scheme joint --data test $1; log j" 2>/dev/null | tail -1 | cut -f1-3; }
stable=$(loss "--kd stable")
contains "joint is stable" "$stable" "3	"
equal "  unless told otherwise" "$stable" "$(loss "")"
check "  which is another loss" test "$stable" != "$(loss "--kd plain")"

# What makes no sense.
say "distil needs a predictor" 2 'train d --net base --scheme distil --data test' '--from PRED0'
say "recon has no use for two datasets" 2 'train p --net base --data test --on test' '--data together with --on needs --scheme joint or distil'
say "an architecture that is not known" 2 'fit f --arch resnext --data test' "no architecture 'resnext'"
say "a depth there is not" 2 'fit f --arch resnet11 --data test' '6n + 2'
say "widths" 2 'fit f --arch resnet8 --widths 4,5 --data test' '--widths must be'
say "widths are numbers" 2 'fit f --arch resnet8 --widths 4,x,5 --data test' '--widths must be'
say "nothing to measure against" 2 'load data n noise:8:1x28x28; evaluate base n' 'has no labels'
say "a progressive run must be measured" 2 'progressive base --into p' '--on'

# Signals, and going on to the same bits.
hashes() { # of the tensors of every file that a run ends with
    python3 - "$1" <<'EOF'
import hashlib, os, struct, sys
for folder, _, files in sorted(os.walk(sys.argv[1])):
    for name in sorted({"last.safetensors", "best.safetensors", "network.safetensors", "predictor.safetensors"} & set(files)):
        data = open(os.path.join(folder, name), "rb").read()
        print(os.path.relpath(os.path.join(folder, name), sys.argv[1]), hashlib.md5(data[8 + struct.unpack("<Q", data[:8])[0]:]).hexdigest())
EOF
}
stopped() { # NAME COMMAND: cut short by TERM, resumed, equal to what was left alone
    "$weft" -q -c "$load" -c "$2 --run $work/$1-whole" 2>"$work/err"
    setsid "$weft" -q -c "$load" -c "$2 --run $work/$1-part" 2>"$work/err" &
    local pid=$!
    await test -s "$work/$1-part/config.json"; sleep 0.6
    kill -s TERM "$pid"; wait "$pid"
    equal "TERM ends $1" 143 $?
    equal "$1 resumes" 0 "$(status "$weft" -q -c "resume $work/$1-part")"
    equal "$1 comes to the same bits" "$(hashes "$work/$1-whole")" "$(hashes "$work/$1-part")"
}
stopped distil 'train d --from pred --scheme distil --data test --steps 60 --seed 3'

# The paper's other columns.
few='load net base sample:fashion-resnet8 --quiet; load data few sample:fashion-test --limit 8 --quiet'
"$weft" -c "$few" -c 'train p --net base --hidden 16 --steps 20 --on few --report full --seed 3' >"$work/full" 2>&1
"$weft" -c "$few" -c 'train p --net base --hidden 16 --steps 20 --seed 3 --quiet; reconstruct p --into r --quiet; evaluate r few --report full --seed 3' >"$work/by-hand" 2>&1
columns() { for name in accuracy ood fgsm ifgsm fgsm_low ifgsm_high; do sed -n 2p "$1" | cut -f"$(head -1 "$1" | tr '\t' '\n' | grep -nx "$name" | cut -d: -f1)"; done | xargs; }
equal "--report full says what evaluate --report full does" "$(columns "$work/by-hand")" "$(columns "$work/full")"
contains "it needs images" "$("$weft" -c "$few" -c 'train p --net base --hidden 16 --steps 20 --report full' 2>&1)" "--report full needs images: --on DATA"

# Recipes: what config.json has where nothing is said, and what was said stays.
setting() { python3 -c 'import json, sys; s = json.load(open(sys.argv[1] + "/config.json"))["settings"]; print(*(s[k] for k in sys.argv[2:]))' "$@"; }
begun() { timeout -s INT 60 "$weft" -q -c "$load" -c "train p --net base --hidden 8 --run $work/$1 ${*:2} --background" >/dev/null 2>&1; "$weft" -q -c "stop $work/$1" >/dev/null 2>&1; }
begun muon --steps 400
equal "the usual recipe" "muon 0.03 one-cycle 20 400" "$(setting "$work/muon" optimiser rate schedule refresh steps)"
begun paper --recipe paper
equal "the paper's" "ranger 0.005 cosine 20 68600" "$(setting "$work/paper" optimiser rate schedule refresh steps)"
begun own --recipe paper --optimiser soap --steps 30 --lr 0.5
equal "and what is said goes before both" "soap 0.5 cosine 30" "$(setting "$work/own" optimiser rate schedule steps)"
"$weft" -q -c "$load" -c "train d --from pred --scheme distil --data test --steps 2 --run $work/second"
equal "phase 2 keeps Ranger" "ranger 0.0003 cosine" "$(setting "$work/second" optimiser rate schedule)"
finish
