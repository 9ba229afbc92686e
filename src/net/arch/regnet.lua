-- RegNet X and Y (Radosavovic et al., 2020): bottlenecks with grouped convolutions; Y with squeeze and excitation.

local rows = {
  {stem = {"stem.0", "stem.1"}, at = function(s, b) return ("trunk_output.block%d.block%d-%d."):format(s, s, b) end,
   names = {"f.a.0", "f.a.1", "f.b.0", "f.b.1", "f.c.0", "f.c.1"}, se = {"f.se.fc1", "f.se.fc2"}, projected = {"proj.0",
     "proj.1"},
   strides = {2, 2, 2, 2}, head = "fc", large = true},
  {stem = {"stem.conv", "stem.bn"}, at = function(s, b) return ("s%d.b%d."):format(s, b + 1) end,
   names = {"conv1.conv", "conv1.bn", "conv2.conv", "conv2.bn", "conv3.conv", "conv3.bn"}, se = {"se.fc1", "se.fc2"},
   projected = {"downsample.conv", "downsample.bn"}, strides = {2, 2, 2, 2}, head = "head.fc", large = true},
  {stem = {"conv1", "bn1"}, at = function(s, b) return ("layer%d.%d."):format(s, b) end,
   names = {"conv1", "bn1", "conv2", "bn2", "conv3", "bn3"}, se = {"se.se1", "se.se2"}, projected = {"shortcut.0",
     "shortcut.1"},
   strides = {1, 1, 2, 2}, head = "linear"},
}
family{
  name = "regnet", help = "RegNet X and Y", repositories = {"torchvision", "timm", "kuangliu/pytorch-cifar"},
  signature = {{"stem.0", "stem.conv", "bn1"}, {"trunk_output.block1.block1-0.f.a", "s1.b1.conv3.conv",
    "layer1.0.conv3"}, {"fc", "head.fc", "linear"}},
  predicted = "all", input = {224, 224},
  forward = function(net)
    local row = has("stem.0") and rows[1] or has("stem.conv") and rows[2] or rows[3]
    local n = row.names
    local start = row.at(1, 0)
    local grouped = dim(start .. n[3] .. ".weight", 1, 0) > dim(start .. n[3] .. ".weight", 2, 0)
    if not row.large and (not has("layer1.0.shortcut.0") or not has("layer4.0.conv3") or dim(start .. "conv1.weight",
        1) ~= dim(start .. "conv3.weight", 1)
       or not grouped) then
      refuse("its blocks are not those of a RegNet")
    end
    local x = row.large and input(224, 224) or input(32, 32)
    x = relu(bn(conv(x, row.stem[1], {stride = row.large and 2 or 1}), row.stem[2]))
    local se, width, blocks = false, {}, {}
    for s = 1, 4 do
      stage(s)
      local b = 0
      while has(row.at(s, b) .. n[1]) do
        block(b)
        local at, stride = row.at(s, b), b == 0 and row.strides[s] or 1
        local y = relu(bn(conv(x, at .. n[1], {kernel = 1}), at .. n[2]))
        y = relu(bn(conv(y, at .. n[3], {stride = stride}), at .. n[4]))
        if has(at .. row.se[1]) then
          local z = relu(conv(global_pool(y), at .. row.se[1], {predicted = false}))
          y, se = mul(y, sigmoid(conv(z, at .. row.se[2], {predicted = false}))), true
        end
        y = bn(conv(y, at .. n[5], {kernel = 1}), at .. n[6])
        local z = has(at .. row.projected[1]) and bn(conv(x, at .. row.projected[1], {stride = stride}), at ..
          row.projected[2]) or x
        x = relu(add(y, z))
        b = b + 1
      end
      width[s], blocks[s] = x.channels, b
    end
    stage(0)
    assume(row.large and "the first block of every stage halves the map" or
      "stages 3 and 4 halve the map, as in kuangliu/pytorch-cifar")
    describe("RegNet%s (blocks %s, widths %s)", se and "Y" or "X", table.concat(blocks, "/"), table.concat(width, "/"))
    return linear(global_pool(x), row.head)
  end}
