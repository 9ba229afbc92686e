#!/usr/bin/env bash
# The floors of src/README.md: a folder includes those below it only, and its own. Also proves that the check can fail.
set -u
cd "$(dirname "$0")/.." || exit
check() { # FOLDER: prints findings
    local files
    mapfile -t files < <(find "$1/src" "$1/include" -name '*.[ch]')
    awk '
    BEGIN {
        split("base 0 format 1 onnx 1 net 2 graph 2 ops 2 data 2 spectral 3 predictor 3 probe 4 survey 4 train 5 chart 5 tui 6 shell 7", words, " ")
        for (i = 1; i in words; i += 2) floor[words[i]] = words[i + 1]
    }
    FNR == 1 {
        n = split(FILENAME, part, "/"); here = ""
        for (i = 1; i < n; i++) if (part[i] == "src" && i + 1 < n) here = part[i + 1]
        if (here == "" && part[n - 1] == "weft") { here = part[n]; sub(/\.h$/, "", here) }
        if (here == "graph") here = "net"
        if (here == "onnx") here = "format"
        if (here == "survey") here = "probe"
    }
    match($0, /^[ \t]*#[ \t]*include[ \t]*["<][^">]+[">]/) {
        target = $0; sub(/^[^"<]*["<]/, "", target); sub(/[">].*/, "", target)
        count = split(target, bits, "/")
        if (count < 2) next
        there = ""
        for (i = 1; i <= count && there == ""; i++) { stem = bits[i]; sub(/\.(h|def)$/, "", stem); if (stem in floor) there = stem }
        if (there == "graph" || there == "ops") there = "net" # the graph is net\047s, in a header of its own
        if (there == "onnx") there = "format" # so is what an ONNX file holds, format\047s
        if (there == "survey") there = "probe" # and what measures many networks, probe\047s
        if (bits[1] == "weft" && there == "") print FILENAME ":" FNR ": " target " is no folder\047s header"
        if (here in floor && there != "" && there != here && floor[there] >= floor[here])
            print FILENAME ":" FNR ": " here " (floor " floor[here] ") includes " target " (" there ", floor " floor[there] ")"
    }' "${files[@]}"
}
echo 1..2
findings=$(check .)
if [ -z "$findings" ]; then echo "ok 1 - no include runs against the floors"; else echo "$findings"; echo "not ok 1 - floors"; fi
bad=$(mktemp -d)
trap 'rm -rf "$bad"' EXIT
mkdir -p "$bad/src/base" "$bad/src/net" "$bad/include/weft"
echo '#include "weft/shell.h"' >"$bad/src/base/x.c"
echo '#include "weft/data.h"' >"$bad/src/net/y.c"
echo '#include "weft/base.h"' >"$bad/src/net/z.c"
if [ "$(check "$bad" | wc -l)" -eq 2 ]; then echo "ok 2 - an include against the floors is found"; else echo "not ok 2 - the check does not find bad includes"; fi
