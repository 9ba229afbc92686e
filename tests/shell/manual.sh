#!/usr/bin/env bash
# The committed man page is what the command table says, and is sound roff.
. "$(dirname "$0")/../support/tap.sh"
"$weft" --print-manual >"$work/weft.1"
check "man/weft.1 is up to date (make man)" diff man/weft.1 "$work/weft.1"
if command -v mandoc >/dev/null; then
    equal "mandoc finds no fault" "" "$(mandoc -T lint -W warning man/weft.1 | grep -v 'missing date')"
else
    skip "mandoc finds no fault" "mandoc is not installed"
fi
finish
