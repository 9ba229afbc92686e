# Completion of weft's own line for bash. Options and their choices come from `weft --help`.
# shellcheck shell=bash
_weft() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} usage choices=
    local models='*.@(weft|safetensors|pth|pt|th|bin|ckpt|npz|npy|pkl|onnx|json)'
    compopt -o filenames
    usage=$(COLUMNS=200 weft --help 2>/dev/null)
    case $before in
    -c | --command | -j | --threads | --seed | --max-memory) return ;;
    --format | --colour | --color | --graphics) # the help lists them: "table, csv or md"
        choices=$(grep -e "${before/%color/colour} " <<<"$usage" | grep -oE '[a-z]+(, [a-z]+)+ or [a-z]+')
        choices=${choices//, / } choices=${choices/ or / }
        ;;
    esac
    if [[ $word == -* ]]; then choices=$(sed -nE 's/^ +(-[a-zA-Z], )?(--[a-z-]+).*/\2/p' <<<"$usage"); fi
    if [ -n "$choices" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
    elif [ "$before" = lesson ]; then # names of lessons, and files of one's own
        mapfile -t COMPREPLY < <(compgen -W "$(weft --format csv lesson 2>/dev/null | sed -n '2,$s/,.*//p')" -- "$word"
            shopt -s extglob; compgen -d -- "$word"; compgen -f -X '!*.lesson' -- "$word")
    elif [ "$COMP_CWORD" -gt 1 ] && [[ $before != -* ]]; then # arguments of a script
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    else
        mapfile -t COMPREPLY < <(shopt -s extglob; compgen -d -- "$word"; compgen -f -X "!$models" -- "$word")
    fi
}
complete -F _weft weft
