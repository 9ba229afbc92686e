#!/usr/bin/env bash
# Exit statuses, streams and the ways of starting weft.
. "$(dirname "$0")/../support/tap.sh"
unset COLUMNS NO_COLOR
status() { "$@" >"$work/out" 2>"$work/err" </dev/null; echo $?; }

equal "-c, done" 0 "$(status "$weft" -c 'load net a sample:fashion-resnet8')"
equal "a failed expectation is 1" 1 "$(status "$weft" -c 'expect 1 == 2')"
equal "its message" "weft: expect 1 == 2: the result is 1 == 2" "$(grep -v "^==" "$work/err")"
equal "an unknown option is 2" 2 "$(status "$weft" -c 'ls --nothing')"
equal "an unknown flag is 2" 2 "$(status "$weft" --nothing)"
equal "a missing file is 3" 3 "$(status "$weft" -c 'load net a /nowhere/x.pth')"
equal "one line, with the file and the reason" "weft: /nowhere/x.pth: No such file or directory" "$(grep -v "^==" "$work/err")"
equal "a missing script is 3" 3 "$(status "$weft" "$work/none.weft")"
equal "a refused overwrite is 4" 4 "$(echo old >"$work/a.npz"; status "$weft" -c "load net a sample:fashion-resnet8; save a $work/a.npz")"
equal "and the old file is whole" old "$(cat "$work/a.npz")"
equal "a save to a folder that is not there is 4" 4 "$(status "$weft" -c "load net a sample:fashion-resnet8; save a /nowhere/x.npz")"
equal "a network larger than the memory limit is opened" 0 "$(status "$weft" --max-memory 10K -c 'load net a sample:fashion-resnet8')"
equal "the memory limit is 5" 5 "$(status "$weft" --max-memory 10K -c 'load net a sample:fashion-resnet8; svscale a --factor 0.5 --last 2 --into b')"
contains "and says how to raise it" "$(cat "$work/err")" "--max-memory"
equal "quit N" 7 "$(status "$weft" -c 'quit 7')"
equal "os.exit(N)" 9 "$(status "$weft" -c 'os.exit(9)')"

"$weft" -c 'load net a sample:fashion-resnet8 --quiet; kernels a layer3.0.conv2' 2>"$work/err" | head -n 1 >/dev/null
equal "a closed pipe ends it with 141" 141 "${PIPESTATUS[0]}"
equal "silently" "" "$(grep -v "^==" "$work/err")"
equal "a full disk on standard output is 4" 4 "$("$weft" -c 'help' >/dev/full 2>"$work/err"; echo $?)"
contains "and is said" "$(cat "$work/err")" "standard output: No space left on device"

printf 'print(1)\n\nload net base sample:fashion-resnet8\nsratio bse\nprint(2)\n' >"$work/bad.weft"
equal "a script stops at the first error" 2 "$(status "$weft" "$work/bad.weft")"
equal "with file:line" "$work/bad.weft:4: no network 'bse'; did you mean base?" "$(grep bse "$work/err")"
equal "what ran before was printed" 1 "$(head -n 1 "$work/out")"
equal "what stands after did not run" 0 "$(grep -c '^2$' "$work/out")"

{ yes 'x = 1' | head -n 4999; echo 'x = x + nil'; } >"$work/long.weft"
equal "the line is right far into a script" "$work/long.weft:5000: attempt to perform arithmetic on a nil value" "$("$weft" "$work/long.weft" 2>&1)"
equal "arguments" "a b 2" "$(printf 'print(arg[1], arg[2], #arg)\n' >"$work/args.weft"; "$weft" "$work/args.weft" a b | tr '\t' ' ')"
equal "a script on standard input" 42 "$(printf '#!/usr/bin/env weft\nprint(6 * 7)\n' | "$weft")"
equal "the same by its name, -" 42 "$(printf 'print(6 * 7)\n' | "$weft" -)"
equal "an error there has a place" "stdin:2: unknown command 'lss'; did you mean ls?" "$(printf 'x = 1\nlss\n' | "$weft" 2>&1)"
equal "several -c share a session" 3 "$("$weft" -c 'x = 1' -c 'print(x + 2)')"
for name in --odd.safetensors "\$x; 'y' #.safetensors"; do
    cp samples/fashion-resnet8.safetensors "$work/$name"
    equal "whatever its name: $name" net "$(cd "$work" && printf 'print(ls().name)\n' | "$weft" -- "$name" 2>/dev/null | tail -n 1)"
done
equal "a checkpoint opens as net" "net" "$(printf 'print(ls().name)\n' | "$weft" samples/fashion-resnet8.safetensors 2>/dev/null | tail -n 1)"

"$weft" -c 'load net a sample:fashion-resnet8; sratio a' >"$work/plain" 2>/dev/null
equal "piped output is plain rows" "layer	rows	columns" "$(grep s_ratio "$work/plain" | cut -f 1-3)"
equal "without escapes" 0 "$(grep -c $'\033' "$work/plain")"
equal "--format json is JSON" "ok" "$("$weft" --format json -c 'load net a sample:fashion-resnet8 --quiet; sratio a' 2>/dev/null |
    python3 -c 'import json,sys; t=json.load(sys.stdin); print("ok" if len(t["rows"])==8 and t["notes"]["seed"]==0 else t)')"
equal "--quiet prints nothing" "" "$("$weft" -q -c 'load net a sample:fashion-resnet8; sratio a' 2>&1)"
contains "--version names the libraries" "$("$weft" --version)" "FFTW"
contains "--help" "$("$weft" --help)" "usage: weft"
equal "--seed repeats" "$("$weft" --seed 5 -c 'print(math.random())')" "$("$weft" --seed 5 -c 'print(math.random())')"

# Ctrl-C ends a script with 130, TERM with 143, HUP with 129.
for pair in INT:130 TERM:143 HUP:129; do
    setsid "$weft" -c 'while true do x = 1 end' 2>/dev/null &
    pid=$!
    sleep 0.5; kill -s "${pair%:*}" "$pid"; wait "$pid"
    equal "SIG${pair%:*} ends a script" "${pair#*:}" $?
done

# A second Ctrl-C ends, within about a second, also what never looks at the first: here a pattern of exponential cost.
setsid "$weft" -c 'string.find(string.rep("a", 40), string.rep("a?", 40) .. string.rep("a", 40) .. "b")' 2>/dev/null &
pid=$!
sleep 0.5; kill -s INT "$pid"; sleep 0.2; started=$SECONDS; kill -s INT "$pid"; wait "$pid"
equal "a second Ctrl-C ends it" 130 $?
check "within about a second" test $((SECONDS - started)) -le 3

# Lines of standard input run as they come; Ctrl-C does not run what has come by halves.
mkfifo "$work/pipe"
setsid "$weft" <"$work/pipe" >"$work/out" 2>"$work/err" &
pid=$!
exec 5>"$work/pipe"
echo 'print(1)' >&5
for _ in $(seq 100); do [ -s "$work/out" ] && break; sleep 0.1; done
equal "a line runs when it is there" 1 "$(cat "$work/out")"
printf 'print(2)' >&5
sleep 0.3; kill -s INT "$pid"; wait "$pid"
equal "Ctrl-C while waiting is 130" 130 $?
equal "and half a line does not run" 1 "$(cat "$work/out")"
exec 5>&-

# Ctrl-Z and fg (here STOP and CONT) lose nothing: neither lines that are still to come, nor what is being written.
setsid "$weft" <"$work/pipe" >"$work/out" 2>"$work/err" &
pid=$!
exec 5>"$work/pipe"
echo 'print(1)' >&5
for _ in $(seq 100); do [ -s "$work/out" ] && break; sleep 0.1; done
kill -s STOP "$pid"; sleep 0.1; kill -s CONT "$pid"; sleep 0.2
(echo 'print(2)' >&5) 2>/dev/null; exec 5>&-; wait "$pid"
equal "a script on standard input goes on after fg" "1 2 " "$(tr '\n' ' ' <"$work/out")"
# shellcheck disable=SC2016 # the inner shell expands it
setsid bash -c '"$1" -c "for i = 1, 100000 do print(i) end" 2>"$2" | (sleep 1; tail -n 1)' - "$weft" "$work/err" >"$work/out" &
sleep 0.5; kill -s STOP -- -$!; sleep 0.1; kill -s CONT -- -$!; wait $!
equal "output that waits for its reader, too" 100000 "$(cat "$work/out")"

# What a script prints into a closed pipe, or onto a full disk, ends it, whatever the script makes of errors.
for line in 'print(1)' 'io.write("1\n")' 'pcall(print, 1)'; do
    timeout 20 "$weft" -c "while true do $line end" 2>"$work/err" | head -n 1 >/dev/null
    equal "$line into a closed pipe" 141 "${PIPESTATUS[0]}"
done
equal "os.exit tells of a full disk" 4 "$("$weft" -c 'print(1) os.exit(0)' >/dev/full 2>"$work/err"; echo $?)"
contains "with the reason" "$(cat "$work/err")" "No space left on device"
equal "a closed standard output is 4" 4 "$("$weft" -c 'print(1)' 2>/dev/null >&-; echo $?)"
equal "programs that a script starts know closed pipes" y "$("$weft" -c 'x = os.execute("yes | head -n 1")' 2>&1)"
equal "the memory limit holds for Lua" 5 "$(status "$weft" --max-memory 50M -c 'x = string.rep("x", 1000000000)')"
equal "a byte-order mark is passed over" 3 "$(printf '\xef\xbb\xbf# Windows\r\nprint(1 + 2)\r\n' | "$weft")"

# A recorded session runs again.
(cd "$work" && printf '%s\n' 'load net a sample:fashion-resnet8 --quiet; ls' 'record session.weft' $'sratio \\' '  a --layers conv1' 'x = a' | "$weft" >/dev/null 2>&1
    "$weft" session.weft >"$work/out" 2>"$work/err")
equal "a recorded session runs again" 0 $?

# What --safe keeps out.
(cd "$work" && "$weft" --safe -c 'load net a sample:fashion-resnet8; save a here.npz' >/dev/null 2>&1)
check "--safe writes below the working folder" test -s "$work/here.npz"
(cd "$work" && "$weft" --safe -c 'load net a sample:fashion-resnet8 --quiet; save a ../there.npz' >/dev/null 2>"$work/err")
equal "and nowhere else" "weft: ../there.npz: --safe allows writing only below the working folder" "$(grep -v "^==" "$work/err")"
finish
