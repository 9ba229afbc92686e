#!/usr/bin/env bash
# Every lesson plays to its end with the right answers; wrong ones are refused with the reason; figures are those of the
# commands; progress survives quitting; a malformed file is refused with its line.
. "$(dirname "$0")/../support/tap.sh"
export XDG_STATE_HOME=$work/state HOME=$work LC_ALL=C.UTF-8
state=$work/state/weft/lessons
lessons=samples/lessons
# shellcheck disable=SC2317 # check calls it
play() { "$weft" --format csv lesson "$1" --auto >"$work/$1.out"; }
learn() { "$weft" --format csv 2>&1; } # what is typed comes from standard input, an empty line is Enter

listed=$("$weft" --format csv lesson 2>/dev/null | sed 1d | cut -d, -f1 | xargs)
equal "lesson lists the lessons in order" "first kernels singular-values low-pass modulation nern two-phases" "$listed"
equal "all that are in the folder" "$(find $lessons -name '*.lesson' | wc -l)" "$(wc -w <<<"$listed")"
for name in $listed; do
    check "$name plays to its end" play "$name"
    equal "  and all its steps" "$(grep -c '^== ' "$lessons/$name.lesson")" "$(grep -c '^── ' "$work/$name.out")"
done
check "nothing is written down of that" test ! -e "$state"
equal "--auto with a lesson that does not exist" 2 "$("$weft" lesson frist --auto >/dev/null 2>&1; echo $?)"
contains "  suggests one" "$("$weft" lesson frist --auto 2>&1)" "did you mean first?"

# Wrong answers, each with its reason; then the right one.
out=$(printf '%s\n' 'lesson first' '' '' '' '' '' '' '10' 'several' '472.5' 'check 1000' 472 | learn)
for said in '10 is too small.' "'several' is not a number." '472.5 is too large.' '1000 is too large.' 'Hint 1 of 1' 'Right: 472.'; do
    contains "an answer: $said" "$out" "$said"
done
equal "one right answer" 1 "$(grep -c 'Right:' <<<"$out")"
contains "progress: the step that is done last is the one to go on with" "$(cat "$state")" "3 first"

cat >"$work/small.lesson" <<'END'
# Small
% a comment
about: for this test
minutes: 1

== Share
> load net base sample:fashion-resnet8

It has $(show{"base"}.shape[1]) and $(%.2f 2 / 3), `code`.

? Which share?
= 0.25 +- 0.01
hint: first hint
hint: second hint

? Which one?
- one | it is less than two
* two
- three

? A network s, smoother than base.
check: sratio{"s"}.notes.mean > 0 | there must be a network s
check: sratio{"s"}.notes.mean > sratio{"base"}.notes.mean | its S_ratio must be higher
solution: x = 2
  lowpass base --cutoff $x --into s
hint: lowpass

== Any smoothing will do
> lowpass base --cutoff 1 --into t
check: distance{"base", "t"}:tail(1).mean_abs > 0 | t must differ from base

The end: $(evaluate and 7).
END
out=$(printf '%s\n' "lesson $work/small.lesson" 'check' 'load   net base --normalise 0.286/0.353 sample:fashion-resnet8' \
    'load   net base "sample:fashion-resnet8"' 25 0.3 hint 0.2 0.255 d a c two '' \
    'svscale base --factor 2 --into s' check hint hint 'lowpass base --cutoff 3 --into s' next \
    'lowpass --into=t base --cutoff 2' | learn)
for said in 'The step waits for this command' 'That ran as you typed it' 'It has 16x1x3x3 and 0.67' \
    'a share from 0 to 1 is asked for, not per cent' '0.3 is too large.' 'Hint 2 of 2: second hint' '0.2 is too small.' 'Right: 0.25.' \
    "'d' is none of the choices: answer with a letter from a to c." 'Not a: it is less than two.' 'Not c, three.' 'Right: two.' \
    'Not yet: there must be a network s (no network' 'Not yet: its S_ratio must be higher (now 0.' 'Hint 1 of 1: lowpass' 'One way:' 'Done.' \
    'Step 1 is done' 'The end: 7.' 'That was the last step of "Small"'; do
    contains "a lesson says: $said" "$out" "$said"
done
equal "the progress of a file is kept under its path" "3 $work/small.lesson" "$(grep small "$state")"

# How answers are typed: a comma is a decimal one or one of thousands, Lua whose value is right is an answer, and what is
# no answer costs no hint. What is missing for a task is said without advice on loading it. Hidden Lua prints nothing.
cat >"$work/typed.lesson" <<'END'
# Typed
== Numbers
lua: math.max(12345)
? e to the power of -0.5
= math.exp(-0.5) +- 0.01
hint: the only hint

? Kernels
= 8208

== Names
> load net base sample:fashion-resnet8

> lowpass base --cutoff 2 --into smooth

> hist base conv1 --vs smooth

? A network s.
check: sratio{"s"}.notes.mean > 0 | there must be a network s: end a line with --into s
solution: lowpass base --cutoff 2 --into s
END
out=$(printf '%s\n' "lesson $work/typed.lesson" 'few' '0,9' hint 'math.exp(-0.2)' 'math.exp(-0.5)' 8,207 8,208 '' '' '' '' check | "$weft" --format table 2>&1)
for said in "'few' is not a number." '0.9 is too large.' 'Hint 1 of 1: the only hint' 'There is no further hint' '0.818' '0.606' \
    'Right.' '8.207 is too small.' 'Right: 8208.' 'mean of smooth' \
    "Not yet: there must be a network s: end a line with --into s (no network 's')."; do
    contains "typed: $said" "$out" "$said"
done
equal "  the hint is given for the wrong number, and again when it is asked for" 2 "$(grep -c 'Hint 1' <<<"$out")"
equal "  not for what is no number" "" "$(grep -A1 "few' is not" <<<"$out" | grep Hint)"
equal "  hidden Lua prints nothing" "" "$(grep 12345 <<<"$out")"
equal "a decimal comma" "Right: 0.6065." "$(printf '%s\n' "lesson $work/typed.lesson --restart" 0,6065 | learn | grep -o 'Right: 0.*')"
rm -f "$state"
printf '%s\n' 'lesson first' '' '' '' '' '' '' '10' 472 | learn >/dev/null
printf '%s\n' "lesson $work/small.lesson" skip 'lowpass base --cutoff 2 --into t' | learn >/dev/null

# Leaving, quitting, going on.
out=$(printf '%s\n' "lesson $work/small.lesson" next back skip 'lesson' leave next 'quit' | "$weft" 2>&1)
contains "next waits for the command" "$out" 'stdin:2: step 1 still waits for the command load net base'
out=$(printf '%s\n' "lesson $work/small.lesson" skip leave 'print("left")' quit | "$weft" 2>&1)
contains "skip answers" "$out" 'Answer: two.'
contains "and goes on to the next step" "$out" 'Any smoothing will do'
contains "leave says where one is" "$out" 'Left at step 2 of 2'
contains "  and the prompt is as before" "$out" "left"
out=$(printf '%s\n' "lesson $work/small.lesson" 'ls' '' | "$weft" 2>&1)
contains "a new session runs the commands before again" "$out" '1 to 1'
contains "  so that their objects are there" "$out" 'lowpass base --cutoff 2 --into s'
contains "  and goes on there" "$out" 'That was the last step'
contains "lesson lists the progress" "$("$weft" --format csv lesson 2>/dev/null)" 'first,First steps at the prompt,5,8,at step 3'
out=$(printf '%s\n' "lesson $work/small.lesson" skip 'rm base' back 'load net base sample:fashion-resnet8' | learn)
contains "a figure that cannot be computed does not end a lesson" "$out" 'It has 16x1x3x3'
contains "outside a lesson its commands say so" "$("$weft" -c hint 2>&1)" 'no lesson is going on'
equal "in Lua next is Lua's" "1" "$("$weft" -c 'print(next({5}))' | cut -f1)"
contains "--safe: a lesson can be played, its progress is not kept" \
    "$(cd "$work" && printf '%s\n' "lesson small.lesson" skip | WEFT_SAMPLES=$root/samples "$weft" --safe 2>&1)" 'Any smoothing'

# The example of the help is a lesson.
sed -n '/^  # Smoothing/,/^  hint:/s/^  //p' src/shell/help/lesson-files.txt >"$work/example.lesson"
check "the example of help lesson-files plays" "$weft" lesson "$work/example.lesson" --auto

# Figures: those of a lesson are those of the commands.
said=$(cat "$work/singular-values.out")
value=$("$weft" -c 'load net base sample:fashion-resnet8 --quiet' -c 'print(string.format("%.4g", spectrum{"base", "conv1"}.energy_fraction[4]))')
contains "S_ratio of conv1 in the text" "$said" "$value."
said=$(cat "$work/low-pass.out")
values=$("$weft" -c 'load net base sample:fashion-resnet8 --quiet' -c 'load data test sample:fashion-test --limit 500 --quiet' \
    -c 'lowpass base --cutoff 1 --into s --quiet' \
    -c 'print(string.format("%.1f %% to %.1f %%", evaluate{"base", "test"}.accuracy, evaluate{"s", "test"}.accuracy))')
contains "accuracy before and after a filter" "$(tr '\n' ' ' <<<"$said")" "fell from $values"

# The checks of --auto can fail, and malformed files are refused in one line that names file and line.
refused() { # NAME LINES LINE REASON
    printf '%s\n' "$2" >"$work/bad.lesson"
    local got status
    got=$("$weft" lesson "$work/bad.lesson" --auto 2>&1 >/dev/null); status=$?
    case "$got" in "weft: $work/bad.lesson:$3: "*"$4"*) ok "$1" ;; *) not_ok "$1" "$status: $got" ;; esac
    if [ "$status" -eq 0 ] || [ "$(wc -l <<<"$got")" -ne 1 ]; then not_ok "$1: status $status" "$got"; fi
}
refused "an answer that is no number" $'# T\n== S\n? Q\n= "x"' 3 "'x' is not a number"
refused "a solution that does not meet its check" $'# T\n== S\n? Q\ncheck: 1 > 2 | more\nsolution: x = 1' 3 'the check does not hold: more (now 1)'
refused "a command that fails" $'# T\n== S\n> sratio nobody' 3 "no network 'nobody'"
refused "a figure that fails" $'# T\n== S\nText $(x.y)' 3 "attempt to index a nil value"
refused "no title" $'== S\ntext' 1 'no title'
refused "two titles" $'# T\n# U' 2 'second title'
refused "no step" '# T' 1 'no step'
refused "text before the first step" $'# T\n\ntext' 3 'a step (== TITLE) must come first'
refused "an empty step" $'# T\n== S\n== U\ntext' 2 'is empty'
refused "a question without an answer" $'# T\n== S\n? Q\n\ntext' 3 'no answer'
refused "an answer without a question" $'# T\n== S\n= 3' 3 'without a question'
refused "choices of which none is right" $'# T\n== S\n? Q\n- a\n- b' 3 'no choice is right'
refused "two right choices" $'# T\n== S\n? Q\n* a\n* b' 5 'second right choice'
refused "one choice" $'# T\n== S\n? Q\n* a' 3 'at least two'
refused "a task without a solution" $'# T\n== S\n? Q\ncheck: 1 > 0' 3 'no solution'
refused "a check without anything" $'# T\n== S\ntext\ncheck: 1 > 0' 4 'without a command or a question'
refused "a hint without anything" $'# T\n== S\nhint: h' 3 'without a command or a question'
refused "a mistyped mark" $'# T\n== S\n> ls\nhnt: h' 4 "unknown 'hnt:'; did you mean hint:?"
refused "an answer that is no Lua" $'# T\n== S\n? Q\n= 3 +' 4 'unexpected symbol'
refused "a command that is none" $'# T\n== S\n> evalute base test' 3 'neither a command nor Lua'
refused "a command of lessons" $'# T\n== S\n> skip' 3 'a command of lessons'
refused "Lua that does not end" $'# T\n== S\n> for i = 1, 3 do' 3 'not complete'
refused "a figure without its bracket" $'# T\n== S\ntext $(1 + 2' 3 'closing bracket'
refused "a tolerance that is none" $'# T\n== S\n? Q\n= 3 +- much' 4 'a tolerance is a number'
refused "minutes that are none" $'# T\nminutes: few\n== S\ntext' 2 'a number from 1 to 1000'
refused "a control character" $'# T\n== S\ntext \033[2J' 3 'control character'
refused "not UTF-8" $'# T\n== S\ntext \xff' 3 'not UTF-8'
equal "a file that is not there" 2 "$("$weft" lesson "$work/none.lesson" >/dev/null 2>&1; echo $?)"

# At a terminal.
command -v tmux >/dev/null || { skip "a lesson at a terminal" "tmux is not installed"; finish; }
socket=$work/tmux
t() { tmux -S "$socket" -f /dev/null "$@"; }
screen() { t capture-pane -p -t 0 "$@"; }
wait_for() { for _ in $(seq 200); do screen | grep -qF -- "$1" && return 0; sleep 0.1; done; return 1; }
seen() { if wait_for "$2"; then ok "$1"; else not_ok "$1" "$(screen)"; fi; }
line() { t send-keys -t 0 -l "$1"; t send-keys -t 0 Enter; }
rm -f "$state"
export WEFT_HISTFILE=$work/history TERM=xterm-256color
t new-session -d -x 60 -y 20 "env HISTFILE= PS1='shell> ' bash --norc --noprofile"
wait_for 'shell>'
line "$weft"; seen "the banner names the first lesson" 'lesson first'
line 'lesson first'; seen "the prompt shows the lesson" 'lesson 1/8>'
seen "the command is proposed" '> load net base sample:fashion-resnet8'
t send-keys -t 0 Enter; seen "Enter runs it" 'Step 1 is done'
t send-keys -t 0 Enter; seen "and goes on" 'lesson 2/8>'
t send-keys -t 0 Enter; wait_for 'Step 2'; t send-keys -t 0 Enter; wait_for 'lesson 3/8>'; t send-keys -t 0 Up
seen "what Enter ran is in the history" 'lesson 3/8> load data test'
t send-keys -t 0 C-u; t send-keys -t 0 Enter; seen "a question changes the prompt" 'lesson 3/8 answer>'
line 5; seen "a wrong answer is refused" '5 is too small.'
line 'while true do end'; sleep 0.5; t send-keys -t 0 C-c; seen "Ctrl-C stops a command, not the lesson" 'interrupted'
line 'quit'; wait_for 'shell>'; t send-keys -t 0 C-l
line "$weft lesson first"; seen "after quitting it goes on at its step" '3/8  How good is it?'
line 'print(evaluate{"base", "test"}.correct)'; seen "with the objects of the steps before" '472'
t send-keys -t 0 C-d; sleep 0.3; t send-keys -t 0 C-l; line "$weft lesson nothing"; seen "a wrong name ends weft" "no lesson 'nothing'"
t kill-server

# At 100 columns and 30 rows, a command, its result and what the lesson says next are on the screen together. A lesson
# that plays itself prints what the prompt would; the prompt's line counts for the one that announces the command.
too_long() { # FILE: what is longer, from one stop of the lesson to the next
    awk 'function end(more) { while (n && !line[n]) n--; if (n + more > 28) print n + more ": " line[1]; n = 0; asked = 0 }
        { blank = !NF; sub(/ +$/, "") }
        blank && (announced || !n || !line[n]) { announced = 0; next }
        /^── / { end(0) }
        /^  > / { end(asked ? 0 : 2) } # the solution of a task is not shown
        /^(  answer: |end of it)/ { end(0) }
        /^  > / { announced = 1 }
        /^  \? / { asked = 1 }
        { line[++n] = $0 }
        END { end(0) }' "$1"
}
plays=0
on_screen() { # LESSON
    plays=$((plays + 1))
    socket=$work/play$plays # a server that ends may still hold the last one
    t start-server \; set -g history-limit 5000 \; new-session -d -x 100 -y 30 \
        "TERM=xterm-256color '$weft' lesson '$1' --auto; echo end of it; sleep 60"
    for _ in $(seq 600); do screen -S - | grep -q '^end of it' && break; sleep 0.1; done
    screen -S - >"$work/screen"
    t kill-server
}
{ echo '# Long'; echo '== A'; echo 'x = 1'; printf '\n> x = 1\n\n'; seq 100 127 | sed 's/^/  /'; } >"$work/long.lesson"
on_screen "$work/long.lesson"
equal "what is too long is found" "30:   > x = 1" "$(too_long "$work/screen")"
[ "${MODE-}" != asan ] || listed="first low-pass" # the others take long there
for name in $listed; do
    on_screen "$name"
    equal "$name fits 100 columns x 30 rows" "" "$(too_long "$work/screen")"
    equal "  to its end" 1 "$(grep -c '^end of it' "$work/screen")"
    equal "  with charts" "yes" "$(grep -q '│' "$work/screen" && echo yes)"
done
finish
