#!/usr/bin/env bash
# Images and networks as people have them, through the program: what load data's flags do, also for a run that is gone on with; what is said of images
# without logits, of layers that are left out, of a normalisation that was assumed.
. "$(dirname "$0")/../support/tap.sh"
export XDG_STATE_HOME=$work/state
status() { "$@" >"$work/out" 2>"$work/err" </dev/null; echo $?; }
pictures=tests/fixtures/pictures

# Folders of images.
mkdir -p "$work/home/set/val/cat" "$work/home/set/val/dog" "$work/home/set/train/cat" "$work/home/set/val/__MACOSX"
for i in 0 1; do cp $pictures/grey8.png "$work/home/set/val/cat/$i.png"; cp $pictures/grey.jpg "$work/home/set/val/dog/$i.jpg"; done
cp $pictures/grey8.png "$work/home/set/train/cat"
printf 'dog\ncat\nemu\n' >"$work/home/list.txt"
export HOME=$work/home
equal "a parent of parts is refused" 3 "$(status "$weft" -c 'load data x images:~/set')"
contains "  and lists them" "$(cat "$work/err")" "holds train, val, which are not classes; choose one with images:"
equal "one part, cut as torchvision does" 0 "$(status "$weft" -c 'load data x images:~/set:val:resize=9,crop=8 --classes ~/list.txt; show x')"
contains "  in one size" "$(cat "$work/err")" "1x8x8"
contains "  with the file's classes" "$(cat "$work/out")" "$(printf '0\tdog\t2\n1\tcat\t2\n2\temu\t0')"
head -c 40 $pictures/grey8.png >"$work/home/set/val/cat/1.png"
equal "a broken file is refused" 3 "$(status "$weft" -c 'load data x images:~/set:val:8x8')"
contains "  and named" "$(cat "$work/err")" "val/cat/1.png: "
equal "or left out" 0 "$(status "$weft" -c 'load data x images:~/set:val:28x28 --skip-broken')"
contains "  and counted" "$(cat "$work/err")" "1 broken file left out: cat/1.png"
equal "a run on such data" 0 "$(status "$weft" -c "load data x images:~/set:val:28x28 --skip-broken; fit f --arch resnet8 --widths 4 --data x --steps 2 --run $work/fit")"
equal "  opens them again" 0 "$(status "$weft" -c "resume $work/fit")"
for flag in --partial --skip-broken '--classes x'; do
    equal "$flag where it has no meaning" 2 "$(status "$weft" -c "load data x sample:fashion-test $flag")"
done
equal "Lua has the flags too" 0 "$(status "$weft" -c 'load{"data", "x", "images:~/set:val:28x28", ["skip-broken"] = true}')"

# Numbers that are none: one weight NaN, one variance negative.
spoil() { # TENSOR VALUE FILE
    python3 - samples/fashion-resnet8.safetensors "$@" <<'PY'
import json, struct, sys
data = bytearray(open(sys.argv[1], "rb").read())
size = struct.unpack("<Q", data[:8])[0]
begin = json.loads(data[8:8 + size])[sys.argv[2]]["data_offsets"][0]
data[8 + size + begin:8 + size + begin + 4] = struct.pack("<f", float(sys.argv[3]))
open(sys.argv[4], "wb").write(data)
PY
}
spoil layer2.0.conv1.weight nan "$work/nan.safetensors"
spoil bn1.running_var -1 "$work/variance.safetensors"
load="load net good sample:fashion-resnet8 --quiet; load net bad $work/nan.safetensors --quiet; load net odd $work/variance.safetensors --quiet; load data t sample:fashion-test --limit 16 --quiet"
for line in 'evaluate bad t' 'evaluate bad t --per-class' 'evaluate bad t --attack fgsm --eps 0,0.1' 'evaluate bad t --corrupt fog' \
    'interpolate good bad --points 3 --on t' 'sweep lowpass bad --over cutoff=1,2 --on t' 'landscape bad --random 2 --grid 2 --on t' \
    'lowpass bad --cutoff 1 --into s --quiet; evaluate s t' 'recalibrate bad --on t --into s --quiet; evaluate s t'; do
    equal "$line" 0 "$(status "$weft" -c "$load" -c "$line")"
    contains "  says how many" "$(cat "$work/err")" "16 of 16 images have none"
    contains "  and the first layer" "$(cat "$work/err")" "layer2.0.conv1 (weight: 1 of 4608 values is NaN)"
    check "  and prints no -nan" sh -c "! grep -q -e '-nan' '$work/out' '$work/err'"
done
equal "a negative variance" 0 "$(status "$weft" -c "$load" -c 'evaluate odd t --format json')"
contains "  in JSON: null and a note" "$(cat "$work/out")" '"accuracy":null'
contains "  which names the layer" "$(cat "$work/out")" "bn1 (running variance: -1 in channel 0;"
equal "  is no reason not to calibrate but a message" 5 "$(s=$(status "$weft" -c "$load" -c 'quantise odd --calibrate t --into q'); [ "$s" -ne 0 ] && echo 5)"
contains "  which names the layer" "$(cat "$work/err")" "bn1 (running variance"
for line in 'sratio bad' 'sratio good --vs bad' 'distance good bad'; do
    equal "$line" 0 "$(status "$weft" -c "$load" -c "$line")"
    contains "  skips the layer" "$(cat "$work/err")" "skipped: layer2.0.conv1 (NaN weights)"
done
equal "lowpass" 0 "$(status "$weft" -c "$load" -c 'lowpass bad --cutoff 1 --into s')"
contains "  leaves it as it is" "$(cat "$work/err")" "unchanged: layer2.0.conv1 (NaN weights)"
equal "image" 0 "$(status "$weft" -c "$load" -c 'image t 0 --net bad')"
contains "  has nothing to say" "$(cat "$work/out")" "bad has no logits for it"

# Normalisations.
mkdir "$work/cifar"
cp tests/fixtures/cifar/cifar10.bin "$work/cifar/test_batch.bin"
load="load net a tests/oracle/narrow.th; load data t cifar10:$work/cifar:test --quiet"
equal "an assumed normalisation" 0 "$(status "$weft" -c "$load; evaluate a t --format json")"
contains "  is said" "$(cat "$work/err")" "normalisation: 0.485,0.456,0.406/0.229,0.224,0.225 (imagenet), assumed: names as in akamaster's"
contains "  and with every result" "$(cat "$work/out")" '"normalisation":"0.485,0.456,0.406/0.229,0.224,0.225 (imagenet), assumed: names'
loss=$(sed -E 's/.*"ce":([0-9.]+).*/\1/' tests/oracle/narrow.json)
equal "  which gives PyTorch's loss" true "$("$weft" -c "$load; print(math.abs(evaluate{'a', 't'}.loss - $loss) < 2e-5)" 2>/dev/null | tail -n 1)"
if [ -e ../shared/data/checkpoints/resnet20-12fca82f.th ]; then
    equal "  also in ../shared" 0 "$(status "$weft" -c 'load net a ../shared/data/checkpoints/resnet20-12fca82f.th; load data t cifar10:../shared/data/cifar10-subset:test; evaluate a t --format json')"
    contains "  which is as right as ever" "$(cat "$work/out")" '"correct":776,"accuracy":91.725'
fi
equal "--normalise takes every name of the list" 0 "$(status "$weft" -c 'for _, name in ipairs{"fashion-mnist", "half", "none"} do load{"net", "x", "sample:fashion-resnet8", normalise = name} end')"
finish
