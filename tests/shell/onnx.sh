#!/usr/bin/env bash
# ONNX files through the program: a graph of its own, a graph over the weights of another file, saving and reading back.
. "$(dirname "$0")/../support/tap.sh"
files=tests/fixtures/onnx
out=$("$weft" -c "load net a $files/residual-keep.onnx
save a $work/weights.safetensors
save a $work/again.onnx" 2>&1)
contains "an ONNX file is opened and saved" "$out" "again.onnx: "
out=$("$weft" -c "load net a $work/weights.safetensors --graph $files/residual-fold.onnx" 2>&1)
contains "--graph puts back batch norm" "$out" "4 batch norms that the graph has folded were put back"
out=$("$weft" -c "load net a $files/residual-fold.onnx" 2>&1)
contains "a folded file is told" "$out" "no batch norm"
one=$("$weft" -c "load net a $files/residual-keep.onnx" -c 'sratio a --format csv' 2>/dev/null | grep layer1)
two=$("$weft" -c "load net a $work/again.onnx" -c 'sratio a --format csv' 2>/dev/null | grep layer1)
three=$("$weft" -c "load net a $work/weights.safetensors --graph $files/residual-fold.onnx" -c 'sratio a --format csv' 2>/dev/null | grep layer1)
if [ -n "$one" ] && [ "$one" = "$two" ] && [ "$one" = "$three" ]; then ok "the same weights each way"; else not_ok "the same weights each way" "$one / $two / $three"; fi
out=$("$weft" -c "load net a $files/dense.onnx --graph $files/residual-keep.onnx" 2>&1)
contains "a graph that does not fit is refused" "$out" "residual-keep.onnx: layer"
out=$("$weft" -c "load net a tests/fixtures/tiny.safetensors
save a $work/none.onnx" 2>&1)
contains "without a graph there is no ONNX" "$out" "this network has none"
finish
