#!/usr/bin/env bash
# The tree is as clang-format 14 writes it, shellcheck finds nothing in the shell scripts, functions and files stay short.
. "$(dirname "$0")/support/tap.sh"
mapfile -t sources < <(find src include tests scripts -name '*.[ch]')
mapfile -t scripts < <(grep -rlE '^(#!.*[/ ](ba)?sh|# shellcheck shell=bash)$' scripts tests .ci completions)
if command -v clang-format-14 >/dev/null; then
    check "the tree is formatted (make format)" clang-format-14 --dry-run -Werror "${sources[@]}"
else
    skip "the tree is formatted (make format)" "clang-format-14 is not installed"
fi
if command -v shellcheck >/dev/null; then
    check "shellcheck finds nothing" shellcheck "${scripts[@]}"
else
    skip "shellcheck finds nothing" "shellcheck is not installed"
fi
long() { # FILE...: functions above 60 lines, files above 600; formatted code opens and closes a function in the first column
    awk 'FNR == 1 { start = 0 }
        /^[^ #\/*}].*\) \{$/ { start = FNR }
        /^}/ && start { if (FNR - start >= 60) print FILENAME ":" start ": a function of " FNR - start + 1 " lines"; start = 0 }
        FNR == 601 { print FILENAME ": more than 600 lines" }' "$@"
}
equal "no function above 60 lines, no file above 600" "" "$(long "${sources[@]}")"
{ echo 'int f(void) {'; yes '    g();' | head -n 59; echo '}'; } >"$work/long.c"
equal "one of 61 lines is found" "$work/long.c:1: a function of 61 lines" "$(long "$work/long.c")"
finish
