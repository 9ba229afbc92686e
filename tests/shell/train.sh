#!/usr/bin/env bash
# Training through the program: Ctrl-C, TERM and HUP save and end; resume goes on to the same predictor; trials; a background run; disks that
# are full or closed.
. "$(dirname "$0")/../support/tap.sh"
export XDG_STATE_HOME=$work/state
status() { "$@" >"$work/out" 2>"$work/err" </dev/null; echo $?; }
load='load net base sample:fashion-resnet8 --quiet; load data test sample:fashion-test --limit 100 --quiet'
options='--net base --data test --seed 4'
bytes() { # hash of the parameters a run folder ends with
    "$weft" --format json -c "show $1/last.safetensors" 2>/dev/null | python3 -c '
import json, sys
hashes = json.loads(json.load(sys.stdin)["notes"]["weft.run"])["hashes"]  # the lineage names the folder
print({name: hash[:8] for name, hash in sorted(hashes.items()) if not name.startswith("metadata")})'
}
await() { for _ in $(seq 300); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done; return 1; }

# A row, and the run folder's files.
equal "a run" 0 "$(status "$weft" -c "$load" -c "train p $options --hidden 20 --steps 40 --run $work/small")"
contains "a row" "$(cat "$work/out")" "l_recon"
for file in config.json log.csv last.safetensors previous.safetensors best.safetensors source.safetensors; do
    check "$file is there" test -s "$work/small/$file"
done
equal "the checkpoint loads as a predictor" 0 "$(status "$weft" -c "load predictor q $work/small/last.safetensors" -c 'load net n '"$work/small/source.safetensors" -c 'show q')"
equal "a folder takes one run" 1 "$(status "$weft" -c "$load" -c "train p $options --hidden 20 --steps 40 --run $work/small")"
contains "and says how to go on" "$(cat "$work/err")" "resume $work/small"

# Signals: the run is saved, the status says which, resume ends like the run that was left alone.
long='--hidden 20 --steps 1500 --save-every 5000 --eval-every 700'
"$weft" -q -c "$load" -c "train p $options $long --run $work/whole" 2>"$work/err"
whole=$(bytes "$work/whole")
contains "the checkpoint says its hashes" "$whole" "state.first"
for pair in INT:130 TERM:143 HUP:129; do
    signal=${pair%:*} folder=$work/by-${pair%:*}
    setsid "$weft" -q -c "$load" -c "train p $options $long --run $folder" 2>"$work/err" &
    pid=$!
    await test -s "$folder/config.json"; sleep 0.3
    kill -s "$signal" "$pid"; wait "$pid"
    equal "SIG$signal ends a training script" "${pair#*:}" $?
    [ "$signal" = INT ] && contains "and it says where it stopped" "$(cat "$work/err")" "stopped at step"
    equal "the run resumes" 0 "$(status "$weft" -q -c "resume $folder")"
    equal "to the same bits" "$whole" "$(bytes "$folder")"
done
equal "one thread gives the same bits" "$whole" "$(WEFT_THREADS=1 "$weft" -q -c "$load" -c "train p $options $long --run $work/one" && bytes "$work/one")"

# What a script goes on with after Ctrl-C: nothing; what the prompt goes on with: the partial predictor, marked.
if command -v tmux >/dev/null; then
    socket=$work/tmux
    t() { tmux -S "$socket" -f /dev/null "$@"; }
    screen() { t capture-pane -p -t 0; }
    seen() { for _ in $(seq 200); do screen | grep -qF -- "$2" && { ok "$1"; return; }; sleep 0.1; done; not_ok "$1" "$(screen)"; }
    t new-session -d -x 110 -y 40 "env LC_ALL=C.UTF-8 TERM=xterm-256color WEFT_HISTFILE=$work/history $weft -i -c '$load'"
    seen "the prompt" 'weft>'
    t send-keys -t 0 'train p --net base --hidden 20 --steps 1000000 --seed 4' Enter; seen "a progress line" '/1000000, loss'
    t send-keys -t 0 C-c;                                   seen "Ctrl-C ends the run after its step" 'stopped at step'
    t send-keys -t 0 C-l; t send-keys -t 0 'show p' Enter;  seen "the partial predictor is there, marked so" 'partial 1: step'
    t send-keys -t 0 C-l; t send-keys -t 0 'train m --net base --hidden 20 --steps 1000000 --monitor' Enter
    seen "the monitor" 'x stop'
    t send-keys -t 0 x; sleep 0.3; t send-keys -t 0 y;      seen "stop in the monitor ends the run" 'stopped at step'
    t send-keys -t 0 C-l; t send-keys -t 0 "train d --net base --hidden 20 --steps 1000000 --run $work/detached --monitor" Enter
    seen "the monitor of a run with a folder" 'q quit'
    t send-keys -t 0 q;                                     seen "q asks" 'd detach'
    t send-keys -t 0 d;                                     seen "a run is detached" 'd runs in the background'
    check "and goes on there" sh -c "'$weft' --format csv -c jobs 2>/dev/null | grep -q 'd,running'"
    "$weft" -c "stop $work/detached" 2>/dev/null
    t send-keys -t 0 quit Enter
    t kill-server 2>/dev/null
else
    skip "training at a terminal" "tmux is not installed"
fi

# Trials.
equal "three trials" 0 "$(status "$weft" --format csv -c "$load" -c "train p $options --hidden 20 --steps 20 --trials 3 --run $work/three")"
equal "a row each" 4 "$(grep -c . "$work/out")"
equal "finished trials resume to their rows" 0 "$(status "$weft" --format csv -c "resume $work/three --into again")"
equal "the same rows" 3 "$(grep -c '^again' "$work/out")"

# In the background: the same bits as in the foreground.
(cd "$work" && "$weft" -q -c "cd = 1" -c "${load//sample:/sample:}" -c "train p $options $long --run $work/back --background") >"$work/out" 2>"$work/err"
await sh -c "'$weft' --format csv -c jobs 2>/dev/null | grep -q 'back.*done'"
equal "a background run ends with the same bits" "$whole" "$(bytes "$work/back")"

# Disks.
if [ "$(id -u)" -eq 0 ]; then
    mkdir "$work/tiny"
    if mount -t tmpfs -o size=64k tmpfs "$work/tiny" 2>/dev/null; then
        equal "a full disk is found out before the first step" 4 "$(status "$weft" -q -c "$load" -c "train p $options --hidden 20 --steps 40 --run $work/tiny/run")"
        contains "and said" "$(cat "$work/err")" "No space left"
        umount "$work/tiny"
    else
        skip "a full disk" "no tmpfs can be mounted here"
    fi
    chmod 777 "$work"
    mkdir -m 555 "$work/closed"
    if command -v setpriv >/dev/null; then
        equal "a closed folder is found out before the first step" 4 \
            "$(status setpriv --reuid=65534 --regid=65534 --clear-groups "$weft" -q -c "$load" -c "train p $options --hidden 20 --steps 40 --run $work/closed/run")"
    fi
fi
equal "a limit on files is found out before the first step" 4 \
    "$(status bash -c "ulimit -f 400; exec '$weft' -q -c '$load' -c 'train p $options --hidden 60 --steps 20 --run $work/limit'")"
finish
