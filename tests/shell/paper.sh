#!/usr/bin/env bash
# The quick form of every script of samples/paper runs, and prints its table and its chart.
. "$(dirname "$0")/../support/tap.sh"
export COLUMNS=80
folder=$root/samples/paper
if [ "${MODE-}" = asan ]; then # one script of each kind, with fewer images and steps: all would take minutes
    folder=$work/paper
    mkdir "$folder"
    cp samples/paper/{paper.lua,{table2,table5,figure6,figure7,figure9,figure10,figure13}.weft} "$folder"
    sed -i -E 's/--limit 512/--limit 32/; s/--limit 200/--limit 16/; s/recon = 60, progressive = 40, images = 4/recon = 6, progressive = 6, images = 2/' "$folder/paper.lua"
fi
for script in "$folder"/*.weft; do
    name=samples/paper/${script##*/}
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
        ok "$name quick ($seconds s)"
    else
        not_ok "$name quick" "$(printf '%s' "$output" | tail -n 5)"
    fi
done
contains "an argument that is not known is named" "$("$weft" samples/paper/table2.weft x 2>&1)" "unknown argument 'x'"
# A run is made once: what is there goes on, and gives the same.
(cd "$work" && "$weft" -c "load net b sample:fashion-resnet8 --quiet; train recon_base_h8_s0 --net b --hidden 8 --steps 20 --run runs/paper/recon_base_h8_s0 --quiet")
mkdir -p "$work/data/fashion-mnist" # the sample's images in the place of the whole sets
for part in train t10k; do
    for what in images-idx3 labels-idx1; do cp "samples/fashion-test-$what-ubyte.gz" "$work/data/fashion-mnist/$part-$what-ubyte.gz"; done
done
paper=$root/samples/paper/paper.lua
equal "a run that is there is shared" "20" "$(cd "$work" && printf 'P = dofile("%s")\nprint(P.recon(8, 0).steps)\n' "$paper" >shared.weft && WEFT_DATA=$work/data "$weft" shared.weft 2>/dev/null | tail -n 1)"
finish
