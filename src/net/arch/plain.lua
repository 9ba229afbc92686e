-- Small networks of tutorials: convolutions conv1, conv2, ... and linear layers fc1, fc2, ..., ReLU between, max pools of 2x2.
-- Where the pools stand, how convolutions are padded and how large the images are follows from what fc1 takes.

-- The side of the map behind all convolutions: `every`: a pool behind each of them, else one behind the last.
local function side(size, convs, padded, every)
  for i = 1, convs do
    local k = dim(("conv%d.weight"):format(i), 3)
    size = padded and size or size - k + 1
    if every or i == convs then size = size // 2 end
    if size < 1 then return 0 end
  end
  return size
end

family{
  name = "lenet", help = "LeNet and the small networks of tutorials (conv1, conv2, fc1, ...)",
  repositories = {"kuangliu/pytorch-cifar", "pytorch/examples (MNIST)", "pytorch/tutorials (CIFAR-10)"},
  signature = {"conv1.weight", "conv2.weight", "fc1.weight", "fc2.weight"},
  presets = {lenet = {}}, input = {32, 32},
  forward = function(net)
    local convs, layers = count("conv%d", 2, 1), count("fc%d", 3, 1)
    local taken, channels = dim("fc1.weight", 2), dim(("conv%d.weight"):format(convs), 1)
    local size, padded, every = nil, false, true
    if net.making then
      size = nil
    else
      for _, s in ipairs(dim("conv1.weight", 2) == 1 and {28, 32} or {32, 28, 64}) do
        for _, e in ipairs{true, false} do
          for _, p in ipairs{false, true} do
            local n = side(s, convs, p, e)
            if not size and n * n * channels == taken then size, padded, every = s, p, e end
          end
        end
      end
      if not size then refuse("'fc1.weight' takes %d values, which no usual order of convolutions and 2x2 pools gives", taken) end
    end
    local x = size and input(size, size) or input()
    for i = 1, convs do
      stage(i)
      local name = "conv" .. i
      x = conv(x, name, {kernel = net.making and 5 or nil, out = ({6, 16})[i], bias = net.making or nil, pad = not padded and 0 or nil})
      if has("bn" .. i .. ".running_mean") then x = bn(x, "bn" .. i) end
      x = relu(x)
      if every or i == convs then x = max_pool(x, 2) end
    end
    stage(0)
    for i = 1, layers do
      x = linear(x, "fc" .. i, {out = i < layers and ({120, 84})[i] or nil})
      if i < layers then x = relu(x) end
    end
    assume(("%s padding, a max pool behind %s"):format(padded and "same" or "no", every and "every convolution" or "the last convolution"))
    describe("LeNet (%d convolutions, %d linear layers)", convs, layers)
    return x
  end}
