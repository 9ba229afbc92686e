-- paper -- shared by the scripts of samples/paper: their arguments, and their runs.
--
--   weft samples/paper/SCRIPT.weft [quick] [net=MODEL] [arch=ARCH] [epochs=N] [data=DATA] [teacher=MODEL] [runs=FOLDER] [seeds=N] [trials=N]
--                                  [cr=C,C,...] [hidden=H,H,...] [recon=STEPS] [images=STEPS] [recipe=paper|usual]
--
-- DATA is fashion-mnist (the default), cifar10:DIR, cifar100:DIR, stl10:DIR, or images:DIR[:OPTIONS], a folder with the folders
-- train and val. The network is that of net=, or with arch= one that is trained here, for epochs= passes over the training images.
-- A run is saved in FOLDER (runs/paper) under a name that describes it. Scripts that need the same run share it, and a script that
-- is run again continues where it was. quick saves nothing and trains briefly on a few sample images; it only shows that everything
-- works. cr= sets other compression ratios, hidden= other hidden sizes (table9, imagenet), trials= another number of trials in a
-- progressive round, and recon= and images= other numbers of steps on L_recon and on images. recipe=usual trains with weft's own
-- optimiser and learning rates in the place of the paper's (help train). A script with other defaults puts them
-- into `paper` first.
local P = {quick = false, seeds = 3, trials = 3, epochs = 20, data = "fashion-mnist", runs = "runs/paper", cr = "", hidden_sizes = "",
  recon_steps = 20000, images = 2350, recipe = "paper"}
for key, value in pairs(paper or {}) do P[key] = value end
local also = {teacher = "teacher", net = "net", arch = "arch", hidden = "hidden_sizes", recon = "recon_steps"} -- beside those above
for _, key in ipairs{"seeds", "trials", "epochs", "data", "runs", "cr", "images", "recipe"} do also[key] = key end
P.also = P.also or {} -- arguments of one script alone, with their defaults
for i, word in ipairs(arg) do
  local key, value = word:match("^(%w+)=(.*)$")
  if word == "quick" then P.quick = true
  elseif key and P.also[key] then P.also[key] = value
  elseif key and also[key] then P[also[key]] = value
  else error("unknown argument '" .. word .. "': quick, net=, arch=, epochs=, data=, teacher=, runs=, seeds=, trials=, cr=, hidden=, recon=, images= or recipe= expected") end
end
if not P.net and not P.arch then P.net = "sample:fashion-resnet8" end
P.seeds = P.quick and 1 or tonumber(P.seeds)
P.trials = P.quick and 2 or tonumber(P.trials)
P.steps = P.quick and {recon = 60, progressive = 40, images = 4} or {recon = tonumber(P.recon_steps), progressive = 10000, images = tonumber(P.images)}

-- Networks and data: base, train, test.
local function spec(part)
  local folder, options = P.data:match("^(images:[^:]*)(.*)$")
  return folder and folder .. ":" .. (part == "test" and "val" or part) .. options or P.data .. ":" .. part
end
if P.quick then
  run("load data train sample:fashion-test --limit 512")
  run("load data test sample:fashion-test --limit 200")
else
  run("load data train " .. spec("train"))
  run("load data test " .. spec("test"))
end

local function exists(path)
  local file = io.open(path)
  if file then file:close() end
  return file ~= nil
end

-- The run NAME: started with `command` and its options, or continued.
function P.trained(name, command, options)
  if not P.quick then
    local folder = P.runs .. "/" .. name
    if exists(folder .. "/config.json") then return resume{folder, into = name} end
    options.run = folder
  end
  options[1] = options[1] or name
  return command(options)
end

-- Of a predictor, with the recipe among its options and, where it is not the paper's, in its name.
local function tagged(name)
  return P.recipe == "paper" and name or name .. "_" .. P.recipe
end
local function predictor(name, command, options)
  options.recipe = P.recipe
  return P.trained(tagged(name), command, options), tagged(name)
end

if P.net then
  P.parameters = run("load net base " .. P.net).parameters
else
  P.trained("base", fit, {arch = P.arch, data = "train", on = "test", epochs = P.quick and 1 or tonumber(P.epochs), seed = 1})
end
P.source = evaluate{"base", "test"}.accuracy

-- The hidden sizes: those of hidden=, or the script's.
function P.sizes(full, quick)
  if P.quick then return quick end
  local sizes = {}
  for size in P.hidden_sizes:gmatch("[^,]+") do sizes[#sizes + 1] = math.tointeger(tonumber(size)) end
  return #sizes > 0 and sizes or full
end

-- The number of hidden units that gives a compression ratio, of all parameters (docs/method.md, section 1).
function P.hidden(cr)
  return math.floor((-253 + math.sqrt(253 ^ 2 + 12 * (cr * P.parameters - 9))) / 6 + 0.5)
end

-- The compression ratios: those of cr=, or the script's `full`, `quick` in its quick form.
function P.ratios(full, quick)
  if P.quick then return quick end
  local ratios = {}
  for ratio in P.cr:gmatch("[^,]+") do ratios[#ratios + 1] = tonumber(ratio) end
  return #ratios > 0 and ratios or full
end

-- The schemes. Each returns the row of the run; the predictor has the run's name.
-- more: other options; suffix names them.
function P.recon(hidden, seed, net, more, suffix)
  net = net or "base"
  local name = ("recon_%s_h%d_s%d"):format(net, hidden, seed) .. (suffix and "_" .. suffix or "")
  local options = {net = net, hidden = hidden, steps = P.steps.recon, seed = seed, on = "test"}
  for key, value in pairs(more or {}) do options[key] = value end
  return predictor(name, train, options)
end
-- With as many steps as joint training, whose steps cost a hundred times as much.
function P.brief(hidden, seed)
  local name = ("recon_h%d_s%d_%d"):format(hidden, seed, P.steps.images)
  return predictor(name, train, {net = "base", hidden = hidden, steps = P.steps.images, seed = seed, on = "test"})
end
function P.joint(hidden, seed, alpha, beta)
  local name = ("joint_h%d_s%d"):format(hidden, seed) .. (alpha and ("_%g_%g"):format(alpha, beta):gsub("[.-]", "_") or "")
  return predictor(name, train, {net = "base", hidden = hidden, steps = P.steps.images, seed = seed, scheme = "joint",
    data = "train", on = "test", alpha = alpha, beta = beta})
end
-- Phase 2 on a recon run; more: options such as teacher = NAME, data = NAME, alpha, beta; suffix names them.
function P.decoupled(hidden, seed, more, suffix)
  local _, from = P.recon(hidden, seed)
  local options = {from = from, steps = P.steps.images, seed = seed, scheme = "distil", data = "train", on = "test"}
  for key, value in pairs(more or {}) do options[key] = value end
  local name = ("distil_h%d_s%d"):format(hidden, seed) .. (suffix and "_" .. suffix or "")
  return predictor(name, train, options)
end
function P.progressive(hidden, seed, rounds)
  local name = ("progressive_h%d_s%d"):format(hidden, seed)
  return predictor(name, progressive, {"base", into = tagged(name), hidden = hidden, seed = seed, rounds = rounds,
    trials = P.trials, patience = rounds, steps = P.steps.progressive, on = "test"})
end

-- A stronger teacher: the one of teacher=, or one trained here, twice as wide and deeper.
function P.load_teacher()
  if P.teacher then
    run("load net teacher " .. P.teacher)
  else
    P.trained("teacher", fit, {arch = P.quick and "resnet8" or "resnet20", widths = P.quick and "8" or "16", data = "train",
      on = "test", epochs = P.quick and 1 or 20, seed = 1, ["label-smoothing"] = 0.05})
  end
  return evaluate{"teacher", "test"}.accuracy
end

-- Mean and sample standard deviation of f(seed), seeds 0, 1, ...
function P.over_seeds(f)
  local values, sum, squares = {}, 0, 0
  for seed = 0, P.seeds - 1 do
    values[#values + 1] = f(seed)
    sum = sum + values[#values]
  end
  local mean = sum / #values
  for _, value in ipairs(values) do squares = squares + (value - mean) ^ 2 end
  return mean, #values > 1 and math.sqrt(squares / (#values - 1)) or 0
end

-- For a sweep with a curve for each `part` over `option`: the best point of each curve that changes something, its interval, the
-- images that only it, only the source gets right, and the exact McNemar p value. It was chosen as the best: p is optimistic.
function P.best(sweep, part, option)
  local best, order = {}, {}
  for i = 1, #sweep do
    local point = sweep[i]
    local name = point[part]
    if point.distance > 0 and not (best[name] and best[name].accuracy >= point.accuracy) then
      if not best[name] then order[#order + 1] = name end
      best[name] = point
    end
  end
  local rows = {}
  for i, name in ipairs(order) do
    local p = best[name]
    rows[i] = {name, p[option], p.accuracy, p.accuracy_low, p.accuracy_high, p.only, p.only_vs, p.p_value}
  end
  print(tabulate("best", {part, option, "accuracy (%)", "accuracy_low (%)", "accuracy_high (%)", "only", "only_vs", "p_value"}, rows))
  print("source", P.source)
  print(sweep.notes.comparison)
end

-- Accuracy on corrupted images (OOD: 19 kinds, 5 severities) and under attack, on the first thousand test images, of the source and of the
-- named predictors and networks: {label, name}, ...
function P.robustness(models)
  run("load data few " .. (P.quick and "sample:fashion-test --limit 10" or spec("test") .. " --limit 1000"))
  local rows = {}
  local function add(label, net)
    local t = evaluate{net, "few", report = "full", seed = 0} -- of the corruptions, the same for all tables
    local p = evaluate{net, "few", vs = "base"}.p_value -- of the accuracy against the source's
    rows[#rows + 1] = {label, t.accuracy, t.accuracy_low, t.accuracy_high, p, t.ood, t.fgsm, t.ifgsm}
  end
  add("source", "base")
  for _, model in ipairs(models) do
    local made = pcall(reconstruct, {model[2], into = "rebuilt"})
    add(model[1], made and "rebuilt" or model[2])
  end
  print(tabulate("robustness", {"model", "accuracy (%)", "accuracy_low (%)", "accuracy_high (%)", "p_value", "ood (%)",
    "fgsm (%)", "ifgsm (%)"}, rows))
end

return P
