-- Xception (Chollet, 2017): residual blocks of depthwise separable convolutions.

local function separable(x, at, norm) return bn(conv(conv(x, at .. "depthwise"), at .. "pointwise"), norm) end
local function unit(x, at) return relu(bn(conv(x, at .. "0"), at .. "1")) end

-- The separable convolutions of a Sequential, each with its norm behind; a ReLU before each where one has a number of
-- its own.
local function sequence(x, at, first_active)
  local active = first_active
  for _, i in ipairs(indices(at .. "%d.depthwise")) do
    if active then x = relu(x) end
    x, active = separable(x, at .. i .. ".", at .. i + 1), true
  end
  return x
end

family{
  name = "xception", help = "Xception for 32x32 images", repositories = {"weiaicunzai/pytorch-cifar100"},
  signature = {"entry_flow.conv1.0", "entry_flow.conv3_residual.0", "middel_flow.middel_block.0", "exit_flow.residual",
    "fc"},
  predicted = "all", input = {32, 32},
  forward = function(net)
    local x = unit(unit(input(32, 32), "entry_flow.conv1."), "entry_flow.conv2.")
    stage(1)
    for i, stride in ipairs{2, 2, 1} do
      local at = ("entry_flow.conv%d_"):format(i + 2)
      local y = sequence(x, at .. "residual.", i > 1)
      local short = bn(conv(x, at .. "shortcut.0", {stride = stride}), at .. "shortcut.1")
      x = add(max_pool(y, 3, {stride = stride, pad = 1}), short)
    end
    stage(2)
    for b = 0, count("middel_flow.middel_block.%d") - 1 do
      block(b)
      local y, at = x, ("middel_flow.middel_block.%d."):format(b)
      for i = 1, 3 do y = sequence(y, ("%sconv%d."):format(at, i), true) end
      x = add(x, y)
    end
    stage(3)
    local short = bn(conv(x, "exit_flow.shortcut.0", {stride = 2}), "exit_flow.shortcut.1")
    x = add(max_pool(sequence(x, "exit_flow.residual.", true), 3, {stride = 2, pad = 1}), short)
    x = relu(sequence(x, "exit_flow.conv.", false))
    stage(0)
    assume("strides and pools as in weiaicunzai/pytorch-cifar100")
    describe("Xception (last %d channels)", x.channels)
    return linear(global_pool(x), "fc")
  end}
