# bash completion of isoflop: `source <(isoflop completions bash)`
_isoflop() {
    local program=${COMP_WORDS[0]} line=${COMP_LINE:0:COMP_POINT} reply
    # The shell expands `~` before it runs a program, and not before it completes one.
    case $program in "~/"*) program=$HOME/${program#"~/"} ;; esac
    COMPREPLY=()
    while IFS= read -r reply; do
        COMPREPLY+=("$reply")
    done < <("$program" complete bash --breaks="$COMP_WORDBREAKS" -- "$line" 2>/dev/null)
    # A folder and a parameter go on; anything else is a word.
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[/=] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -o nosort -F _isoflop isoflop 2>/dev/null || complete -F _isoflop isoflop
