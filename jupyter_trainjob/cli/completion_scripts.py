"""The completion scripts of ``jupyter trainjob`` for bash, zsh and fish."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_BASH: Final = r"""# Completion of `jupyter trainjob`. In ~/.bashrc:  source <(jupyter trainjob completion bash)
_jupyter_trainjob() {
  local line="${COMP_LINE:0:COMP_POINT}" current="${COMP_WORDS[COMP_CWORD]}" program="${COMP_WORDS[0]}" word found
  [ "${program##*/}" = jupyter-trainjob ] || program="$program-trainjob"
  case "$current" in = | :) current="" ;; esac
  word="${line##* }"
  COMPREPLY=()
  while IFS=$'\t' read -r found _; do
    COMPREPLY+=("${found#"${word%"$current"}"}")
  done < <("$program" __complete "$line" 2>/dev/null)
}
complete -o default -F _jupyter_trainjob jupyter-trainjob
# An earlier completion of `jupyter` keeps completing its other subcommands.
_jupyter_other=$(complete -p jupyter 2>/dev/null | sed -n 's/.*-F \([^ ]*\).*/\1/p')
_jupyter_and_trainjob() {
  if [ "${COMP_WORDS[1]}" = trainjob ] && [ "$COMP_CWORD" -gt 1 ]; then
    _jupyter_trainjob "$@"
  elif [ -n "$_jupyter_other" ] && [ "$_jupyter_other" != _jupyter_and_trainjob ]; then
    "$_jupyter_other" "$@"
  fi
}
complete -o default -F _jupyter_and_trainjob jupyter"""

_ZSH: Final = r"""# Completion of `jupyter trainjob`. In ~/.zshrc:  source <(jupyter trainjob completion zsh)
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }
_jupyter_trainjob() {
  local program=${words[1]} found help
  local -a matches shown
  [[ ${program:t} = jupyter-trainjob ]] || program=$program-trainjob
  while IFS=$'\t' read -r found help; do
    matches+=("$found")
    shown+=("$found${help:+  -- $help}")
  done < <("$program" __complete "${(j: :)words[1,CURRENT-1]} $PREFIX" 2>/dev/null)
  (( $#matches )) && compadd -l -d shown -a matches
}
# An earlier completion of `jupyter` keeps completing its other subcommands.
[[ ${_comps[jupyter]} = _jupyter_and_trainjob ]] || typeset -g _jupyter_other=${_comps[jupyter]}
_jupyter_and_trainjob() {
  if [[ ${words[2]} = trainjob ]] && (( CURRENT > 2 )); then
    _jupyter_trainjob
  elif [[ -n $_jupyter_other ]]; then
    $_jupyter_other "$@"
  else
    _default
  fi
}
compdef _jupyter_trainjob jupyter-trainjob
compdef _jupyter_and_trainjob jupyter"""

_FISH: Final = r"""# Completion of `jupyter trainjob`. In config.fish:  jupyter trainjob completion fish | source
function __jupyter_trainjob
    set -l before (commandline -opc)
    set -l program $before[1]
    string match -q '*jupyter-trainjob' -- $program; or set program $program-trainjob
    $program __complete (string join ' ' -- $before (commandline -ct)) 2>/dev/null
end
function __jupyter_runs_trainjob
    set -l before (commandline -opc)
    test (count $before) -ge 2; and test $before[2] = trainjob
end
complete -c jupyter-trainjob -f -a '(__jupyter_trainjob)'
complete -c jupyter -n __jupyter_runs_trainjob -f -a '(__jupyter_trainjob)'"""

SCRIPTS: Final[Mapping[str, str]] = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
"""By the name of the shell."""
