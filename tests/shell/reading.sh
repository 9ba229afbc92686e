#!/usr/bin/env bash
# What a person reads: help, messages and tables fit the terminal; a pager takes what is longer; names stay different. What a script
# reads: one result alone on standard output, whatever was loaded before.
. "$(dirname "$0")/../support/tap.sh"
export WEFT_HISTFILE=$work/history XDG_DATA_HOME=/nonexistent LC_ALL=C.UTF-8 TERM=xterm-256color
unset NO_COLOR PAGER LESS COLUMNS

# ---- scripts ---------------------------------------------------------------------------------------------------------
"$weft" -c 'load net a sample:fashion-resnet8; load data d sample:fashion-test --limit 20; lowpass a --cutoff 2 --into b; sratio a --vs b --format csv' \
    >"$work/out" 2>"$work/err"
equal "one result stands alone" "layer,s_ratio,s_ratio_vs" "$(head -n 1 "$work/out" | cut -d, -f1-3)"
equal "  all of it" 9 "$(grep -c . "$work/out")"
equal "what was loaded and made is said on standard error" "network dataset network" "$(awk '/^(network|dataset) /{printf "%s%s", s, $1; s = " "}' "$work/err")"
"$weft" -c 'load net a sample:fashion-resnet8; lowpass a --cutoff 2 --into b --format csv' >"$work/out" 2>/dev/null
equal "unless the command itself is asked for a form" "network,layers,weights,relative_change" "$(head -n 1 "$work/out")"
"$weft" --format csv -c 'load net a sample:fashion-resnet8; sratio a' >"$work/out" 2>/dev/null
equal "--format of weft is that of results" "layer" "$(head -c 5 "$work/out")"
"$weft" -c 'load net a sample:fashion-resnet8; sratio a; sratio a' >"$work/out" 2>/dev/null
equal "an empty line stands between two results" "$(printf '0\n9\n0')" "$(awk '/^$/{n++; at = NR - 1} END{print n != 1; print at; print /^$/}' "$work/out")"
for format in csv json; do
    for i in 1 2; do "$weft" -c "load net a sample:fashion-resnet8; load data d sample:fashion-test --limit 50; evaluate a d --format $format; train p --net a --hidden 8 --steps 3 --data d --format $format; log p --format $format" 2>/dev/null |
        sed -E 's/"((images|kernels)_per_second|seconds)":[^,}]*,?//g' >"$work/$i"; done
    check "the same rows twice ($format)" cmp "$work/1" "$work/2"
    contains "  of all three commands" "$(cat "$work/1")" l_recon
done
"$weft" -c 'load net a nowhere/at/all/in/a/folder/whose/name/is/long/enough/to/be/wider/than/any/terminal/of/eighty/columns.pth' 2>"$work/err"
equal "an error in a pipe is one line" 1 "$(wc -l <"$work/err")"

# ---- widths ----------------------------------------------------------------------------------------------------------
names=$("$weft" -c help | sed -n 's/^  \([a-z][a-z_ -]*[a-z_]\)  .*/\1/p')
check "help names commands and topics" test "$(echo "$names" | wc -l)" -gt 50
words() { tr -s ' \n' '\n' | sed '/^$/d'; }
for width in 40 60 80 100 200; do
    wide=$(echo "$names" | while read -r name; do COLUMNS=$width "$weft" -c "help $name"; done | awk -v w="$width" 'length($0) > w {for (i = 1; i <= NF; i++) if (length($i) > w) next; print}')
    equal "help in $width columns" "" "$wide"
    equal "  and --help" "" "$(COLUMNS=$width "$weft" --help | awk -v w="$width" 'length($0) > w')"
done
equal "no word of help is lost" "$(COLUMNS=200 "$weft" -c 'help evaluate; help training' | words)" "$(COLUMNS=60 "$weft" -c 'help evaluate; help training' | words)"

# ---- terminal --------------------------------------------------------------------------------------------------------
command -v tmux >/dev/null || { skip "reading at a terminal" "tmux is not installed"; finish; }
python3 - "$work/long.safetensors" <<'PY'
import json, struct, sys
names = [f"base_model.model.vision_tower.vision_model.encoder.layers.{i}.self_attn.conv_projection_{p}.weight" for i in range(12) for p in "qkv"]
header = {n: {"dtype": "F32", "shape": [2, 2, 3, 3], "data_offsets": [144 * i, 144 * (i + 1)]} for i, n in enumerate(names)}
text = json.dumps(header).encode()
floats = [((7 * i * i + 3 * i) % 101 - 50) / 50 for i in range(36 * len(names))]
open(sys.argv[1], "wb").write(struct.pack("<Q", len(text)) + text + struct.pack(f"<{len(floats)}f", *floats))
PY
number=0
t() { tmux -S "$work/tmux$number" -f /dev/null "$@"; }
screen() { t capture-pane -p -t 0 "$@"; }
wait_for() { for _ in $(seq 200); do screen | grep -qF -- "$1" && return 0; sleep 0.05; done; return 1; }
seen() { if wait_for "$2"; then ok "$1"; else not_ok "$1" "$(screen)"; fi; }
enter() { t send-keys -t 0 -l -- "$1"; t send-keys -t 0 Enter; }
open() { # COLUMNS LINES COMMAND
    t kill-server 2>/dev/null
    number=$((number + 1)) # another server: the old one may still be ending
    t new-session -d -x "$1" -y "$2" "env PS1='shell> ' bash --norc --noprofile"
    t set-option -g history-limit 5000 >/dev/null
    wait_for 'shell>'; enter "clear; $3"; wait_for 'weft>'
}
for width in 40 80; do
    open $width 50 "$weft --no-pager"
    enter "load net a $work/long.safetensors"; wait_for '36 layers found'
    enter 'clear'; enter 'sratio a'; wait_for 'seed 0'; sleep 0.3
    screen -S -200 | sed -n '/^layer  /,/^layers 36/p' >"$work/table"
    equal "36 long names stay different in $width columns" 36 "$(awk '/^…/{print $1}' "$work/table" | sort -u | wc -l)"
    screen -S -200 | sed -n '/^S_ratio$/,$p' | awk '/│/{print $1}' >"$work/bars"
    equal "  and beside the bars" 36 "$(sort -u "$work/bars" | wc -l)"
done
open 40 50 "$weft --no-pager"
enter "load net a $work/long.safetensors"; wait_for '36 layers found'; enter 'clear'; enter 'sratio a --layers 0-1'
seen "columns that do not fit are named" 'not shown: energy; a wider terminal'
enter 'load net b nowhere/in/a/folder/indeed.pth'
seen "an error wraps between words, under its text" '      such file or directory'
open 60 20 "$weft --no-pager"
enter 'rows = {} for i = 1, 250 do rows[i] = {i} end; tabulate("t", {"n"}, rows)'
enter 'show t'; wait_for 'seed 0'
equal "of a long table the head and the tail are shown" "1 20 231 250" "$(screen -S -100 | awk '/^ *n$/{on = 1; next} /^seed/{on = 0} on && /^ *[0-9]+$/{v[++k] = $1} END{print v[1], v[20], v[21], v[40]}')"
contains "  and how many are not" "$(screen -S -100)" '210 rows not shown'

command -v less >/dev/null || { skip "the pager" "less is not installed"; t kill-server; finish; }
open 80 24 "$weft"
enter 'help evaluate';                                  seen "what is longer than the screen opens the pager" 'evaluate: Measure accuracy'
for _ in $(seq 100); do [ "$(screen | tail -n 1)" = ':' ] && break; sleep 0.05; done
equal "  which waits" ':' "$(screen | tail -n 1)"
t send-keys -t 0 C-c; sleep 0.3; t send-keys -t 0 q # an interrupt flushes what is typed at once after it
enter 'print(6 * 7)';                                   seen "Ctrl-C and leaving it early harm nothing" '42'
enter 'clear'; enter '("line\n"):rep(60) .. "the end"';   seen "a long Lua value, too" 'line'
for _ in $(seq 100); do [ "$(screen | tail -n 1)" = ':' ] && break; sleep 0.05; done
equal "  which waits" ':' "$(screen | tail -n 1)"
t send-keys -t 0 q
enter 'clear'; enter 'ls';                              seen "what fits is printed at once" 'nothing loaded yet'
enter 'help evaluate'; wait_for 'evaluate: Measure'
for _ in $(seq 100); do [ "$(screen | tail -n 1)" = ':' ] && break; sleep 0.05; done
kill -TERM "$(pgrep -P "$(t list-panes -F '#{pane_pid}')")"
wait_for 'shell>'; enter "clear; echo a\$((1 + 1))b";   seen "TERM ends weft and the pager" 'a2b'
for how in 'PAGER=cat %s' 'PAGER= %s' '%s --no-pager' '%s --safe' 'TERM=dumb %s'; do
    # shellcheck disable=SC2059
    open 80 24 "$(printf "$how" "$weft")"
    enter 'help evaluate';                              seen "no pager: $how" 'contrast'
    enter 'print(6 * 7)';                               seen "  the prompt is back" '42'
done
open 80 24 "PAGER='sed s/^/%%/ | head -n 1' $weft"
enter 'help evaluate';                                  seen "\$PAGER is a line of the shell" '%%evaluate: Measure'
open 80 24 "PAGER=no-such-pager $weft"
enter 'help evaluate';                                  seen "a pager that is not there" 'contrast'
t kill-server
finish
