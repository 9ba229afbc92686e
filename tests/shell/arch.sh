#!/usr/bin/env bash
# Architectures through the program: help, a definition of one's own (that of CONTRIBUTING.md), the user's folder, prefixes.
. "$(dirname "$0")/../support/tap.sh"
export XDG_DATA_HOME=$work/data
mkdir -p "$XDG_DATA_HOME/weft/arch"
status() { "$@" >"$work/out" 2>"$work/err" </dev/null; echo $?; }
both() { cat "$work/out" "$work/err"; }
refused() { # NAME STATUS COMMAND TEXT
    equal "$1" "$2" "$(status "$weft" -c "$3")"
    contains "  says why" "$(cat "$work/err")" "$4"
}

# The worked example.
awk '/^```lua$/ { inside = 1; next } /^```$/ { inside = 0 } inside' CONTRIBUTING.md >"$work/tiny.lua"
equal "the example has some fifteen lines" yes "$([ "$(wc -l <"$work/tiny.lua")" -le 16 ] && grep -q '^family{' "$work/tiny.lua" && echo yes)"
load='load data test sample:fashion-test --limit 64 --quiet'
equal "fit makes its network" 0 "$(status "$weft" -c "$load" -c "fit a --arch $work/tiny.lua:tiny5 --data test --steps 2; save a $work/tiny.npz; ls; evaluate a test")"
contains "  of that name" "$(both)" "Tiny net"
said=$(grep '^64' "$work/out")
equal "load net recognises it" 0 "$(status "$weft" -c "$load" -c "load net b $work/tiny.npz --arch $work/tiny.lua --normalise fashion-mnist; evaluate b test")"
contains "  and says what it assumed" "$(both)" "assumed: strides of 2 after the first convolution; input 1x28x28"
equal "  with the same logits" "$(cut -f1-4 <<<"$said")" "$(grep '^64' "$work/out" | cut -f1-4)"
equal "without it the network is not recognised" 0 "$(status "$weft" -c "load net b $work/tiny.npz")"
contains "  and says so" "$(both)" "architecture not recognised"
cp "$work/tiny.lua" "$XDG_DATA_HOME/weft/arch"
printf 'family{' >"$XDG_DATA_HOME/weft/arch/broken.lua"
equal "in the user's folder it is found by itself" 0 "$(status "$weft" -c "load net b $work/tiny.npz")"
contains "  and used" "$(both)" "Tiny net"
contains "  a broken one beside it is named" "$(both)" "definitions left out: broken.lua:1:"
equal "by the family's name" 0 "$(status "$weft" -c "load net b $work/tiny.npz --arch tiny")"
equal "and fit by the preset's" 0 "$(status "$weft" -c "$load" -c "fit a --arch tiny5 --data test --steps 1")"
equal "help lists it" 0 "$(status "$weft" -c 'help architectures')"
contains "  with its file" "$(both)" "tiny (tiny.lua)"
contains "  its presets" "$(both)" "fit --arch: tiny, tiny5."
contains "  and what is broken" "$(both)" "broken.lua:1:"
contains "  beside weft's own" "$(both)" "resnet-cifar"
check "the man page lists weft's own only" bash -c "'$weft' --print-manual | grep -q 'resnet..cifar' && ! '$weft' --print-manual | grep -q 'tiny.lua'"

# Stages and blocks are the graph's.
equal "stages" 0 "$(status "$weft" -c 'load net a sample:fashion-resnet8; lowpass a --cutoff 2 --layers block:2.0 --into b; sratio b --layers stage:3')"

# What there is not.
refused "an unknown family" 2 'load net a sample:fashion-resnet8 --arch resnet-cifra' 'no architecture '"'resnet-cifra'"'; did you mean resnet-cifar?'
refused "a preset is no family" 2 'load net a sample:fashion-resnet8 --arch resnet20' "'resnet20' is one of the networks of 'resnet-cifar'"
refused "an unknown variant" 2 'load net a sample:fashion-resnet8 --arch resnet-cifar:C' "no variant 'C'"
refused "a family that does not fit" 3 'load net a sample:fashion-resnet8 --arch tiny' "not tiny (tiny.lua):"
refused "a file that is not there" 3 'load net a sample:fashion-resnet8 --arch ./nowhere.lua' "./nowhere.lua"
refused "widths that cannot be chosen" 2 "$load; fit a --arch tiny5 --widths 4 --data test" "its widths cannot be chosen"

# Prefixes.
refused "a prefix that there is not" 2 'load net a sample:fashion-resnet8 --prefix x' "--prefix 'x': no tensor name begins with it"
equal "a prefix by hand" 0 "$(status "$weft" -c 'load net a sample:fashion-resnet8 --prefix layer1; show a')"
contains "  leaves the rest out" "$(both)" 'tensors outside "layer1." left out: conv1.weight'
finish
