#!/usr/bin/env bash
# The gate of weft/base/confine.h: no source but base's io.c and gate.c opens for writing, makes, renames, links or removes files, and none but
# those named here starts a process. Also proves that the check can fail.
set -u
cd "$(dirname "$0")/.." || exit
# shellcheck disable=SC2016 # $0 is awk's
check() { # FOLDER: prints findings
    find "$1/src" "$1/include" -name '*.[ch]' | sort | xargs awk -v root="$1/" '
    BEGIN {
        changes = "(creat|fopen|freopen|open|openat|openat2|mkdir|mkdirat|mkfifo|mkfifoat|mknod|mknodat|mkstemp|mkostemp|mkdtemp|tmpfile|tmpnam|link|linkat|" \
            "symlink|symlinkat|rename|renameat|renameat2|unlink|unlinkat|remove|rmdir|truncate|ftruncate|chmod|fchmod|fchmodat|chown|fchown|lchown|" \
            "fchownat|utime|utimes|utimensat|futimens|setxattr|append_history|write_history|history_truncate_file|shm_open|sem_open|mq_open|" \
            "luaL_dofile|sqlite3_open|fftwf_export_wisdom_to_filename)"
        starts = "(fork|vfork|clone|popen|system|posix_spawn|posix_spawnp|execl|execle|execlp|execv|execve|execvp|execvpe|fexecve|dlopen)"
    }
    function named(words) { # a call of one of them, not a member, a prefix or a name that ends so
        return match(line, "(^|[^A-Za-z0-9_>.])" words "[ ]*[(]")
    }
    FNR == 1 { file = FILENAME; sub(root, "", file) }
    {
        line = $0
        sub(/\/\/.*/, "", line); gsub(/"([^"\\]|\\.)*"/, "\"\"", line); gsub(/\/\*[^*]*\*\//, "", line)
        if (line ~ /^[ ]*(\/?\*|\*)/) next
        if (line ~ /O_RDONLY|O_PATH|FOLDER/ && line !~ /O_(WRONLY|RDWR|CREAT|TRUNC|APPEND)/) gsub(/(^|[^A-Za-z0-9_])open(at)?[ ]*[(]/, "", line)
        if (line ~ /fopen\([^,]*, ""\)/ && $0 ~ /fopen\([^,]*, "re?"\)/) sub(/fopen/, "", line)
        if (named(changes) && file !~ /^src\/base\/(io|gate)\.c$/ && !(line ~ /fchmod/ && file ~ /^src\/base\/(save|run_folder)\.c$/))
            print file ":" FNR ": changes files past the gate:" $0
        if (named(starts) && file !~ /^src\/(base\/ranks\.c|shell\/(background|pager)\.c|shell\/commands\/shell\.c|tui\/ask\.c)$/)
            print file ":" FNR ": starts a process:" $0
    }'
}
echo 1..2
findings=$(check .)
if [ -z "$findings" ]; then echo "ok 1 - what changes files passes the gate"; else echo "$findings"; echo "not ok 1 - the gate"; fi
bad=$(mktemp -d)
trap 'rm -rf "$bad"' EXIT
mkdir -p "$bad/src/base" "$bad/src/shell" "$bad/include"
echo 'int f(void) { return unlink("x"); }' >"$bad/src/base/a.c"
echo 'int f(void) { return open(path, O_WRONLY); }' >"$bad/src/shell/b.c"
echo 'FILE *f = fopen(path, "w");' >"$bad/src/shell/c.c"
echo 'int r = rename (a, b), s = system(line);' >"$bad/src/shell/d.c"
echo 'FILE *f = fopen(path, "re"); int fd = open(path, O_RDONLY); reader->open(file); io_rename(a, b); /* unlink(x) */' >"$bad/src/shell/e.c"
echo 'int f(void) { return unlink("x"); }' >"$bad/src/base/io.c"
found=$(check "$bad" | sed 's/:.*//' | sort | tr '\n' ' ')
expected="src/base/a.c src/shell/b.c src/shell/c.c src/shell/d.c src/shell/d.c "
if [ "$found" = "$expected" ]; then echo "ok 2 - a call past the gate is found"; else echo "# found: $found"; echo "not ok 2 - the check does not find such calls"; fi
