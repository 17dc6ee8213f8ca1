# fish completion of isoflop: `isoflop completions fish > ~/.config/fish/completions/isoflop.fish`
function __isoflop_complete
    set -l given (commandline --current-process --tokenize --cut-at-cursor)
    set -l current (commandline --current-token --cut-at-cursor | string unescape)
    command $given[1] complete fish -- $given "$current" 2>/dev/null
end
complete --command isoflop --no-files --keep-order --arguments '(__isoflop_complete)'
