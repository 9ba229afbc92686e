#!/usr/bin/env bash
# Losses on images through the program: train --scheme joint and distil, fit; options that have no meaning together; a network in training that
# is stopped and goes on.
. "$(dirname "$0")/../support/tap.sh"
export XDG_STATE_HOME=$work/state
status() { "$@" >"$work/out" 2>"$work/err" </dev/null; echo $?; }
load='load net base sample:fashion-resnet8 --quiet; load data test sample:fashion-test --limit 100 --quiet'
load="$load; load data noise noise:64:1x28x28 --quiet"
await() { for _ in $(seq 300); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done; return 1; }
refused() { # COMMAND MESSAGE
    equal "refused: $1" 2 "$(status "$weft" -q -c "$load" -c "train p0 --net base --hidden 20 --steps 2" -c "$1")"
    contains "because: $2" "$(cat "$work/err")" "$2"
}

# Predictors on images.
joint='train p --net base --hidden 20 --steps 6 --log-every 1 --image-batch 16 --clip 1'
equal "joint" 0 "$(status "$weft" -c "$load" -c "$joint --scheme joint --data test --alpha 0.1 --beta 0.2 --run $work/joint")"
contains "a row of its scheme" "$(cat "$work/out")" "joint"
contains "its configuration" "$(cat "$work/joint/config.json")" '"scheme": "joint"'
equal "the log has every term" "yes" "$(python3 - "$work/joint/log.csv" <<'P'
import csv, sys
rows = list(csv.DictReader(open(sys.argv[1])))
sound = len(rows) == 6
for row in rows:
    terms = float(row["recon"]) + 0.1 * float(row["kd"]) + 0.2 * float(row["fmd"])
    sound = sound and abs(float(row["loss"]) / terms - 1) < 1e-6 and row["cross_entropy"] == ""
print("yes" if sound else rows)
P
)"
equal "distil goes on from a predictor, with a teacher, on other images than it is measured on" 0 \
    "$(status "$weft" -q -c "$load" -c "$joint --scheme joint --data test" -c "train q --from p --scheme distil --data noise --on test --teacher base --steps 4 --image-batch 16 --clip 1 --run $work/distil")"
equal "images, data and teacher are kept" "noise:64:1x28x28 sample:fashion-test True" "$(python3 -c '
import json, sys
c = json.load(open(sys.argv[1]))
o = {one["role"]: one for one in c["objects"]}
print(o["images"]["spec"], o["data"]["spec"], len(o["teacher"]["network"]) > 0)' "$work/distil/config.json")"
check "with the teacher itself" test -s "$work/distil/teacher.safetensors"
refused "train p --net base --scheme joint --steps 5" "--scheme joint needs images: --data DATA"
refused "train p --net base --scheme distil --data test --steps 5" "--from"
refused "train p --net base --teacher base --steps 5" "--teacher needs --scheme joint or distil"
refused "train p --net base --data test --alpha 1 --steps 5" "--alpha needs --scheme joint or distil"
refused "train p --net base --data test --warm-up 3 --steps 5" "--warm-up needs --scheme joint"
refused "train p --from p0 --data test --scheme distil --warm-up 3 --steps 5" "--warm-up needs --scheme joint"
refused "train p --net base --data test --scheme joint --alpha 0 --temperature 2 --steps 5" "--temperature needs --alpha above 0"
refused "train p --net base --data test --scheme joint --beta 0 --fmd-maps aliased --steps 5" "--fmd-maps needs --beta above 0"
refused "train p --net base --data test --scheme joint --exact --steps 5" "--exact needs steps on L_recon that do not use all kernels"
refused "fit o --arch resnet8 --widths 4 --data test --steps 1; train p --net o --scheme joint --data noise --on noise --steps 5" "noise:64:1x28x28"
refused "fit o --arch resnet14 --widths 4 --data test --steps 1; train p --net base --scheme joint --data test --teacher o --steps 5 --run $work/none" "own architecture"
check "and nothing is left behind" test ! -e "$work/none"

# Networks.
fit='fit n --arch resnet8 --widths 4 --data test'
for widths in 4,5 4,x,6 0 -4 4,4,4,4 '4,' ',4' 70000 4.5; do
    refused "fit n --arch resnet8 --widths $widths --data test --steps 1" "--widths"
done
refused "fit n --arch resnet9 --data test --steps 1" "resnet9"
refused "fit n --arch resnet8 --widths 4 --data noise --steps 1" "no labels to train on"
refused "$fit --alpha 1 --steps 1" "--alpha needs --teacher"
refused "$fit --temperature 2 --steps 1" "--temperature needs --alpha above 0"
refused "$fit --beta1 0.9 --steps 1" "--beta1 needs --optimiser ranger, adam, adamw, muon or soap"
equal "widths 4 is 4,8,16" "yes" "$("$weft" -q --format csv -c "$load" -c "$fit --steps 1 --seed 3" -c 'fit m --arch resnet8 --widths 4,8,16 --data test --steps 1 --seed 3' \
    -c "save n $work/n.npz" -c "save m $work/m.npz" >"$work/out" 2>"$work/err"; if cmp -s "$work/n.npz" "$work/m.npz"; then echo yes; else cat "$work/err"; fi)"
equal "with a teacher" 0 "$(status "$weft" -q -c "$load" -c "$fit --teacher base --alpha 2 --temperature 4 --steps 3 --run $work/pupil")"
check "which is kept" test -s "$work/pupil/teacher.safetensors"
# How convolutions are computed is recorded, from the option or the variable.
recorded() { grep -o '"convolutions": "[a-z]*"' "$work/$1/config.json"; }
equal "convolutions by the option" 0 "$(status env WEFT_CONVOLUTIONS=fast "$weft" -q -c "$load" -c "$fit --steps 1 --convolutions direct --run $work/tap")"
equal "are recorded" '"convolutions": "direct"' "$(recorded tap)"
equal "convolutions by the variable" 0 "$(status env WEFT_CONVOLUTIONS=direct "$weft" -q -c "$load" -c "$fit --steps 1 --run $work/variable")"
equal "are recorded too" '"convolutions": "direct"' "$(recorded variable)"
equal "the default is" '"convolutions": "fast"' "$(recorded pupil)"
equal "a wrong variable is named" "weft: WEFT_CONVOLUTIONS: --convolutions must be fast or direct, not 'slow'" \
    "$(WEFT_CONVOLUTIONS=slow "$weft" -q -c "$load" -c "$fit --steps 1" 2>&1 | tail -n 1)"

# Stopped by TERM, gone on with: the same network, to the byte.
long="$fit --steps 900 --save-every 5000 --eval-every 200 --image-batch 20 --seed 4"
mkdir "$work/a" "$work/b" # the same command in each: lineages name the folder
equal "a run" 0 "$(cd "$work/a" && status "$weft" -c "$load" -c "$long --run run")"
for file in config.json log.csv last.safetensors best.safetensors source.safetensors; do
    check "$file is there" test -s "$work/a/run/$file"
done
setsid bash -c "cd $work/b && exec '$weft' -q -c '$load' -c '$long --run run'" 2>"$work/err" &
pid=$!
await test -s "$work/b/run/config.json"; sleep 0.3
kill -s TERM "$pid"; wait "$pid"
equal "SIGTERM ends it" 143 $?
stopped=$("$weft" -c "t = log{'$work/b/run'}; print(t[#t].step)" 2>/dev/null | tail -n 1)
check "before its last step" test "${stopped:-900}" -lt 900
equal "it resumes, with another number of threads" 0 "$(status env WEFT_THREADS=1 "$weft" -q -c "resume $work/b/run --into n" -c "save n $work/a/n.npz")"
equal "as a finished run gives its network" 0 "$(status "$weft" -q -c "resume $work/a/run --into n" -c "save n $work/b/n.npz")"
check "to the same bits" cmp "$work/a/n.npz" "$work/b/n.npz"
check "and to the same best" cmp "$work/b/run/best.safetensors" "$work/a/run/best.safetensors"
equal "the checkpoint loads as a network" 0 "$(status "$weft" -q -c "$load" -c "load net n $work/a/run/last.safetensors" -c 'evaluate n test')"
finish
