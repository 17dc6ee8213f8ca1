#compdef isoflop
# zsh completion of isoflop: `source <(isoflop completions zsh)`
_isoflop() {
    local line value about
    local -a values shown more more_shown
    local -a given
    given=("${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}")
    while IFS= read -r line; do
        value=${line%%$'\t'*}
        about=${line#*$'\t'}
        if [[ $value == *[/=] ]]; then
            more+=("$value")
            more_shown+=("$value${about:+  -- $about}")
        else
            values+=("$value")
            shown+=("$value${about:+  -- $about}")
        fi
    done < <("${(e)words[1]}" complete zsh -- "${given[@]}" 2>/dev/null)
    (( $#values )) && compadd -l -V isoflop -d shown -- "${values[@]}"
    (( $#more )) && compadd -l -V isoflop-more -S '' -d more_shown -- "${more[@]}"
    return 0
}
if [[ $funcstack[1] == _isoflop ]]; then
    _isoflop "$@"
elif (( $+functions[compdef] )); then
    compdef _isoflop isoflop
fi
