-- VGG (Simonyan and Zisserman, 2014): 3x3 convolutions, with batch norm or without, and max pools. AlexNet.

-- Convolutions between two pools, by depth; widths 64, 128, 256, 512, 512.
local plans = {[8] = {1, 1, 1, 1, 1}, [11] = {1, 1, 2, 2, 2}, [13] = {2, 2, 2, 2, 2}, [16] = {2, 2, 3, 3, 3}, [19] = {2,
  2, 4, 4, 4}}

-- The linear layers behind the convolutions, with ReLU between.
local function head(net, x)
  if net.making or has("classifier.weight") then return linear(x, "classifier") end
  local layers = indices("classifier.%d")
  for i, n in ipairs(layers) do
    x = linear(x, "classifier." .. n)
    if i < #layers then x = relu(x) end
  end
  return x
end

-- How wide a map the head takes: the square root of its inputs per channel.
local function side(channels)
  local first_layer = has("classifier.weight") and "classifier" or "classifier." .. (indices("classifier.%d")[1] or 0)
  local cells = dim(first_layer .. ".weight", 2, channels) // channels
  local n = 1
  while n * n < cells do n = n + 1 end
  return n
end

-- The numbers of the convolutions of a Sequential, and whether batch norm follows each.
local function convolutions(at)
  local found, norm = {}, false
  for _, i in ipairs(indices(at .. "%d")) do
    local s = shape(at .. i .. ".weight")
    if has(at .. i .. ".running_mean") then norm = true elseif s and #s == 4 then table.insert(found, i) end
  end
  return found, norm
end

local function unit(x, name, norm_name, out)
  x = conv(x, name, {kernel = 3, out = out, bias = out ~= nil or nil})
  if norm_name then x = bn(x, norm_name) end
  return relu(x)
end

-- Where the ReLU between two convolutions leaves a number free, a max pool stands there.
local function from_gaps(x)
  local found, norm = convolutions("features.")
  local step = norm and 3 or 2
  local s = 1
  stage(1)
  for k, i in ipairs(found) do
    x = unit(x, "features." .. i, norm and "features." .. i + 1)
    local gap = (found[k + 1] or i + step + 1) - i
    if gap ~= step and gap ~= step + 1 then
      refuse("between 'features.%d' and 'features.%d' lies more than a ReLU and a pool", i, i + gap)
    end
    if gap > step then
      if x.height > 1 then x = max_pool(x, 2) end
      s = s + 1
      if found[k + 1] then stage(s) end
    end
  end
  return x, #found, norm
end

local function made(net, x)
  local i, p, total = 0, net.preset, 0
  for s, n in ipairs(plans[p.depth]) do
    stage(s)
    for _ = 1, n do
      local out = net.widths[s] or ({64, 128, 256, 512, 512})[s]
      x = unit(x, "features." .. i, p.norm and "features." .. i + 1, out)
      i, total = i + (p.norm and 3 or 2), total + 1
    end
    if x.height > 1 then x = max_pool(x, 2) end
    i = i + 1
  end
  return x, total, p.norm
end

-- RepDistiller's five blocks: a pool after each of the first three, none before the last.
local function from_blocks(x)
  local total, normed = 0, false
  for s = 0, 4 do
    stage(s + 1)
    local at = ("block%d."):format(s)
    local found, norm = convolutions(at)
    for _, i in ipairs(found) do x = unit(x, at .. i, norm and at .. i + 1) end
    total, normed = total + #found, norm
    if s < 3 then x = max_pool(x, 2) end
  end
  assume("no pool before the last block (32x32 images)")
  return x, total, normed
end

local presets = {}
for _, depth in ipairs{8, 11, 13, 16, 19} do
  presets["vgg" .. depth], presets["vgg" .. depth .. "_bn"] = {depth = depth}, {depth = depth, norm = true}
end
family{
  name = "vgg", help = "VGG, plain or with batch norm (vgg16_bn). New networks have one linear layer, for 32x32 images",
  repositories = {"torchvision", "timm (features only)", "kuangliu/pytorch-cifar", "weiaicunzai/pytorch-cifar100",
    "chenyaofo/pytorch-cifar-models", "huyvnphan/PyTorch_CIFAR10", "bearpaw/pytorch-classification",
    "chengyangfu/pytorch-vgg-cifar10", "HobbitLong/RepDistiller"},
  signature = {{"features.0.weight", "block0.0"}, {"features.2", "features.3", "features.4", "block4.0"}, "classifier"},
  presets = presets, widths = 5, input = {32, 32},
  forward = function(net)
    local blocks = has("block0.0")
    local first_shape = shape("features.0.weight")
    if first_shape and first_shape[3] ~= 3 then refuse("'features.0.weight' is no 3x3 convolution") end
    local found = convolutions("features.")
    local n = (net.making or blocks) and 1 or side(dim("features." .. (found[#found] or 0) .. ".weight", 1, 1))
    local x, total, norm = input(32 * n, 32 * n)
    if net.making then x, total, norm = made(net, x) elseif blocks then x, total, norm = from_blocks(x) else x, total,
        norm = from_gaps(x) end
    stage(0)
    local channels = x.channels
    x = n == 1 and global_pool(x) or adaptive_pool(x, n, n)
    assume("max pools at the gaps in the layers' numbers")
    describe("VGG%d (%s, last %d channels)", total + 3, norm and "batch norm" or "no norm", channels)
    return head(net, x)
  end}

family{
  name = "alexnet", help = "torchvision's AlexNet, and bearpaw/pytorch-classification's for 32x32 images",
  repositories = {"torchvision", "bearpaw/pytorch-classification"},
  signature = {"features.0.weight", "features.3.weight", "features.6.weight", "features.8.weight", "features.10.weight",
    "classifier"},
  input = {224, 224},
  forward = function(net)
    if dim("features.0.weight", 3) ~= 11 then refuse("'features.0.weight' is no 11x11 convolution") end
    local small = has("classifier.weight")
    local x = small and input(32, 32) or input(224, 224)
    local pool, padding = small and 2 or 3, small and 5 or 2
    stage(1)
    x = max_pool(relu(conv(x, "features.0", {stride = 4, pad = padding})), pool, {stride = 2})
    stage(2)
    x = max_pool(relu(conv(x, "features.3")), pool, {stride = 2})
    stage(3)
    for _, i in ipairs{6, 8, 10} do x = relu(conv(x, "features." .. i)) end
    x = max_pool(x, pool, {stride = 2})
    stage(0)
    if not small then x = adaptive_pool(x, side(x.channels), side(x.channels)) end
    assume(small and "strides and pools as in bearpaw/pytorch-classification" or "strides and pools as in torchvision")
    describe("AlexNet (%s)", small and "32x32 images" or "ImageNet")
    return head(net, x)
  end}
