-- The residual networks of He et al., 2015, section 4.2 (CIFAR-10): a 3x3 stem, three stages of basic blocks (two 3x3
-- convolutions) or bottlenecks (1x1, 3x3, 1x1), the second and third stage halving the map, global average pooling, one
-- linear layer.
--
-- Any number of blocks (6n+2 layers where all stages have n), any widths. Where a block changes the map's shape, its
-- shortcut is option B, a 1x1 convolution with batch norm, where the file has one; else option A, every second pixel
-- with zero channels added on both sides.

local depths = "resnet8, resnet14, resnet20, ...: 6n + 2 layers"
local standard = {16, 32, 64}

-- A convolution, batch norm and, unless it is the last one of its block, ReLU.
local function layer(x, at, number, options, last)
  x = bn(conv(x, at .. "conv" .. number, options), at .. "bn" .. number)
  return last and x or relu(x, at .. "relu" .. number)
end

family{
  name = "resnet-cifar",
  help = "CIFAR ResNet with three stages: any depth and widths, shortcut option A or B, basic blocks or bottlenecks",
  repositories = {"akamaster/pytorch_resnet_cifar10", "chenyaofo/pytorch-cifar-models", "bearpaw/pytorch-classification",
                  "HobbitLong/RepDistiller"},
  signature = {"conv1", "bn1", "layer1.0.conv1", "layer2.0.conv1", "layer3.0.conv1", {"linear", "fc"}},
  variants = {B = "new networks have option B shortcuts: a 1x1 convolution at the start of a stage"},
  presets = {["resnet%d"] = function(depth)
    if depth % 6 ~= 2 or depth < 8 or depth > 60002 then return nil, "there are " .. depths end
    return {blocks = depth // 6}
  end},
  examples = {"resnet8", "resnet14", "resnet20", "resnet32", "resnet44", "resnet56", "resnet110"},
  widths = 3,
  input = {32, 32},
  forward = function(net)
    local deep = has("layer1.0.conv3")
    local blocks, widths, projection, padding, depth = {}, {}, false, false, 2
    local x = conv(input(), "conv1", {kernel = 3, out = net.widths[1] or standard[1]})
    x = relu(bn(x, "bn1"), "relu")
    for s = 1, 3 do
      stage(s)
      widths[s] = net.widths[s] or dim("layer" .. s .. ".0.conv1.weight", 1, standard[s])
      blocks[s] = math.max(1, count("layer" .. s .. ".%d.conv1.weight", net.preset.blocks))
      depth = depth + (deep and 3 or 2) * blocks[s]
      for b = 0, blocks[s] - 1 do
        block(b)
        local at, from, stride = "layer" .. s .. "." .. b .. ".", x, s > 1 and b == 0 and 2 or 1
        local out = deep and dim(at .. "conv3.weight", 1, x.channels) or widths[s]
        local module = first{at .. "shortcut", at .. "downsample"}
        local option_b = has(module .. ".0.weight") or net.making and net.variant.B and stride > 1
        if not option_b and (stride > 1 or out ~= x.channels) then
          if out < x.channels then
            refuse(net.making and "from %d channels to %d: shortcuts of option A cannot take channels away, " ..
                   "those of option B can" or "no tensor '" .. at .. "shortcut.0.weight' to go from %d channels to %d",
                   x.channels, out)
          end
          from = shortcut_a(x, out, {stride = stride, name = at .. "shortcut"})
          padding = true
        end
        local y
        if deep then
          y = layer(x, at, 1, {kernel = 1})
          y = layer(y, at, 2, {kernel = 3, stride = stride})
          y = layer(y, at, 3, {kernel = 1}, true)
        else
          y = layer(x, at, 1, {kernel = 3, out = out, stride = stride})
          y = layer(y, at, 2, {kernel = 3, out = out}, true)
        end
        if option_b then
          from = bn(conv(x, module .. ".0", {kernel = 1, out = out, stride = stride}), module .. ".1")
          projection = true
        end
        x = relu(add(y, from, at .. "add"), at .. "relu" .. (deep and 3 or 2))
      end
    end
    stage(0)
    local option = projection and (padding and "A and B" or "B") or "A"
    local uneven = blocks[1] ~= blocks[2] or blocks[2] ~= blocks[3]
    describe("ResNet%d (CIFAR, %s%soption %s, widths %d/%d/%d)", depth, deep and "bottlenecks, " or "",
             uneven and ("blocks %d/%d/%d, "):format(blocks[1], blocks[2], blocks[3]) or "", option, widths[1],
             widths[2], widths[3])
    return linear(global_pool(x, "pool"), first{"linear", "fc"}, {bias = true})
  end}
