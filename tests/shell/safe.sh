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

# What a script can reach from its globals, strings and files must hold nothing of debug, and no way to other programs.
reach() {
    fresh
    cat >"$here/attack.weft" <<'A'
bad = {sethook = 1, gethook = 1, getregistry = 1, getmetatables = 1, getupvalue = 1, setupvalue = 1, upvaluejoin = 1, getlocal = 1, setlocal = 1, getinfo = 1, traceback = 1, setuservalue = 1,
  popen = 1, execute = 1, loadlib = 1, searchpath = 1, dump = 1, tmpfile = 1, tmpname = 1, getenv = 1, dofile = 1, require = 1}
seen, count = {}, 0
function walk(v, path)
  local kind = type(v)
  if (kind == "table" or kind == "userdata") and not seen[v] then
    seen[v] = true; count = count + 1
    if kind == "table" then for k, w in next, v do
      if bad[k] and type(w) == "function" then print("reached " .. path .. "." .. k); pcall(w, "touch ../outside/x", "w"); pcall(w, function() io.open("../outside/y", "w") end, "c") end
      walk(k, path .. "[key]"); walk(w, path .. "." .. tostring(k))
    end end
  end
  local ok, meta = pcall(getmetatable, v)
  if ok and type(meta) == "table" and not seen[meta] then walk(meta, path .. "<meta>") end
end
walk(_G, "_G"); walk("", "string"); walk(io.stdout, "file"); walk(coroutine.create(print), "thread"); walk(print, "function"); walk(1, "number"); walk(true, "boolean"); walk(nil, "nil")
print("walked " .. (count > 12 and "everything" or count))
A
    local before after; before=$(state)
    (cd "$here" && timeout 60 "${wrap[@]}" "$weft" --safe attack.weft >"$work/out" 2>"$work/err" </dev/null); after=$(state)
    equal "nothing of debug, and no way to other programs, can be reached$how" "walked everything" "$(grep -E '^(reached|walked)' "$work/out")"
    equal "and nothing outside is touched$how" "$before" "$after"
}

more_attacks() {
    reach
    attack "debug by every name" <<'A'
for _, name in ipairs{"sethook", "getregistry", "setmetatable", "getinfo", "getupvalue", "upvaluejoin"} do
  pcall(function() debug[name](function() io.open("../outside/x", "w") end, "c", 1) end)
  pcall(function() require("debug")[name]() end); pcall(function() package.loaded.debug[name]() end); pcall(function() _G["debug"][name]() end); pcall(load, "debug." .. name .. "()")
end
A
    attack "coroutines that die with finalisers, and error handlers in error handlers" <<'A'
load net n sample:fashion-resnet8 --quiet
function evil() pcall(io.open, "../outside/x", "w"); pcall(save, {"n", "../outside/y.npz", force = true}); pcall(record, {"../outside/z", force = true}); pcall(run, "export n ../outside/n.svg") end
for i = 1, 20 do
  local c = coroutine.create(function() local x <close> = setmetatable({}, {__close = evil, __gc = evil}); coroutine.yield(); error(setmetatable({}, {__tostring = evil, __gc = evil})) end)
  coroutine.resume(c); if i % 2 == 0 then coroutine.resume(c); coroutine.close(c) end
end
collectgarbage(); collectgarbage("step", 0); pcall(collectgarbage, "generational")
xpcall(function() xpcall(error, function() evil(); error(setmetatable({}, {__gc = evil})) end) error("again") end, function(m) xpcall(evil, evil); return setmetatable({}, {__tostring = evil, __gc = evil, __name = "../outside/x"}) end)
function deep() return xpcall(deep, evil) end deep()
keep = coroutine.wrap(function() while true do evil(); coroutine.yield() end end); keep(); setmetatable(_G, {__gc = evil, __index = function(_, k) evil() end, __newindex = evil}); undefined = undefined2
error(setmetatable({}, {__tostring = function() evil() return "x" end, __gc = evil}))
A
    for line in 'resume ../outside/folder' 'resume out' 'resume near/../../outside/folder' "pcall(resume, {'out', background = true})" 'sweep lowpass n --on d --over cutoff=2,3 --run r --background' 'fit f --arch resnet8 --data d --steps 1 --run ../outside/f --background' \
        'record ../outside/folder/new' 'record magic/x' 'record /proc/self/cwd/../outside/x' "export n out/x.svg" "export n link --force" "export n /proc/self/root$outside/x.svg" 'save n ../outside/folder --force' 'save n out --force' 'save n magic/x.npz' 'save n near/../../outside/x.npz' \
        'save n ../outside/s.safetensors --shard-size 100K' 'save n out/s.safetensors --shard-size 100K' 'save n s.safetensors --shard-size 100K'; do
        attack "$line" <<<"$setup
$line"
    done
    for body in 'while true do end' 'local t = {} for i = 1, 1e9 do t[i] = {i, tostring(i)} end' 'local function f() return 1 + f() end f()' 'local s = "x" for i = 1, 60 do s = s .. s end' 'string.rep("x", 1e9)' 'setmetatable({}, {__gc = function() io.open("../outside/x", "w") end})' \
        'io.open("../outside/x", "w"):write("x")' 'os.execute("touch ../outside/x")' 'load("io.open(\"../outside/x\", \"w\")")()' 'require("os").remove("../outside/.profile")' 'error(setmetatable({}, {__tostring = function() return "x" end}))' 'debug.getregistry()' 'coroutine.wrap(function() while true do end end)()' \
        'local t = {} t[1e15] = 1 for i = 1, 1e8 do t[-i] = i end' '("x"):rep(1e9)' 'family{name = "../../outside/x", help = "h", repositories = {}, signature = {}, presets = {}, forward = function() while true do end end}'; do
        fresh; echo "$body" >"$here/a.lua"; before=$(state)
        (cd "$here" && timeout 60 "${wrap[@]}" "$weft" --safe -q -c 'load net n sample:fashion-resnet8 --arch ./a.lua' >"$work/out" 2>"$work/err" </dev/null); got=$?
        equal "a definition: $body$how" "3 1 $before" "$got $(grep -c '^weft: ' "$work/err") $(state)"
    done
    # What the environment names is either below the folder or left alone.
    for variable in HOME TMPDIR XDG_STATE_HOME XDG_DATA_HOME XDG_CONFIG_HOME XDG_CACHE_HOME XDG_RUNTIME_DIR WEFT_DATA WEFT_SAMPLES WEFT_HISTFILE WEFT_RANKS LUA_INIT LUA_INIT_5_4 LUA_PATH LUA_CPATH TERMINFO TERMINFO_DIRS INPUTRC PAGER EDITOR VISUAL \
        LESSOPEN LOCPATH OPENBLAS_CORETYPE FONTCONFIG_FILE GCONV_PATH; do
        case $variable in LUA_INIT*) value="@$outside/evil.lua" ;; LUA_*) value="$outside/?.lua;./?.lua" ;; *PAGER | EDITOR | VISUAL | LESSOPEN) value="touch $outside/started" ;; WEFT_RANKS) value=on ;; WEFT_SAMPLES) value=$WEFT_SAMPLES ;;
            INPUTRC | *FILE) value=$outside/file ;; *) value=$outside/folder ;; esac
        fresh; echo 'io.open("../outside/x", "w")' >"$outside/evil.lua"; printf '%s\n' 'set editing-mode vi' "\$include /dev/null" >"$outside/file"; before=$(state)
        printf '%s\n' "$setup" 'lowpass n --cutoff 3 --into s --quiet; train p --net n --hidden 8 --steps 2 --run r --quiet; jobs; lesson first --auto; svscale n --factor 2 --into v --quiet' >"$here/attack.weft"
        (cd "$here" && timeout 60 env "$variable=$value" "${wrap[@]}" "$weft" --safe attack.weft >"$work/out" 2>"$work/err" </dev/null)
        equal "$variable=$value$how" "$before" "$(state)"
    done
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

# Scripts read regular files only: nothing waits for ever. With --safe and without.
fresh
cat >"$here/read.weft" <<'A'
f, why = io.open("pipe"); print(f, why); print(select(2, pcall(io.lines, "pipe"))); print(select(2, pcall(io.input, "pipe"))); print(select(2, loadfile("pipe"))); print(select(2, io.open("/dev/zero", "rb")))
if dofile then print(select(2, pcall(dofile, "pipe"))) else print("pipe: is not a regular file") end
A
for option in --safe --quiet; do
    equal "Lua's functions do not wait for a pipe ($option)" "nil pipe: is not a regular file,$(for _ in 1 2 3; do printf 'pipe: is not a regular file,'; done)/dev/zero: is not a regular file,pipe: is not a regular file," \
        "$(cd "$here" && timeout 20 "$weft" "$option" read.weft 2>&1 </dev/null | tr '\t\n' ' ,')"
done

# Nor does it open one: whoever waits at the other end goes on waiting.
(echo text >"$here/pipe") & writer=$!
sleep 0.2; (cd "$here" && timeout 20 "$weft" --safe -q -c 'io.open("pipe"); pcall(load, {"net", "n", "pipe"})' >"$work/out" 2>&1 </dev/null); sleep 0.2
check "a pipe that is named is not opened" kill -0 "$writer"
kill "$writer"

# As ranks: the programs that find them are weft's own, and start in /, before anything of the script is read.
cat >"$here/ranks.weft" <<'A'
load net n sample:fashion-resnet8 --quiet; load data d sample:fashion-test --limit 20 --quiet
sweep lowpass n --on d --over cutoff=2,3,4 --run swept --quiet
pcall(io.open, "../outside/x", "w"); pcall(save, {"n", "../outside/x.npz"}); pcall(sweep, {"lowpass", "n", on = "d", over = "cutoff=2,3", run = "out/r"}); pcall(train, {"t", net = "n", hidden = 4, steps = 1, trials = 2, run = "../outside/t"})
A
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl=self,vader OMPI_MCA_hwloc_base_binding_policy=none
for kind in openmpi mpich; do
    if [ ! -x "$(dirname "$weft")/weft-mpi-$kind" ] || ! command -v "mpirun.$kind" >/dev/null; then skip "--safe with mpirun.$kind" "it is not installed"; continue; fi
    rm -rf "$here/swept"; before=$(state | grep -v "^ d\|ompi\|pmix\|hydra")
    printf '#!/bin/sh\ntouch "%s/started"\n' "$outside" >"$here/weft-mpi-$kind"; chmod +x "$here/weft-mpi-$kind"
    (cd "$here" && PATH=.:$PATH TMPDIR=/tmp timeout 100 "mpirun.$kind" -n 2 "$weft" --safe -q ranks.weft >"$work/out" 2>"$work/err" </dev/null); got=$?
    equal "--safe with mpirun.$kind" "0 5 $before" "$got $(grep -c ^ "$here/swept/log.csv") $(state | grep -v "^ d\|ompi\|pmix\|hydra")"
done
if command -v strace >/dev/null && [ -x "$(dirname "$weft")/weft-mpi-mpich" ]; then
    (cd "$here" && PMI_RANK=0 PMI_SIZE=2 timeout 20 strace -f -o "$work/trace" -e trace=execve,chdir "$weft" --safe -q -c 'print(1)' >"$work/out" 2>"$work/err" </dev/null)
    equal "the program that finds the ranks starts in /" 'chdir("/") = 0,execve("weft-mpi-mpich",' \
        "$(sed -nE 's/^[0-9]+ +(chdir.*)/\1/p; s/^[0-9]+ +execve\("[^"]*\/(weft-mpi-[a-z]*)".*/execve("\1"/p' "$work/trace" | tr -s ' ' | tr '\n' ',')"
fi

# A terminal gets no control characters from a script; a file gets what is written, as without --safe.
cat >"$here/colours.weft" <<'A'
io.write("\27[31mred\n", 7, "\t\27]0;title\7\n")
io.stderr:write("\27[2J", 1.5, "\n"):write("\155\0x\n"); print("\27c"); f = io.stdout; f:write("end\n")
A
(cd "$here" && TERM=xterm timeout 20 script -qec "$weft --safe colours.weft" /dev/null </dev/null >"$work/out")
equal "--safe: a terminal gets no control characters" '\x1b[31mred,7	\x1b]0;title\x07,\x1b[2J1.5,\x9b\x00x,\x1bc,end,' "$(tr -d '\r' <"$work/out" | tr '\n' ',')"
"$weft" --safe "$here/colours.weft" >"$work/out" 2>/dev/null
equal "--safe: a file gets what is written" '1b5b33316d7265640a37091b5d303b7469746c65070a1b630a656e640a' "$(od -An -tx1 "$work/out" | tr -d ' \n')"
# What --safe is for still works.
fresh
(cd "$here" && "$weft" --safe -q -c "$setup" -c 'save n a.safetensors; save n inner/b.npz; save n near/c.npz; save n '"$here"'/d.npz; record log.weft; train p --net n --on d --hidden 8 --steps 4 --run runs/a
resume runs/a; sweep lowpass n --on d --over cutoff=2,3 --run runs/s; f = io.open("t.txt", "w"); f:write("1\n2\n"); f:close(); f = io.open("t.txt", "a+"); f:write("3"); f:seek("set"); expect(f:read("a") == "1\n2\n3")
f:close(); expect (io.type(f) == "closed file"); for line in io.lines("t.txt") do last_line = line end; expect (last_line == "3")' >"$work/out" 2>"$work/err"; echo $?) >"$work/status"
equal "--safe allows work below the folder" "0" "$(cat "$work/status")$(cat "$work/err")"
for file in a.safetensors inner/b.npz inner/c.npz d.npz log.weft runs/a/config.json runs/s/done t.txt; do check "$file was made" test -s "$here/$file"; done
finish
