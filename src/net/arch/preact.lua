-- Residual networks that activate, then add (He et al., 2016): PreActResNet, Wide ResNet (Zagoruyko and Komodakis),
-- SENet18.

-- How repositories name things. `projected`: the shortcut's convolution; `activated`: it takes the block's first
-- activation, else the block's input. `strided`: which convolution of a block has the stride. `last`: the norm before
-- the head.
local rows = {
  {stem = "conv1", stage = "block%d.layer.", norm = {"bn1", "bn2"}, conv = {"conv1", "conv2"},
    projected = "convShortcut",
   activated = true, last = "bn1", wide = true},
  {stem = "conv1", stage = "layer%d.", norm = {"bn1", "bn2", "bn3"}, conv = {"conv1", "conv2", "conv3"},
   projected = "shortcut.0", activated = true},
  {stem = "conv1", biased = true, stage = "layer%d.", norm = {"bn1", "bn2"}, conv = {"conv1", "conv2"},
   projected = "shortcut.0", strided = 2, last = "bn1", wide = true},
  {stem = "conv1", stage = "layer%d.", norm = {"bn1", "bn2", "bn3"}, conv = {"conv1", "conv2", "conv3"},
   projected = "downsample.0", last = "bn"},
  {stem = "init_conv", stage = "conv%d.", from = 2, norm = {"residual.0", "residual.3"}, conv = {"residual.2",
    "residual.6"},
   projected = "shortcut.0", last = "bn", wide = true},
  {stem = "pre.0", stem_norm = "pre.1", stage = "stage%d.", norm = {"residual.0", "residual.3", "residual.6"},
   conv = {"residual.2", "residual.5", "residual.8"}, projected = "shortcut", strided = 1},
}

local function find(net)
  if net.making then return rows[net.preset.row] end
  for _, row in ipairs(rows) do
    local first = row.stage:format(row.from or 1) .. "0." .. row.norm[1]
    if has(row.stem) and has(first .. ".running_mean") then
      local biased = has("conv1.bias") and has("layer1.0.conv1.bias")
      local elsewhere = row.projected == "shortcut.0" and has("layer2.0.downsample.0")
      -- a norm behind the stem that no later one stands for: it adds, then activates
      elsewhere = elsewhere or row.last ~= "bn1" and row.stem == "conv1" and has("bn1") and not has("layer1.0.fc1")
      if not elsewhere and (row.stem ~= "conv1" or biased == (row.biased or false)) then return row end
    end
  end
  refuse("no first norm of a block")
end

local function excite(x, at) -- squeeze and excitation by 1x1 convolutions
  if not has(at .. "fc1") then return x end
  local y = relu(conv(global_pool(x), at .. "fc1", {predicted = false}))
  return mul(x, sigmoid(conv(y, at .. "fc2", {predicted = false})))
end

local function residual(net, row, x, at, width, stride)
  local bottleneck = net.preset.bottleneck or has(at .. row.conv[#row.conv]) and #row.conv == 3
  local convs = bottleneck and 3 or 2
  local strided = row.strided or bottleneck and 2 or 1
  local y, active = x, nil
  for i = 1, convs do
    y = relu(bn(y, at .. row.norm[i]))
    active = active or y
    y = conv(y, at .. row.conv[i], {kernel = bottleneck and i ~= 2 and 1 or 3, stride = i == strided and stride or 1,
      out = bottleneck and i == 3 and 4 * width or width})
  end
  local projected = at .. row.projected
  if has(projected) or net.making and x.channels ~= y.channels then
    x = conv(row.activated and active or x, projected, {kernel = 1, out = y.channels, stride = stride})
  end
  return add(excite(y, at), x), bottleneck
end

family{
  name = "preact", help = "Pre-activation ResNet and Wide ResNet, such as preactresnet18 and wrn16-4",
  repositories = {"xternalz/WideResNet-pytorch", "meliketoy/wide-resnet.pytorch", "HobbitLong/RepDistiller",
    "bearpaw/pytorch-classification", "weiaicunzai/pytorch-cifar100", "kuangliu/pytorch-cifar"},
  signature = {{"conv1", "init_conv", "pre.0"},
    {"layer1.0.bn1", "block1.layer.0.bn1", "conv2.0.residual.0.running_mean", "stage1.0.residual.0.running_mean"}},
  presets = {
    preactresnet18 = {row = 2, blocks = {2, 2, 2, 2}, widths = {64, 64, 128, 256, 512}},
    preactresnet34 = {row = 2, blocks = {3, 4, 6, 3}, widths = {64, 64, 128, 256, 512}},
    preactresnet50 = {row = 2, blocks = {3, 4, 6, 3}, widths = {64, 64, 128, 256, 512}, bottleneck = true},
    ["wrn%d-%d"] = function(depth, k)
      if depth % 6 ~= 4 or depth < 10 or k < 1 then return nil, "a Wide ResNet has 6n + 4 layers and a width from 1" end
      local n = (depth - 4) // 6
      return {row = 1, blocks = {n, n, n}, widths = {16, 16 * k, 32 * k, 64 * k}}
    end,
  },
  examples = {"wrn16-1", "wrn16-4", "wrn28-10", "wrn40-2"},
  input = {32, 32},
  forward = function(net)
    local row, p = find(net), net.preset
    local function at(s) return row.stage:format((row.from or 1) + s - 1) end
    local large = dim(row.stem .. ".weight", 3, 3) > 4
    local x = large and input(224, 224) or input(32, 32)
    x = conv(x, row.stem, {kernel = not large and net.making and 3 or nil, out = p.widths and p.widths[1],
      stride = large and 2 or 1,
      predicted = not large and nil})
    local stemmed = row.stem_norm or has("layer1.0.fc1") and "bn1" -- a norm and a ReLU behind the stem too
    if stemmed then x = relu(bn(x, stemmed)) end
    if large then x = max_pool(x, 3, {stride = 2, pad = 1}) end
    local stages, total, bottleneck, blocks = p.blocks and #p.blocks or 0, 0, false, {}
    while has(at(stages + 1) .. "0." .. row.norm[1]) do stages = stages + 1 end
    for s = 1, stages do
      stage(s)
      local n = count(at(s) .. "%d." .. row.norm[1], p.blocks and p.blocks[s])
      for b = 0, n - 1 do
        block(b)
        local width = p.widths and p.widths[s + 1] or 0
        x, bottleneck = residual(net, row, x, at(s) .. b .. ".", width, (s > 1 and b == 0) and 2 or 1)
      end
      total = total + n
    end
    stage(0)
    local last = row.last or has("bn") and "bn"
    if last then x = relu(bn(x, last)) end
    leave("sub_block1", "a block that the network does not use")
    local width = dim(at(1) .. "0." .. row.conv[1] .. ".weight", 1, p.widths and p.widths[2])
    local channels = x.channels
    x = linear(global_pool(x), first{row == rows[1] and "fc" or "linear", "fc"})
    assume("the first block of every stage except the first halves the map")
    if row.wide then
      describe("WRN-%d-%g (widths %d/%d/%d)", 2 * total + 4, width / dim(row.stem .. ".weight", 1, 16), width,
        channels // 2, channels)
    else
      describe("%s%d (widths %d to %d)", has("layer1.0.fc1") and "SE-PreActResNet" or "PreActResNet", (bottleneck and
        3 or 2) * total + 2, width,
        channels)
    end
    return x
  end}
