#!/usr/bin/env bash
# No global symbol of libweft.a bears the name of one of a library that weft links: ours would silently take its place. Nor
# that of a helper of the tests, which would take ours.
. "$(dirname "$0")/support/tap.sh"
libraries=$(ldd "$weft" | awk '/=> \// { print $3 }' | grep -vE '/lib(asan|ubsan)')
for library in $libraries; do nm -D --defined-only "$library" 2>/dev/null; done | awk '{ sub(/@.*/, "", $3); print $3 }' | sort -u >"$work/theirs"
build=${BUILD:-build/release}
defined() { nm --defined-only "$@" 2>/dev/null | awk '$2 ~ /[TDBR]/ { print $3 }' | grep -vE '^(__|_)' | sort -u; }
defined "$build/libweft.a" >"$work/ours"
defined "$build"/tests/support/*.o >"$work/helpers"
for list in theirs ours helpers; do check "the list of $list holds names" test -s "$work/$list"; done
equal "no name of ours is a library's" "" "$(comm -12 "$work/theirs" "$work/ours")"
equal "no helper of the tests has a name of ours" "" "$(comm -12 "$work/helpers" "$work/ours")"
finish
