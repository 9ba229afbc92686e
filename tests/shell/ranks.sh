#!/usr/bin/env bash
# Several ranks, started by mpirun: the same numbers as one process has, files and output once, deaths, resuming.
. "$(dirname "$0")/../support/tap.sh"
kinds=
for kind in openmpi mpich; do
    if [ -x "$(dirname "$weft")/weft-mpi-$kind" ] && command -v "mpirun.$kind" >/dev/null; then kinds="$kinds $kind"
    else skip "$kind" "mpirun.$kind or its compiler mpicc.$kind is not installed"; fi
done
[ -n "$kinds" ] || finish
[ "${MODE-}" != asan ] || kinds=${kinds##* } # one is enough there: weft does the same under both
cd "$work" || exit 1
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl=self,vader
export OMPI_MCA_hwloc_base_binding_policy=none WEFT_THREADS=1 TMPDIR=${TMPDIR:-/tmp}
ranks() { # KIND N ARGUMENT...: weft on N ranks
    local kind=$1 n=$2; shift 2
    timeout 120 "mpirun.$kind" -n "$n" "$weft" "$@"
}
rank_process() { # SCRIPT RANK: the process that computes for a rank
    local each
    for each in $(pgrep -x weft); do
        { tr '\0' '\n' <"/proc/$each/environ"; } 2>/dev/null | grep -qx "OMPI_COMM_WORLD_RANK=$2\|PMI_RANK=$2" || continue
        { tr '\0' '\n' <"/proc/$each/cmdline"; } 2>/dev/null | grep -qxF "$1" && echo "$each"
    done | head -1
}
rows() { if [ -f "$1/log.csv" ]; then wc -l <"$1/log.csv"; else echo 0; fi; }
await_rows() { for _ in $(seq 600); do [ "$(rows "$1")" -gt "$2" ] && return; sleep 0.05; done; }

cat >small.weft <<'END'
load net base sample:fashion-resnet8
load data few sample:fashion-test --limit 40
lowpass base --cutoff 3 --into smooth --quiet
sweep lowpass base --over cutoff=0.5:24:6:log --each stage --on few
f = io.open("times", "a"); f:write("once\n"); f:close()
if last[1].accuracy > 1 and os.time() > 0 then interpolate("base", "smooth", {points = 5, on = "few"}) end
landscape base --random 2 --grid 17 --adaptive 0.3 --on few --seed 3
evaluate smooth few
export last table.csv --force
END
"$weft" small.weft >one.txt 2>one.err
check "the script runs by itself" test -s one.txt
rm -f times
for kind in $kinds; do
    for n in 2 4; do
        ranks "$kind" "$n" small.weft >"$kind-$n.txt" 2>"$kind-$n.err"
        equal "$kind, $n ranks: exit status" 0 $?
        check "$kind, $n ranks: the output of one process" cmp one.txt "$kind-$n.txt"
    done
done
equal "what a script writes, it writes once" "$(for kind in $kinds; do echo once; echo once; done)" "$(cat times)"
kind=${kinds# }
kind=${kind%% *}

# The points of a rank that dies go to the others; what rank 0 leaves is resumed.
cat >long.weft <<'END'
load net base sample:fashion-resnet20
load data few sample:fashion-test --limit 150
sweep lowpass base --over cutoff=0.5:24:14:log --each stage --on few --run runs/RUN
END
sed 's| --run runs/RUN||' long.weft >whole.weft
"$weft" whole.weft >whole.txt 2>/dev/null
for kind in $kinds; do
    sed "s|RUN|dies-$kind|" long.weft >"dies-$kind.weft"
    ranks "$kind" 3 "dies-$kind.weft" >dies.txt 2>dies.err &
    job=$!
    await_rows "runs/dies-$kind" 3
    victim=$(rank_process "dies-$kind.weft" 2)
    kill -9 "$victim"
    wait "$job"
    equal "$kind: a killed worker does not end the job" 0 $?
    check "$kind: nor change its numbers" cmp whole.txt dies.txt
    contains "$kind: and is named" "$(cat dies.err)" "weft: rank 2 ("
done
sed "s|RUN|ends|" long.weft >ends.weft
ranks "$kind" 3 ends.weft >/dev/null 2>&1 &
job=$!
await_rows runs/ends 3
kill -9 "$(rank_process ends.weft 0)"
wait "$job"
sleep 0.2
equal "without rank 0 no rank goes on" "" "$(rank_process ends.weft 1)$(rank_process ends.weft 2)"
before=$(rows runs/ends)
check "what was found is in the folder" test "$before" -gt 3 -a "$before" -lt 44
ranks "$kind" 2 -c "resume runs/ends" >resumed.txt 2>/dev/null
check "and another number of ranks goes on with it" cmp whole.txt resumed.txt

# Without the launcher, too, all ranks end.
sed "s|RUN|alone|" long.weft >alone.weft
for each in $kinds; do
    rm -rf runs/alone
    setsid "mpirun.$each" -n 2 "$weft" alone.weft >/dev/null 2>&1 &
    job=$!
    await_rows runs/alone 3
    kill -9 "$job"
    wait "$job" 2>/dev/null
    for _ in $(seq 100); do [ -z "$(rank_process alone.weft 0)$(rank_process alone.weft 1)" ] && break; sleep 0.1; done
    equal "$each: without the launcher no rank goes on" "" "$(rank_process alone.weft 0)$(rank_process alone.weft 1)"
    check "$each: rank 0 has saved its points" test "$(rows runs/alone)" -gt 3 -a "$(rows runs/alone)" -lt 44
done

# The launcher's terminal shows the progress of all ranks; a file does not. Long enough for a fast machine to show any.
sed 's|--limit 150|--limit 500|' whole.weft >shown.weft
for each in $kinds; do
    TERM=xterm COLUMNS=80 timeout 120 script -qec "mpirun.$each -n 2 $weft shown.weft" /dev/null </dev/null >screen.txt
    contains "$each: progress at a terminal" "$(tr '\r' '\n' <screen.txt)" "sweeping ["
    equal "$each: counted over all ranks" 43 "$(tr '\r' '\n' <screen.txt | sed -n 's|^sweeping .*\] [0-9]*/\([0-9]*\), [0-9]* s left.*|\1|p' | sort -u)"
    ranks "$each" 2 whole.weft >/dev/null 2>whole.err
    equal "$each: none in a file" 0 "$(grep -c 'sweeping' whole.err)"
done

# Other versions of weft are left out.
version=$("$weft" --version | sed -n '1s/^weft \([0-9.]*\).*/\1/p')
mkdir versions && sed "s/${version//./\\.}/${version//[0-9]/9}/g" "$weft" >versions/weft && chmod +x versions/weft
cp "$(dirname "$weft")/weft-mpi-$kind" versions
timeout 120 "mpirun.$kind" -n 1 "$weft" whole.weft : -n 1 versions/weft whole.weft >version.txt 2>version.err
equal "another version: exit status" 0 $?
check "another version: rank 0 does it all" cmp whole.txt version.txt
equal "another version: a line" 1 "$(grep -c '^weft: rank 1 (.*) is another version of weft; it is left out$' version.err)"

# Trials and rounds: the same predictors; a dead rank's trial goes on from its checkpoint. Columns of time are left out.
cat >trials.weft <<'END'
load net base sample:fashion-resnet8
load data few sample:fashion-test --limit 40
train p --net base --hidden 8 --steps 30 --trials 3 --on few
log p
save p p.safetensors --force
train q --net base --hidden 8 --steps 30 --trials 4 --on few --run runs/q
progressive base --hidden 16 --steps 20 --rounds 2 --patience 2 --trials 2 --on few --into r --run runs/r
save r r.safetensors --force
END
"$weft" trials.weft >trials-one.txt 2>/dev/null
mkdir one && mv runs/q runs/r p.safetensors r.safetensors one
ranks "$kind" 3 trials.weft >trials-three.txt 2>trials.err
equal "trials and rounds: exit status" 0 $?
check "the tables of one process" cmp trials-one.txt trials-three.txt
check "its predictor" cmp one/p.safetensors p.safetensors
check "its network" cmp one/r.safetensors r.safetensors
same=yes
for log in q/trial-{1..4}/log.csv r/round-{1,2}/trial-{1,2}/log.csv; do
    cmp -s <(cut -d, -f1-9 "one/$log") <(cut -d, -f1-9 "runs/$log") || same="no: $log"
done
equal "its logs" yes "$same"
cat >trial-dies.weft <<'END'
load net base sample:fashion-resnet8
train p --net base --hidden 48 --steps 600 --trials 3 --run runs/trial-dies --save-every 40
save p p.safetensors --force
END
"$weft" trial-dies.weft >dies-one.txt 2>/dev/null
mv p.safetensors one.safetensors; rm -r runs/trial-dies
ranks "$kind" 3 trial-dies.weft >dies.txt 2>dies.err &
job=$!
for _ in $(seq 600); do
    victim=$(rank_process trial-dies.weft 2)
    trial=$(grep -lx "$victim" runs/trial-dies/trial-*/lock 2>/dev/null)
    [ -n "$victim" ] && [ -n "$trial" ] && [ -f "${trial%lock}previous.safetensors" ] && break
    sleep 0.05
done
kill -9 "$victim"
wait "$job"
equal "a rank that dies in a trial does not end the job" 0 $?
contains "and is named" "$(cat dies.err)" "weft: rank 2 ("
check "the table is that of one process" cmp dies-one.txt dies.txt
check "the predictor, too" cmp one.safetensors p.safetensors

# Layers. The network is larger than the limit allows at once, so every rank opens its file.
python3 - <<'END'
import json, random, struct
exponents = bytes((i & 0x80) | (0x24 + i % 12) for i in range(256))  # float16 numbers from 0.02 to 1
for seed, path in enumerate(("large.safetensors", "other.safetensors")):
    header, data = {}, b""
    random.seed(seed)
    for name, rows, columns in ("a", 1024, 1024), ("b", 1536, 1024), ("c", 1024, 1024), ("d", 256, 64), ("e", 1024, 1024):
        both = bytearray(2 * rows * columns)
        both[::2], both[1::2] = random.randbytes(rows * columns), random.randbytes(rows * columns).translate(exponents)
        header[name + ".weight"] = {"dtype": "F16", "shape": [rows, columns], "data_offsets": [len(data), len(data) + len(both)]}
        data += both
    header = json.dumps(header).encode()
    open(path, "wb").write(struct.pack("<Q", len(header)) + header + data)
END
cat >layers.weft <<'END'
load net a large.safetensors
load net b other.safetensors
sratio a
sratio a --vs b
quality a --layers a,c,d
svscale a --factor 0.5 --last 100 --layers a,c,d --into s
save s scaled.safetensors --force --quiet
END
lazily=(--max-memory 150M)
"$weft" "${lazily[@]}" layers.weft >layers-one.txt 2>layers.err
mv scaled.safetensors scaled-one.safetensors
for each in $kinds; do
   
    ranks "$each" 2 "${lazily[@]}" layers.weft >layers.txt 2>layers.err
    equal "$each: layers of a large network: exit status" 0 $?
    check "$each: the numbers of one process" cmp layers-one.txt layers.txt
    check "$each: new weights of one process" cmp scaled-one.safetensors scaled.safetensors
    equal "$each: and nobody was left out" "" "$(grep '^weft: rank' layers.err)"
done
cat >layer-dies.weft <<'END'
load net a large.safetensors
for i = 1, 4 do quality{"a", layers = "a,b,c", matrix = true} end
END
"$weft" "${lazily[@]}" layer-dies.weft >layers-one.txt 2>/dev/null
for _ in 1 2 3 4 5; do # until it is killed in a layer, not between two commands
    ranks "$kind" 2 "${lazily[@]}" layer-dies.weft >layers.txt 2>layers.err &
    job=$!
    victim=
    for _ in $(seq 600); do
        victim=${victim:-$(rank_process layer-dies.weft 1)}
        [ -n "$victim" ] && read -ra stat <"/proc/$victim/stat" && [ "${stat[13]}" -ge 10 ] && break # it computes
        kill -0 "$job" || break
        sleep 0.02
    done 2>/dev/null
    kill -9 "$victim" 2>/dev/null
    wait "$job"
    status=$?
    grep -q "item)" layers.err && break
done
equal "a rank that dies while it computes a layer does not end the job" 0 "$status"
contains "its layer goes to another one" "$(cat layers.err)" "take over what it was doing (1 item)"
check "and the numbers are those of one process" cmp layers-one.txt layers.txt
# One without the memory for a layer leaves it to rank 0.
printf 'load net a large.safetensors\nsratio a\n' >little.weft
"$weft" "${lazily[@]}" little.weft >layers-one.txt 2>/dev/null
timeout 120 "mpirun.$kind" -n 1 "$weft" "${lazily[@]}" little.weft : -n 1 "$weft" --max-memory 2M little.weft >layers.txt 2>layers.err
equal "a rank with too little memory: exit status" 0 $?
check "the numbers of one process" cmp layers-one.txt layers.txt
equal "and a line that says so" 1 "$(grep -c '^weft: rank 1 .* could not do its part: layer .* limit 2.0 MiB .*; the others take over' layers.err)"
# `distance` reads more than it computes: it asks other ranks from some hundred million weights on.
python3 - <<'END'
import json, random, struct
rows, columns = 4096, 4096
size = 2 * rows * columns
header = {f"{name}.weight": {"dtype": "F16", "shape": [rows, columns], "data_offsets": [i * size, (i + 1) * size]} for i, name in enumerate("abcdefgh")}
header = json.dumps(header).encode()
for seed, path in enumerate(("wide.safetensors", "wider.safetensors")):
    random.seed(seed)
    with open(path, "wb") as file:  # a hole but for 4 KiB of each layer
        file.write(struct.pack("<Q", len(header)) + header)
        for i in range(8):
            file.seek(8 + len(header) + i * size + random.randrange(size // 2) // 2 * 2)
            file.write(bytes(random.randrange(1, 60) for _ in range(4096)))
        file.truncate(8 + len(header) + 8 * size)
END
printf 'load net a wide.safetensors\nload net b wider.safetensors\ndistance a b\n' >far.weft
"$weft" "${lazily[@]}" far.weft >layers-one.txt 2>/dev/null
ranks "$kind" 2 "${lazily[@]}" far.weft >layers.txt 2>layers.err
equal "distance: exit status" 0 $?
check "distance: the numbers of one process" cmp layers-one.txt layers.txt
equal "distance: nobody was left out" "" "$(grep '^weft: rank' layers.err)"
printf 'load net a wide.safetensors\nload net b wider.safetensors\nshell mv wider.safetensors gone\ndistance a b\n' >far.weft
ranks "$kind" 2 "${lazily[@]}" far.weft >layers.txt 2>layers.err
check "distance: a rank that lost a file leaves it to rank 0" cmp layers-one.txt layers.txt
contains "distance: it was asked" "$(cat layers.err)" "takes no part: $work/wider.safetensors: No such file or directory"
rm -f wide.safetensors gone
# A rank that sees another file takes no part. Rank 0 goes on with the one that it has opened.
different() { # NAME REASON COMMAND: what changes the file `seen` before the others open it
    cp large.safetensors seen.safetensors
    printf 'load net a seen.safetensors\nshell %s\nsratio a\nsratio a --layers a,b,c\n' "$3" >seen.weft
   
    ranks "$kind" 2 "${lazily[@]}" seen.weft >seen.txt 2>seen.err
    equal "$1: exit status" 0 $?
    contains "$1: is told" "$(cat seen.err)" "takes no part: $work/seen.safetensors: $2; the others go on"
    equal "$1: once" 1 "$(grep -c 'takes no part' seen.err)"
    check "$1: rank 0 does it all" cmp layers-one.txt seen.txt
}
"$weft" "${lazily[@]}" -c "load net a large.safetensors" -c "sratio a" -c "sratio a --layers a,b,c" >layers-one.txt 2>/dev/null
different "another file of the same size" "was last changed at another time than rank 0's file (cp -p and rsync -t keep the time)" \
    "cp other.safetensors new; mv new seen.safetensors"
different "other data" "holds other data than rank 0's file" \
    "cp other.safetensors new; touch -r seen.safetensors new; mv new seen.safetensors"
different "no file" "No such file or directory" "mv seen.safetensors gone"

# Threads of a rank: WEFT_THREADS, OMP_NUM_THREADS, SLURM_CPUS_PER_TASK, the cores that it may use; -j goes before all.
threads() { # ENVIRONMENT... [-- MPIRUN ARGUMENT...]: of rank 0
    local variables=() net=(-c "load net net sample:fashion-resnet8" -c "sratio net --layers 0 --dry-run --format table")
    while [ $# -gt 0 ] && [ "$1" != -- ]; do variables+=("$1"); shift; done
    if [ $# -gt 0 ]; then shift; else set -- -n 2 "$weft"; fi
    env -u WEFT_THREADS -u OMP_NUM_THREADS -u SLURM_CPUS_PER_TASK "${variables[@]}" \
        timeout 120 "mpirun.$kind" "$@" "${net[@]}" 2>/dev/null | sed -n 's/^seconds: .* on \([0-9]*\) threads*$/\1/p'
}
cores=$(env -u OMP_NUM_THREADS nproc)
half=$((cores > 1 ? cores / 2 : 1))
equal "threads: WEFT_THREADS is the first" 3 "$(threads WEFT_THREADS=3 OMP_NUM_THREADS=5 SLURM_CPUS_PER_TASK=7)"
equal "threads: then OMP_NUM_THREADS" 5 "$(threads OMP_NUM_THREADS=5 SLURM_CPUS_PER_TASK=7)"
equal "threads: then SLURM_CPUS_PER_TASK, on as many cores as there are" "$((cores < 7 ? cores : 7))" "$(threads SLURM_CPUS_PER_TASK=7)"
equal "threads: else ranks share the cores" "$half" "$(threads)"
equal "threads: of those that each of them may use" 1 "$(threads -- -n 1 taskset -c "$(taskset -cp $$ | sed 's/.*: *//; s/[-,].*//')" "$weft")"
equal "threads: -j goes before all" 4 "$(threads WEFT_THREADS=3 -- -n 2 "$weft" -j 4)"
for each in $kinds; do
    equal "$each: how many ranks are here, and the cores of each" "0 3 3 $((cores > 2 ? cores / 3 : 1))" \
        "$(echo | timeout 120 "mpirun.$each" -n 3 "$(dirname "$weft")/weft-mpi-$each" 2>/dev/null | grep '^0 ')"
done

# Errors and interruptions are those of one process.
ranks "$kind" 2 -c "load net base nowhere.pth" >/dev/null 2>nowhere.err
equal "a failure is that of rank 0" 3 $?
equal "and is told once" 1 "$(grep -c '^weft: .*nowhere.pth' nowhere.err)"
cat >fails.weft <<'END'
load net base sample:fashion-resnet8
load data few sample:fashion-test --limit 40
sweep svscale base --over factor=-1e38:1e38:5 --on few
END
"$weft" fails.weft 2>&1 >/dev/null | grep '^weft: \|^fails' >fails-one.txt
ranks "$kind" 3 fails.weft 2>&1 >/dev/null | grep '^weft: \|^fails' >fails-three.txt
check "a point that fails is reported as by one process" cmp fails-one.txt fails-three.txt
sed "s|RUN|stops|" long.weft >stops.weft
ranks "$kind" 3 stops.weft >/dev/null 2>&1 &
job=$!
await_rows runs/stops 3
kill -INT "$(rank_process stops.weft 0)"
wait "$job"
equal "Ctrl-C ends rank 0 as one process" 130 $?
check "with its points kept" test "$(rows runs/stops)" -gt 3 -a "$(rows runs/stops)" -lt 44
equal "standard input is rank 0's" "7" "$(echo 'print(3 + 4)' | ranks "$kind" 2 2>/dev/null)"
for each in $kinds; do
    for _ in 1 2 3; do ranks "$each" 4 -c "x = 1"; done >short.txt 2>&1
    equal "$each: a script that is over at once" "" "$(cat short.txt)"
done
equal "WEFT_RANKS=off: processes that know nothing of each other" "7
7" "$(WEFT_RANKS=off ranks "$kind" 2 -c 'print(3 + 4)' 2>/dev/null)"
finish
