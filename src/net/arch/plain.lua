-- Small networks of tutorials: convolutions conv1, conv2, ... and linear layers fc1, fc2, ..., ReLU between, max pools
-- of 2x2.
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
  name = "lenet", help = "LeNet and small networks from tutorials (conv1, conv2, fc1, ...)",
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
      if not size then refuse("'fc1.weight' takes %d values, which no usual order of convolutions and 2x2 pools gives",
          taken) end
    end
    local x = size and input(size, size) or input()
    for i = 1, convs do
      stage(i)
      local name = "conv" .. i
      x = conv(x, name, {kernel = net.making and 5 or nil, out = ({6, 16})[i], bias = net.making or nil,
        pad = not padded and 0 or nil})
      if has("bn" .. i .. ".running_mean") then x = bn(x, "bn" .. i) end
      x = relu(x)
      if every or i == convs then x = max_pool(x, 2) end
    end
    stage(0)
    for i = 1, layers do
      x = linear(x, "fc" .. i, {out = i < layers and ({120, 84})[i] or nil})
      if i < layers then x = relu(x) end
    end
    assume(("%s padding, a max pool after %s"):format(padded and "same" or "no", every and "every convolution" or
      "the last convolution"))
    describe("LeNet (%d convolutions, %d linear layers)", convs, layers)
    return x
  end}

-- ---- ResNet9: two pairs of convolutions with a residual pair behind each

family{
  name = "resnet9", help = "The small ResNet9 from tutorials (conv1 to conv4, res1, res2)",
    repositories = {"jovian's tutorials (CIFAR-10)"},
  signature = {"conv1.0", "conv2.0", "res1.0.0", "conv3.0", "conv4.0", "res2.0.0", "classifier"},
  presets = {resnet9 = {}}, input = {32, 32},
  forward = function(net)
    local function unit(x, at, out) return relu(bn(conv(x, at .. ".0", {kernel = 3, out = out, bias = net.making or
      nil}), at .. ".1")) end
    local x = unit(input(32, 32), "conv1", 64)
    for s = 1, 2 do
      stage(s)
      if s == 1 then x = max_pool(unit(x, "conv2", 128), 2) else x = max_pool(unit(max_pool(unit(x, "conv3", 256), 2),
          "conv4", 512), 2) end
      local at = "res" .. s
      x = add(unit(unit(x, at .. ".0", x.channels), at .. ".1", x.channels), x)
    end
    stage(0)
    assume("a max pool after conv2, conv3, conv4, and before the last layer")
    describe("ResNet9 (widths %d to %d)", dim("conv1.0.weight", 1, 64), x.channels)
    x = max_pool(x, 4)
    return linear(x, net.making and "classifier.2" or first{"classifier.2", "classifier.3", "classifier"})
  end}

-- ---- layers without convolutions

local chains = {"fc%d", "linear_relu_stack.%d", "layers.%d", "net.%d", "model.%d", "classifier.%d", "fc.%d"}
family{
  name = "mlp", help = "Linear layers with ReLU between them, on flattened images",
    repositories = {"pytorch/tutorials (Fashion-MNIST)"},
  signature = {{"fc1.weight", "linear_relu_stack.0.weight", "layers.0.weight", "net.0.weight", "model.0.weight",
    "classifier.0.weight", "fc.0.weight"}},
  input = {28, 28},
  forward = function(net)
    local chain
    for _, c in ipairs(chains) do
      if not chain and #indices(c) > 1 then chain = c end
    end
    if not chain then refuse("no two linear layers") end
    local layers = indices(chain)
    local taken = #(shape(chain:format(layers[1]) .. ".weight") or {}) == 2 and dim(chain:format(layers[1]) ..
      ".weight", 2)
    local images = {[784] = {28, 1}, [3072] = {32, 3}, [1024] = {32, 1}, [2352] = {28, 3}, [64] = {8, 1}}
    local image = images[taken or 0]
    if not image then refuse("'%s.weight' is no linear layer over images of 28x28 or 32x32",
        chain:format(layers[1])) end
    local x = input(image[1], image[1], image[2])
    for i, n in ipairs(layers) do
      x = linear(x, chain:format(n))
      if i < #layers then x = relu(x) end
    end
    assume("ReLU between the layers")
    describe("MLP (%d layers)", #layers)
    return x
  end}
