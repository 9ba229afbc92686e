#!/usr/bin/env bash
# The live view of smoothing at a terminal (tmux): keys, what is kept, what is printed after leaving, files, sizes, terminals, every way out.
. "$(dirname "$0")/../support/tap.sh"
export LC_ALL=C.UTF-8 LANG=C.UTF-8 WEFT_HISTFILE=$work/history XDG_DATA_HOME=$work TERM=xterm-256color
load='load net base sample:fashion-resnet8; load data test sample:fashion-test --limit 100'

# ---- without a terminal
out=$("$weft" -c "$load; smooth base --on test" 2>&1 </dev/null); status=$?
equal "without a terminal it refuses" 2 "$status"
contains "in one line that names the way out" "$out" 'smooth needs a terminal with a full screen; --inline prints the view as text'
printed=$("$weft" -c "$load; smooth base layer2.0.conv1 --cutoff 1.5 --mode 2d --scope stage --on test --inline" 2>/dev/null)
contains "--inline prints the command line" "$printed" 'lowpass base --cutoff 1.5 --mode 2d --layers stage:2 --into smooth; evaluate smooth test'
contains "and the kernels" "$printed" 'Kernels of layer2.0.conv1'
same=$("$weft" -c "$load; smooth base layer2.0.conv1 --cutoff 1.5 --scope stage --on test --inline --quiet --as view; lowpass base --cutoff 1.5 --layers stage:2 --into s --as made
evaluate s test --as e
print(view.accuracy == e.accuracy, view.loss == e.loss)" 2>&1)
contains "its accuracy is that of its command line" "$same" 'true	true'
contains "LAYER must exist" "$("$weft" -c "$load; smooth base conv9 --inline" 2>&1)" "no layer 'conv9'"
contains "a filter must suit the layer" "$("$weft" -c "$load; smooth base linear --filter lowpass --inline" 2>&1)" 'lowpass filters convolutions'
contains "a scope must exist" "$("$weft" -c "$load; smooth base conv1 --scope stage --inline" 2>&1)" "is in no stage"

command -v tmux >/dev/null || { skip "the view at a terminal" "tmux is not installed"; finish; }
socket=$work/tmux
t() { tmux -S "$socket" -f /dev/null "$@"; }
screen() { t capture-pane -p -t 0; }
wait_for() { for _ in $(seq 200); do screen | grep -qF -- "$1" && return 0; sleep 0.05; done; return 1; }
seen() { if wait_for "$2"; then ok "$1"; else not_ok "$1" "$(screen)"; fi; }
alternate() { t display-message -p -t 0 '#{alternate_on}'; }
wait_alternate() { for _ in $(seq 100); do [ "$(alternate)" = "$1" ] && return 0; sleep 0.05; done; return 1; }
key() { t send-keys -t 0 "$@"; }
unset NO_COLOR
t new-session -d -x 100 -y 30 "env PS1='shell> ' bash --norc --noprofile"
wait_for 'shell>'
settings() { key "stty -g > $work/stty; echo done-\$((1+1))-$1" Enter; wait_for "done-2-$1"; cat "$work/stty"; }
before=$(settings a)
key "cd $work; $weft -i -c '$load'" Enter; wait_for 'weft>'

# ---- keys
key 'smooth base layer1.0.conv1 --on test' Enter;   seen "the view opens" 'H(f), 1d, cutoff 2'
seen "with the kernels before and after" 'after'
seen "with S_ratio" 'S_ratio 0.7727'
seen "with the accuracy and its interval" '(95 %: '
seen "the last line is the command" 'lowpass base --cutoff 2 --layers layer1.0.conv1 --into smooth; evaluate smooth test'
key Right Right Up;                                 seen "arrows move the cutoff" '--cutoff 2.3 '
key Left Down Down;                                 seen "and back" '--cutoff 2 '
key PageUp;                                         seen "Page Up moves faster" '--cutoff 2.5 '
key PageDown PageDown;                              seen "Page Down too" '--cutoff 1.5 '
key Home;                                           seen "Home: the lowest" '--cutoff 0.1 '
key End;                                            seen "End: the highest" '--cutoff 50 '
key r;                                              seen "r: the first setting" '--cutoff 2 '
key m;                                              seen "m: the mode" '--mode 2d'
key Space;                                          seen "Space: the block" '--layers block:1.0'
key Space;                                          seen "all layers, and not the stage, which is that block" '2d --into smooth'
seen "numbers of the layer name it" 'layer1.0.conv1: S_ratio 0.7727'
key Tab;                                            seen "Tab: the other filter" 'svscale base --factor 0.5 --into smooth; evaluate'
key - -;                                            seen "-: fewer singular values" '--last 13'
key + Right;                                        seen "+: more; arrows move the factor" 'svscale base --factor 0.55 --last 14'
key n;                                              seen "n: the next layer" 'Kernels of layer1.0.conv2'
key p p;                                            seen "p: the previous one" 'Kernels of conv1'
key Space Space;                                    seen "a scope that the layer lacks is left out" 'on all (7 layers)'
key x;                                              seen "another key says so" 'unknown key; ? lists the keys'
key '?';                                            seen "? lists the keys" 'keep the network under a name'
key q;                                              seen "any key goes back" 'svscale base'

# ---- keeping, saving
key Enter;                                          seen "Enter asks for a name" 'keep the network as: smooth'
key Escape; sleep 0.2
key Enter; wait_for 'keep the network as'; key 'base' Enter
seen "the network itself cannot be replaced" "'base' is the network that is smoothed"
key Enter; wait_for 'keep the network as'; key 'soft' Enter
seen "the first character replaces the offer" 'kept as soft'
key Right; wait_for '--factor 0.6 '
key Enter; wait_for 'keep the network as'; key 'soft' Enter
seen "a name that is taken is not replaced unasked" 'the name is taken; replace it?'
key n Enter;                                        seen "n: not kept" 'not kept'
key s;                                              seen "s asks for a file" 'save all as'
key 'parts.svg' Enter;                              seen "the parts are saved" 'saved parts-kernels.svg, parts-filter.svg'
key s; wait_for 'save all as'; key 'parts.csv' Enter; seen "and their rows" 'saved parts-kernels.csv'
key s; wait_for 'save all as'; key 'parts.csv' Enter; seen "existing files are not overwritten unasked" 'files exist; overwrite them?'
key n Enter;                                        seen "n: not saved" 'not saved'
check "four pictures" test "$(find "$work" -name 'parts-*.svg' | wc -l)" = 4
contains "the rows of the accuracy" "$(cat "$work/parts-accuracy.csv")" 'factor,images,correct,accuracy'
key q; wait_alternate 0
seen "leaving prints the line of what was kept" 'svscale base --factor 0.55 --last 14 --into soft; evaluate soft test'
seen "and that of the last setting" 'svscale base --factor 0.6 --last 14 --into smooth; evaluate smooth test'
key 'show soft' Enter;                              seen "what was kept has its lineage" 'svscale base --factor 0.55 --last 14 --into soft'
key "record $work/done.weft" Enter; sleep 0.3
key 'smooth base conv1' Enter;                      seen "without --on there is no accuracy" 'not measured (--on DATA)'
key C-c; wait_alternate 0;                          seen "Ctrl-C leaves the view" 'lowpass base --cutoff 2 --layers conv1 --into smooth'
key 'print(40 + 2)' Enter;                          seen "and only it" '42'
key 'quit' Enter; wait_for 'shell>'
check "the record has the line that was kept" grep -qx 'svscale base --factor 0.55 --last 14 --into soft' "$work/done.weft"
if grep -q '^smooth' "$work/done.weft"; then not_ok "and not the view" "$(cat "$work/done.weft")"; else ok "and not the view"; fi
equal "the terminal's settings are as before" "$before" "$(settings b)"

# ---- sizes and terminals
begin() { # TERM
    key "clear; TERM=$1 $weft -i -c '$load'" Enter; wait_for 'weft>'
}
begin xterm-256color
for size in 60x20 80x24 200x60 30x8 10x3; do
    t resize-window -t 0 -x "${size%x*}" -y "${size#*x}"
    key C-l 'smooth base --on test' Enter; wait_alternate 1
    key Right Right
    if [ "$size" = 10x3 ]; then sleep 0.3; else seen "$size follows the keys" 'cutoff 2.2'; fi
    t resize-window -t 0 -x 90 -y 28;               seen "$size: resizing draws all again" 'Accuracy, test, 100 images'
    key q; wait_alternate 0
done
key quit Enter; wait_for 'shell>'
for term in tmux linux vt100; do
    begin "$term"
    key 'smooth base --on test' Enter;              seen "TERM=$term" '? keys  q quit'
    key Tab;                                        seen "TERM=$term: Tab" 'svscale base'
    key q;                                          seen "TERM=$term: leaving" 'into smooth; evaluate smooth test'
    key quit Enter; wait_for 'shell>'
done
begin dumb
key 'smooth base' Enter;                            seen "TERM=dumb is refused" '--inline prints the view as text'
key quit Enter; wait_for 'shell>'

# ---- signals
for signal in TERM HUP QUIT INT; do
    begin xterm-256color
    key 'smooth base --on test' Enter; wait_alternate 1
    pkill -"$signal" -f -- "$weft -i -c $load"
    if wait_alternate 0; then ok "SIG$signal gives the screen back"; else not_ok "SIG$signal gives the screen back" "$(screen)"; fi
    [ "$signal" = INT ] && { wait_for 'weft>'; key quit Enter; }
    equal "SIG$signal: and the terminal's settings" "$before" "$(settings "$signal")"
done
t kill-server
finish
