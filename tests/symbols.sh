#!/usr/bin/env bash
# No global symbol of libweft.a bears the name of one of a library that weft links: ours would silently take its place.
. "$(dirname "$0")/support/tap.sh"
libraries=$(ldd "$weft" | awk '/=> \// { print $3 }' | grep -vE '/lib(asan|ubsan)')
for library in $libraries; do nm -D --defined-only "$library" 2>/dev/null; done | awk '{ sub(/@.*/, "", $3); print $3 }' | sort -u >"$work/theirs"
nm --defined-only "${BUILD:-build/release}/libweft.a" 2>/dev/null | awk '$2 ~ /[TDBR]/ { print $3 }' | grep -vE '^(__|_)' | sort -u >"$work/ours"
check "both lists hold names" test -s "$work/theirs" -a -s "$work/ours"
equal "no name in both" "" "$(comm -12 "$work/theirs" "$work/ours")"
finish
