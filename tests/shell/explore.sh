#!/usr/bin/env bash
# sweep, interpolate, landscape through the program: against the commands by hand, kept in a folder and resumed to the same table, bad input.
. "$(dirname "$0")/../support/tap.sh"
export XDG_STATE_HOME=$work/state
status() { "$@" >"$work/out" 2>"$work/err" </dev/null; echo $?; }
lines() { if [ -e "$1" ]; then wc -l <"$1"; else echo 0; fi; }
await() { for _ in $(seq 300); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done; return 1; }
images=200; grid=9
[ "${MODE-}" = asan ] && images=24 grid=5
load="load net base sample:fashion-resnet8 --quiet; load data test sample:fashion-test --limit $images --quiet; lowpass base --cutoff 1 --layers stage:2 --into smooth --quiet; svscale base --factor 0.5 --into third --quiet"
run() { status "$weft" -c "$load" -c "$1"; }
refused() { equal "$1" "$3" "$(run "$2")"; contains "and says why" "$(cat "$work/err")" "$4"; equal "in one line" 1 "$(wc -l <"$work/err")"; }
cell() { sed -n "$((1 + $2))p" "$work/out" | cut -f"$(head -1 "$work/out" | tr '\t' '\n' | grep -nx "$1" | cut -d: -f1)"; } # COLUMN ROW
rows() { tail -n +2 "$work/out" | grep -c .; }

# What a sweep finds is what the command finds.
equal "a sweep" 0 "$(run 'sweep lowpass base --over cutoff=0.5,2,8 --each stage --mode 2d --on test')"
equal "its columns" "stage cutoff accuracy loss p_value significant accuracy_low accuracy_high only only_vs sratio_change distance rms recomputed" "$(head -1 "$work/out" | tr '\t' ' ')"
equal "its rows" "stage:1 stage:1 stage:1 stage:2 stage:2 stage:2 stage:3 stage:3 stage:3" "$(tail -n +2 "$work/out" | cut -f1 | xargs)"
swept="$(cell accuracy 5) $(cell loss 5)"
compared="$(cell accuracy_low 5) $(cell accuracy_high 5) $(cell p_value 5) $(cell only 5) $(cell only_vs 5)"
run 'lowpass base --cutoff 2 --mode 2d --layers stage:2 --into s --quiet; evaluate s test --vs base' >/dev/null
equal "compared with the unchanged network as evaluate --vs compares" "$(cell accuracy_low 1) $(cell accuracy_high 1) $(cell p_value 1) $(cell only 1) $(cell only_vs 1)" "$compared"
run 'lowpass base --cutoff 2 --mode 2d --layers stage:2 --into s --quiet; evaluate s test' >/dev/null
equal "a point is the command by hand" "$(cell accuracy 1) $(cell loss 1)" "$swept"
run 'sweep lowpass base --over cutoff=0.5,2,8 --each stage --mode 2d --on test' >/dev/null; cut -f1-13 "$work/out" >"$work/shared"
run 'sweep lowpass base --over cutoff=0.5,2,8 --each stage --mode 2d --on test --whole' >/dev/null
equal "--whole changes no number" "$(cat "$work/shared")" "$(cut -f1-13 "$work/out")"
WEFT_THREADS=1 run 'sweep lowpass base --over cutoff=0.5,2,8 --each stage --mode 2d --on test' >/dev/null
equal "nor does the number of threads" "$(cat "$work/shared")" "$(cut -f1-13 "$work/out")"
equal "two options are a grid" 0 "$(run 'sweep svscale base --over factor=0:1:3,last=5,15 --layers stage:3')"
equal "of all pairs" "0 5 0.5 5 1 5 0 15 0.5 15 1 15" "$(tail -n +2 "$work/out" | cut -f1,2 | xargs)"
odd="load net odd '$root/tests/fixtures/layers.pth' --quiet"
equal "a network without an architecture" 0 "$(run "$odd; sweep svscale odd --over factor=0:1:3 --layers tokens,linear")"
equal "or without a convolution among its layers" "1 0" "$(tail -n 1 "$work/out" | cut -f1,2 | tr '\t' ' ')"
equal "kernels of three axes" 0 "$(run "$odd; sweep lowpass odd --over cutoff=1,2 --layers conv3d,t1d --each layer")"
equal "each by itself" "conv1d conv1d" "$(run "$odd; sweep lowpass odd --over cutoff=1,2 --layers conv1d --each layer" >/dev/null; tail -n +2 "$work/out" | cut -f1 | xargs)"
equal "from Lua" "3 1.0" "$("$weft" -q -c "$load" -c "t = sweep{'mix', 'base', 'smooth', over = 'alpha=0:1:3', on = 'test'}" -c 'print(#t, t[3].alpha)' | tr '\t' ' ')"
equal "a logarithmic range" 0 "$(run 'sweep lowpass base --over cutoff=1:100:3:log')"
equal "has its middle at the geometric mean" 10 "$(printf %.6g "$(cell cutoff 2)")"
equal "whole numbers of a fine range come once" 0 "$(run 'sweep svscale base --factor 0 --over last=1:3:9')"
equal "each" "1 2 3" "$(tail -n +2 "$work/out" | cut -f1 | xargs)"
equal "a range of no width is one point" 0 "$(run 'sweep lowpass base --over cutoff=4:4:9')"
equal "in one row" 1 "$(rows)"
equal "bits of quantised weights" 0 "$(run 'sweep quantise base --over bits=2:8:7 --on test')"
equal "seven of them" 7 "$(rows)"
four="$(cell accuracy 3) $(cell loss 3)"
run 'quantise base --bits 4 --into q --quiet; evaluate q test' >/dev/null
equal "as by hand, linear layers and all" "$(cell accuracy 1) $(cell loss 1)" "$four"
equal "with quantised activations" 0 "$(run 'sweep quantise base --calibrate test --over bits=4,8 --on test')"
eight="$(cell accuracy 2) $(cell loss 2)"
run 'quantise base --bits 8 --calibrate test --into q --quiet; evaluate q test' >/dev/null
equal "too" "$(cell accuracy 1) $(cell loss 1)" "$eight"

# Interpolation.
equal "a path" 0 "$(run 'interpolate base smooth third --points 5 --on test')"
equal "through three networks" "0 0.5 1 1.5 2" "$(tail -n +2 "$work/out" | cut -f2 | xargs)"
contains "names who it is between" "$(cell between 4)" "smooth third"
end="$(cell accuracy 5) $(cell loss 5)"
run 'evaluate third test' >/dev/null
equal "its end is the third" "$(cell accuracy 1) $(cell loss 1)" "$end"
equal "recalibrated" 0 "$(run 'interpolate base smooth --points 2 --on test --recalibrate test')"
again="$(cell loss 2)"
run 'recalibrate smooth --on test --into r --quiet; evaluate r test' >/dev/null
equal "its end is the second, recalibrated" "$(cell loss 1)" "$again"

# Landscapes.
equal "a landscape" 0 "$(run 'landscape base smooth third --grid 3 --margin 0 --on test')"
origin="$(cell accuracy 1) $(cell loss 1)"
run 'evaluate base test' >/dev/null
equal "its corner is the first network" "$(cell accuracy 1) $(cell loss 1)" "$origin"
equal "one point" 0 "$(run 'landscape base smooth third --grid 1 --on test')"
equal "in one row" 1 "$(rows)"
equal "a line" 0 "$(run 'landscape base --random 1 --grid 3 --span 0.2 --seed 5 --on test --train test')"
equal "through the network" "$(cell loss 2)" "$(cell train_loss 2)"
cp "$work/out" "$work/line"; run 'landscape base --random 1 --grid 3 --span 0.2 --seed 5 --on test --train test' >/dev/null
equal "the same again with the same seed" "$(cat "$work/line")" "$(cat "$work/out")"

# What a new user met.
contains "a grid for each stage: the map shows one of them, and says which" "$(run "sweep svscale base --over factor=0:1:3,last=5,10 --each stage --on test --as sw --quiet; plot --inline --height 12" >/dev/null; cat "$work/out")" "(stage:1)"
contains "and another" "$(run "sweep svscale base --over factor=0:1:3,last=5,10 --each stage --on test --as sw --quiet; plot --where stage=stage:3 --inline --height 12" >/dev/null; cat "$work/out")" "(stage:3)"
contains "numbers as they are shown" "$(run "sweep svscale base --over factor=0.1:0.9:5,last=5,10 --as sw --quiet; plot sw --kind lines --x last --y distance --where factor=0.3 --inline --height 8" >/dev/null; cat "$work/out")" "factor 0.3"
contains "the dotted line comes back" "$(run "sweep lowpass base --over cutoff=1,2 --on test --as sw --quiet; plot sw --y distance; plot sw --y accuracy --inline --height 9" >/dev/null; cat "$work/out")" "╌"
check "a logarithmic axis stays so under another column" sh -c "'$weft' -c 'load net base sample:fashion-resnet8 --quiet; sweep lowpass base --over cutoff=1:16:5:log --as sw --quiet; plot sw --y rms --inline --height 8' 2>/dev/null | grep -qE '1 {9,}2 {9,}4 {9,}8 {9,}16'"
refused "a column to colour is for heat maps" "sweep lowpass base --over cutoff=1,2 --as sw --quiet; plot sw --value rms" 2 "only heat maps"
refused "--where needs a column" "sweep lowpass base --over cutoff=1,2 --as sw --quiet; plot sw --where =1" 2 "COLUMN=VALUE"
refused "or says that there is none" "sweep svscale base --over factor=0:1:3,last=5,10 --each stage --as sw --quiet; plot --where stage=stage:4 --inline" 2 "no row with 'stage:4'"
refused "sweep keeps no networks" "sweep lowpass base --over cutoff=1 --into x" 2 "leave out --into"
run "fit far --arch resnet8 --data test --steps 5 --seed 3 --quiet; interpolate base far --from -3 --to 3 --points 7 --on test" >/dev/null
contains "beyond networks trained apart there is no accuracy" "$(cat "$work/err")" "3 of 7 points have no accuracy"
equal "in the table neither" "nan" "$(cell accuracy 1)"
check "without images no share of a pass" sh -c "! '$weft' -c 'load net a sample:fashion-resnet8; svscale a --factor 0.5 --into b; interpolate a b --points 2' 2>/dev/null | grep recomputed"
equal "a chart in a loop" 2 "$("$weft" -c 'load net a sample:fashion-resnet8 --quiet' -c 'for i = 1, 2 do sratio{"a", as = "r"} plot{"r", inline = true} end' | grep -c 'S_ratio of a')"

# Kept, interrupted in any way, resumed: the same table.
wide="landscape base smooth third --grid $grid --on test"
"$weft" -q -c "$load" -c "$wide --as whole; export whole $work/whole.csv" 2>/dev/null
for signal in INT TERM KILL; do
    folder=$work/run-$signal
    for _ in 1 2 3; do
        before=$(lines "$folder/log.csv"); [ "$before" -gt 0 ] || before=1
        setsid "$weft" -q -c "$load" -c "$wide --run $folder" 2>"$work/err" & pid=$!
        await sh -c "[ \$(wc -l <$folder/log.csv) -gt $before ] || ! kill -0 $pid"
        kill -s $signal $pid 2>/dev/null; wait $pid 2>/dev/null
    done
    points=$(($(wc -l <"$folder/log.csv") - 1))
    equal "resumes after SIG$signal with $points points" 0 "$(cd / && status "$weft" -c "resume $folder --as whole; export whole $work/$signal.csv")"
    check "to the same file" cmp "$work/whole.csv" "$work/$signal.csv"
    equal "each point once" "$((grid * grid))" "$(tail -n +2 "$folder/log.csv" | cut -d, -f1 | sort -u | wc -l)"
done
# Measured only where the loss bends: what is measured is the same, the rest not far from it, and so it is when resumed.
line='landscape base --random 1 --grid 65 --span 0.5 --on test --train test'
part="$line --adaptive 0.1"
equal "adaptive" 0 "$(run "$part --as part; export part $work/part.csv; $line --as line; export line $work/line.csv")"
check "what is measured is so on the full grid, the rest is near" python3 - "$work/line.csv" "$work/part.csv" <<'PY'
import csv, math, sys
whole, part = ([row for row in csv.DictReader(line for line in open(name) if not line.startswith("#"))] for name in sys.argv[1:])
assert len(whole) == len(part)
far = measured = 0
for a, b in zip(whole, part):
    if b["measured"] == "yes":
        measured += 1
        assert all(a[key] == b[key] for key in a), (a, b)
    far = max(far, abs(math.log(float(a["loss"]) / float(b["loss"]))))
assert 0 < measured < len(whole) and far < 0.1, (measured, far)
PY
for _ in 1 2; do
    before=$(lines "$work/run-part/log.csv"); [ "$before" -gt 0 ] || before=1
    setsid "$weft" -q -c "$load" -c "$part --run $work/run-part" 2>"$work/err" & pid=$!
    await sh -c "[ \$(wc -l <$work/run-part/log.csv) -gt $before ] || ! kill -0 $pid"
    kill -s INT $pid 2>/dev/null; wait $pid 2>/dev/null
done
equal "resumes" 0 "$(status "$weft" -c "resume $work/run-part --as part; export part $work/part2.csv")"
check "to the same file" cmp "$work/part.csv" "$work/part2.csv"
equal "in the background" 0 "$(run "$part --run $work/bent --background")"
await sh -c "'$weft' -c jobs 2>/dev/null | grep -q 'bent, landscape.done'"
check "it comes to its end with fewer points" sh -c "'$weft' -c jobs | grep -q 'bent, landscape.done'"
equal "--safe begins nothing" 2 "$(cd "$work" && status "$weft" --safe -c "$load" -c "$part --run safe --background")"
check "and makes no folder" test ! -e "$work/safe"
refused "no tolerance of nought" "$line --adaptive 0" 2 "--adaptive must be greater than 0"

# A sweep that lost most of its points finds the same ones, comparisons too; a log of an older weft has other columns.
line="sweep lowpass base --over cutoff=1,2,3,4 --each stage --on test --run $work/compared"
equal "a kept sweep" 0 "$(run "$line --as a; export a $work/a.csv")"
rm "$work/compared/done"
sed -i 4,7d "$work/compared/log.csv"
equal "resumes" 0 "$(status "$weft" -c "resume $work/compared --as b; export b $work/b.csv; export b $work/b.json")"
check "to the same file" cmp "$work/a.csv" "$work/b.csv"
contains "which says how many were compared" "$(cat "$work/b.json")" "12 comparisons with the unchanged network on the same images"
sed -i '1s/,only,only_vs//' "$work/compared/log.csv"
refused "a log without comparisons is not continued" "$line" 3 "compared/log.csv: other columns than weft"

# In the background, the prompt left: the same file.
equal "in the background" 0 "$(run "$wide --run $work/back --background")"
contains "it says what can be done" "$(cat "$work/err")" "landscape runs in the background; manage it with: jobs, attach $work/back, stop"
await sh -c "'$weft' --format csv -c jobs 2>/dev/null | grep -q '\"back, landscape\",done,$((grid * grid)),$((grid * grid)),'"
equal "attach is a line" "$work/back: done, point $((grid * grid)) of $((grid * grid))" "$("$weft" -c "attach $work/back" </dev/null)"
"$weft" -q -c "resume $work/back --as whole; export whole $work/back.csv" 2>/dev/null
check "finds the same points" cmp "$work/whole.csv" "$work/back.csv"
equal "a sweep" 0 "$(run "sweep lowpass base --over cutoff=1,2 --on test --run $work/swept --background")"
await sh -c "'$weft' -c jobs 2>/dev/null | grep -q 'swept, sweep.done.3.3'"
check "too" sh -c "'$weft' -c jobs | grep -q 'swept, sweep.done.3.3'"
equal "a path" 0 "$(run "interpolate base smooth --points 4 --on test --run $work/path --background")"
await sh -c "'$weft' -c jobs 2>/dev/null | grep -q 'path, interpolate.done.4.4'"
check "too" sh -c "'$weft' -c jobs | grep -q 'path, interpolate.done.4.4'"
equal "the same again in the foreground goes on with it" 0 "$(run "interpolate base smooth --points 4 --on test --run $work/path")"
refused "it needs a folder" "$wide --background" 2 "--background needs --run"
equal "nothing is left to do: the same at once" 0 "$(run "$wide --run $work/run-INT")"
refused "other arguments do not go on in the folder" "landscape base smooth third --grid 2 --on test --run $work/run-INT" 1 "another 'grid'"
refused "nor do other images" "load data test sample:fashion-test --limit 20 --quiet; $wide --run $work/run-INT" 1 "on another 'test'"
refused "nor does a training run" "train p --net base --hidden 8 --steps 5 --run $work/run-INT" 1 "$work/run-INT"
sed -i 's/"hash"/"hash"/; s/"data": "./"data": "x/' "$work/run-INT/config.json"
equal "changed data are told" 3 "$(status "$weft" -c "resume $work/run-INT")"
contains "with the reason" "$(cat "$work/err")" "does not hold the images the run started with"
echo '{"kind": "points", "command": "landscape", "words": 5, "seed": 1, "objects": []}' >"$work/run-KILL/config.json"
equal "a damaged configuration is told" 3 "$(status "$weft" -c "resume $work/run-KILL")"

mkdir "$work/numbered" "$work/home"
equal "a folder may be called as a job is" 0 "$(cd "$work/numbered" && run "sweep lowpass base --over cutoff=1,2 --on test --run 1 --background")"
await test -s "$work/numbered/1/done"; check "and is its own" test -s "$work/numbered/1/done"
equal "~ is the home folder" 0 "$(HOME=$work/home run "sweep lowpass base --over cutoff=1,2 --on test --run ~/kept")"
check "as for training" test -s "$work/home/kept/done"
run "$wide --run $work/older" >/dev/null; sed -i 's/"steps": [0-9]*/"steps": 7/' "$work/older/config.json"
refused "points that were counted otherwise are not taken" "$wide --run $work/older" 1 "the same command from a weft version that uses other points"

# Bad input.
refused "no such command" 'sweep evaluate base --over x=1' 2 "COMMAND is a command that makes a network: lowpass"
refused "no such number" 'sweep lowpass base --over factor=1' 2 "one of: cutoff"
refused "a value out of its range" 'sweep lowpass base --over cutoff=0:4:3' 2 "--cutoff must be greater than 0"
refused "NaN" 'sweep mix base smooth --over alpha=nan' 2 ": 'nan' is not a number"
refused "a choice is no number" 'sweep lowpass base --over mode=1 --cutoff 1' 2 "no numeric option 'mode'"
refused "an unknown option" 'sweep lowpass base --over cutoff=1 --fctor 2' 2 "neither sweep nor lowpass has an option --fctor"
refused "a range without a count" 'sweep lowpass base --over cutoff=1:4' 2 "MIN:MAX:COUNT"
refused "no logarithm of nought" 'sweep lowpass base --over cutoff=0:4:3:log' 2 "above 0"
refused "three options" 'sweep svscale base --over factor=1,last=1,factor=2' 2 "at most 2"
refused "the same option twice" 'sweep svscale base --over factor=1,factor=2' 2 "given twice"
refused "no words at all" 'sweep lowpass base --over 1,2' 2 "OPTION=LIST"
refused "an alpha that is NaN" 'mix base smooth --alpha nan --into m' 2 "--alpha needs a number"
refused "a way of no length" 'interpolate base smooth --from 1 --to 1' 2 "give different values"
refused "another architecture" 'fit deep --arch resnet14 --data test --steps 1 --quiet; interpolate base deep --on test' 2 "base and deep: only the second network has"
refused "collinear networks" 'mix base smooth --alpha 0.5 --into half --quiet; landscape base smooth half --on test' 2 "one line"
refused "equal networks" 'landscape base base smooth --on test' 2 "the first two networks have the same finite weights"
refused "two networks span no plane" 'landscape base smooth --on test' 2 "three networks"
refused "no images" 'landscape base smooth third' 2 "--on DATA"
refused "a span of nought" 'landscape base --random 2 --span 0 --on test' 2 "--span must be greater than 0"
refused "a grid of nought" 'landscape base --random 2 --grid 0 --on test' 2 "--grid must be at least 1"
refused "images without labels" 'load data noise noise:8:1x28x28 --quiet; landscape base --random 1 --on noise' 2 "has no labels"
refused "other classes" 'fit wide --arch resnet8 --data test --steps 1 --quiet; load data many noise:8 --quiet; interpolate wide base --on many' 2 "channel"
finish
