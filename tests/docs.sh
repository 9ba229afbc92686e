#!/usr/bin/env bash
# What comments and texts cite exists: every docs/NAME.md, every section of it that is named by number, and no document that is not here.
set -u
cd "$(dirname "$0")/.." || exit

citations() { # FOLDER: "FILE:docs/NAME.md" and "FILE:docs/NAME.md SECTION", of its tracked texts
    (cd "$1" && grep -rIoE 'docs/[A-Za-z0-9_-]+\.md(, sections? [0-9]+)?' --exclude-dir=build --exclude-dir=.git --exclude=docs.sh .) | sed -E 's/, sections? / /'
}
missing() { # FOLDER: citations that lead nowhere
    local file name section
    citations "$1" | while IFS=: read -r file name; do
        section=${name#* }
        if [ "$section" = "$name" ]; then section=; else name=${name% *}; fi
        if [ ! -e "$1/$name" ]; then echo "$file: $name"
        elif [ -n "$section" ] && ! grep -qE "^## $section\. " "$1/$name"; then echo "$file: $name has no section $section"; fi
    done
}
# Documents in capitals are the repository's own, or the user's. ../shared may be named where something is read from it.
strangers() { # FOLDER
    (cd "$1" && grep -rInoE '\b[A-Z]{4,}\.md\b' --include='*.[chl]' --include='*.lua' --include='*.weft' --include='*.sh' --include='*.py' --include='*.md' \
        --exclude-dir=build --exclude-dir=.git .) | grep -vE ':(README|RESULTS|CONTRIBUTING|CHANGELOG|LICENSE)\.md$' | grep -v '^./tests/docs.sh:'
}

echo 1..4
count=$(citations . | wc -l)
if [ "$count" -ge 20 ]; then echo "ok 1 - $count citations of docs"; else echo "not ok 1 - only $count citations of docs"; fi
found=$(missing .)
if [ -z "$found" ]; then echo "ok 2 - all lead somewhere"; else echo "not ok 2 - some lead nowhere"; echo "# ${found//$'\n'/$'\n# '}"; fi
found=$(strangers .)
if [ -z "$found" ]; then echo "ok 3 - no document is cited that is not here"; else echo "not ok 3 - documents that are not here"; echo "# ${found//$'\n'/$'\n# '}"; fi

bad=$(mktemp -d)
trap 'rm -rf "$bad"' EXIT
mkdir "$bad/docs"
echo '## 1. Here' >"$bad/docs/here.md"
printf '/* docs/here.md, section 1; docs/here.md, section 2 */\n' >"$bad/a.c"
printf '/* docs/%s.md; PLAN%s */\n' there .md >"$bad/b.c"
found=$(missing "$bad" | sort | tr '\n' ';')$(strangers "$bad")
expected='./a.c: docs/here.md has no section 2;./b.c: docs/there.md;./b.c:1:PLAN.md'
if [ "$found" = "$expected" ]; then echo "ok 4 - the check can fail"; else echo "not ok 4 - the check does not find bad citations"; echo "# $found"; fi
