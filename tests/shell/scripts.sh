#!/usr/bin/env bash
# tests/scripts/NAME.weft print what stands in NAME.out (standard output and error together); the samples run without an error.
# WEFT_GOLDEN=update writes the .out files anew: look at the difference before you commit it.
. "$(dirname "$0")/../support/tap.sh"
export COLUMNS=100
version=$("$weft" --version | sed -n '1s/^weft \([^ ]*\) .*/\1/p')
for script in tests/scripts/*.weft; do
    expected=${script%.weft}.out
    (cd "$work" && rm -rf -- * && cp "$root/$script" . && "$weft" "$(basename "$script")"; echo "exit status $?") >"$work/../$$.got" 2>&1 </dev/null
    sed "s/\"weft\":\"$version\"/\"weft\":\"VERSION\"/" "$work/../$$.got" >"$work/got"; rm "$work/../$$.got"
    [ "${WEFT_GOLDEN-}" = update ] && cp "$work/got" "$expected"
    if difference=$(diff "$expected" "$work/got"); then ok "$script"; else not_ok "$script" "$difference"; fi
done
# The samples. Thirty evaluations of 2,000 images and thousands of steps take minutes under AddressSanitizer: there with
# fewer, the release tests run them as they are. make.weft trains for two hours in full.
images=512
mkdir -p "$work/samples"
cp samples/*.weft "$work/samples"
if [ "${MODE-}" = asan ]; then
    images=64
    # shellcheck disable=SC2016
    sed -i -E 's/^load data test \$data$/& --limit 16/; s/--steps [0-9]{3,}/--steps 40/' "$work"/samples/*.weft
fi
mkdir -p "$work/data/fashion-mnist" # make.weft's images: the sample's in the place of the whole sets
for part in train t10k; do
    for what in images-idx3 labels-idx1; do cp "samples/fashion-test-$what-ubyte.gz" "$work/data/fashion-mnist/$part-$what-ubyte.gz"; done
done
export WEFT_DATA=$work/data
for script in samples/*.weft; do
    arguments=()
    case $script in
    */make.weft)
        arguments=("$work/make" 1 resnet8 "$images")
        ;;
    esac
    if output=$("$weft" "$work/$script" ${arguments[@]+"${arguments[@]}"} 2>&1 </dev/null); then ok "$script"; else not_ok "$script" "$(printf '%s' "$output" | tail -n 5)"; fi
done
finish
