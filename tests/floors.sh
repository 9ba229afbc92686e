#!/usr/bin/env bash
# The floors of src/README.md: a folder includes those below it only, and its own. Also proves that the check can fail.
set -u
cd "$(dirname "$0")/.." || exit
check() { # FOLDER: prints findings
    local files
    mapfile -t files < <(find "$1/src" "$1/include" -name '*.[ch]')
    awk '
    BEGIN {
        split("base 0 format 1 net 2 data 2 spectral 3 predictor 3 probe 4 train 5 chart 5 tui 6 shell 7", words, " ")
        for (i = 1; i in words; i += 2) floor[words[i]] = words[i + 1]
    }
    # The folder of a path: src/FOLDER/..., include/weft/FOLDER.h, include/weft/FOLDER/...
    function folder(path, part, n, i) {
        n = split(path, part, "/")
        for (i = 1; i <= n; i++) {
            sub(/\.h$/, "", part[i])
            if (part[i] == "setting") part[i] = "base" # the rows of settings are base\047s, in a header of their own
            if (part[i] in floor) return part[i]
        }
        return ""
    }
    FNR == 1 { here = FILENAME; sub(/^.*\/(src|include\/weft)\//, "", here); here = folder(here) }
    match($0, /^[ \t]*#[ \t]*include[ \t]*["<][^">]+[">]/) {
        target = $0; sub(/^[^"<]*["<]/, "", target); sub(/[">].*/, "", target)
        if (target !~ /\//) next
        there = folder(target)
        if (target ~ /^weft\// && there == "") print FILENAME ":" FNR ": " target " is no folder\047s header"
        if (here != "" && there != "" && there != here && floor[there] >= floor[here])
            print FILENAME ":" FNR ": " here " (floor " floor[here] ") includes " target " (" there ", floor " floor[there] ")"
    }' "${files[@]}"
}
echo 1..2
findings=$(check .)
if [ -z "$findings" ]; then echo "ok 1 - no include runs against the floors"; else echo "$findings"; echo "not ok 1 - floors"; fi
bad=$(mktemp -d)
trap 'rm -rf "$bad"' EXIT
mkdir -p "$bad/src/base" "$bad/src/net" "$bad/include/weft/base" "$bad/include/weft/net"
echo '#include "weft/shell.h"' >"$bad/src/base/x.c"
echo '#include "weft/data.h"' >"$bad/src/net/y.c"
echo '#include "weft/base/text.h"' >"$bad/src/net/z.c"
echo '#include "weft/net/graph.h"' >"$bad/include/weft/base/text.h"
echo '#include "weft/base/text.h"' >"$bad/include/weft/net/graph.h"
echo '#include "weft/text.h"' >"$bad/include/weft/net.h"
found=$(check "$bad" | sed "s|^$bad/||; s/:.*//" | sort | tr '\n' ' ')
expected="include/weft/base/text.h include/weft/net.h src/base/x.c src/net/y.c "
if [ "$found" = "$expected" ]; then echo "ok 2 - an include against the floors is found"; else echo "# found: $found"; echo "not ok 2 - the check does not find bad includes"; fi
