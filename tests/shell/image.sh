#!/usr/bin/env bash
# image: one image as characters, in colours where there are 256, smaller where it does not fit; its table; what is refused. And evaluate
# --corrupt, in the program. WEFT_GOLDEN=update writes the golden files (tests/shell/image) anew: look at the difference before you commit it.
. "$(dirname "$0")/../support/tap.sh"
unset NO_COLOR FORCE_COLOR CLICOLOR_FORCE
export LC_ALL=C.UTF-8 TERM=xterm-256color COLUMNS=80
load='load net base sample:fashion-resnet8 --quiet; load data test sample:fashion-test --limit 40 --quiet'
run() { "$weft" "${@:1:$#-1}" -c "$load" -c "${!#}" 2>&1 </dev/null; }
golden() { # NAME ARGUMENTS...
    run "${@:2}" >"$work/got"
    [ "${WEFT_GOLDEN-}" = update ] && cp "$work/got" "tests/shell/image/$1.out"
    if difference=$(diff "tests/shell/image/$1.out" "$work/got"); then ok "image: $1"; else not_ok "image: $1" "$difference"; fi
}
golden shades 'image test 0 --net base'
golden ascii --ascii 'image test 0 --corrupt contrast:2 --net base'
golden colours --colour always 'image test 0 --corrupt pixelate:5'
golden ascii-colours --ascii --colour always 'image test 0'
COLUMNS=20 golden small 'image test 0'
COLUMNS=14 golden small-colours --colour always 'image test 0'

equal "piped, without escapes" 0 "$(run 'image test 1' | grep -c $'\033')"
equal "in ASCII, without other characters" 0 "$(run --ascii 'image test 1 --net base' | LC_ALL=C grep -c '[^ -~]')"
check "no wider than COLUMNS" test "$(COLUMNS=30 run --ascii 'image test 0' | tail -n +2 | awk '{ if (length($0) > most) most = length($0) } END { print most }')" -le 30
equal "28 rows and a title; a script's results stand apart" 30 "$(run 'image test 1' | wc -l)"
equal "--quiet draws nothing" "" "$(run 'image test 1 --quiet')"
equal "the table, in place of the picture" "row,column,value" "$(run 'image test 1 --format csv' | head -n 1)"
equal "the same by weft --format" "785" "$(run --format csv 'image test 1' | wc -l)"
equal "from Lua" "784 27" "$(run 't = image{"test", 1}; print(#t, t.column[#t.column])' | tr '\t' ' ')"
equal "the table is kept, and saved" "0,0,0" "$(cd "$work" && run 'image test 1 --as picture --quiet; export picture p.csv' >/dev/null && sed -n 2p p.csv)"
check "its chart too" test -s "$(cd "$work" && run 'image test 1 --as picture --quiet; export picture p.svg' >/dev/null && echo "$work/p.svg")"
check "in the picture's own colours, pixels square" python3 - "$work/p.svg" "$work/p.csv" <<'PY'
import csv, re, sys
pixels = [int(row["value"]) for row in csv.DictReader(line for line in open(sys.argv[2]) if not line.startswith("#"))]
drawn = re.findall(r'<rect x="[^"]*" y="[^"]*" width="([^"]*)" height="([^"]*)" fill="#([0-9a-f]{6})"', open(sys.argv[1]).read())[1:]
assert len(drawn) == len(pixels) == 784, len(drawn)
assert [colour for _, _, colour in drawn] == [f"{p:02x}" * 3 for p in pixels]
assert all(abs(float(w) - float(h)) < 0.05 for w, h, _ in drawn)
PY
contains "noise is drawn, and judged" "$(run 'load data n noise:3:1x28x28 --quiet; image n 2 --net base')" "n, image 2; base predicts "
equal "an index beyond the end" "weft: 'test' has no image 40; its 40 images are counted from 0" "$(run 'image test 40')"
run 'image test 40' >/dev/null; equal "is a usage error" 2 $?
equal "so is a kind alone" "weft: image shows a single corruption: --corrupt KIND:SEVERITY" "$(run 'image test 4 --corrupt fog')"
equal "and a kind that is none" "weft: no corruption 'fogg'; did you mean fog?" "$(run 'image test 4 --corrupt fogg:2')"
contains "noise has nothing to corrupt" "$(run 'load data n noise:3:1x28x28 --quiet; image n 2 --corrupt fog:2')" "has no pixels to corrupt"
equal "--seed draws other noise" 1 "$(for seed in 1 2; do run "image test 4 --corrupt gaussian_noise:5 --seed $seed" | cksum; done | uniq -d | wc -l | tr 01 10)"

few='load data few sample:fashion-test --limit 4 --quiet'
rows() { run --format csv "$few; evaluate base few --corrupt $1 ${2-}" | tail -n +2; }
equal "evaluate --corrupt all: a row for each kind and severity" 95 "$(rows all | wc -l)"
equal "the same with one thread and with two" "$(WEFT_THREADS=1 rows all | cksum)" "$(WEFT_THREADS=2 rows all | cksum)"
equal "a kind: five rows" "fog 1,fog 2,fog 3,fog 4,fog 5" "$(rows fog | awk -F, '{ print $1, $2 }' | paste -sd,)"
equal "a kind and a severity: one" "glass_blur,4" "$(rows glass_blur:4 | cut -d, -f1,2)"
equal "classes of one" 10 "$(rows glass_blur:4 --per-class | wc -l)"
equal "of which there are as many right" "$(rows glass_blur:4 | cut -d, -f4)" "$(rows glass_blur:4 --per-class | awk -F, '{ sum += $4 } END { print sum }')"
equal "not of several" "weft: --per-class needs a single corruption: --corrupt KIND:SEVERITY" "$(run 'evaluate base test --corrupt fog --per-class')"
equal "rows agree; the mean over all is that of the only kind" "$(run 't = evaluate{"base", "test", corrupt = "fog:5"}; u = evaluate{"base", "test", corrupt = "fog"}; print(t.accuracy == u.accuracy[5], u.notes.ood_accuracy == u.notes.fog)' | tr '\t' ' ')" "true true"
contains "a heat map" "$(run 'load data two sample:fashion-test --limit 2 --quiet; evaluate base two --corrupt all:1 --quiet; plot --inline')" "Accuracy of base on corrupted images"
contains "of one kind a line" "$(run 'evaluate base test --corrupt fog --quiet; plot --inline')" "Accuracy of base under fog"
equal "all kinds at one severity" "19 3" "$(rows all:3 | cut -d, -f2 | sort | uniq -c | xargs)"
contains "help lists the kinds" "$("$weft" -c 'help corruptions')" "elastic_transform: "
contains "and says what frost is" "$(COLUMNS=200 "$weft" -c 'help corruptions')" "Frost is not the original"
finish
