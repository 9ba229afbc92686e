-- DenseNet (Huang et al., 2017): each layer's maps are put beside all that came before.

-- How repositories name things: dense block s, its layer i, the parts of a layer (norm, convolution, ...), a
-- transition's.
local rows = {
  {stem = "features.conv0", dense = "features.denseblock%d.denselayer", from = 1, layer = {"norm1", "conv1", "norm2",
    "conv2"},
   transition = "features.transition%d.", parts = {"norm", "conv"}, last = {"features.norm5", "features.norm_final"},
     head = "classifier"},
  {stem = "conv1", dense = "dense%d.", from = 0, layer = {"bn1", "conv1", "bn2", "conv2"}, transition = "trans%d.",
   parts = {"bn", "conv"}, last = {"bn"}, head = "linear", before = true},
  {stem = "conv1", dense = "dense%d.", from = 0, layer = {"bn1", "conv1", "bn2", "conv2"}, transition = "trans%d.",
   parts = {"bn1", "conv1"}, last = {"bn"}, head = "fc"},
  {stem = "conv1", dense = "block%d.layer.", from = 0, layer = {"bn1", "conv1", "bn2", "conv2"},
    transition = "trans%d.",
   parts = {"bn1", "conv1"}, last = {"bn1"}, head = "fc"},
  {stem = "conv1", dense = "features.dense_block_layer_%d.bottle_neck_layer_", less = 1, from = 0,
   layer = {"bottle_neck.0", "bottle_neck.2", "bottle_neck.3", "bottle_neck.5"},
     transition = "features.transition_layer_%d.",
   parts = {"down_sample.0", "down_sample.1"}, bare = true, last = {"features.bn"}, head = "linear"},
}

local function torchvision(blocks, growth)
  growth = growth or 32
  return {row = 1, blocks = blocks, growth = growth, width = 2 * growth}
end

family{
  name = "densenet",
  help = "DenseNet, such as densenet121. New networks have a 3x3 stem, densenet121:imagenet torchvision's stem",
  repositories = {"torchvision", "timm", "kuangliu/pytorch-cifar", "weiaicunzai/pytorch-cifar100",
    "huyvnphan/PyTorch_CIFAR10",
    "bearpaw/pytorch-classification", "gpleiss/efficient_densenet_pytorch", "andreasveit/densenet-pytorch"},
  signature = {{"features.conv0", "conv1"}, {"features.denseblock1.denselayer1", "dense1.0.bn1", "trans1.bn1",
    "features.dense_block_layer_0.bottle_neck_layer_0"}, {"classifier", "linear", "fc"}},
  variants = {imagenet = "new networks have a 7x7 stem and a max pool"},
  presets = {
    densenet121 = torchvision{6, 12, 24, 16}, densenet169 = torchvision{6, 12, 32, 32},
    densenet201 = torchvision{6, 12, 48, 32},
    densenet161 = torchvision({6, 12, 36, 24}, 48),
    ["densenet-bc-%d-%d"] = function(depth, growth)
      if depth % 6 ~= 4 or depth < 10 or growth < 1 then return nil, "a DenseNet-BC has 6n + 4 layers" end
      local n = (depth - 4) // 6
      return {row = 3, blocks = {n, n, n}, growth = growth, width = 2 * growth}
    end,
  },
  examples = {"densenet-bc-100-12", "densenet-bc-40-12"},
  input = {32, 32},
  forward = function(net)
    local row, p = net.making and rows[net.preset.row], net.preset
    for _, r in ipairs(rows) do
      local at = r.dense:format(r.less and 0 or 1) .. r.from .. "." .. r.layer[1]
      if not row and has(r.stem) and has(at) and (has(r.transition:format(r.less and 0 or 1) .. r.parts[1]) or
          r.from == 1) then row = r end
    end
    if not row then refuse("no first transition") end
    local kernel = dim(row.stem .. ".weight", 3, net.variant.imagenet and 7 or 3)
    local x = kernel > 3 and input(224, 224) or input(32, 32)
    x = conv(x, row.stem, {kernel = kernel, out = p.width, stride = kernel > 3 and 2 or 1,
      predicted = kernel == 3 and nil})
    if has("features.norm0") or net.making and kernel > 3 then
      x = max_pool(relu(bn(x, "features.norm0")), 3, {stride = 2, pad = 1})
      if kernel == 3 then assume("a max pool after the 3x3 stem, as in huyvnphan/PyTorch_CIFAR10") end
    end
    local stages, layers, blocks, growth = p.blocks and #p.blocks or 0, 1, {}, p.growth
    local function dense(s) -- the name of a layer in dense block s, without its number
      local name = row.dense:format(s - (row.less or 0))
      if not net.making and not has(name .. row.from) then -- weiaicunzai names the last block otherwise
        name = ("features.dense_block%d.bottle_neck_layer_"):format(s - 1)
      end
      return name
    end
    while not net.making and has(dense(stages + 1) .. row.from) do stages = stages + 1 end
    for s = 1, stages do
      stage(s)
      local at = dense(s)
      blocks[s] = count(at .. "%d", p.blocks and p.blocks[s], row.from)
      for i = row.from, row.from + blocks[s] - 1 do
        block(i - row.from)
        local name = at .. i .. "."
        local bottleneck = net.making or has(name .. row.layer[4])
        local y = relu(bn(x, name .. row.layer[1]))
        y = conv(y, name .. row.layer[2], {kernel = bottleneck and 1 or 3, out = growth and 4 * growth})
        if bottleneck then
          y = conv(relu(bn(y, name .. row.layer[3])), name .. row.layer[4], {kernel = 3, out = growth})
        end
        growth, layers = y.channels, layers + (bottleneck and 2 or 1)
        x = row.before and concat(y, x) or concat(x, y)
      end
      block()
      if s < stages then
        local name = row.transition:format(s - (row.less or 0))
        x = bn(x, name .. row.parts[1])
        if not row.bare then x = relu(x) end
        x = avg_pool(conv(x, name .. row.parts[2], {kernel = 1, out = x.channels // 2}), 2)
        layers = layers + 1
      end
    end
    stage(0)
    x = relu(bn(x, first(row.last)))
    x = linear(global_pool(x), row.head)
    assume("the usual strides and pools")
    describe("DenseNet%d (%s, growth %d, blocks %s)", layers + 1, kernel > 3 and "ImageNet stem" or "3x3 stem", growth,
      table.concat(blocks, "/"))
    return x
  end}
