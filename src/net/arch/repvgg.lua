-- RepVGG (Ding et al., 2021): a 3x3 convolution, a 1x1 convolution and the identity side by side, each with batch
-- norm; or,
-- after its merging, one 3x3 convolution.

local rows = {
  {stem = "stage0.", at = "stage%d.", from = 1, dense = "rbr_dense.", point = "rbr_1x1.", identity = "rbr_identity",
    merged = "rbr_reparam",
   head = "linear"},
  {stem = "stem.", at = "stages.%d.", from = 0, dense = "conv_kxk.", point = "conv_1x1.", identity = "identity",
    merged = "reparam_conv",
   head = "head.fc", large = true},
}
local function residual(x, row, at, stride)
  if has(at .. row.merged) then return relu(conv(x, at .. row.merged, {stride = stride})) end
  local y = add(bn(conv(x, at .. row.dense .. "conv", {stride = stride}), at .. row.dense .. "bn"),
    bn(conv(x, at .. row.point .. "conv", {stride = stride}), at .. row.point .. "bn"))
  if has(at .. row.identity) then y = add(y, bn(x, at .. row.identity)) end
  return relu(y)
end
family{
  name = "repvgg", help = "RepVGG, before or after its branches are merged",
  repositories = {"DingXiaoH/RepVGG", "chenyaofo/pytorch-cifar-models", "timm"},
  signature = {{"stage0.rbr_dense", "stage0.rbr_reparam", "stem.conv_kxk", "stem.reparam_conv"}, {"linear", "head.fc"}},
  variants = {imagenet = "the stem and the first stage halve the map, for large images",
    cifar = "the stem and the first stage keep the map's size"},
  input = {32, 32},
  forward = function(net)
    local row = has("stage0") and rows[1] or rows[2]
    local classes = dim(row.head .. ".weight", 1)
    local large = net.variant.imagenet or not net.variant.cifar and (row.large or classes ~= 10 and classes ~= 100)
    assume(large and "stem and first stage halve the map (repvgg:cifar: they do not)" or
      "stem and first stage keep the map's size (repvgg:imagenet: both halve it)")
    local x = residual(large and input(224, 224) or input(32, 32), row, row.stem, large and 2 or 1)
    for s = 1, 4 do
      stage(s)
      local at = row.at:format(row.from + s - 1)
      for b = 0, count(at .. "%d") - 1 do
        block(b)
        x = residual(x, row, at .. b .. ".", b == 0 and (s > 1 or large) and 2 or 1)
      end
    end
    stage(0)
    describe("RepVGG (%s%s, last %d channels)", large and "ImageNet strides" or "CIFAR strides", has(row.stem ..
      row.merged) and ", merged" or "",
      x.channels)
    return linear(global_pool(x), row.head)
  end}
