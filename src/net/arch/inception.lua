-- GoogLeNet (Szegedy et al., 2014) and Inception v3 (2015): branches side by side, put together along the channels.

local untransformed = "no other transformation of the input (torchvision's weights need normalisation 0.5/0.5)"

local function unit(x, at, o) -- conv, norm, ReLU, as torchvision names the parts
  local eps = o and o.eps or 1e-3
  return relu(bn(conv(x, at .. ".conv", {stride = o and o.stride, pad = o and o.pad}), at .. ".bn", {eps = eps}))
end

-- ---- GoogLeNet

local function torchvision(x, at)
  return concat(unit(x, at .. ".branch1"), unit(unit(x, at .. ".branch2.0"), at .. ".branch2.1"),
    unit(unit(x, at .. ".branch3.0"), at .. ".branch3.1"), unit(max_pool(x, 3, {stride = 1, pad = 1}), at ..
      ".branch4.1"))
end

-- units of a Sequential: convolutions at the given numbers, each norm behind its own
local function sequence(x, at, ...)
  for _, i in ipairs{...} do x = relu(bn(conv(x, at .. i), at .. i + 1)) end
  return x
end
local function kuangliu(x, at, odd)
  local y = sequence(x, at .. ".b3.", 0)
  y = conv(y, at .. ".b3.3")
  y = relu(bn(y, at .. ".b3.4", {eps = odd and y.channels or 1e-5})) -- weiaicunzai's: BatchNorm2d(channels, channels)
  return concat(sequence(x, at .. ".b1.", 0), sequence(x, at .. ".b2.", 0, 3), sequence(y, at .. ".b3.", 6),
    sequence(max_pool(x, 3, {stride = 1, pad = 1}), at .. ".b4.", 1))
end

local modules = {{"3a", "3b"}, {"4a", "4b", "4c", "4d", "4e"}, {"5a", "5b"}}
family{
  name = "googlenet", help = "GoogLeNet", repositories = {"torchvision", "huyvnphan/PyTorch_CIFAR10",
    "kuangliu/pytorch-cifar",
    "weiaicunzai/pytorch-cifar100"},
  signature = {{"conv1.conv", "pre_layers.0", "prelayer.0"}, {"inception3a.branch1", "a3.b1"}, {"fc", "linear"}},
  predicted = "all", input = {32, 32},
  forward = function(net)
    local x, large
    local odd = has("prelayer.0")
    if has("conv1.conv") then
      large = has("conv2.conv")
      x = unit(large and input(224, 224) or input(32, 32), "conv1", {stride = large and 2 or 1})
      if large then
        x = max_pool(x, 3, {stride = 2, ceil = true})
        x = max_pool(unit(unit(x, "conv2"), "conv3"), 3, {stride = 2, ceil = true})
      end
    elseif odd then
      x = sequence(input(32, 32), "prelayer.", 0, 3, 6)
      x = max_pool(x, 3, {stride = 2, pad = 1})
    else
      x = sequence(input(32, 32), "pre_layers.", 0)
    end
    for s, letters in ipairs(modules) do
      stage(s)
      if s > 1 then
        if large then x = max_pool(x, s == 2 and 3 or 2, {stride = 2, ceil = true}) else x = max_pool(x, 3, {stride = 2,
            pad = 1}) end
      end
      for i, name in ipairs(letters) do
        block(i - 1)
        if has("inception3a") then x = torchvision(x, "inception" .. name) else x = kuangliu(x, name:sub(2) ..
            name:sub(1, 1), odd) end
      end
    end
    stage(0)
    if odd then assume("the epsilon of BatchNorm2d(channels, channels) in b3, as in weiaicunzai/pytorch-cifar100") end
    leave("aux1", "the first auxiliary classifier")
    leave("aux2", "the second auxiliary classifier")
    assume("strides and pools as in its repository")
    if has("inception3a") then assume("batch-norm epsilon 0.001") end
    if large then assume(untransformed) end
    describe("GoogLeNet (%s)", large and "ImageNet stem" or "3x3 stem")
    return linear(global_pool(x), first{"fc", "linear"})
  end}

-- ---- Inception v3

-- One branch: the names of its units, the last one with stride 2 where `halve`. torchvision numbers them NAME_1,
-- NAME_2;
-- weiaicunzai NAME.0, NAME.1.
local function branch(x, at, o, name, n, halve)
  for i = 1, n do
    local unit_name = o.numbered and at .. name .. "." .. i - 1 or n == 1 and at .. name or at .. name .. "_" .. i
    if n == 1 and o.numbered then unit_name = at .. name end
    local last = halve and i == n
    x = unit(x, unit_name, {eps = o.eps, stride = last and 2 or 1, pad = last and 0 or nil})
  end
  return x
end
local function pooled(x, at, o) -- an average pool and a convolution
  local name = o.numbered and first{at .. "branchpool.1", at .. "branch_pool.1"} or at .. "branch_pool"
  return unit(avg_pool(x, 3, {stride = 1, pad = 1}), name, {eps = o.eps})
end
local function fork(x, at, o, name) -- a 1x3 and a 3x1 convolution side by side
  return concat(unit(x, at .. name .. "a", {eps = o.eps}), unit(x, at .. name .. "b", {eps = o.eps}))
end

local function a(x, at, o)
  return concat(branch(x, at, o, "branch1x1", 1), branch(x, at, o, "branch5x5", 2),
    branch(x, at, o, o.numbered and "branch3x3" or "branch3x3dbl", 3), pooled(x, at, o))
end
local function b(x, at, o)
  return concat(branch(x, at, o, "branch3x3", 1, true), branch(x, at, o, o.numbered and "branch3x3stack" or
    "branch3x3dbl", 3, true),
    max_pool(x, 3, {stride = 2}))
end
local function c(x, at, o)
  return concat(branch(x, at, o, "branch1x1", 1), branch(x, at, o, "branch7x7", 3),
    branch(x, at, o, o.numbered and "branch7x7stack" or "branch7x7dbl", 5), pooled(x, at, o))
end
local function d(x, at, o)
  return concat(branch(x, at, o, "branch3x3", 2, true), branch(x, at, o, o.numbered and "branch7x7" or "branch7x7x3", 4,
    true),
    o.numbered and avg_pool(x, 3, {stride = 2}) or max_pool(x, 3, {stride = 2}))
end
local function e(x, at, o)
  local double = o.numbered and "branch3x3stack_" or "branch3x3dbl_"
  local three = unit(x, at .. "branch3x3_1", {eps = o.eps})
  local stack = unit(unit(x, at .. double .. "1", {eps = o.eps}), at .. double .. "2", {eps = o.eps})
  return concat(branch(x, at, o, "branch1x1", 1), fork(three, at, o, "branch3x3_2"), fork(stack, at, o, double .. "3"),
    pooled(x, at, o))
end

family{
  name = "inception-v3", help = "Inception v3", repositories = {"torchvision", "timm", "huyvnphan/PyTorch_CIFAR10",
    "weiaicunzai/pytorch-cifar100"},
  signature = {"Conv2d_1a_3x3", "Mixed_5b.branch1x1", "Mixed_7c.branch1x1", {"fc", "linear"}},
  predicted = "all", input = {299, 299},
  forward = function(net)
    local o = {numbered = has("Mixed_5b.branch5x5.0"), eps = has("Mixed_5b.branch5x5.0") and 1e-5 or 1e-3}
    local whole = has("Conv2d_2a_3x3") and not o.numbered
    local x = whole and input(299, 299) or input(32, 32)
    x = unit(x, "Conv2d_1a_3x3", {eps = o.eps, stride = whole and 2 or 1, pad = whole and 0 or 1})
    if has("Conv2d_2a_3x3") then
      x = unit(unit(x, "Conv2d_2a_3x3", {eps = o.eps, pad = whole and 0 or 1}), "Conv2d_2b_3x3", {eps = o.eps})
      if whole then x = max_pool(x, 3, {stride = 2}) end
      x = unit(unit(x, "Conv2d_3b_1x1", {eps = o.eps}), "Conv2d_4a_3x3", {eps = o.eps, pad = 0})
      if whole then x = max_pool(x, 3, {stride = 2}) end
    end
    for s, letters in ipairs{{{a, "5b"}, {a, "5c"}, {a, "5d"}}, {{b, "6a"}, {c, "6b"}, {c, "6c"}, {c, "6d"}, {c, "6e"}},
                             {{d, "7a"}, {e, "7b"}, {e, "7c"}}} do
      stage(s)
      for i, mixed in ipairs(letters) do
        block(i - 1)
        x = mixed[1](x, "Mixed_" .. mixed[2] .. ".", o)
      end
    end
    stage(0)
    leave("AuxLogits", "the auxiliary classifier")
    assume("strides and pools as in its repository")
    if not o.numbered then assume("batch-norm epsilon 0.001") end
    if whole then assume(untransformed) end
    describe("Inception v3 (%s)", whole and "ImageNet stem" or "3x3 stem")
    return linear(global_pool(x), first{"fc", "linear"})
  end}
