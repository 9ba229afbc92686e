#!/usr/bin/env bash
# The quick form of every script of samples/paper runs, and prints its table and its chart.
. "$(dirname "$0")/../support/tap.sh"
export COLUMNS=80
if [ "${MODE-}" = asan ]; then
    skip "samples/paper" "takes minutes under AddressSanitizer; the release tests run it"
    finish
fi
for script in samples/paper/*.weft; do
    begun=$(date +%s)
    output=$("$weft" "$script" quick 2>&1 </dev/null)
    status=$?
    seconds=$(($(date +%s) - begun))
    case $script in
    */table2.weft) wanted='accuracy_mean' ;; # the table of `progressive` itself
    */figure2.weft) wanted='S_ratio of rebuilt minus base' ;;
    */figure4.weft) wanted='Mean |difference|' ;;
    */figure10.weft) wanted='◆' ;; # lines and marks, without colours
    *) wanted='●|█' ;; # a chart
    esac
    if [ "$status" -eq 0 ] && printf '%s' "$output" | grep -qE "${wanted//|d/\\|d}"; then
        ok "$script quick ($seconds s)"
    else
        not_ok "$script quick" "$(printf '%s' "$output" | tail -n 5)"
    fi
done
contains "an argument that is not known is named" "$("$weft" samples/paper/table2.weft x 2>&1)" "unknown argument 'x'"
# A run is made once: what is there goes on, and gives the same.
(cd "$work" && "$weft" -c "load net b sample:fashion-resnet8 --quiet; train recon_base_h8_s0 --net b --hidden 8 --steps 20 --run runs/paper/recon_base_h8_s0 --quiet")
if [ -d /usr/share/datasets/fashion-mnist ]; then
    paper=$root/samples/paper/paper.lua
    equal "a run that is there is shared" "20" "$(cd "$work" && printf 'P = dofile("%s")\nprint(P.recon(8, 0).steps)\n' "$paper" >shared.weft && "$weft" shared.weft 2>/dev/null | tail -n 1)"
else
    skip "a run that is there is shared" "Fashion-MNIST is not installed"
fi
finish
