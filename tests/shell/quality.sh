#!/usr/bin/env bash
# quality, kernels --vs, spectrum --vs: tables, charts and messages in the program. The numbers are tested in tests/spectral.
. "$(dirname "$0")/../support/tap.sh"
export LC_ALL=C.UTF-8 COLUMNS=100
load='load net base sample:fashion-resnet8 --quiet; lowpass base --cutoff 2 --into smooth --quiet; load net deep sample:fashion-resnet20 --quiet'
run() { "$weft" "${@:1:$#-1}" -c "$load" -c "${!#}" 2>&1 </dev/null; }

contains "quality: WeightWatcher's columns" "$(run --format csv 'quality base' | head -1)" "layer,alpha,D,warning,stable_rank,"
equal "a row for each layer, and the means" "9 mean" "$(run --format csv 'quality base' | tail -n +2 | wc -l) $(run --format csv 'quality base' | tail -1 | cut -d, -f1)"
equal "in Lua" "2.923690 over-trained" "$(run 't = quality{"base"}; print(string.format("%.6f %s", t.alpha[#t], t.warning[1]))')"
equal "chosen layers, whole matrices" "288 64" "$(run 't = quality{"base", layers = "layer3.0.conv1", matrix = true}; print(string.format("%d %d", t.N[1], t.num_evals[1]))')"
contains "a chart of alpha" "$(run 'quality base --quiet; plot --inline')" "Tail exponent alpha of base"
contains "of two networks, of the difference" "$(run 'quality base --vs smooth --quiet; plot --inline')" "Tail exponent alpha of smooth minus base"
equal "which adds up" "true" "$(run 't = quality{"base", vs = "smooth"}; print(t.alpha_vs[2] - t.alpha[2] == t.alpha_difference[2])')"
contains "layers of one network only are named" "$(run 'quality base --vs deep --layers all --format table')" "unmatched"
contains "no layer" "$(run 'quality base --layers nothing')" "nothing"

contains "kernels --vs: three panels" "$(run 'kernels base conv1 --vs smooth --quiet; plot --inline')" "smooth - base"
equal "their table" "network,filter,channel,row,column,weight 433" "$(run --format csv 'kernels base conv1 --vs smooth' | head -1) $(run --format csv 'kernels base conv1 --vs smooth' | wc -l)"
equal "the third is the difference" "true" "$(run 't = kernels{"base", "conv1", vs = "smooth"}; print(t.weight[288 + 7] == t.weight[144 + 7] - t.weight[7], t.network[289])' | cut -f1)"
contains "a range of colours" "$(run 'kernels base conv1 --range -0.2:0.2 --quiet; plot --inline')" "values beyond the colours"
contains "what a range is" "$(run 'kernels base conv1 --range 3')" "--range needs MIN:MAX"
contains "no such layer" "$(run 'spectrum deep layer1.2.conv1 --vs base')" "the second network has no layer 'layer1.2.conv1'"
check "as SVG" grep -q '>smooth - base<' <(cd "$work" && run 'kernels base conv1 --vs smooth --as k --quiet; export k k.svg' >/dev/null && cat k.svg)

equal "spectrum --vs: both, and the difference" "index,sigma,sigma_vs,sigma_difference,energy_fraction,energy_fraction_vs,energy_fraction_difference" "$(run --format csv 'spectrum base conv1 --vs smooth' | head -1)"
contains "the larger half is marked on both" "$(run 'spectrum base layer1.0.conv1 --vs smooth --quiet; plot --inline')" "larger half of smooth: S_ratio 0.8024"
contains "and the frequencies" "$(run 'spectrum base layer1.0.conv1 --vs smooth --fft --quiet; plot --inline')" "(mode 2d)"
finish
