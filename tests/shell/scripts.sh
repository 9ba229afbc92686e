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
for script in samples/*.weft; do
    case ${MODE-}:$script in # thirty evaluations and more, thousands of steps
    *:*/make.weft)
        skip "$script" "trains for hours, on the whole of Fashion-MNIST"
        continue
        ;;
    asan:*/cutoff.weft | asan:*/demo.weft | asan:*/predictor.weft | asan:*/singular-values.weft)
        skip "$script" "takes minutes under AddressSanitizer; the release tests run it"
        continue
        ;;
    esac
    arguments=()
    case $script in
    */make.weft) # two hours in full
        if [ ! -d /usr/share/datasets/fashion-mnist ]; then skip "$script" "Fashion-MNIST is not installed"; continue; fi
        arguments=("$work/make" 1 resnet8 512)
        ;;
    esac
    if output=$("$weft" "$script" ${arguments[@]+"${arguments[@]}"} 2>&1 </dev/null); then ok "$script"; else not_ok "$script" "$(printf '%s' "$output" | tail -n 5)"; fi
done
finish
