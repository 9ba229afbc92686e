-- EfficientNet (Tan and Le, 2019, 2021), MobileNetV3 (Howard et al., 2019), and timm's networks of the same parts:
-- inverted
-- residuals with squeeze and excitation. "Same" padding of TensorFlow's weights is a variant: names cannot tell.

local pad_same = false -- set by each forward
local function convolve(x, name, stride)
  local kernel = dim(name .. ".weight", 3) or refuse("no tensor '%s.weight'", name)
  if not pad_same or stride == 1 then return conv(x, name, {stride = stride}) end
  local function around(size) return math.max(0, (math.ceil(size / stride) - 1) * stride + kernel - size) end
  local v, h = around(x.height), around(x.width)
  return conv(x, name, {stride = stride, pad = {v // 2, h // 2, v - v // 2, h - h // 2}})
end
local function unit(x, conv_name, norm_name, act, stride, eps)
  x = bn(convolve(x, conv_name, stride or 1), norm_name, {eps = eps})
  return act and act(x) or x
end
local function excite(x, first_name, second_name, act, gate)
  return mul(x, gate(conv(act(conv(global_pool(x), first_name, {predicted = false})), second_name,
    {predicted = false})))
end
local function joined(x, y, stride) return stride == 1 and x.channels == y.channels and add(y, x) or y end

local strides = {1, 2, 2, 2, 1, 2, 1} -- of the seven stages

-- ---- torchvision's names: features.S.B.block.I for EfficientNet, features.I.block.J for MobileNetV3

-- A block of torchvision's: a Sequential of (convolution, norm) pairs with the excitation between.
local function block_of(x, at, act, stride, o)
  local n, y, strided = count(at .. "block.%d"), x, false
  for i = 0, n - 1 do
    local name = at .. "block." .. i .. "."
    if has(name .. "fc1") then
      y = excite(y, name .. "fc1", name .. "fc2", o.se_act, o.gate)
    else
      local here = not strided and stride > 1 and (dim(name .. "0.weight", 3) > 1)
      strided = strided or here
      y = unit(y, name .. "0", name .. "1", (i < n - 1 or n == 1) and act or nil, here and stride or 1, o.eps)
    end
  end
  return joined(x, y, stride)
end

family{
  name = "efficientnet", help = "torchvision's EfficientNet B0 to B7 and V2", repositories = {"torchvision"},
  signature = {"features.0.0", "features.1.0.block.0.0", "features.2.0.block", "classifier.1"},
  predicted = "all", input = {224, 224},
  forward = function(net)
    pad_same = false
    local second = dim("features.1.0.block.0.0.weight", 2) ~= 1 -- V2 begins with whole convolutions
    local deep = not second and count("features.1.%d") >= 3 -- B5 to B7
    local o = {eps = (second or deep) and 1e-3 or 1e-5, se_act = silu, gate = sigmoid}
    local x = unit(input(224, 224), "features.0.0", "features.0.1", silu, 2, o.eps)
    local stages = count("features.%d") - 2
    local blocks = {}
    for s = 1, stages do
      stage(s)
      local at = ("features.%d."):format(s)
      blocks[s] = count(at .. "%d.block")
      for b = 0, blocks[s] - 1 do
        block(b)
        x = block_of(x, at .. b .. ".", silu, b == 0 and strides[s] or 1, o)
      end
    end
    stage(0)
    local last = ("features.%d."):format(stages + 1)
    x = unit(x, last .. "0", last .. "1", silu, 1, o.eps)
    assume("strides as in torchvision, SiLU" .. (o.eps > 1e-4 and ", batch-norm epsilon 0.001" or ""))
    describe("EfficientNet%s (blocks %s)", second and "V2" or "", table.concat(blocks, "/"))
    return linear(global_pool(x), "classifier.1")
  end}

-- Where MobileNetV3 has ReLU, else hard swish, and where a block halves the map.
local v3 = {
  large = {blocks = 15, relus = 6, strides = {[2] = 2, [4] = 2, [7] = 2, [13] = 2}},
  small = {blocks = 11, relus = 3, strides = {[1] = 2, [2] = 2, [4] = 2, [9] = 2}},
}
family{
  name = "mobilenetv3", help = "torchvision's MobileNetV3, large and small", repositories = {"torchvision"},
  signature = {"features.0.0", "features.1.block.0.0", "classifier.0", "classifier.3"},
  predicted = "all", input = {224, 224},
  forward = function(net)
    pad_same = false
    local n = count("features.%d") - 2
    local plan = n == 15 and v3.large or v3.small
    if n ~= plan.blocks then refuse("%d blocks; there are 15 (large) or 11 (small)", n) end
    local o = {eps = 1e-3, se_act = relu, gate = hard_sigmoid}
    local x, s = unit(input(224, 224), "features.0.0", "features.0.1", hard_swish, 2, o.eps), 1
    stage(1)
    for i = 1, n do
      if plan.strides[i] and i > 1 then s = s + 1; stage(s) end
      x = block_of(x, ("features.%d."):format(i), i <= plan.relus and relu or hard_swish, plan.strides[i] or 1, o)
    end
    stage(0)
    x = unit(x, ("features.%d.0"):format(n + 1), ("features.%d.1"):format(n + 1), hard_swish, 1, o.eps)
    assume("strides and activations as in torchvision, batch-norm epsilon 0.001")
    describe("MobileNetV3 (%s, last %d channels)", n == 15 and "large" or "small", x.channels)
    return linear(hard_swish(linear(global_pool(x), "classifier.0")), "classifier.3")
  end}

-- ---- timm's names: blocks.S.B.conv_dw and the like

-- The kinds of block: their convolutions and norms; the depthwise or whole one has the stride. `se` behind which.
local function timm_block(x, at, act, stride, o)
  local parts
  -- fused
  if has(at .. "conv_pwl") and has(at .. "conv_exp") then parts = {{"conv_exp", "bn1", true}, {"conv_pwl", "bn2"}}
  -- inverted
  elseif has(at .. "conv_pwl") then parts = {{"conv_pw", "bn1"}, {"conv_dw", "bn2", true}, {"conv_pwl", "bn3"}}
  elseif has(at .. "conv_dw") then parts = {{"conv_dw", "bn1", true}, {"conv_pw", "bn2"}} -- separable
  elseif has(at .. "conv") then return joined(x, unit(x, at .. "conv", at .. "bn1", act, stride, o.eps), o.plain and
      stride or 2)
  else refuse("no convolution in '%s'", at) end
  local y = x
  for i, part in ipairs(parts) do
    y = unit(y, at .. part[1], at .. part[2], (i < #parts or o.separable) and act or nil, part[3] and stride or 1,
      o.eps)
    if part[3] and has(at .. "se.conv_reduce") then y = excite(y, at .. "se.conv_reduce", at .. "se.conv_expand",
        o.se_act or act, o.gate) end
  end
  return (o.separable or o.bare) and y or joined(x, y, stride)
end

family{
  name = "timm-mobile", help = "timm's EfficientNet, MobileNetV1 to V3, MnasNet and similar networks",
  repositories = {"timm"},
  signature = {"conv_stem", "bn1", {"blocks.0.0.conv_dw", "blocks.0.0.conv_exp", "blocks.0.0.conv"}, "classifier"},
  variants = {tf = "TensorFlow's padding and epsilon (timm's tf_ networks)", relu = "ReLU everywhere",
    relu6 = "ReLU6 everywhere",
    silu = "SiLU everywhere"},
  predicted = "all", input = {224, 224},
  forward = function(net)
    pad_same = net.variant.tf
    local stages = count("blocks.%d")
    local expansion = (dim("blocks.1.0.conv_pw.weight", 1) or 0) // (dim("blocks.1.0.conv_pw.weight", 2) or 1)
    local kind, act, o = "EfficientNet", silu, {eps = pad_same and 1e-3 or 1e-5, gate = sigmoid}
    local function kernel(s) return dim(("blocks.%d.0.conv_dw.weight"):format(s), 3) end
    local squeezed = has("blocks.0.0.se") or has("blocks.2.0.se") or has("blocks.3.0.se") or has("blocks.4.0.se")
    if has("conv_head") and not has("bn2") then
      -- mobilenetv3_rw, whose head has no bias, has another epsilon and adds nothing in its first block
      local first = has("conv_head.bias")
      kind, o.se_act, o.gate = "MobileNetV3", first and relu or nil, hard_sigmoid
      if not first then o.eps, o.bare = 1e-3, true end
    elseif not has("blocks.0.0.conv_exp") and not has("blocks.0.0.conv") and not has("blocks.1.0.conv_pwl") and
        has("blocks.1.0.conv_dw") then
      kind, act, o.separable = "MobileNet", relu6, true
    elseif expansion == 3 or squeezed and not has("blocks.0.0.se") and has("blocks.0.0.conv_dw") then
      kind, act = "MnasNet", relu
    elseif not squeezed and has("blocks.0.0.conv_pwl") then
      kind, act = "FBNet", relu
    elseif not squeezed and kernel(2) == 3 then
      kind, act = "MobileNetV2", relu6
    elseif not squeezed then
      kind, act = "EfficientNet-Lite", relu6
    end
    if kind == "MnasNet" then o.se_act = relu end
    if has("blocks.0.0.conv") then o.plain = true end
    if has("blocks.0.0.conv_exp") then
      kind, act = "EfficientNet-EdgeTPU", relu
    elseif has("blocks.0.0.conv") or kind == "EfficientNet" and has("blocks.1.0.conv_exp") then
      kind = "EfficientNetV2"
    end
    for _, choice in ipairs{{"relu", relu}, {"relu6", relu6}, {"silu", silu}} do
      if net.variant[choice[1]] then act = choice[2] end
    end
    local steps = strides
    if kind == "MobileNet" then steps = {1, 2, 2, 2, 2} end
    if kind == "MobileNetV3" and stages == 6 then steps = {2, 2, 2, 1, 2, 1} end
    local swish = kind == "MobileNetV3" and hard_swish or act
    local x = unit(input(224, 224), "conv_stem", "bn1", swish, 2, o.eps)
    local blocks = {}
    for s = 1, stages do
      stage(s)
      local at = ("blocks.%d."):format(s - 1)
      blocks[s] = count(at .. "%d")
      for b = 0, blocks[s] - 1 do
        block(b)
        local a = kind == "MobileNetV3" and (s <= (stages == 6 and 2 or 3) and relu or hard_swish) or act
        x = timm_block(x, at .. b .. ".", a, b == 0 and steps[s] or 1, o)
        o.bare = nil
      end
    end
    stage(0)
    if kind == "MobileNetV3" then
      x = hard_swish(conv(global_pool(x), "conv_head"))
    else
      if has("conv_head") then x = unit(x, "conv_head", "bn2", act, 1, o.eps) end
      x = global_pool(x)
    end
    assume(("strides and activations of timm's %s%s"):format(kind, pad_same and "" or
      ", no tf_ padding (timm-mobile:tf has it)"))
    describe("%s (timm's names, blocks %s)", kind, table.concat(blocks, "/"))
    return linear(x, "classifier")
  end}

-- ---- kuangliu's EfficientNetB0

family{
  name = "efficientnet-cifar", help = "EfficientNet B0 for 32x32 images", repositories = {"kuangliu/pytorch-cifar"},
  signature = {"conv1", "bn1", "layers.0.conv3", {"layers.0.se1", "layers.0.se.se1"}, "linear"},
  predicted = "all", input = {32, 32},
  forward = function(net)
    pad_same = false
    local at = has("layers.0.se") and "se." or ""
    local x = unit(input(32, 32), "conv1", "bn1", silu, 1)
    local i = 0
    for s, depth in ipairs{1, 2, 2, 3, 3, 4, 1} do
      stage(s)
      for b = 0, depth - 1 do
        block(b)
        local name, stride = ("layers.%d."):format(i), b == 0 and strides[s] or 1
        local y = x
        if at == "" or dim(name .. "conv1.weight", 1) ~= x.channels then y = unit(x, name .. "conv1", name .. "bn1",
            silu) end
        y = unit(y, name .. "conv2", name .. "bn2", silu, stride)
        y = excite(y, name .. at .. "se1", name .. at .. "se2", silu, sigmoid)
        y = unit(y, name .. "conv3", name .. "bn3")
        if has(name .. "shortcut.0") then y = add(y, unit(x, name .. "shortcut.0", name .. "shortcut.1"))
        elseif at == "" and stride == 2 then y = add(y, y) -- the older version adds such a block's result to itself
        else y = joined(x, y, stride) end
        x, i = y, i + 1
      end
    end
    stage(0)
    if at ~= "" then
      leave("layers.0.conv1", "the first block's expansion, which is not used")
      leave("layers.0.bn1", "the first block's expansion, which is not used")
    end
    assume("strides as in kuangliu/pytorch-cifar")
    describe("EfficientNetB0 (CIFAR)")
    return linear(global_pool(x), "linear")
  end}

-- ---- EfficientNet-PyTorch's names, with TensorFlow's padding

-- The image's side by the numbers of blocks and of the last channels: B0 to B7.
local sides = {[16] = {[1280] = 224}, [23] = {[1280] = 240, [1408] = 260}, [26] = {[1536] = 300}, [32] = {[1792] = 380},
  [39] = {[2048] = 456}, [45] = {[2304] = 528}, [55] = {[2560] = 600}}
family{
  name = "efficientnet-lukemelas", help = "EfficientNet B0 to B7 with the names of EfficientNet-PyTorch",
    repositories = {"lukemelas/EfficientNet-PyTorch"},
  signature = {"_conv_stem", "_bn0", "_blocks.0._depthwise_conv", "_conv_head", "_fc"},
  predicted = "all", input = {224, 224},
  forward = function(net)
    pad_same = true
    local blocks, last = count("_blocks.%d"), dim("_conv_head.weight", 1, 0)
    local size = sides[blocks] and sides[blocks][last] or 224
    local x, s, eps, out = unit(input(size, size), "_conv_stem", "_bn0", silu, 2, 1e-3), 0, 1e-3, nil
    for i = 0, blocks - 1 do
      local at = ("_blocks.%d."):format(i)
      local width = dim(at .. "_project_conv.weight", 1)
      local begins = width ~= out
      if begins then s, out = s + 1, width; stage(s) end
      local stride, y = begins and strides[s] or 1, x
      if has(at .. "_expand_conv") then y = unit(y, at .. "_expand_conv", at .. "_bn0", silu, 1, eps) end
      y = unit(y, at .. "_depthwise_conv", at .. "_bn1", silu, stride, eps)
      if has(at .. "_se_reduce") then y = excite(y, at .. "_se_reduce", at .. "_se_expand", silu, sigmoid) end
      x = joined(x, unit(y, at .. "_project_conv", at .. "_bn2", nil, 1, eps), stride)
    end
    stage(0)
    x = unit(x, "_conv_head", "_bn1", silu, 1, eps)
    assume(("TensorFlow padding for %dx%d images, batch-norm epsilon 0.001"):format(size, size))
    describe("EfficientNet (EfficientNet-PyTorch's names, %d blocks)", blocks)
    return linear(global_pool(x), "_fc")
  end}
