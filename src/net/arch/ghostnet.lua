-- GhostNet (Han et al., 2020) and VoVNet (Lee and Park, 2020) as timm has them.

local function unit(x, at, o) return bn(conv(x, at .. "0", o), at .. "1") end

-- Half of the maps by a 1x1 convolution, the other half from them by a depthwise one.
local function ghost(x, at, active)
  local first_half = unit(x, at .. "primary_conv.")
  if active then first_half = relu(first_half) end
  local second_half = unit(first_half, at .. "cheap_operation.")
  if active then second_half = relu(second_half) end
  return concat(first_half, second_half)
end

family{
  name = "ghostnet", help = "timm's GhostNet", repositories = {"timm"},
  signature = {"conv_stem", "bn1", "blocks.0.0.ghost1.primary_conv", "conv_head", "classifier"},
  predicted = "all", input = {224, 224},
  forward = function(net)
    local x = relu(bn(conv(input(224, 224), "conv_stem", {stride = 2}), "bn1"))
    for s = 0, count("blocks.%d") - 1 do
      stage(s + 1)
      for b = 0, count(("blocks.%d.%%d"):format(s)) - 1 do
        block(b)
        local at = ("blocks.%d.%d."):format(s, b)
        if has(at .. "conv") then
          x = relu(bn(conv(x, at .. "conv"), at .. "bn1"))
        else
          local stride, y = has(at .. "conv_dw") and 2 or 1, ghost(x, at .. "ghost1.", true)
          if stride == 2 then y = bn(conv(y, at .. "conv_dw", {stride = 2}), at .. "bn_dw") end
          if has(at .. "se") then
            local z = relu(conv(global_pool(y), at .. "se.conv_reduce", {predicted = false}))
            y = mul(y, hard_sigmoid(conv(z, at .. "se.conv_expand", {predicted = false})))
          end
          y = ghost(y, at .. "ghost2.", false)
          if has(at .. "shortcut") then
            x = bn(conv(x, at .. "shortcut.0", {stride = stride}), at .. "shortcut.1")
            x = bn(conv(x, at .. "shortcut.2"), at .. "shortcut.3")
          end
          x = add(y, x)
        end
      end
    end
    stage(0)
    describe("GhostNet (stem %d)", dim("conv_stem.weight", 1))
    return linear(relu(conv(global_pool(x), "conv_head")), "classifier")
  end}

local function norm_act(x, at, stride) -- a whole convolution, or a depthwise and a 1x1 one
  if has(at .. ".conv_dw") then
    return relu(bn(conv(conv(x, at .. ".conv_dw", {stride = stride}), at .. ".conv_pw"), at .. ".bn"))
  end
  return relu(bn(conv(x, at .. ".conv", {stride = stride}), at .. ".bn"))
end
family{
  name = "vovnet", help = "timm's VoVNet", repositories = {"timm"},
  signature = {"stem.0.conv", "stages.0.blocks.0.conv_mid.0", "stages.0.blocks.0.conv_concat", "head.fc"},
  input = {224, 224},
  forward = function(net)
    local x = norm_act(norm_act(norm_act(input(224, 224), "stem.0", 2), "stem.1", 1), "stem.2", 2)
    for s = 0, count("stages.%d") - 1 do
      stage(s + 1)
      if s > 0 then x = max_pool(x, 3, {stride = 2, ceil = true}) end
      for b = 0, count(("stages.%d.blocks.%%d"):format(s)) - 1 do
        block(b)
        local at = ("stages.%d.blocks.%d."):format(s, b)
        local gathered, y = {x}, x
        if has(at .. "conv_reduction") then y = norm_act(y, at .. "conv_reduction", 1) end
        for i = 0, count(at .. "conv_mid.%d") - 1 do
          y = norm_act(y, at .. "conv_mid." .. i, 1)
          table.insert(gathered, y)
        end
        y = norm_act(concat(table.unpack(gathered)), at .. "conv_concat", 1)
        if has(at .. "attn.fc") then y = mul(y, hard_sigmoid(conv(global_pool(y), at .. "attn.fc",
            {predicted = false}))) end
        x = b > 0 and has(at .. "attn.fc") and add(y, x) or y
      end
    end
    stage(0)
    assume("strides and pools as in timm")
    describe("VoVNet (last %d channels)", x.channels)
    return linear(global_pool(x), "head.fc")
  end}
