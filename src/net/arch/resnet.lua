-- Residual networks that add, then activate (He et al., 2015): ResNet, ResNeXt, Wide ResNet, SE-ResNet, of basic blocks
-- (two convolutions) or bottlenecks (three). Three stages as on CIFAR, or four.

local function list(format, ...) -- list("conv%d", 1, 2) = {"conv1", "conv2"}
  local names = {}
  for i, n in ipairs{...} do names[i] = format:format(n) end
  return names
end

-- How repositories name things: the stem's convolution and norm, a stage, a block's convolutions and norms.
local rows = {
  {stem = {"conv1", "bn1"}, stage = "layer%d.", conv = list("conv%d", 1, 2, 3), norm = list("bn%d", 1, 2, 3)},
  {stem = {"backbone.conv1", "backbone.bn1"}, stage = "backbone.layer%d.", conv = list("conv%d", 1, 2, 3),
   norm = list("bn%d", 1, 2, 3)},
  {stem = {"layer0.conv1", "layer0.bn1"}, stage = "layer%d.", conv = list("conv%d", 1, 2, 3),
   norm = list("bn%d", 1, 2, 3), early = true, ceil = true},
  {stem = {"conv1.0", "conv1.1"}, stage = "conv%d_x.", from = 2, conv = list("residual_function.%d", 0, 3, 6),
   norm = list("residual_function.%d", 1, 4, 7)},
  {stem = {"conv1.0", "conv1.1"}, stage = "conv%d.", from = 2, conv = list("split_transforms.%d", 0, 3, 6),
   norm = list("split_transforms.%d", 1, 4, 7)},
  {stem = {"pre.0", "pre.1"}, stage = "stage%d.", conv = list("residual.%d", 0, 3, 6),
   norm = list("residual.%d", 1, 4, 7), act = true},
  {stem = {"resnet.embedder.embedder.convolution", "resnet.embedder.embedder.normalization"},
   stage = "resnet.encoder.stages.%d.layers.", from = 0, conv = list("layer.%d.convolution", 0, 1, 2),
   norm = list("layer.%d.normalization", 0, 1, 2)},
  {stem = {"conv_1_3x3", "bn_1"}, stage = "stage_%d.stage_%d_bottleneck_", conv = {"conv_reduce", "conv_conv",
    "conv_expand"},
   norm = {"bn_reduce", "bn", "bn_expand"}},
}
local shortcuts = {{"downsample.0", "downsample.1"}, {"shortcut.0", "shortcut.1"},
  {"shortcut.convolution", "shortcut.normalization"}, {"shortcut.shortcut_conv", "shortcut.shortcut_bn"}}
local excitations = {{"se.fc1", "se.fc2"}, {"se_module.fc1", "se_module.fc2"}, {"se.fc.0", "se.fc.2"},
  {"excitation.0", "excitation.2"}, {"fc1", "fc2"}}
local heads = {"fc", "linear", "classifier.1", "classifier", "last_linear", "head.fc"}
local stems, first_convs = {}, {}
for i, row in ipairs(rows) do
  stems[i] = row.stem[1]
  first_convs[i] = row.stage:format(row.from or 1, row.from or 1) .. "0." .. row.conv[1]
end

local function dense(x, name) -- a linear layer, written as one or as a 1x1 convolution
  if #(shape(name .. ".weight") or {}) == 4 then return conv(x, name, {predicted = false}) end
  return linear(x, name)
end

local function excite(x, at) -- squeeze and excitation, where the block has it
  for _, names in ipairs(excitations) do
    if has(at .. names[1]) then
      return mul(x, sigmoid(dense(relu(dense(global_pool(x), at .. names[1])), at .. names[2])))
    end
  end
  return x
end

-- What a block adds its result to: x itself, x projected, or (option A) every second pixel and channels of zeros.
local function shortcut(net, x, at, channels, stride)
  for _, names in ipairs(shortcuts) do
    if has(at .. names[1]) then return bn(conv(x, at .. names[1], {stride = stride}), at .. names[2]) end
  end
  if has(at .. "downsample.1") then -- an average pool before the 1x1 convolution (ResNet-D)
    if stride > 1 then x = avg_pool(x, stride, {ceil = true, exclude_padding = true}) end
    return bn(conv(x, at .. "downsample.1"), at .. "downsample.2")
  end
  if stride == 1 and x.channels == channels then return x end
  if net.making then
    return bn(conv(x, at .. "downsample.0", {kernel = 1, out = channels, stride = stride}), at .. "downsample.1")
  end
  if x.channels > channels then refuse("no '%sdownsample.0.weight' to go from %d channels to %d", at, x.channels,
      channels) end
  return shortcut_a(x, channels, {stride = stride})
end

local function residual(net, row, x, at, width, stride, bottleneck)
  local convs = bottleneck and 3 or 2
  local strided = bottleneck and not (row.early or net.variant.early) and 2 or 1
  if bottleneck and row.early and dim(at .. row.conv[2] .. ".weight", 2) ~= dim(at .. row.conv[2] .. ".weight", 1) then
    strided = 2 -- grouped
  end
  local y = x
  for i = 1, convs do
    local inner = bottleneck and i ~= 2
    y = conv(y, at .. row.conv[i], {kernel = inner and 1 or 3, out = bottleneck and i == 3 and 4 * width or width,
      stride = i == strided and stride or 1})
    y = bn(y, at .. row.norm[i])
    if i < convs or row.act or row.early and not bottleneck then y = relu(y) end
  end
  return relu(add(excite(y, at), shortcut(net, x, at, y.channels, stride)))
end

local function stem(net, row)
  local at, p = row.stem[1], net.preset
  if has(at .. ".0") and not has(at .. ".weight") and at == "conv1" then -- three 3x3 convolutions (ResNet-C, -D, -T)
    local x = input(224, 224)
    x = relu(bn(conv(x, "conv1.0", {stride = 2, predicted = false}), "conv1.1"))
    x = relu(bn(conv(x, "conv1.3", {predicted = false}), "conv1.4"))
    x = relu(bn(conv(x, "conv1.6", {predicted = false}), "bn1"))
    if has("maxpool.0") then return relu(bn(conv(x, "maxpool.0", {stride = 2, predicted = false}), "maxpool.1")),
        "deep stem" end
    return max_pool(x, 3, {stride = 2, pad = 1}), "deep stem"
  end
  local kernel = dim(at .. ".weight", 3, net.variant.imagenet and 7 or 3)
  local large = kernel > 4
  local x = large and input(224, 224) or input(32, 32)
  x = conv(x, at, {kernel = kernel, out = net.making and (net.widths[1] or p.widths[1]) or nil,
    stride = large and 2 or 1, predicted = not large and nil})
  x = relu(bn(x, row.stem[2]))
  if large and not net.variant.nopool or net.variant.pool then
    x = row.ceil and max_pool(x, 3, {stride = 2, ceil = true}) or max_pool(x, 3, {stride = 2, pad = 1})
  end
  if not large and not net.variant.pool then assume("no max pool after the stem (use resnet:pool for one)") end
  return x, large and "ImageNet stem" or net.variant.pool and "3x3 stem, max pool" or "3x3 stem"
end

local function four(blocks, bottleneck) return {blocks = blocks, bottleneck = bottleneck, widths = {64, 128, 256,
  512}} end
family{
  name = "resnet", help = "ResNet. New networks have a 3x3 stem for small images, resnet18:imagenet torchvision's stem",
  repositories = {"torchvision", "timm", "transformers", "kuangliu/pytorch-cifar", "weiaicunzai/pytorch-cifar100",
    "huyvnphan/PyTorch_CIFAR10 (resnet:pool)", "HobbitLong/RepDistiller", "open-mmlab/mmpretrain",
      "prlz77/ResNeXt.pytorch",
    "bearpaw/pytorch-classification (ResNeXt)", "Cadene/pretrained-models.pytorch", "moskomule/senet.pytorch"},
  signature = {stems, first_convs},
  variants = {pool = "a max pool follows the 3x3 stem (huyvnphan/PyTorch_CIFAR10)", nopool = "no max pool follows the 7x7 stem",
    early = "the first convolution of a bottleneck has the stride (Caffe)",
    imagenet = "new networks have a 7x7 stem and a max pool, for 224x224 images"},
  presets = {
    resnet10 = four{1, 1, 1, 1}, resnet18 = four{2, 2, 2, 2}, resnet34 = four{3, 4, 6, 3}, resnet50 = four({3, 4, 6, 3},
      true),
    resnet101 = four({3, 4, 23, 3}, true), resnet152 = four({3, 8, 36, 3}, true),
  },
  widths = 4, input = {32, 32},
  forward = function(net)
    local row, p = rows[1], net.preset
    for i, r in ipairs(rows) do
      if has(first_convs[i]) and has(stems[i]) then row = r; break end
    end
    local from = row.from or 1
    local function at(s) return row.stage:format(from + s - 1, from + s - 1) end
    local function of(name, i) return dim(at(1) .. "0." .. row.conv[name] .. ".weight", i) end
    local bottleneck = p.bottleneck or has(at(1) .. "0." .. row.conv[3])
    local groups = bottleneck and (of(2, 1) or 1) // (of(2, 2) or 1) or 1
    local squeezed = false
    for _, names in ipairs(excitations) do squeezed = squeezed or has(at(1) .. "0." .. names[1]) end
    if has(at(1) .. "0.se.se1") or has("layer4.0.shortcut.0") and groups > 1 and of(1, 1) == of(3, 1) then
      refuse("its blocks are those of a RegNet")
    end
    local stages = p.blocks and #p.blocks or 0
    while has(at(stages + 1) .. "0." .. row.conv[1]) do stages = stages + 1 end
    if row == rows[1] and stages == 3 and groups == 1 and
        not squeezed then refuse("it has three stages, as a CIFAR ResNet") end
    local x, how = stem(net, row)
    local blocks, widths, total = {}, {}, 0
    for s = 1, stages do
      stage(s)
      blocks[s] = count(at(s) .. "%d." .. row.conv[1], p.blocks and p.blocks[s])
      local width = net.making and (net.widths[s] or p.widths[s]) or 0
      for b = 0, blocks[s] - 1 do
        block(b)
        x = residual(net, row, x, at(s) .. b .. ".", width, (s > 1 and b == 0) and 2 or 1, bottleneck)
      end
      widths[s], total = dim(at(s) .. "0." .. row.conv[1] .. ".weight", 1, width), total + blocks[s]
    end
    stage(0)
    x = linear(global_pool(x), first(heads))
    assume(bottleneck and not row.early and
      "strides as in torchvision (resnet:early strides in a bottleneck's first convolution)" or
      "the usual strides")
    local kind = (squeezed and "SE-" or "") .. (groups > 1 and "ResNeXt" or "ResNet")
    describe("%s%d (%s, widths %s)", kind, (bottleneck and 3 or 2) * total + 2, how, table.concat(widths, "/"))
    return x
  end}
