-- MobileNet (Howard et al., 2017): depthwise 3x3 convolutions, each followed by a 1x1 convolution.

-- The names of block i (from 1): depthwise convolution and norm, pointwise convolution and norm.
local places = {"stem.1.", "conv1.0.", "conv1.1.", "conv2.0.", "conv2.1.", "conv3.0.", "conv3.1.", "conv3.2.",
  "conv3.3.", "conv3.4.",
  "conv3.5.", "conv4.0.", "conv4.1."}
local function weiaicunzai(i)
  local at = places[i] or "conv5."
  return {at .. "depthwise.0", at .. "depthwise.1", at .. "pointwise.0", at .. "pointwise.1"}
end
local function kuangliu(i)
  local at = ("layers.%d."):format(i - 1)
  return {at .. "conv1", at .. "bn1", at .. "conv2", at .. "bn2"}
end
local function marvis(i)
  local at = ("model.%d."):format(i)
  return {at .. "0", at .. "1", at .. "3", at .. "4"}
end
local rows = {
  {stem = {"conv1", "bn1"}, block = kuangliu, head = "linear"},
  {stem = {"stem.0.conv", "stem.0.bn"}, block = weiaicunzai, head = "fc"},
  {stem = {"model.0.0", "model.0.1"}, block = marvis, head = "fc", large = true},
}
local widths = {64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024}

local function scaled(k) return {scale = k} end
family{
  name = "mobilenet", help = "MobileNet v1 for small images: mobilenet, or mobilenet:0.5 with half of the channels",
  repositories = {"weiaicunzai/pytorch-cifar100", "kuangliu/pytorch-cifar", "marvis/pytorch-mobilenet"},
  signature = {{"conv1", "stem.0.conv", "model.0.0"}, {"layers.0.conv2", "stem.1.pointwise", "model.1.3"}, {"fc",
    "linear"}},
  variants = {imagenet = "the stem halves the map", cifar = "the stem keeps the map's size"},
  presets = {mobilenet = scaled(1), ["mobilenet:%g"] = function(k)
    if k < 0.05 or k > 8 then return nil, "the factor of its channels lies between 0.05 and 8" end
    return scaled(k)
  end},
  examples = {"mobilenet:0.25"},
  predicted = "all", input = {32, 32},
  forward = function(net)
    local row = has("stem.0.conv") and rows[2] or has("model.0.0") and rows[3] or rows[1]
    local large = (row.large or net.variant.imagenet) and not net.variant.cifar
    local function width(n) return net.making and math.max(1, math.floor(n * net.preset.scale)) or nil end
    local x = large and input(224, 224) or input(32, 32)
    x = relu(bn(conv(x, row.stem[1], {kernel = 3, out = width(32), stride = large and 2 or 1}), row.stem[2]))
    local i, s = 0, 1
    stage(1)
    while net.making and i < #widths or has(row.block(i + 1)[1]) do
      i = i + 1
      local names = row.block(i)
      local out = dim(names[3] .. ".weight", 1, width(widths[i] or 0))
      local wider = i > 1 and out > x.channels
      if wider then s = s + 1; stage(s) end
      x = conv(x, names[1], {kernel = 3, groups = x.channels, out = x.channels, stride = wider and 2 or 1})
      x = relu(bn(x, names[2]))
      x = relu(bn(conv(x, names[3], {kernel = 1, out = out}), names[4]))
    end
    stage(0)
    if i == 0 then refuse("no tensor '%s.weight'", row.block(1)[1]) end
    local channels = x.channels
    x = linear(global_pool(x), row.head)
    assume(large and "the stem halves the map (mobilenet:cifar keeps it)" or
      "the stem keeps the map's size (mobilenet:imagenet halves it)")
    assume("a depthwise convolution before a wider layer halves the map")
    describe("MobileNet (%d blocks, widths %d to %d)", i, dim(row.stem[1] .. ".weight", 1, width(32)), channels)
    return x
  end}
