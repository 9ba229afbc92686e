-- ShuffleNet (Zhang et al., 2017) and ShuffleNetV2 (Ma et al., 2018): channels are shuffled between grouped
-- convolutions.

local function unit(x, conv_name, norm_name, o) return bn(conv(x, conv_name, o), norm_name) end

-- ---- version 1

local v1 = {
  {stem = {"conv1", "bn1"}, at = "layer%d.", from = 1, squeeze = {"conv1", "bn1"}, depthwise = {"conv2", "bn2"},
    expand = {"conv3", "bn3"},
   head = "linear", act = true},
  {stem = {"conv1.conv", "conv1.bn"}, at = "stage%d.", from = 2, squeeze = {"bottlneck.0.pointwise.0",
    "bottlneck.0.pointwise.1"},
   depthwise = {"depthwise.depthwise.0", "depthwise.depthwise.1"}, expand = {"expand.pointwise.0",
     "expand.pointwise.1"}, head = "fc",
   ungrouped = true},
}
family{
  name = "shufflenet", help = "ShuffleNet for 32x32 images",
  repositories = {"kuangliu/pytorch-cifar", "HobbitLong/RepDistiller", "weiaicunzai/pytorch-cifar100"},
  signature = {{"conv1"}, {"layer1.0.conv3", "stage2.0.bottlneck"}, {"linear", "fc"}},
  predicted = "all", input = {32, 32},
  forward = function(net)
    local row = has("conv1.conv") and v1[2] or v1[1]
    local squeezed, depthwise = shape("layer1.0.conv1.weight"), shape("layer1.0.conv2.weight")
    if depthwise and (depthwise[2] ~= 1 or
        depthwise[1] ~= squeezed[1]) then refuse("'layer1.0.conv2.weight' is not depthwise") end
    if has("layer1.0.shortcut") then refuse("'layer1.0' has a shortcut of its own") end
    local x = relu(unit(input(32, 32), row.stem[1], row.stem[2]))
    local groups = 1
    for s = 1, 3 do
      stage(s)
      local at = row.at:format(row.from + s - 1)
      for b = 0, count(at .. "%d") - 1 do
        block(b)
        local name = at .. b .. "."
        local narrow = dim(name .. row.depthwise[1] .. ".weight", 1)
        groups = narrow // dim(name .. row.expand[1] .. ".weight", 2)
        local y = relu(unit(x, name .. row.squeeze[1], name .. row.squeeze[2]))
        local mixed = row.ungrouped and groups or x.channels // dim(name .. row.squeeze[1] .. ".weight", 2)
        if mixed > 1 then y = shuffle(y, mixed) end
        y = unit(y, name .. row.depthwise[1], name .. row.depthwise[2], {stride = b == 0 and 2 or 1})
        if row.act then y = relu(y) end
        y = unit(y, name .. row.expand[1], name .. row.expand[2])
        if b > 0 then
          y = add(y, x)
        else
          local z = avg_pool(x, 3, {stride = 2, pad = 1})
          y = row.act and concat(y, z) or concat(z, y)
        end
        x = relu(y)
      end
    end
    stage(0)
    assume("the first block of every stage halves the map")
    describe("ShuffleNet (%d groups, last %d channels)", groups, x.channels)
    return linear(global_pool(x), row.head)
  end}

-- ---- version 2: a block's pairs of names. `side`: the branch that halves the map (depthwise, pointwise); `main`:
-- pointwise,
-- depthwise, pointwise.

local v2 = {
  {stem = {"conv1.0", "conv1.1"}, at = "stage%d.", from = 2, last = {"conv5.0", "conv5.1"}, head = "fc", open = true,
   side = {"branch1.0", "branch1.1", "branch1.2", "branch1.3"},
   main = {"branch2.0", "branch2.1", "branch2.3", "branch2.4", "branch2.5", "branch2.6"}},
  {stem = {"pre.0", "pre.1"}, bare = true, at = "stage%d.", from = 2, last = {"conv5.0", "conv5.1"}, head = "fc",
   side = {"shortcut.0", "shortcut.1", "shortcut.2", "shortcut.3"},
   main = {"residual.0", "residual.1", "residual.3", "residual.4", "residual.5", "residual.6"}},
  {stem = {"conv1", "bn1"}, at = "layer%d.", from = 1, last = {"conv2", "bn2"}, head = "linear",
   side = {"conv1", "bn1", "conv2", "bn2"}, first = {"conv3", "bn3", "conv4", "bn4", "conv5", "bn5"},
   main = {"conv1", "bn1", "conv2", "bn2", "conv3", "bn3"}},
}
local function main_branch(x, at, n, stride, out)
  x = relu(unit(x, at .. n[1], at .. n[2], {kernel = 1, out = out}))
  x = unit(x, at .. n[3], at .. n[4], {kernel = 3, stride = stride, groups = x.channels, out = x.channels})
  return relu(unit(x, at .. n[5], at .. n[6], {kernel = 1, out = out}))
end
local function side_branch(x, at, n, out)
  x = unit(x, at .. n[1], at .. n[2], {kernel = 3, stride = 2, groups = x.channels, out = x.channels})
  return relu(unit(x, at .. n[3], at .. n[4], {kernel = 1, out = out}))
end
family{
  name = "shufflenetv2", help = "ShuffleNetV2, such as shufflenetv2_x1_0. New networks are like kuangliu/pytorch-cifar's, for 32x32 images",
  repositories = {"torchvision", "chenyaofo/pytorch-cifar-models", "kuangliu/pytorch-cifar", "HobbitLong/RepDistiller",
    "weiaicunzai/pytorch-cifar100"},
  signature = {{"conv1.0", "pre.0", "conv1"}, {"stage2.0.branch1", "stage2.0.residual.5", "layer1.0.conv5"}},
  variants = {imagenet = "torchvision's stem and max pool, for large images",
    cifar = "a stem for 32x32 images, without a max pool"},
  presets = {shufflenetv2_x0_5 = {widths = {48, 96, 192, 1024}}, shufflenetv2_x1_0 = {widths = {116, 232, 464, 1024}},
    shufflenetv2_x1_5 = {widths = {176, 352, 704, 1024}}, shufflenetv2_x2_0 = {widths = {244, 488, 976, 2048}}},
  predicted = "all", input = {32, 32},
  forward = function(net)
    local row, p = has("pre.0") and v2[2] or (net.making or has("layer1.0.conv5")) and v2[3] or v2[1], net.preset
    local classes = dim(row.head .. ".weight", 1, net.classes)
    local large = false
    if row.open then
      large = net.variant.imagenet or not net.variant.cifar and classes ~= 10 and classes ~= 100
      assume(large and "stem and max pool as in torchvision (shufflenetv2:cifar for neither stride nor pool)"
        or "a stem for 32x32 images (shufflenetv2:imagenet for torchvision's)")
    end
    local x = large and input(224, 224) or input(32, 32)
    x = unit(x, row.stem[1], row.stem[2], {kernel = net.making and 3 or nil, out = 24, stride = large and 2 or 1})
    if not row.bare then x = relu(x) end
    if large then x = max_pool(x, 3, {stride = 2, pad = 1}) end
    for s = 1, 3 do
      stage(s)
      local at = row.at:format(row.from + s - 1)
      local half = p.widths and p.widths[s] // 2
      for b = 0, count(at .. "%d", s == 2 and 8 or 4) - 1 do
        block(b)
        local name = at .. b .. "."
        local y, z = x, x
        if b == 0 then
          y, z = side_branch(x, name, row.side, half), main_branch(x, name, row.first or row.main, 2, half)
        else
          y = slice(x, 0, x.channels // 2)
          z = main_branch(slice(x, x.channels // 2, x.channels // 2), name, row.main, 1, half)
        end
        x = shuffle(concat(y, z), 2)
      end
    end
    stage(0)
    x = relu(unit(x, row.last[1], row.last[2], {kernel = 1, out = p.widths and p.widths[4]}))
    assume("the first block of every stage halves the map")
    describe("ShuffleNetV2 (%s, last %d channels)", large and "ImageNet stem" or "CIFAR stem", x.channels)
    return linear(global_pool(x), row.head)
  end}
