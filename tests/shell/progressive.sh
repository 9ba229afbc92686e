#!/usr/bin/env bash
# progressive through the program: its table, signals and resuming to the same files, --select-on, what it says at a terminal.
. "$(dirname "$0")/../support/tap.sh"
export XDG_STATE_HOME=$work/state
status() { "$@" >"$work/out" 2>"$work/err" </dev/null; echo $?; }
load='load net base sample:fashion-resnet8 --quiet; load data test sample:fashion-test --limit 64 --quiet; load data more sample:fashion-test --limit 200 --quiet'
small='--hidden 12 --steps 10 --eval-every 0'
long='--rounds 2 --trials 3 --hidden 16 --steps 400 --patience 2 --seed 3 --save-every 40'
# ten times as slow under AddressSanitizer
[ "${MODE-}" = asan ] && long=${long/--steps 400/--steps 60 --eval-every 0}
await() { for _ in $(seq 300); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done; return 1; }
column() { head -1 "$work/out" | tr '\t' '\n' | grep -nx "$1\( (.*)\)\?" | cut -d: -f1; }
cell() { sed -n "$((1 + $2))p" "$work/out" | cut -f"$(column "$1")"; } # COLUMN ROW
files() { (cd "$1" && sha1sum round-*/network.safetensors round-*/predictor.safetensors); }

# The table.
equal "three rounds" 0 "$(status "$weft" -c "$load" -c "progressive base --rounds 3 --trials 2 $small --on test --patience 3 --into p")"
equal "its columns" "round accuracy_mean accuracy_std accuracy p_value significant accuracy_low accuracy_high only only_vs best_trial trials l_recon l_recon_original sratio_change distance won" \
    "$(head -1 "$work/out" | sed 's/ ([^)]*)//g' | tr '\t' ' ' | sed 's/ *$//')"
equal "a row a round" "1 2 3" "$(tail -n +2 "$work/out" | cut -f1 | xargs)"
contains "none won: it says so" "$(cat "$work/err")" "no round beat the network it started from; the result is a copy of it"
equal "and the table does" "no no no" "$(for r in 1 2 3; do cell won $r; done | xargs)"
check "mean and standard deviation are those of the trials" python3 - "$(cell trials 1)" "$(cell accuracy_mean 1)" "$(cell accuracy_std 1)" "$(cell accuracy 1)" <<'PY'
import statistics, sys
trials = [float(x) for x in sys.argv[1].split()]
assert len(trials) == 2 and abs(max(trials) - float(sys.argv[4])) < 1e-3
assert abs(statistics.mean(trials) - float(sys.argv[2])) < 1e-3 and abs(statistics.stdev(trials) - float(sys.argv[3])) < 1e-3
PY
equal "patience 1 ends after the first that lost" 0 "$(status "$weft" -c "$load" -c "progressive base --rounds 3 --trials 1 $small --on test --into p")"
equal "in one row" 1 "$(tail -n +2 "$work/out" | grep -c .)"
equal "its network is the one it began with" "$("$weft" -c "$load" -c 'evaluate base test' | tail -1 | cut -f1-4)" \
    "$("$weft" -c "$load" -c "progressive base --rounds 1 --trials 1 $small --on test --into p --quiet" -c 'evaluate p test' 2>/dev/null | tail -1 | cut -f1-4)"

# Other images to choose on.
equal "--select-on" 0 "$(status "$weft" -c "$load" -c "progressive base --rounds 1 --trials 3 --hidden 16 --steps 120 --eval-every 0 --on test --select-on more --into p --run $work/select")"
selected=$(for t in 1 2 3; do "$weft" -q -c "$load" -c "load predictor q $work/select/round-1/trial-$t/last.safetensors --for base --quiet; reconstruct q --into r --quiet; print(evaluate{'r', 'more'}[1].accuracy, evaluate{'r', 'test'}[1].accuracy)" 2>&1 | tail -1; done)
check "chooses on those, reports on --on" python3 - "$selected" "$(cell best_trial 1)" "$(cell trials 1)" <<'PY'
import sys
rows = [[float(x) for x in line.split()] for line in sys.argv[1].splitlines()]
assert rows[int(sys.argv[2]) - 1][0] == max(r[0] for r in rows), rows
assert all(abs(a[1] - float(b)) < 1e-3 for a, b in zip(rows, sys.argv[3].split())), rows
PY

# Signals, and going on to the same files, which name the command: so all are given the same one, each in a folder of its own.
command="progressive base $long --on test --select-on more --into p --run run"
mkdir "$work/whole"
(cd "$work/whole" && "$weft" -q -c "$load" -c "$command" 2>"$work/err")
equal "all rounds leave their files" 4 "$(files "$work/whole/run" | grep -c .)"
for pair in INT:130 TERM:143; do
    signal=${pair%:*}
    mkdir "$work/$signal"; cd "$work/$signal" || exit 1
    setsid "$weft" -q -c "$load" -c "$command" 2>"$work/err" &
    pid=$!
    await test -s run/round-1/trial-1/config.json; sleep 0.2
    kill -s "$signal" "$pid"; wait "$pid"
    equal "SIG$signal ends it" "${pair#*:}" $?
    [ "$signal" = INT ] && contains "and it says how to go on" "$(cat "$work/err")" "of 2; resume run continues"
    equal "the folder is not taken again" 1 "$(status "$weft" -q -c "$load" -c "$command")"
    cd / || exit 1
    equal "it resumes, from anywhere" 0 "$(status "$weft" -c "resume $work/$signal/run")"
    equal "to both rounds" "1 2" "$(tail -n +2 "$work/out" | cut -f1 | xargs)"
    equal "and the same files" "$(files "$work/whole/run")" "$(files "$work/$signal/run")"
done
cd "$root" || exit 1

# In the background: the same figures (the files name another command), and jobs sees rounds, trials and the end.
equal "in the background" 0 "$(status "$weft" -q -c "$load" -c "progressive base $long --on test --select-on more --into p --run $work/back --background")"
await sh -c "'$weft' -c jobs 2>/dev/null | grep -q 'trial 3 of 3.done'"
check "it comes to its end" sh -c "'$weft' -c jobs | grep -q 'p, round 2 of 2, trial 3 of 3.done'"
figures() { status "$weft" -c "resume $1" >/dev/null; cat "$work/out"; }
equal "with the same figures" "$(figures "$work/whole/run")" "$(figures "$work/back")"
check "the last network is kept as well" test -s "$work/back/network.safetensors"
contains "a full report is for later" "$("$weft" -c "$load" -c "progressive base $long --on test --into p --report full --background" 2>&1 >/dev/null)" "--report full cannot be combined with --background; run evaluate --report full afterwards"
check "without --run there is nothing to go on with" bash -c "setsid '$weft' -q -c '$load' -c 'progressive base --steps 100000 --hidden 8 --on test --into p' 2>'$work/err' & sleep 1; kill -s INT \$!; wait \$!; [ \$? = 130 ] && ! grep resume '$work/err'"

# What is refused.
equal "--monitor without a terminal" 1 "$(status "$weft" -c "$load" -c "progressive base $small --on test --into p --monitor --run $work/monitored")"
contains "says why" "$(cat "$work/err")" "terminal"
check "and makes no folder" test ! -e "$work/monitored"
contains "images without labels" "$("$weft" -c "$load" -c 'load data n noise:8:1x28x28; progressive base --on n --into p' 2>&1 >/dev/null)" "no labels"

# At a terminal: the line says which part is at work; the monitor, too; stop there is for all trials.
if command -v tmux >/dev/null; then
    socket=$work/tmux
    t() { tmux -S "$socket" -f /dev/null "$@"; }
    screen() { t capture-pane -p -t 0; }
    seen() { for _ in $(seq 200); do screen | grep -qE -- "$2" && { ok "$1"; return; }; sleep 0.1; done; not_ok "$1" "$(screen)"; }
    t new-session -d -x 110 -y 40 "env LC_ALL=C.UTF-8 TERM=xterm-256color WEFT_THREADS=2 WEFT_HISTFILE=$work/history $weft -i -c '$load'"
    seen "the prompt" 'weft>'
    t send-keys -t 0 "progressive base --rounds 2 --trials 3 --steps 50000 --hidden 8 --on test --into a --run $work/at" Enter
    seen "the line names round and trials" 'a \[.*/50000, round 1 of 2, trials 1-2 of 3, loss'
    t send-keys -t 0 C-c;                             seen "Ctrl-C stops it" 'stopped in round 1 of 2; resume'
    t send-keys -t 0 C-l; t send-keys -t 0 "resume $work/at --monitor" Enter
    seen "the monitor names them, too" 'a +round 1 of 2, trials 1-2 of 3; saved at step'
    seen "its steps are a trial's" 'step [0-9]+ of 50000'
    t send-keys -t 0 x; sleep 0.3; t send-keys -t 0 y; seen "stop there is for all trials" 'stopped in round 1 of 2; resume'
    t send-keys -t 0 quit Enter
    t kill-server 2>/dev/null
else
    skip "progressive at a terminal" "tmux is not installed"
fi
finish
