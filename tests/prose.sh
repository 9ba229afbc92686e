#!/usr/bin/env bash
# The prose of documents and help: no line over 100 characters, no topic that help does not list, no phrase that was
# replaced by a plainer one.
. "$(dirname "$0")/support/tap.sh"
export LC_ALL=C.UTF-8

prose() { # FILE...: the lines that are no table, no code and no picture, as FILE:LINE:TEXT
    awk 'FNR == 1 { code = 0 }
        /^```/ { code = !code; next }
        code || /^\|/ || /^    / || /^!\[/ { next }
        { print FILENAME ":" FNR ":" $0 }' "$@"
}
long() { grep -E '^[^:]*:[0-9]+:.{101,}'; }
documents=(README.md CHANGELOG.md CONTRIBUTING.md src/README.md src/net/arch/README.md)
while IFS= read -r file; do documents+=("$file"); done < <(find samples docs tests -name '*.md')
equal "no line of prose over 100 characters in documents" "" "$(prose "${documents[@]}" | long)"
equal "nor in help topics" "" "$(grep -nH '' src/shell/help/*.txt | long)"
printf '%0101d\n' 0 >"$work/long.md"
equal "such a line is found" "$work/long.md:1" "$(prose "$work/long.md" | long | cut -d: -f1,2)"

overview=$("$weft" -c help)
for file in src/shell/help/*.txt; do
    topic=$(basename "$file" .txt)
    contains "help lists $topic" "$overview" "  $topic "
    equal "  with its summary, which has an empty line under it" "" "$(sed -n 2p "$file")"
    check "  and prints it" "$weft" -c "help $topic"
done
equal "help prints each heading once" "" "$(echo "$overview" | grep -E '^[A-Z]' | sort | uniq -d)"
equal "summaries of commands begin with a capital letter" "" "$(grep -rnE '\.summary = "[^A-Z]' src/shell/commands)"

phrases='has a meaning only with|is one argument too many|is no kind of|tells? [^ ]* classes apart|leaves weft|goes on with'
phrases+='|speaks of|is no number|The house|going on is|flatters'
equal "phrases that were replaced stay away from strings" "" \
    "$(grep -rnE "\"[^\"]*($phrases)" src include --include='*.[ch]' --include='*.def' --include='*.lua')"
equal "and from documents and help topics" "" "$(grep -nE "$phrases" "${documents[@]}" src/shell/help/*.txt)"
finish
