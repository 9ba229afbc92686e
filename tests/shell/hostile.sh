#!/usr/bin/env bash
# Every hostile input through the program: exit status, one line that names the file and the reason, and a workspace that stays as it was.
. "$(dirname "$0")/../support/tap.sh"
list=$work/list
"${BUILD:-build/release}/tests/format/test_hostile" --write "$work/files" >"$list" 2>"$work/err" || not_ok "the list is written" "$(cat "$work/err")"
[ -s "$list" ] || not_ok "the list holds cases"
describe='s = ""; t = show{"good"}; for i = 1, #t do s = s .. t[i].layer .. t[i].shape end; print(#ls(), s, t.notes.parameters)'
before=$("$weft" -c 'load net good sample:fashion-resnet8 --quiet' -c "$describe")
while IFS=$'\t' read -r row name load status reason; do
    case $load in
    net) line="load net good '$work/files/$name' --quiet" ;;
    arch) line="load net good sample:fashion-resnet8 --arch '$work/files/$name' --quiet" ;;
    predictor) line="load predictor good2 '$work/files/$name' --quiet" ;;
    *) line="load data good2 '$load' --quiet" ;;
    esac
    # pcall keeps the session going after the failure, to look at the workspace
    "$weft" -c "$line" >/dev/null 2>"$work/one"
    got=$?
    lines=$(wc -l <"$work/one")
    text=$(cat "$work/one")
    bad=
    [ "$got" = "$status" ] || bad="exit status $got, expected $status"
    if [ "$status" != 0 ]; then
        [ "$lines" -eq 1 ] || bad="$bad; $lines lines"
        case $text in *"$name"*) ;; *) bad="$bad; the file is not named" ;; esac
        case $text in *"$reason"*) ;; *) bad="$bad; no '$reason'" ;; esac
        case $text in *$'\033'*) bad="$bad; an escape reaches the terminal" ;; esac
        after=$("$weft" -c 'load net good sample:fashion-resnet8 --quiet' -c "ok = pcall(run, [=[$line]=])" -c "$describe" 2>&1)
        [ "$after" = "$before" ] || bad="$bad; the workspace changed: $after"
    fi
    if [ -z "$bad" ]; then ok "row $row: $name"; else not_ok "row $row: $name" "$bad: $text"; fi
done <"$list"
finish
