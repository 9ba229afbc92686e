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

golden sheet 'image test 0-3,7 --net base'
golden sheet-ascii-colours --ascii --colour always 'image test 1,2'
golden attack 'image test 3 --attack fgsm --eps 8/255 --net base'
COLUMNS=40 golden attack-colours --colour always 'image test 3,7 --attack fgsm --eps 8/255 --net base'

equal "piped, without escapes" 0 "$(run 'image test 1' | grep -c $'\033')"
equal "in ASCII, without other characters" 0 "$(run --ascii 'image test 1 --net base' | LC_ALL=C grep -c '[^ -~]')"
check "no wider than COLUMNS" test "$(COLUMNS=30 run --ascii 'image test 0' | tail -n +2 | awk '{ if (length($0) > most) most = length($0) } END { print most }')" -le 30
equal "28 rows and a title; a script's results stand apart" 30 "$(run 'image test 1' | wc -l)"
equal "--quiet draws nothing" "" "$(run 'image test 1 --quiet')"
equal "the table, in place of the picture" "row,column,value" "$(run 'image test 1 --format csv' | head -n 1)"
equal "the same by weft --format" "785" "$(run --format csv 'image test 1' | wc -l)"
equal "from Lua" "784 27" "$(run 't = image{"test", 1}; c = t:column("column"); print(#t, c[#c])' | tr '\t' ' ')"
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
contains "a long title is broken between words" "$(COLUMNS=24 run 'image test 3 --net base')" "base predicts"
contains "noise is drawn, and judged" "$(run 'load data n noise:3:1x28x28 --quiet; image n 2 --net base')" "n, image 2; base predicts "
equal "an index beyond the end" "weft: 'test' has no image 40; its 40 images are counted from 0" "$(run 'image test 40')"
run 'image test 40' >/dev/null; equal "is a usage error" 2 $?
equal "so is a kind alone" "weft: image shows a single corruption: --corrupt KIND:SEVERITY" "$(run 'image test 4 --corrupt fog')"
equal "and a kind that is none" "weft: no corruption 'fogg'; did you mean fog?" "$(run 'image test 4 --corrupt fogg:2')"
contains "noise has nothing to corrupt" "$(run 'load data n noise:3:1x28x28 --quiet; image n 2 --corrupt fog:2')" "has no pixels to corrupt"
equal "--seed draws other noise" 1 "$(for seed in 1 2; do run "image test 4 --corrupt gaussian_noise:5 --seed $seed" | cksum; done | uniq -d | wc -l | tr 01 10)"

equal "several: the table says which" "image,caption,row,column,value 2353" "$(run --format csv 'image test 1,3-4' | sed -n 1p) $(run --format csv 'image test 1,3-4' | wc -l)"
equal "each image once, in the order given" "5 3 4" "$(run 't = image{"test", "5,3-4,3"}; s = {}; for i = 1, #t, 784 do s[#s + 1] = t.image[i] end; print(table.concat(s, " "))')"
equal "labels and predictions" "3: 1 Trouser; base: 1 Trouser (96.9 %)" "$(run 't = image{"test", "2-3", net = "base"}; print(t.caption[#t])')"
equal "pixels are those of the image" "true" "$(run 't = image{"test", "2-3"}; u = image{"test", 3}; same = true; for i = 1, 784 do same = same and t.value[784 + i] == u.value[i] end; print(same)')"
equal "a corruption of each" "true" "$(run 't = image{"test", "2-3", corrupt = "fog:3"}; u = image{"test", 3, corrupt = "fog:3"}; same = true; for i = 1, 784 do same = same and t.value[784 + i] == u.value[i] end; print(same)')"
equal "an attack: original, attacked, and 15 times the difference around 128" "true" "$(run 't = image{"test", 3, attack = "fgsm", eps = "8/255", net = "base"}; ok = #t == 3 * 784
    for i = 1, 784 do d = t.value[784 + i] - t.value[i]; ok = ok and math.abs(d) <= 8 and math.abs(t.value[1568 + i] - 128 - 15 * d) <= 15 end; print(ok)')"
contains "the caption says how many times" "$(run 'image test 3 --attack fgsm --eps 2/255 --net base')" "difference times 63"
contains "no change, no factor" "$(run 'image test 3 --attack fgsm --eps 0 --net base')" "difference: none"
contains "a title with the share" "$(run 'image test 0-9 --net base')" "test, images 0-9: base has "
contains "and that of an attack" "$(run 'image test 3,7,9 --attack fgsm --eps 8/255 --net base')" "fgsm eps 8/255 on base: 3 of 3 right, 2 when attacked"
check "a sheet as SVG, with captions" grep -q '>0: 9 Ankle boot<' <(cd "$work" && run 'image test 0-3 --as sheet --quiet; export sheet s.svg' >/dev/null && cat s.svg)
equal "a range that runs backwards" "weft: the range 5-2 runs backwards; write 2-5" "$(run 'image test 5-2')"
equal "no number" "weft: N is the number of an image, a range (0-11) or a list (3,5,9), not '3,'" "$(run 'image test 3,')"
equal "too many" "weft: image shows at most 400 images at a time" "$("$weft" -c 'load data n noise:500:1x4x4 --quiet; image n 0-450' 2>&1)"
equal "one of a list that is not there" "weft: 'test' has no image 41; its 40 images are counted from 0" "$(run 'image test 3,41')"

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
