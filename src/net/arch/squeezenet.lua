-- SqueezeNet (Iandola et al., 2016): fire modules, and a head of a 1x1 convolution.

local function fire(x, at, out)
  local squeezed = relu(conv(x, at .. "squeeze", {kernel = 1, out = out and out // 8}))
  return concat(relu(conv(squeezed, at .. "expand1x1", {kernel = 1, out = out and out // 2})),
    relu(conv(squeezed, at .. "expand3x3", {kernel = 3, out = out and out // 2})))
end

family{
  name = "squeezenet-imagenet", help = "torchvision's SqueezeNet 1.0 and 1.1",
  repositories = {"torchvision"}, signature = {"features.0", "features.3.squeeze", "classifier.1"},
  input = {224, 224},
  forward = function(net)
    local first = dim("features.0.weight", 3) == 7 and 5 or 6 -- version 1.0's second pool is at 6, 1.1's first at 5
    local x = relu(conv(input(224, 224), "features.0", {stride = 2, pad = 0, predicted = false}))
    x = max_pool(x, 3, {stride = 2, ceil = true})
    local from, s = 3, 1
    stage(1)
    for i = 3, indices("features.%d")[#indices("features.%d")] do
      if has(("features.%d.squeeze"):format(i)) then
        x = fire(x, ("features.%d."):format(i))
      else
        x, s = max_pool(x, 3, {stride = 2, ceil = true}), s + 1
        stage(s)
      end
    end
    stage(0)
    assume("strides and pools as in torchvision")
    describe("SqueezeNet %s", first == 5 and "1.0" or "1.1")
    return global_pool(relu(conv(x, "classifier.1", {kernel = 1, predicted = false})))
  end}

local function fire_bn(x, at, out)
  local function unit(x, name, kernel, n)
    return relu(bn(conv(x, at .. name .. ".0", {kernel = kernel, out = n, bias = true}), at .. name .. ".1"))
  end
  local squeezed = unit(x, "squeeze", 1, out // 8)
  return concat(unit(squeezed, "expand_1x1", 1, out // 2), unit(squeezed, "expand_3x3", 3, out // 2))
end
family{
  name = "squeezenet", help = "SqueezeNet with batch norm and simple bypasses for small images",
  repositories = {"weiaicunzai/pytorch-cifar100"}, signature = {"stem.0", "fire2.squeeze", "conv10"},
  presets = {squeezenet = {}}, input = {32, 32},
  forward = function(net)
    local x = relu(bn(conv(input(32, 32), "stem.0", {kernel = 3, out = 96, bias = true}), "stem.1"))
    x = max_pool(x, 2)
    stage(1)
    for i = 2, 9 do
      local at = ("fire%d."):format(i)
      local y = fire_bn(x, at, ({128, 128, 256, 256, 384, 384, 512, 512})[i - 1])
      if i == 3 or i == 5 or i == 7 then y = add(y, x) end
      x = y
      if i == 4 or i == 8 then x = max_pool(x, 2); stage(i // 4 + 1) end
    end
    stage(0)
    assume("pools and bypasses as in weiaicunzai/pytorch-cifar100")
    describe("SqueezeNet (batch norm, simple bypass)")
    return global_pool(conv(x, "conv10", {kernel = 1, out = net.classes, bias = true, predicted = false}))
  end}
