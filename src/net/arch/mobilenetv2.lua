-- MobileNetV2 (Sandler et al., 2018) and MnasNet (Tan et al., 2019): inverted residuals. A block widens by a 1x1
-- convolution, filters each channel, and narrows by a 1x1 convolution without activation.

local depths = {1, 2, 3, 4, 3, 3, 1} -- blocks of the seven stages
local widths = {16, 24, 32, 64, 96, 160, 320}
local imagenet, cifar = {1, 2, 2, 2, 1, 2, 1}, {1, 1, 2, 2, 1, 2, 1} -- their strides

local function names(at, ...) -- pairs of a convolution's and its norm's name
  local pairs = {}
  for i, n in ipairs{...} do pairs[i] = {at .. n[1], at .. n[2]} end
  return pairs
end
local function flat(at) return names(at, {"0", "1"}, {"3", "4"}, {"6", "7"}) end

-- How repositories name the stem, block b (from 0) of stage s (the i-th of all), the last convolution and the head.
local rows = {
  {stem = {"features.0.0", "features.0.1"}, last = {"features.18.0", "features.18.1"}, head = {"classifier.1",
    "classifier"},
   first = "features.1.conv", act = relu6, open = true,
   block = function(s, b, i)
     local at = ("features.%d.conv."):format(i)
     if i == 1 and not has(at .. "3") then return names(at, {"0.0", "0.1"}, {"1", "2"}) end
     if has(at .. "3.weight") and shape(at .. "3.weight") and #shape(at .. "3.weight") == 4 then -- tonylins'
       return has(at .. "6") and flat(at) or names(at, {"0", "1"}, {"3", "4"})
     end
     return names(at, {"0.0", "0.1"}, {"1.0", "1.1"}, {"2", "3"})
   end},
  {stem = {"conv1", "bn1"}, last = {"conv2", "bn2"}, head = {"linear"}, first = "layers.0.conv3", act = relu,
    strides = cifar,
   block = function(s, b, i)
     return names(("layers.%d."):format(i - 1), {"conv1", "bn1"}, {"conv2", "bn2"}, {"conv3", "bn3"})
   end, shortcut = {"shortcut.0", "shortcut.1"}},
  {stem = {"pre.0", "pre.1"}, last = {"conv1.0", "conv1.1"}, head = {"conv2"}, first = "stage1.residual", act = relu6,
    strides = {1, 2, 2, 2, 1, 1, 1}, pad = 1,
   block = function(s, b) return flat(depths[s] == 1 and ("stage%d.residual."):format(s) or
     ("stage%d.%d.residual."):format(s, b)) end},
  {stem = {"conv1.0", "conv1.1"}, last = {"conv2.0", "conv2.1"}, head = {"classifier.0"}, first = "blocks.0.0.conv",
    act = relu,
   strides = cifar, halved = true, block = function(s, b) return flat(("blocks.%d.%d.conv."):format(s - 1, b)) end},
}
rows[5] = {stem = rows[1].stem, last = {"conv.0", "conv.1"}, head = {"classifier"}, first = "conv.0", act = relu6,
  open = true,
  block = rows[1].block}

local function divisible(n) -- torchvision's rounding to multiples of 8
  local r = math.max(8, math.floor(n + 4) // 8 * 8)
  return r < 0.9 * n and r + 8 or r
end

-- x through the block whose pairs of names are given; `act` follows every pair but the last.
local function inverted(x, pairs, act, stride, expansion, kernel, out)
  local y, hidden = x, x.channels * expansion
  for i, pair in ipairs(pairs) do
    local depthwise = i == #pairs - 1
    y = conv(y, pair[1], {kernel = not depthwise and 1 or kernel, stride = depthwise and stride or 1,
      groups = depthwise and hidden or 1, out = i == #pairs and out or hidden})
    y = bn(y, pair[2])
    if i < #pairs then y = act(y) end
  end
  return y
end

family{
  name = "mobilenetv2",
    help = "MobileNetV2: mobilenetv2, or mobilenetv2:0.5 with half of the channels. New networks are like kuangliu/pytorch-cifar's, for small images",
  repositories = {"torchvision", "tonylins/pytorch-mobilenet-v2", "chenyaofo/pytorch-cifar-models",
    "huyvnphan/PyTorch_CIFAR10",
    "kuangliu/pytorch-cifar", "weiaicunzai/pytorch-cifar100", "HobbitLong/RepDistiller"},
  signature = {{"features.0.0", "conv1", "pre.0", "conv1.0"}, {"features.1.conv", "layers.0.conv3", "stage1.residual",
    "blocks.0.0.conv"}},
  variants = {imagenet = "torchvision's strides, for large images", cifar = "strides for 32x32 images"},
  presets = {mobilenetv2 = {scale = 1}, ["mobilenetv2:%g"] = function(k)
    if k < 0.05 or k > 8 then return nil, "the factor of its channels lies between 0.05 and 8" end
    return {scale = k}
  end},
  examples = {"mobilenetv2:0.5"},
  predicted = "all", input = {32, 32},
  forward = function(net)
    local row, scale = net.making and rows[2] or rows[1], net.preset.scale or 1
    for _, r in ipairs(rows) do
      if has(r.stem[1]) and has(r.first) then row = r end
    end
    local head = first(row.head)
    local classes = dim(head .. ".weight", 1, net.classes)
    local large = false
    if row.open then -- the same tensors with either strides
      large = net.variant.imagenet or not net.variant.cifar and classes ~= 10 and classes ~= 100
      assume(large and "strides as in torchvision (mobilenetv2:cifar for 32x32 images)"
        or "strides for 32x32 images (mobilenetv2:imagenet for torchvision's)")
    else
      assume("strides as in its repository")
    end
    local strides = row.strides or large and imagenet or cifar
    local x = large and input(224, 224) or input(32, 32)
    x = conv(x, row.stem[1], {kernel = net.making and 3 or nil, out = divisible(32 * scale), pad = row.pad,
      stride = (row.halved or large) and 2 or 1})
    x = row.act(bn(x, row.stem[2]))
    local i = 0
    for s, depth in ipairs(depths) do
      stage(s)
      for b = 0, depth - 1 do
        block(b)
        i = i + 1
        local pairs, stride = row.block(s, b, i), b == 0 and strides[s] or 1
        local y = inverted(x, pairs, row.act, stride, dim(pairs[1][1] .. ".weight", 1, i == 1 and x.channels or
          6 * x.channels) // x.channels, 3,
          divisible(widths[s] * scale))
        if row.shortcut and stride == 1 and x.channels ~= y.channels then
          local at = ("layers.%d."):format(i - 1)
          x = add(y, bn(conv(x, at .. row.shortcut[1], {kernel = 1, out = y.channels}), at .. row.shortcut[2]))
        elseif stride == 1 and (x.channels == y.channels) then
          x = add(x, y)
        else
          x = y
        end
      end
    end
    stage(0)
    x = row.act(bn(conv(x, row.last[1], {kernel = 1, out = divisible(1280 * math.max(1, scale))}), row.last[2]))
    local last = x.channels
    x = global_pool(x)
    if #(shape(head .. ".weight") or {}) == 4 then x = conv(x, head, {kernel = 1, predicted = false}) else x = linear(x,
        head) end
    if row.act == relu then assume("ReLU, not ReLU6") end
    describe("MobileNetV2 (%s strides, stem %d, last %d channels)", large and "ImageNet" or "CIFAR", dim(row.stem[1] ..
      ".weight", 1, divisible(32 * scale)), last)
    return x
  end}

family{
  name = "mnasnet", help = "torchvision's MnasNet", repositories = {"torchvision"},
  signature = {"layers.0", "layers.3", "layers.8.0.layers.0", "classifier.1"},
  predicted = "all", input = {224, 224},
  forward = function(net)
    local x = relu(bn(conv(input(224, 224), "layers.0", {stride = 2}), "layers.1"))
    x = relu(bn(conv(x, "layers.3"), "layers.4"))
    x = bn(conv(x, "layers.6"), "layers.7")
    for s, stride in ipairs{2, 2, 2, 1, 2, 1} do
      stage(s)
      local at = ("layers.%d."):format(7 + s)
      for b = 0, count(at .. "%d.layers.0") - 1 do
        block(b)
        local y = inverted(x, flat(at .. b .. ".layers."), relu, b == 0 and stride or 1, dim(at .. b ..
          ".layers.0.weight", 1) // x.channels)
        x = b > 0 and add(y, x) or y
      end
    end
    stage(0)
    x = relu(bn(conv(x, "layers.14"), "layers.15"))
    assume("strides as in torchvision")
    describe("MnasNet (stem %d, last %d channels)", dim("layers.0.weight", 1), x.channels)
    return linear(global_pool(x), "classifier.1")
  end}
