#!/usr/bin/env bash
# jobs, log, attach and stop on run folders made by hand; a shell that holds the lock stands in for a training process.
. "$(dirname "$0")/../support/tap.sh"
command -v flock >/dev/null || { skip "jobs" "flock (util-linux) is not installed"; finish; }
export XDG_STATE_HOME=$work/state
cd "$work" || exit 1
work=$(pwd -P)
heading='step,epoch,loss,recon,kd,fmd,learning_rate,gradient_norm,accuracy (%),rate (1/s),seconds (s)'
make_run() { # NAME LAST_STEP: of 1000 steps
    mkdir "$1"
    printf '{"kind": "train", "name": "%s", "steps": 1000, "rate_of": "kernels", "config": {}}\n' "$1" >"$1/config.json"
    { echo "$heading"; for step in 1 $2; do echo "$step,0,0.25,0.2,,,0.005,1.5,$([ "$step" = 1 ] || echo 50),2000,$step"; done; } >"$1/log.csv"
    echo 1 >"$1/lock"
}
hold() { # NAME: holds the lock until TERM, then takes a moment as a training process does
    bash -c 'exec 9>>"$1/lock"; flock 9; echo $$ >"$1/lock"; trap "sleep 0.3; exit 0" TERM; echo ready; for i in $(seq 600); do sleep 0.1; done' \
        hold "$1" >"$work/$1.ready" & 
    holder=$!
    for _ in $(seq 100); do [ -s "$work/$1.ready" ] && return; sleep 0.05; done
}
message() { { "$weft" -c "$1" >/dev/null; } 2>&1; } # what goes to standard error

contains "no list: no jobs" "$(message jobs)" "no background runs"
equal "and nothing on standard output" "" "$("$weft" -c jobs 2>/dev/null)"
make_run going 250; make_run ended 1000; make_run broken 10; make_run halted 10; make_run again 10
mkdir many; printf '{"name": "many", "steps": 1000, "trials": 3}' >many/config.json
(cd many && make_run trial-1 1000 && make_run trial-2 20)
about='{"__metadata__": {"weft.run": "{\"step\": 30}"}}' # a checkpoint that was saved after the last row was logged
{ printf '%b' "\\x$(printf %x ${#about})\0\0\0\0\0\0\0"; printf %s "$about"; } >many/trial-2/last.safetensors
printf 'a warning\nweft: disk full\n' >broken/error.txt
printf 'weft: long ago\n' >again/error.txt; sleep 0.01; echo 1 >again/lock
mkdir -p state/weft gone; printf '%s\n' "$work/going" "$work/ended" "$work/gone" "$work/broken" "relative" "$work/halted" "$work/going" "$work/again" "$work/many" >state/weft/jobs
rmdir gone
hold going
list=$("$weft" -c jobs | cut -f1-11)
equal "every state, in the order started; folders that are gone are dropped" "job	name	state	step	steps	done	left	loss	accuracy	process	folder
1	going	running	250	1000	25	12:30	0.25	50	$holder	$work/going
2	ended	done	1000	1000	100		0.25	50	0	$work/ended
3	broken	failed	10	1000	1		0.25	50	0	$work/broken
4	halted	stopped	10	1000	1		0.25	50	0	$work/halted
5	again	stopped	10	1000	1		0.25	50	0	$work/again
6	many, trial 2 of 3	stopped	30	1000	3		0.25	50	0	$work/many" "$list"
equal "the reason of a failure" "disk full" "$("$weft" -c jobs | sed -n 4p | cut -f12)"

equal "attach without a terminal is one line" "$work/going: running (process $holder), step 250 of 1000, 12:30 left, loss 0.25, accuracy 50.00 %" \
    "$("$weft" -c 'attach 1' </dev/null)"
contains "attach takes a folder, too" "$("$weft" -c 'attach broken' </dev/null)" "broken: failed: disk full, step 10 of 1000"
contains "attach takes a name, of several trials, too" "$(cd / && "$weft" -c 'attach many' </dev/null)" "$work/many: stopped, step 30 of 1000"
contains "an unknown number" "$(message 'attach 9')" "no job 9"
contains "a folder of something else" "$(message 'attach state')" "state: neither a run folder nor the name of a job (jobs lists them)"
"$weft" -c 'attach state' 2>/dev/null; equal "is bad input" 3 $?

equal "log: the rows" "1 250" "$("$weft" -c 'log going' | tail -n +2 | cut -f1 | xargs)"
equal "log: of several trials the newest" "1 20" "$("$weft" -c 'log many' | tail -n +2 | cut -f1 | xargs)"
equal "log: its columns, those with values" "accuracy" "$("$weft" -c 'log 1 --format csv' | head -1 | cut -d, -f7)"
equal "log: a table as any other" "0.25" "$("$weft" -c 'print(log("1")[2].loss)')"
"$weft" -c 'log 1 --quiet; export last curves.svg' 2>/dev/null
check "log: its curves" grep -q 'Loss of going' curves.svg
check "of the terms that have values only" sh -c 'grep -q recon curves.svg && ! grep -q kd curves.svg'
rm halted/log.csv
contains "log: there is none" "$(message 'log halted')" "halted/log.csv: No such file"

equal "stop: ends the process and says where it was saved" "$work/going: stopped at step 250 of 1000" "$(message 'stop 1')"
wait "$holder"; equal "in order" 0 $?
mkdir saved; cp many/trial-2/last.safetensors saved; hold saved
equal "what the newest checkpoint holds" "saved: stopped, saved at step 30" "$(message 'stop saved')"
contains "stop: only what runs" "$(message 'stop 1')" "going: is not running"
"$weft" -c 'stop 1' 2>/dev/null; equal "else it fails" 1 $?

mkdir points; echo '{"kind": "points", "name": "sweep", "steps": 100}' >points/config.json
{ echo point,accuracy; seq -f '%g,50' 0 29; } >points/log.csv
echo "$work/points" >>state/weft/jobs; hold points
equal "points of a survey are not timed before one is done" "30 100 30 " "$("$weft" -c jobs | grep points | cut -f4-7 | tr '\t' ' ')"
printf '%s\n10\n' "$holder" >points/lock; touch points/log.csv; touch -d '-100 seconds' points/lock # 20 of them in 100 s
check "then as fast as those that this process has done" grep -qE '	5:(4.|50)	' <("$weft" -c jobs)
check "attach says so, too" grep -qE 'point 30 of 100, 5:(4.|50) left' <("$weft" -c 'attach points' </dev/null)
message 'stop points' >/dev/null; wait "$holder"

make_run foreign 250; hold foreign
sleep 60 & bystander=$!
echo "$bystander" >foreign/lock # what anybody can write
contains "stop: only the process that holds the lock" "$(message 'stop foreign')" "foreign: its process is unknown"
check "another one lives" kill -0 "$bystander"
sleep 60 7<foreign/lock & reader=$! # who reads the lock does not hold it
echo "$reader" >foreign/lock
contains "stop: nor one that has the lock open" "$(message 'stop foreign')" "foreign: its process is unknown"
check "that one lives, too" kill -0 "$reader"
kill "$reader"
kill "$holder"; wait "$holder"

if command -v tmux >/dev/null; then
    t() { tmux -S "$work/tmux" -f /dev/null "$@"; }
    screen() { t capture-pane -p -t 0; }
    wait_for() { for _ in $(seq 100); do screen | grep -qF -- "$1" && return 0; sleep 0.1; done; return 1; }
    seen() { if wait_for "$2"; then ok "$1"; else not_ok "$1" "$(screen)"; fi; }
    hold going
    export LC_ALL=C.UTF-8 LANG=C.UTF-8
    t new-session -d -x 100 -y 30 "env PS1='shell> ' bash --norc --noprofile"
    wait_for 'shell>'
    t send-keys -t 0 "$weft -c 'attach 1'" Enter;  seen "attach at a terminal" "step 250 of 1000"
    seen "with its curves" "recon"
    sed -i 's/^250,/300,/' going/log.csv;           seen "goes on with the log" "step 300 of 1000"
    t send-keys -t 0 x;                             seen "x asks" "stop the run?"
    t send-keys -t 0 y;                             seen "and stops" "stopped"
    t send-keys -t 0 q;                             seen "q closes the monitor" "going: stopped, step 300 of 1000"
    wait "$holder"; equal "the process ended in order" 0 $?
    rm foreign.ready; hold foreign; echo "$bystander" >foreign/lock
    t send-keys -t 0 C-l "$weft -c 'attach foreign'" Enter; wait_for "step 250 of 1000"
    t send-keys -t 0 x; wait_for "stop the run?"; t send-keys -t 0 y; sleep 0.5; t send-keys -t 0 q; wait_for 'foreign: running'
    check "attach does not end a process that does not hold the lock" kill -0 "$bystander"
    kill "$holder"; wait "$holder"
    t kill-server
else
    skip "attach at a terminal" "tmux is not installed"
fi
kill "$bystander"
finish
