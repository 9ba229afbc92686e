#!/usr/bin/env bash
# A visit at a terminal (tmux): prompt, completion of a layer name, sratio, the viewer, the cursor, leaving; the terminal is the same before and
# after, also after Ctrl-C and TERM in the viewer.
. "$(dirname "$0")/../support/tap.sh"
command -v tmux >/dev/null || { skip "a visit at a terminal" "tmux is not installed"; finish; }
socket=$work/tmux
t() { tmux -S "$socket" -f /dev/null "$@"; }
screen() { t capture-pane -p -t 0; }
# Polls the screen for a text rather than sleeping for a time.
wait_for() { for _ in $(seq 200); do screen | grep -qF -- "$1" && return 0; sleep 0.1; done; return 1; }
seen() { if wait_for "$2"; then ok "$1"; else not_ok "$1" "$(screen)"; fi; }
modes() { t display-message -p -t 0 '#{alternate_on} #{cursor_flag} #{mouse_any_flag}'; }
settings() { # stty -g of the pane's shell, printed into a file
    rm -f "$work/stty"; t send-keys -t 0 "stty -g > $work/stty; echo done-\$((1+1))-$1" Enter; wait_for "done-2-$1"; cat "$work/stty"
}
unset NO_COLOR
export LC_ALL=C.UTF-8 LANG=C.UTF-8 WEFT_HISTFILE=$work/history TERM=xterm-256color
t new-session -d -x 100 -y 40 "env PS1='shell> ' bash --norc --noprofile"
wait_for 'shell>'
before=$(settings a); modes_before=$(modes)

t send-keys -t 0 "$weft" Enter;                                      seen "the prompt" 'weft>'
t send-keys -t 0 'load net base sample:fashion-resnet8' Enter;       seen "a network loads" 'ResNet8'
t send-keys -t 0 'spectrum base layer3.0.conv' Tab Tab;              seen "layer names complete" 'layer3.0.conv2'
t send-keys -t 0 C-c; sleep 0.3
t send-keys -t 0 'spec' Tab 'ba' Tab 'layer1.0.conv1' Enter;         seen "commands and objects complete" 'Singular values of layer1.0.conv1'
t send-keys -t 0 'sratio base' Enter;                                seen "a table, with its chart" 'S_ratio of base'
t send-keys -t 0 C-l; t send-keys -t 0 'plot' Enter
for _ in $(seq 100); do [ "$(modes | cut -c1)" = 1 ] && break; sleep 0.1; done
equal "the viewer is full-screen" 1 "$(modes | cut -c1)"
seen "with the cursor's read-out" 'conv1'
t send-keys -t 0 Right Right; 
t send-keys -t 0 '?';                                                seen "the keys are explained" 'zoom'
t send-keys -t 0 q; t send-keys -t 0 q
for _ in $(seq 100); do [ "$(modes | cut -c1)" = 0 ] && break; sleep 0.1; done
equal "leaving gives the screen back" "$modes_before" "$(modes)"
t send-keys -t 0 'ls' Enter;                                         seen "the prompt goes on" 'base'
t send-keys -t 0 'plot' Enter
for _ in $(seq 100); do [ "$(modes | cut -c1)" = 1 ] && break; sleep 0.1; done
t send-keys -t 0 C-c
for _ in $(seq 100); do [ "$(modes | cut -c1)" = 0 ] && break; sleep 0.1; done
equal "Ctrl-C in the viewer leaves it" "$modes_before" "$(modes)"
t send-keys -t 0 'print(40 + 2)' Enter;                              seen "and only it" '42'
t send-keys -t 0 'while true do end' Enter; sleep 0.5; t send-keys -t 0 C-c; seen "Ctrl-C interrupts Lua" 'interrupted'
t send-keys -t 0 'quit' Enter; wait_for 'shell>'
equal "the terminal's settings are the same after leaving" "$before" "$(settings b)"

for signal in TERM HUP QUIT SEGV ABRT; do
    t send-keys -t 0 C-l; t send-keys -t 0 "clear; $weft -i -c 'load net base sample:fashion-resnet8; sratio base --quiet' " Enter; wait_for 'weft>'
    t send-keys -t 0 'plot' Enter
    for _ in $(seq 100); do [ "$(modes | cut -c1)" = 1 ] && break; sleep 0.1; done
    # asan reports crashes in its own way and dies; there only the orderly signals are tried
    case "${MODE-}:$signal" in asan:SEGV | asan:ABRT) t send-keys -t 0 q; t send-keys -t 0 'quit' Enter; continue ;; esac
    pkill -"$signal" -f -- "$weft -i -c" 
    for _ in $(seq 100); do [ "$(modes | cut -c1)" = 0 ] && break; sleep 0.1; done
    equal "SIG$signal in the viewer gives the screen back" "$modes_before" "$(modes)"
    equal "SIG$signal: and the terminal's settings" "$before" "$(settings "$signal")"
done
# What the terminal's type can: no Braille on the Linux console, no colours on a VT100.
drawn() { # TERM: the bar that it shows
    t send-keys -t 0 C-l; t send-keys -t 0 "clear; TERM=$1 $weft -c 'load net base sample:fashion-resnet8; sratio base --layers conv1'; echo end-\$((1+1))" Enter
    wait_for 'end-2'; t capture-pane -p -e -t 0 | grep -E 'conv1.*(█|#)'
}
line=$(drawn linux); case $line in *█* | *$'\e[34m'*) not_ok "charts on the Linux console" "$line" ;; *$'\e[35m'*'###'*) ok "charts on the Linux console" ;; *) not_ok "charts on the Linux console" "$line" ;; esac
line=$(drawn vt100); case $line in *$'\e['*) not_ok "no colours on a VT100" "$line" ;; *█*) ok "no colours on a VT100" ;; *) not_ok "no colours on a VT100" "$line" ;; esac
check "the history is kept" grep -q 'sratio base' "$work/history"
t kill-server
finish
