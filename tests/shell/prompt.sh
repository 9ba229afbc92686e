#!/usr/bin/env bash
# The prompt at a terminal (tmux): paste, chunks of several lines, suspending, what is kept of an interrupted chunk.
. "$(dirname "$0")/../support/tap.sh"
command -v tmux >/dev/null || { skip "the prompt at a terminal" "tmux is not installed"; finish; }
socket=$work/tmux
t() { tmux -S "$socket" -f /dev/null "$@"; }
screen() { t capture-pane -p -t 0; }
wait_for() { for _ in $(seq 200); do screen | grep -qF -- "$1" && return 0; sleep 0.1; done; return 1; }
seen() { if wait_for "$2"; then ok "$1"; else not_ok "$1" "$(screen)"; fi; }
unseen() { if screen | grep -qF -- "$2"; then not_ok "$1" "$(screen)"; else ok "$1"; fi; }
type_text() { t send-keys -t 0 -l "$1"; }
enter() { t send-keys -t 0 Enter; }
fresh() { t send-keys -t 0 C-l; sleep 0.2; } # an empty screen, so that nothing old is seen
paste() { # text: as a terminal pastes it, in brackets
    printf '%s' "$1" >"$work/paste"; t load-buffer "$work/paste"; t paste-buffer -p -t 0; sleep 0.3
}
unset NO_COLOR
export LC_ALL=C.UTF-8 LANG=C.UTF-8 WEFT_HISTFILE=history TERM=xterm-256color
t new-session -d -x 100 -y 40 "env PS1='shell> ' bash --norc --noprofile"
wait_for 'shell>'
type_text "cd $work"; enter; t send-keys -t 0 "$weft" Enter; wait_for 'weft>'
type_text 'cd /'; enter # the history stays where it is

paste $'\nx = 3\n# a comment\nprint("x is " .. x)\nls\nprint("after " .. x + 1)'; enter
seen "pasted lines run in turn" 'after 4'
seen "each of them" 'x is 3'
fresh; paste $'print("one")\nsratio nobody\nprint("two")\nprint("three")'; enter
seen "an error names its line" "input:2: no network 'nobody'"
seen "and how many lines did not run" '2 further lines did not run'
unseen "these do not run" 'weft> two'
fresh; paste $'for i = 1, 2 do\n  print("turn " .. i)\nend'; enter
seen "a pasted chunk is one" 'turn 2'

fresh; type_text 'for i = 5, 6 do'; enter; type_text '  print("line " .. i)'; enter; t send-keys -t 0 BSpace BSpace; type_text 'end'; enter
seen "a chunk goes on in the same input" 'line 6'
fresh; t send-keys -t 0 Up Up End BSpace; type_text ' .. "=" .. i * i)'; enter
seen "it is recalled and edited whole" 'line 6=36'
fresh; type_text 'if x == 3 then'; enter; type_text '  y = 4'; wait_for 'y = 4'; t send-keys -t 0 C-c; sleep 0.3; type_text 'print("still " .. "here")'; enter
seen "Ctrl-C drops a chunk" 'still here'
seen "whose lines stay on the screen" '  y = 4'
check "the history keeps it" grep -q 'if x == 3 then' "$work/history"

fresh; type_text 'print("sus " .. "pended'; wait_for '"pended'; t send-keys -t 0 C-z; seen "Ctrl-Z suspends" 'shell>'
type_text 'fg'; enter; for _ in $(seq 50); do [ "$(screen | grep -c 'print("sus " .. "pended')" -ge 2 ] && break; sleep 0.1; done
equal "fg draws the prompt and the half-typed line again" 2 "$(screen | grep -c 'weft> print("sus " .. "pended')"
type_text '")'; enter; seen "which goes on" 'sus pended'

fresh; type_text 'math.flo'; t send-keys -t 0 Tab; wait_for 'math.floor'; type_text '(2.5)'; enter; seen "Lua names complete" 'math.floor(2.5)'
mkdir -p "$work/my dir"; : >"$work/my dir/it's.weft"; printf 'print("so " .. "urced")\n' >"$work/my dir/it's.weft"
type_text "source $work/my"; t send-keys -t 0 Tab; sleep 0.2; t send-keys -t 0 Tab; enter
seen "folders with blanks and files with quotes complete" 'so urced'
type_text "source \"$work/my d"; t send-keys -t 0 Tab; sleep 0.2; t send-keys -t 0 Tab; sleep 0.2; fresh; enter
seen "in quotes, too" 'so urced'
# shellcheck disable=SC2016 # sh expands it, started by weft
type_text '!echo from $((40 + 2))'; enter; seen "! runs a command of the system" 'from 42'
type_text 'lowpass?'; enter; seen "? explains" 'lowpass NET'
type_text 'exit'; enter; sleep 0.5; type_text 'echo left'; enter; seen "exit leaves" 'left'
t send-keys -t 0 "env TERM=dumb $weft" Enter; wait_for 'weft>'
fresh; type_text 'for i = 7, 8 do print("dumb " .. i)'; enter; seen "a dumb terminal has a prompt a line" '...'
type_text 'end'; enter; seen "and runs the chunk" 'dumb 8'
t kill-server
finish
