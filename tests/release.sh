#!/usr/bin/env bash
# What a release is made of: one version everywhere, a tarball that is the same each time.
. "$(dirname "$0")/support/tap.sh"
version=$(sed -n 's/^#define WEFT_VERSION "\(.*\)"$/\1/p' include/weft/base/version.h)
equal "the program says its version" "weft $version" "$("$weft" --version | sed -n '1s/ (.*//p')"
contains "so does the man page" "$(head -n 2 man/weft.1)" "\"weft $version\""
equal "and debian/changelog" "$version" "$(sed -nE '1s/^weft \((.*)-[0-9]+\) .*/\1/p' debian/changelog)"
equal "and CHANGELOG.md" "$version" "$(sed -nE 's/^## \[([0-9.]+)\].*/\1/p' CHANGELOG.md | head -n 1)"
equal "debian/control and scripts/install-deps build with the same libraries" \
    "$(sed -n '/^build="/,/"$/p' scripts/install-deps | grep -oE '[a-z0-9.-]+-dev' | sort)" \
    "$(grep -oE '[a-z0-9.-]+-dev' debian/control | grep -v cmocka | sort)"
if [ -e .git ] && git log -1 >/dev/null 2>&1; then
    mkdir "$work/one" "$work/two"
    for copy in one two; do check "a tarball, $copy" env OUT="$work/$copy" scripts/release --tarball; done
    check "the same bytes" cmp "$work/one/weft-$version.tar.gz" "$work/two/weft-$version.tar.gz"
    tar -tvf "$work/one/weft-$version.tar.gz" >"$work/list"
    equal "nobody owns it" "0/0" "$(awk '{ print $2 }' "$work/list" | sort -u)"
    equal "all of it is of one time" 1 "$(awk '{ print $4, $5 }' "$work/list" | sort -u | wc -l)"
    check "and it holds the Makefile" grep -q "weft-$version/Makefile$" "$work/list"
else
    skip "a tarball" "this is not a git checkout"
fi
finish
