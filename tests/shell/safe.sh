#!/usr/bin/env bash
# Attacks on --safe: each runs in a folder of its own, and afterwards nothing outside that folder may have changed. All of them with the
# kernel's wall (Landlock) taken away, so that the gate of base stands alone; the first of them with it, too.
. "$(dirname "$0")/../support/tap.sh"
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 # Landlock keeps it from stopping the other threads
export WEFT_SAMPLES=$root/samples HOME=$work/home XDG_STATE_HOME=$work/home/state XDG_DATA_HOME=$work/home/data TMPDIR=$work/tmp
outside=$work/outside
mkdir -p "$HOME" "$TMPDIR" "$XDG_STATE_HOME/weft" "$XDG_DATA_HOME"

state() { # of all that lies outside: names, kinds, contents, modes
    find "$outside" "$HOME" "$TMPDIR" -printf '%P %y %m %s %T@ %l\n' | sort
    find "$outside" "$HOME" "$TMPDIR" -type f -exec cksum {} + | sort
}
fresh() { # a new working folder $here, beside things that somebody owns
    rm -rf "$outside" "$work/here"
    mkdir -p "$outside/folder" "$work/here/inner"
    here=$work/here
    echo profile >"$outside/.profile"; echo profile >"$HOME/.bashrc"
    cp "$root/tests/fixtures/tiny.safetensors" "$outside/net.safetensors"
    ln -s ../outside/.profile "$here/link"; ln -s "$outside/new" "$here/dangling"; ln -s ../outside/folder "$here/out"
    ln -s inner "$here/near"; ln "$outside/.profile" "$here/hard"
    ln -s /proc/self/cwd/../outside/folder "$here/magic"
    mkfifo "$here/pipe"
}
wrap=()
setup='load net n sample:fashion-resnet8 --quiet; load data d sample:fashion-test --limit 20 --quiet'
attack() { # NAME [SCRIPT]: standard input is the script
    fresh
    cat >"$here/attack.weft"
    local before after
    before=$(state)
    (cd "$here" && timeout 60 "${wrap[@]}" "$weft" --safe attack.weft >"$work/out" 2>"$work/err" </dev/null); local got=$?
    after=$(state)
    if [ "$got" -ge 124 ]; then not_ok "$1$how" "status $got: $(tail -2 "$work/err")"
    elif [ "$before" = "$after" ]; then ok "$1$how"
    else not_ok "$1$how" "$(diff <(echo "$before") <(echo "$after"))"; fi
}

first_attacks() {
    attack "a finaliser that runs when the session ends" <<'A'
load net net sample:fashion-resnet8 --quiet
keep = setmetatable({}, {__gc = function() pcall(save, {"net", "../outside/x.safetensors", force = true}); pcall(record, {"../outside/x.txt", force = true}); io.open("../outside/y", "w") end})
A
    attack "finalisers that make finalisers, and close" <<'A'
function evil() setmetatable({}, {__gc = function() pcall(io.open, "../outside/x", "w"); pcall(save, "n", "../outside/y"); evil() end}) end
n = 0; evil(); collectgarbage()
do local c <close> = setmetatable({}, {__close = function() pcall(io.open, "../outside/z", "w") end}) end
A
    attack "a coroutine, also one that is closed at the end" <<'A'
load net n sample:fashion-resnet8 --quiet
c = coroutine.wrap(function() pcall(save, {"n", "../outside/x.npz"}); pcall(io.open, "../outside/y", "a"); coroutine.yield() end)
c()
d = coroutine.create(function() local x <close> = setmetatable({}, {__close = function() io.open("../outside/z", "w") end}); coroutine.yield() end)
coroutine.resume(d); pcall(coroutine.close, d)
A
    attack "an error handler" <<'A'
load net n sample:fashion-resnet8 --quiet
xpcall(function() error("x") end, function() pcall(save, {"n", "../outside/x.npz"}); io.open("../outside/y", "w") end)
A
    attack "metatables of strings, and Lua's functions replaced" <<'A'
load net n sample:fashion-resnet8 --quiet
string.format = function() return "../outside/x" end; string.sub, string.find, string.match = string.format, string.format, string.format
getmetatable("").__index = function() return function() return "../outside/x" end end
getmetatable("").__add = function() return "../outside/x.npz" end
tostring = function() return "../outside/x.npz" end; type = tostring; pairs = tostring
pcall(save, {"n", setmetatable({}, {__tostring = function() return "../outside/x.npz" end})}); pcall(save, "n", "a" + "b"); pcall(run, "save n %s", "x")
A
    attack "every command that writes, to a path outside" <<'A'
load net n sample:fashion-resnet8 --quiet; load data d sample:fashion-test --limit 20 --quiet
sratio n --as t --quiet
for _, path in ipairs{"../outside/x", "../outside/folder/x", "out/x", "near/../../outside/x", "magic/x", "link", "dangling", "/proc/self/cwd/../outside/x", "out/../x", arg[0] .. "/../../outside/x", "/dev/shm/weft-safe-x"} do
  for _, end_ in ipairs{".safetensors", ".npz", ".onnx", ".csv", ".json", ".svg", ".png", ".pdf", ".txt", ""} do
    pcall(save, {"n", path .. end_, force = true}); pcall(save, {"d", path .. end_, force = true}); pcall(export, {"t", path .. end_, force = true})
    pcall(record, {path .. end_, force = true})
  end
  pcall(train, {"p", net = "n", hidden = 8, steps = 2, run = path})
  pcall(sweep, {"lowpass", "n", on = "d", over = "cutoff=2,3", run = path})
  pcall(fit, {"f", arch = "resnet8", data = "d", steps = 1, run = path})
  for _, mode in ipairs{"w", "a", "r+", "w+", "a+", "wb", "r+b"} do pcall(io.open, path, mode) end
  pcall(io.output, path); pcall(io.lines, path, "w"); pcall(io.input, path)
end
A
    attack "the libraries that --safe takes away" <<'A'
for _, f in ipairs{"execute", "remove", "rename", "tmpname", "getenv", "setlocale"} do pcall(os[f], "../outside/.profile", "../outside/moved") end
for _, f in ipairs{"popen", "tmpfile", "output"} do pcall(io[f], "touch ../outside/x", "w") end
pcall(function() package.loadlib("x", "*") end); pcall(function() require "os" end); pcall(dofile, "x"); pcall(function() debug.sethook() end)
g = load(string.char(27) .. "Lua"); f = io.open("code", "w"); f:write(string.char(27), "LuaS"); f:close(); pcall(loadfile, "code", "b")
for name in pairs(getmetatable(io.stdout).__index) do pcall(function() io.stdout[name](io.stdout, "../outside/x") end) end
A
}

more_attacks() {
    for line in '!touch ../outside/x' 'shell touch ../outside/x' 'cd ..' 'cd out' 'stop 1' 'train p --net n --hidden 8 --steps 2 --background' 'train p --net n --hidden 8 --steps 2 --run ../outside/r --background' \
        'resume ../outside --background' 'source ../outside/.profile' 'record link' 'record dangling' 'record out/x --force' 'save n link --force' 'lesson first' 'save n hard --force' "io.open('hard', 'a'):write('x')" \
        "io.open('hard', 'r+'):write('x')" "io.open('pipe', 'w')" "io.open('inner', 'w')" "io.open('link', 'r+'):write('x')" "io.open('near/../../outside/x', 'w')" 'sweep lowpass n --on d --over cutoff=2,3 --run out' \
        'progressive r --net n --on d --rounds 1 --trials 1 --hidden 8 --steps 2 --run out/p' 'save n /dev/null --force' 'export n ../outside/n.svg' 'plot t --save ../outside/x.svg' 'attach out' 'log out' 'jobs'; do
        attack "$line" <<<"$setup
$line"
    done
    # Links made between a check and its use: another process swaps a folder and a file for links out, as fast as it can.
    fresh; before=$(state)
    cat >"$here/attack.weft" <<'A'
load net n sample:fashion-resnet8 --quiet
for i = 1, 150 do
  local f = io.open("inner/x" .. i % 7, "w"); if f then f:write("x"); f:close() end
  f = io.open("file", "a"); if f then f:write("x"); f:close() end
  if i % 15 == 0 then pcall(save, {"n", "inner/n.npz", force = true, quiet = true}); pcall(save, {"n", "file", force = true}) end
  if i % 75 == 0 then pcall(train, {"p", net = "n", hidden = 4, steps = 1, run = "inner/run" .. i, quiet = true}) end
end
A
    (cd "$here" || exit
        python3 -c '
import os
while not os.path.exists("stop"):
    try:
        os.rename("inner", "inner2"); os.symlink("../outside/folder", "inner"); os.unlink("inner"); os.rename("inner2", "inner")
        os.symlink("../outside/.profile", "link2"); os.replace("link2", "file"); os.unlink("file"); open("file", "w").close()
    except OSError: pass' &
        racer=$!
        timeout 100 "${wrap[@]}" "$weft" --safe attack.weft >"$work/out" 2>"$work/err" </dev/null; touch stop; wait $racer)
    equal "a process that swaps folders and files for links$how" "$before" "$(state)"

    # What the environment names.
    if command -v script >/dev/null; then
        fresh; before=$(state)
        (cd "$here" && for file in ../outside/.profile "$HOME/.bashrc" "$here/link" ''; do
            printf 'print(1)\nquit\n' | env ${file:+WEFT_HISTFILE=$file} PAGER='touch ../outside/pager; cat' TERM=xterm timeout 20 script -qec "${wrap[*]} $weft --safe" /dev/null >"$work/out" 2>&1; done)
        contains "the prompt runs$how" "$(cat "$work/out")" "print(1)"
        equal "and keeps no history elsewhere, and starts no pager$how" "$before" "$(state)"
    else
        skip "a prompt" "script is not installed"
    fi

    # Run folders: what another program put there.
    [ -d "$work/run" ] || (cd "$work" && "$weft" -q -c "$setup" -c 'train p --net n --on d --hidden 8 --steps 4 --save-every 2 --run run')
    for name in lock log.csv config.json next.safetensors last.safetensors best.safetensors source.safetensors probe trial-1 "done"; do
        for target in ../../outside/.profile ../../outside/folder ../../outside/new; do
            fresh; before=$(state)
            cp -r "$work/run" "$here/r"; rm -rf "$here/r/$name"; ln -s "$target" "$here/r/$name"
            (cd "$here" && timeout 60 "${wrap[@]}" "$weft" --safe -q -c "$setup" -c 'pcall(resume, {"r"}); pcall(log, "r"); pcall(attach, "r"); pcall(jobs)
                pcall(train, {"p", net = "n", on = "d", hidden = 8, steps = 4, run = "r"}); pcall(sweep, {"lowpass", "n", on = "d", over = "cutoff=2,3", run = "r"})' >"$work/out" 2>"$work/err" </dev/null)
            equal "a run folder with a link at $name to $target$how" "$before" "$(state)"
        done
    done
}

how=''; first_attacks
if command -v strace >/dev/null && strace -e inject=landlock_create_ruleset:error=ENOSYS true 2>/dev/null; then
    wrap=(strace -f -o /dev/null -e trace=landlock_create_ruleset -e inject=landlock_create_ruleset:error=ENOSYS)
    how=' (without Landlock)'; first_attacks
else
    skip "the same without Landlock" "strace is not installed"
fi
more_attacks

# What --safe is for still works.
fresh
(cd "$here" && "$weft" --safe -q -c "$setup" -c 'save n a.safetensors; save n inner/b.npz; save n near/c.npz; save n '"$here"'/d.npz; record log.weft; train p --net n --on d --hidden 8 --steps 4 --run runs/a
resume runs/a; sweep lowpass n --on d --over cutoff=2,3 --run runs/s; f = io.open("t.txt", "w"); f:write("1\n2\n"); f:close(); f = io.open("t.txt", "a+"); f:write("3"); f:seek("set"); expect(f:read("a") == "1\n2\n3")
f:close(); expect (io.type(f) == "closed file"); for line in io.lines("t.txt") do last_line = line end; expect (last_line == "3")' >"$work/out" 2>"$work/err"; echo $?) >"$work/status"
equal "--safe allows work below the folder" "0" "$(cat "$work/status")$(cat "$work/err")"
for file in a.safetensors inner/b.npz inner/c.npz d.npz log.weft runs/a/config.json runs/s/done t.txt; do check "$file was made" test -s "$here/$file"; done
finish
