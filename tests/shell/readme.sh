#!/usr/bin/env bash
# Every example of README.md runs: blocks marked ```weft are scripts, lines of ```sh blocks that begin with build/release/weft are commands.
. "$(dirname "$0")/../support/tap.sh"
awk -v folder="$work" '/^```weft/ { n++; file = sprintf("%s/block-%02d.weft", folder, n); next } /^```/ { file = "" } file { print > file }' README.md
# thousands of training steps and hundreds of images take minutes under AddressSanitizer; the release tests run them all
case ${MODE-} in asan) sed -i -E 's/--steps [0-9]{3,}/--steps 40/; s/--limit [0-9]{3,}/--limit 64/' "$work"/block-*.weft ;; esac
for script in "$work"/block-*.weft; do
    [ -e "$script" ] || { not_ok "README.md has weft examples"; break; }
    if output=$(cd "$work" && "$weft" "$script" 2>&1 </dev/null); then ok "README.md, ${script##*/}"; else not_ok "README.md, ${script##*/}" "$output"; fi
done
awk '/^```text/ { inside = 1; next } /^```/ { inside = 0 } inside' README.md >"$work/printed"
output=$("$weft" "$work/block-01.weft" 2>&1 </dev/null)
equal "README.md shows the chart of its first session" "$(cat "$work/printed")" "$(tail -n "$(wc -l <"$work/printed")" <<<"$output")"
awk '/^```sh/ { inside = 1; next } /^```/ { inside = 0 } inside && /^build\/release\/weft / { print }' README.md >"$work/lines"
while IFS= read -r line; do
    if output=$(bash -c "${line//build\/release\/weft/$weft}" 2>&1 </dev/null); then ok "$line"; else not_ok "$line" "$output"; fi
done <"$work/lines"
while IFS=: read -r file target; do
    check "$file names $target" test -e "$(dirname "$file")/$target"
done < <(grep -oE '\]\([A-Za-z][A-Za-z0-9_./-]+\)' README.md CONTRIBUTING.md src/README.md samples/README.md | sed -E 's/^([^:]*):\]\((.*)\)$/\1:\2/')
finish
