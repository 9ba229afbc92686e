#!/usr/bin/env bash
# Loading files that nobody trusts, watched by strace: no other program is started, no socket is opened, nothing is
# opened but the named files (and those beside them that they name), and nothing for writing.
. "$(dirname "$0")/../support/tap.sh"
if ! command -v strace >/dev/null; then
    skip "system calls while hostile files are loaded" "no strace (apt-get install strace)"
    finish
fi
if ! strace -o /dev/null true 2>/dev/null; then
    skip "system calls while hostile files are loaded" "strace may not trace here"
    finish
fi
"${BUILD:-build/release}/tests/format/test_hostile" --write "$work/files" >"$work/list" 2>"$work/err" ||
    not_ok "the list is written" "$(cat "$work/err")"
mkdir "$work/fixtures"
find tests/fixtures -maxdepth 1 -type f \( -name '*.safetensors' -o -name '*.np[yz]' -o -name '*.pth' -o -name '*.th' \
    -o -name '*.onnx' -o -name '*.data' -o -name '*.json' \) -exec cp {} "$work/fixtures" \;
{
    while IFS=$'\t' read -r _ name load _ _; do
        case $load in
        net) line="load net t '$work/files/$name' --quiet" ;;
        arch) line="load net t sample:fashion-resnet8 --arch '$work/files/$name' --quiet" ;;
        predictor) line="load predictor t '$work/files/$name' --quiet" ;;
        *) line="load data t '$load' --quiet" ;;
        esac
        echo "pcall(run, [=[$line]=])"
    done <"$work/list"
    for file in "$work"/fixtures/*; do echo "pcall(run, [=[load net t '$file' --quiet]=])"; done
    echo 'print("all of them")'
} >"$work/load.weft"
said=$(cd "$work" && XDG_DATA_HOME=$work/data WEFT_SAMPLES=$root/samples WEFT_THREADS=2 strace -f -qq -o "$work/trace" \
    -e trace=execve,execveat,fork,vfork,connect,socket,bind,open,openat,openat2,creat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,link,linkat,symlink,symlinkat,truncate,chmod,fchmod,fchmodat,ptrace,kill,tgkill \
    "$weft" -q load.weft 2>"$work/err")
equal "every file was tried" "all of them" "$said"
# From the script on: what was before belongs to the start of the program.
awk 'after; /openat\(.*load\.weft"/ { after = 1 }' "$work/trace" | grep -v 'resumed>' >"$work/calls"
calls=$(wc -l <"$work/calls")
if [ "$calls" -gt 300 ]; then ok "the trace holds the calls ($calls)"; else not_ok "the trace holds the calls" "$calls"; fi
equal "no program is started" "" "$(grep -E ' (execve|execveat|fork|vfork)\(' "$work/calls" | head -n 5)"
equal "no socket is opened" "" "$(grep -E ' (socket|connect|bind)\(' "$work/calls" | head -n 5)"
equal "nothing is opened for writing, made, renamed or removed" "" "$(grep -E 'O_WRONLY|O_RDWR|O_CREAT|O_TRUNC| (creat|rename|renameat|renameat2|unlink|unlinkat|mkdir|mkdirat|link|linkat|symlink|symlinkat|truncate|chmod|fchmod|fchmodat)\(' "$work/calls" | head -n 5)"
equal "no process is touched" "" "$(grep -E ' (ptrace|kill|tgkill)\(' "$work/calls" | head -n 5)"
# The named files; the samples and the definitions that weft brings along; what the system says of its memory and
# processors; the words of the C library's messages; the seed of the table that reads JSON.
outside=$(sed -nE 's/.* open(at|at2)?\((AT_FDCWD|[0-9]+), "([^"]*)".*/\3/p' "$work/calls" |
    grep -vE "^($work/(files|fixtures)(/|\$)|$root/samples/|/proc/(self|meminfo|cpuinfo)|/sys/fs/cgroup|/sys/devices/system/cpu|$work/data/weft/arch\$|/usr/share/locale/|/dev/urandom\$|[^/.][^/]*\$|\.\$)" | sort | uniq -c | head -n 10)
equal "nothing is opened but the named files" "" "$outside"
finish
