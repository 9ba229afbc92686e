# shellcheck shell=bash
# tap.sh -- for the shell tests: source it, call ok/not_ok/check/skip, end with `finish`.
# $weft is the program under test; $work a folder of the test's own that is removed at the end.
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
# shellcheck disable=SC2034 # the tests that source this use both
weft=$PWD/${WEFT:-build/release/weft}
# shellcheck disable=SC2034
root=$PWD
work=$(mktemp -d "${TMPDIR:-/tmp}/weft-test-XXXXXX")
# not in a child of the shell that a signal ends before it has become another program
trap '[ "$BASHPID" = "$$" ] && rm -rf "$work"' EXIT
tests=0 failures=0
ok() { tests=$((tests + 1)); echo "ok $tests - $1"; }
not_ok() { # NAME [DETAIL]
    tests=$((tests + 1)); failures=$((failures + 1)); echo "not ok $tests - $1"
    [ -z "${2-}" ] || printf '%s\n' "$2" | sed 's/^/#   /'
}
skip() { tests=$((tests + 1)); echo "ok $tests - $1 # SKIP $2"; }
check() { # NAME COMMAND...: ok where the command succeeds
    local name=$1 output; shift
    if output=$("$@" 2>&1); then ok "$name"; else not_ok "$name" "$output"; fi
}
equal() { # NAME EXPECTED GOT
    if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "expected: $2
got:      $3"; fi
}
contains() { # NAME TEXT PART
    case "$2" in *"$3"*) ok "$1" ;; *) not_ok "$1" "no '$3' in: $2" ;; esac
}
finish() { echo "1..$tests"; [ "$failures" -eq 0 ]; exit; }
