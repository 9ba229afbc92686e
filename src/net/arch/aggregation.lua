-- Networks that gather earlier maps in ways of their own, as kuangliu has them: DLA (Yu et al., 2018), dual path
-- networks
-- (Chen et al., 2017), PNASNet (Liu et al., 2018); and weiaicunzai's ResNet in ResNet (Targ et al., 2016).

local function unit(x, conv_name, norm_name, o) return bn(conv(x, conv_name, o), norm_name) end

-- ---- DLA: trees whose roots take all that their branches gave

local function basic(x, at, stride)
  local y = relu(unit(x, at .. "conv1", at .. "bn1", {stride = stride}))
  y = unit(y, at .. "conv2", at .. "bn2")
  if has(at .. "shortcut.0") then x = unit(x, at .. "shortcut.0", at .. "shortcut.1", {stride = stride}) end
  return relu(add(y, x))
end
local function simple_tree(x, at, stride)
  local grow = has(at .. "left_tree.conv1") and basic or simple_tree
  local left = grow(x, at .. "left_tree.", stride)
  return relu(unit(concat(left, grow(left, at .. "right_tree.", 1)), at .. "root.conv", at .. "root.bn"))
end
local function tree(x, at, stride)
  local gathered = {}
  for i = 3, 1, -1 do
    local below = ("%slevel_%d."):format(at, i)
    if has(below .. "root") then
      x, stride = tree(x, below, stride), 1
      table.insert(gathered, x)
    end
  end
  local left = basic(x, at .. "left_node.", stride)
  table.insert(gathered, left)
  table.insert(gathered, basic(left, at .. "right_node.", 1))
  return relu(unit(concat(table.unpack(gathered)), at .. "root.conv", at .. "root.bn"))
end
family{
  name = "dla", help = "Deep layer aggregation (DLA) for 32x32 images, full or simple form",
    repositories = {"kuangliu/pytorch-cifar"},
  signature = {"base.0", "layer1.0", "layer2.0", {"layer3.left_node", "layer3.left_tree"}, "layer6.root", "linear"},
  input = {32, 32},
  forward = function(net)
    local grow = has("layer3.left_tree") and simple_tree or tree
    local x = relu(unit(input(32, 32), "base.0", "base.1"))
    stage(1)
    x = relu(unit(x, "layer1.0", "layer1.1"))
    x = relu(unit(x, "layer2.0", "layer2.1"))
    for s = 3, 6 do
      stage(s - 2)
      x = grow(x, ("layer%d."):format(s), s > 3 and 2 or 1)
    end
    stage(0)
    assume("strides as in kuangliu/pytorch-cifar")
    describe("%s (last %d channels)", grow == tree and "DLA" or "DLA, simple form", x.channels)
    return linear(global_pool(x), "linear")
  end}

-- ---- dual path: the first channels are added, the others put beside one another

family{
  name = "dpn", help = "Dual path network for 32x32 images", repositories = {"kuangliu/pytorch-cifar"},
  signature = {"conv1", "bn1", "layer1.0.conv3", "layer1.0.shortcut.0", "layer4.0.shortcut.0", "linear"},
  input = {32, 32},
  forward = function(net)
    local grown = dim("layer1.1.conv1.weight", 2) or refuse("no tensor 'layer1.1.conv1.weight'")
    local out = dim("layer1.0.conv3.weight", 1)
    if grown <= out then refuse("'layer1.1' takes no more channels than 'layer1.0' gives, as in a residual network") end
    local x = relu(unit(input(32, 32), "conv1", "bn1"))
    local blocks = {}
    for s = 1, 4 do
      stage(s)
      local at = ("layer%d."):format(s)
      blocks[s] = count(at .. "%d.conv3")
      local dense = dim(at .. "1.conv1.weight", 2, 0) - dim(at .. "0.conv3.weight", 1) -- channels that each block adds
      for b = 0, blocks[s] - 1 do
        block(b)
        local name, stride = at .. b .. ".", b == 0 and s > 1 and 2 or 1
        local y = relu(unit(x, name .. "conv1", name .. "bn1"))
        y = relu(unit(y, name .. "conv2", name .. "bn2", {stride = stride}))
        y = unit(y, name .. "conv3", name .. "bn3")
        if b == 0 then x = unit(x, name .. "shortcut.0", name .. "shortcut.1", {stride = stride}) end
        local d = y.channels - dense
        x = relu(concat(add(slice(x, 0, d), slice(y, 0, d)), slice(x, d, x.channels - d), slice(y, d, dense)))
      end
    end
    stage(0)
    assume("strides as in kuangliu/pytorch-cifar")
    describe("DPN (blocks %s, last %d channels)", table.concat(blocks, "/"), x.channels)
    return linear(global_pool(x), "linear")
  end}

-- ---- PNASNet: cells of large depthwise convolutions and max pools

local function cell(x, at, stride)
  local two = has(at .. "sep_conv2") -- cell B
  local pooled = max_pool(x, 3, {stride = stride, pad = 1})
  local left = unit(x, at .. "sep_conv1.conv1", at .. "sep_conv1.bn1", {stride = stride})
  local right = two and unit(x, at .. "sep_conv2.conv1", at .. "sep_conv2.bn1", {stride = stride})
  if stride == 2 then pooled = unit(pooled, at .. "conv1", at .. "bn1") end
  if not two then return relu(add(left, pooled)) end
  local last = unit(x, at .. "sep_conv3.conv1", at .. "sep_conv3.bn1", {stride = stride})
  return relu(unit(concat(relu(add(left, right)), relu(add(pooled, last))), at .. "conv2", at .. "bn2"))
end
family{
  name = "pnasnet", help = "PNASNet A and B for 32x32 images", repositories = {"kuangliu/pytorch-cifar"},
  signature = {"conv1", "bn1", "layer1.0.sep_conv1", "layer2.sep_conv1", "layer4.sep_conv1", "linear"},
  predicted = "all", input = {32, 32},
  forward = function(net)
    local x = relu(unit(input(32, 32), "conv1", "bn1"))
    for s = 1, 5 do
      stage(s)
      local at = ("layer%d."):format(s)
      if s % 2 == 0 then
        x = cell(x, at, 2)
      else
        for b = 0, count(at .. "%d") - 1 do
          block(b)
          x = cell(x, at .. b .. ".", 1)
        end
      end
    end
    stage(0)
    assume("strides as in kuangliu/pytorch-cifar")
    describe("PNASNet-%s (last %d channels)", has("layer2.sep_conv2") and "B" or "A", x.channels)
    return linear(global_pool(x), "linear")
  end}

-- ---- ResNet in ResNet: a residual and a transient stream, each of which feeds the other

family{
  name = "rir", help = "ResNet in ResNet for 32x32 images", repositories = {"weiaicunzai/pytorch-cifar100"},
  signature = {"residual_pre_conv.0", "transient_pre_conv.0", "rir1.resnetinit", "classifier.0"},
  input = {32, 32},
  forward = function(net)
    local image = input(32, 32)
    local r = relu(unit(image, "residual_pre_conv.0", "residual_pre_conv.1"))
    local t = relu(unit(image, "transient_pre_conv.0", "transient_pre_conv.1"))
    local n, s = count("rir%d", nil, 1), 1
    stage(1)
    for i = 1, n do
      for k = 0, count(("rir%d.resnetinit.generalized layers%%d"):format(i)) - 1 do
        local at = ("rir%d.resnetinit.generalized layers%d."):format(i, k)
        local wider = dim(at .. "residual_stream_conv.weight", 1) > r.channels
        if wider then s = s + 1; stage(s) end
        local o = {stride = wider and 2 or 1}
        local kept, crossed = conv(r, at .. "residual_stream_conv", o), conv(r, at .. "residual_stream_conv_across", o)
        local own, given = conv(t, at .. "transient_stream_conv", o), conv(t, at .. "transient_stream_conv_across", o)
        if has(at .. "short_cut.0") then r = conv(r, at .. "short_cut.0", o) end
        r = relu(bn(add(add(kept, given), r), at .. "residual_bn_relu.0"))
        t = relu(bn(add(crossed, own), at .. "transient_bn_relu.0"))
      end
    end
    stage(0)
    local x = relu(bn(conv(concat(r, t), "conv1.0", {stride = 2, pad = 0}), "conv1.1"))
    assume("a wider layer halves the map, as in weiaicunzai/pytorch-cifar100")
    describe("ResNet in ResNet (%d blocks)", n)
    return linear(relu(linear(x, "classifier.0")), "classifier.3")
  end}
