#!/usr/bin/env bash
# make install into a folder, use what is there, make uninstall leaves nothing.
. "$(dirname "$0")/support/tap.sh"
prefix=$(cat "${BUILD:-build/release}/prefix") # the one that the program was built for: another would build it anew
root=$work/root installed=$work/root$prefix
settings=(MODE="${MODE:-release}" BUILD="${BUILD:-build/release}" PREFIX="$prefix" DESTDIR="$root")
check "install" make -s "${settings[@]}" install
check "the installed program runs" "$installed/bin/weft" -c 'expect 1 == 1'
equal "and finds the installed samples" "200" "$(cd / && WEFT_SAMPLES="$installed/share/weft/samples" "$installed/bin/weft" -c 'load net a sample:fashion-resnet8 --quiet
load data d sample:fashion-test --limit 200 --quiet
print(evaluate{"a", "d"}.images)' 2>&1)"
for sample in samples/*.weft samples/*.safetensors samples/*.gz samples/paper/* samples/lessons/*; do
    cmp -s "$sample" "$installed/share/weft/$sample" || missing="${missing-}$sample "
done
equal "every sample is there" "" "${missing-}"
check "the man page is there" cmp man/weft.1 "$installed/share/man/man1/weft.1"
check "zsh's completion is there" cmp completions/_weft "$installed/share/zsh/site-functions/_weft"

# bash's completion, as a shell uses it.
compopt() { :; }
try() { # WORD...: what would complete the last one
    local COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    _weft
    echo "${COMPREPLY[*]}"
}
PATH=$installed/bin:$PATH
# shellcheck source=../completions/weft.bash
. "$installed/share/bash-completion/completions/weft"
equal "every long option of --help is completed" "$(weft --help | grep -oE '^ +(-., )?--[a-z-]+' | grep -oE -- '--.*' | xargs)" "$(try weft --)"
equal "an option" "--max-memory" "$(try weft --max)"
equal "the formats" "table csv tsv json md" "$(try weft --format "")"
equal "colours" "auto always" "$(try weft --color a)"
equal "scripts" "samples/tour.weft" "$(try weft samples/to)"
equal "models" "samples/fashion-resnet20.safetensors" "$(try weft -q samples/fashion-resnet20)"
equal "what follows a script is any file" "README.md" "$(try weft samples/cutoff.weft READ)"
equal "lessons" "kernels" "$(try weft lesson ker)"
equal "commands are not completed" "" "$(try weft -c "")"

check "uninstall" make -s "${settings[@]}" uninstall
equal "nothing is left" "" "$(find "$root" -type f)"
finish
