#!/usr/bin/env bash
# Run folders that another program wrote, without --safe: links, pipes and folders in the place of files, and a config.json and a log with
# anything in them. weft says one line, hangs nowhere, and nothing outside the folder is touched.
. "$(dirname "$0")/../support/tap.sh"
export WEFT_SAMPLES=$root/samples HOME=$work/home XDG_STATE_HOME=$work/state
mkdir -p "$HOME" "$work/outside/folder"
setup='load net n sample:fashion-resnet8 --quiet; load data d sample:fashion-test --limit 20 --quiet'
(cd "$work" && "$weft" -q -c "$setup" -c 'train p --net n --on d --hidden 8 --steps 4 --save-every 2 --run made/train
train t --net n --hidden 8 --steps 2 --trials 2 --run made/trials
sweep lowpass n --on d --over cutoff=2,3 --run made/sweep' 2>"$work/err") || not_ok "the runs are made" "$(cat "$work/err")"
echo "somebody's" >"$work/outside/file"
state() { find "$work/outside" -printf '%P %y %m %s %T@ %C@ %l\n' | sort; cat "$work/outside/file"; }
before=$(state)
tries() { # NAME FOLDER [LEAST-STATUS]: resumes, shows and begins anew
    local bad='' got
    for line in "resume $2" "$setup; pcall(log, '$2'); pcall(jobs); pcall(stop, '$2'); pcall(train, {'p', net = 'n', on = 'd', hidden = 8, steps = 4, run = '$2'})
        pcall(sweep, {'lowpass', 'n', on = 'd', over = 'cutoff=2,3', run = '$2'})"; do
        (cd "$work" && timeout 60 "$weft" -q -c "$line" >"$work/out" 2>"$work/err" </dev/null); got=$?
        [ "$got" -le 5 ] || bad="$bad [$line: status $got: $(tail -1 "$work/err")]"
        case $line in resume*) [ "$got" -ge "${3:-1}" ] && [ "$(wc -l <"$work/err")" -ge "${3:-1}" ] || bad="$bad [$line: status $got]" ;; esac
    done
    [ "$before" = "$(state)" ] || bad="$bad [$(diff <(echo "$before") <(state))]"
    equal "$1" "" "$bad"
}
for kind in train trials sweep; do
    names=(lock log.csv config.json trial-1 error.txt)
    [ "$kind" = train ] && names=(lock log.csv config.json last.safetensors next.safetensors source.safetensors)
    for name in "${names[@]}"; do
        for target in ../outside/file ../outside/folder ../outside/new; do
            rm -rf "$work/r"; cp -r "$work/made/$kind" "$work/r"; rm -rf "$work/r/$name"; ln -s "$target" "$work/r/$name"
            tries "$kind: a link at $name to $target" r
        done
        rm -rf "$work/r"; cp -r "$work/made/$kind" "$work/r"; rm -rf "$work/r/$name"; mkfifo "$work/r/$name"
        tries "$kind: a pipe at $name" r
    done
done
rm -rf "$work/r"; cp -r "$work/made/train" "$work/r"; rm "$work/r/lock"; ln "$work/outside/file" "$work/r/lock"; before=$(state)
tries "a lock that is another name of somebody's file" r
rm -rf "$work/r"; before=$(state) # it has one name again

# What a killed beginning leaves is removed; a folder of somebody's that has such a name is none.
rm -rf "$work/r"; mkdir "$work/.r.0123abcd" "$work/.r.0123abce"; echo "somebody's" >"$work/.r.0123abcd/notes"
tries "a folder whose name is that of a beginning" r
equal "it stays, and an empty one goes" "notes" "$(cd "$work" && find .r.* -mindepth 1 -printf '%f'; [ ! -e .r.0123abce ] || echo empty)"
rm -rf "$work/r" "$work/.r.0123abcd"

# What is read: nothing through a link, and the line names it.
mkdir -p "$work/elsewhere" "$XDG_STATE_HOME/weft"; cp "$work"/made/trials/trial-1/*.csv "$work"/made/trials/trial-1/*.json "$work/elsewhere"
sed -i '2,$s/,[^,]*/,77.5/' "$work/elsewhere/log.csv"; echo "$work/r" >"$XDG_STATE_HOME/weft/jobs"
for name in trial-2 trial-2/log.csv trial-1/config.json config.json lock; do
    rm -rf "$work/r"; cp -r "$work/made/trials" "$work/r"; rm -rf "$work/r/$name"
    case $name in trial-2) ln -s "$work/elsewhere" "$work/r/$name" ;; *) ln -s "$work/elsewhere/log.csv" "$work/r/$name" ;; esac
    for line in 'log r' 'attach r' 'resume r'; do
        (cd "$work" && timeout 20 "$weft" -q -c "$line" >"$work/out" 2>"$work/err" </dev/null); got=$?
        equal "$line: a link at $name" "3 1 0" "$got $(grep -c "^weft: .*r/$name: is a link" "$work/err") $(cat "$work/out" "$work/err" | grep -c 77.5)"
    done
    (cd "$work" && timeout 20 "$weft" -c jobs >"$work/out" 2>"$work/err" </dev/null); got=$?
    equal "jobs: a link at $name" "0 1 0" "$got $(grep -c "failed.*$name: is a link" "$work/out") $(grep -c 77.5 "$work/out")"
done
rm "$XDG_STATE_HOME/weft/jobs"

# A run works in the folder that it has opened: no system call names what is in it by a path, which could lead elsewhere by then. (Before that
# the path is looked for: config.json.)
if command -v strace >/dev/null && strace true 2>/dev/null; then
    rm -rf "$work/held"; mkdir "$work/held"
    for line in 'train p --net n --on d --hidden 8 --steps 4 --save-every 2 --run held/a' 'train t --net n --hidden 8 --steps 2 --trials 2 --run held/b' \
        'progressive n --into g --on d --rounds 1 --trials 1 --hidden 8 --steps 2 --run held/c' 'sweep lowpass n --on d --over cutoff=2,3 --run held/d' \
        'fit f --arch resnet8 --data d --steps 1 --run held/e' 'resume held/a' 'resume held/b' 'resume held/c' 'resume held/d' 'resume held/e' 'log held/b' 'attach held/b'; do
        (cd "$work" && ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 timeout 60 strace -f -o trace -e trace=file "$weft" -q -c "$setup; $line" >"$work/out" 2>"$work/err" </dev/null)
        equal "by descriptors only: $line" "" "$(grep -E '"held/[^"]*/' "$work/trace" | grep -vE 'newfstatat\(AT_FDCWD, "held/./(config.json|log.csv|lock)", .*, 0\)' | head -3)$(cat "$work/err")"
    done
else
    skip "runs work by descriptors" "strace is not installed, or may not trace"
fi

# Fields of config.json, each with values of every kind.
python3 - "$work/made" "$work/mutants" <<'P'
import json, os, shutil, sys
made, to = sys.argv[1:]
values = [None, True, -1, 0, 1, 65536, 2**31, 2**63 - 1, 2**63, 10**400, 1e308, "", "x", "../../outside/file", "/etc/passwd", "shell", "a" * 5000, [], {}, [[]], {"a": 1}]
count = 0
def put(kind, config):
    global count
    folder = f"{to}/{kind}-{count}"; count += 1
    shutil.copytree(f"{made}/{kind}", folder); open(folder + "/config.json", "w").write(json.dumps(config) if not isinstance(config, str) else config)
for kind in ("train", "trials", "sweep"):
    whole = json.load(open(f"{made}/{kind}/config.json"))
    for i, key in enumerate(whole):
        put(kind, {**whole, key: values[(7 * i + count) % len(values)]})
        put(kind, {k: v for k, v in whole.items() if k != key})
    put(kind, {**whole, "kind": "points", "name": "shell", "settings": {"COMMAND": "touch ../outside/shell"}})
    put(kind, {**whole, "kind": "points", "name": "train"}); put(kind, {**whole, "trials": 65535, "rounds": 65535})
    for field in ("file", "spec", "folder", "role", "network", "data"):
        put(kind, {**whole, "objects": [{**o, field: "../../outside/file"} for o in whole["objects"]]})
    put(kind, "["*100000); put(kind, ""); put(kind, "{}"); put(kind, json.dumps(whole)[:300]); put(kind, '{"weft":1,"weft":2}')
P
bad='' number=0
for folder in "$work"/mutants/*; do
    number=$((number + 1))
    (cd "$work" && timeout 30 "$weft" -q --max-memory 2G -c "resume $folder" >"$work/out" 2>"$work/err" </dev/null); got=$?
    [ "$got" -le 5 ] && { [ "$got" -eq 0 ] || [ "$(wc -l <"$work/err")" -le 3 ]; } || bad="$bad [${folder##*/}: status $got: $(tail -1 "$work/err")]"
done
equal "$number files config.json of another program's" "" "$bad"
equal "and nothing outside is touched" "$before" "$(state)"
for text in 'point,accuracy' $'point,accuracy\n99999999999999999999,1\n' $'\0\0\0' 'x' $'step\n-1\n'; do
    rm -rf "$work/r"; cp -r "$work/made/sweep" "$work/r"; printf '%s' "$text" >"$work/r/log.csv"
    tries "a log with anything in it" r 0
done
rm -rf "$work/r"; cp -r "$work/made/sweep" "$work/r"; { printf point; yes , | head -1000000 | tr -d '\n'; echo; } >"$work/r/log.csv"
tries "a log of a million columns" r 0
equal "is refused at once" "3 weft: r/log.csv: has more than 4096 columns" \
    "$(cd "$work" && timeout 60 "$weft" -q -c 'log r' 2>"$work/err" >/dev/null; echo "$? $(cat "$work/err")")"
finish
