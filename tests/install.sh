#!/usr/bin/env bash
# make install into a folder, use what is there, make uninstall leaves nothing.
. "$(dirname "$0")/support/tap.sh"
check "install" make -s install DESTDIR="$work/root" PREFIX=/usr MODE="${MODE:-release}"
check "the installed program runs" "$work/root/usr/bin/weft" -c 'expect 1 == 1'
equal "and finds the installed samples" "200" "$(cd / && WEFT_SAMPLES="$work/root/usr/share/weft/samples" "$work/root/usr/bin/weft" -c 'load net a sample:fashion-resnet8 --quiet
load data d sample:fashion-test --limit 200 --quiet
print(evaluate{"a", "d"}.images)' 2>&1)"
check "uninstall" make -s uninstall DESTDIR="$work/root" PREFIX=/usr MODE="${MODE:-release}"
equal "nothing is left" "" "$(find "$work/root" -type f)"
finish
