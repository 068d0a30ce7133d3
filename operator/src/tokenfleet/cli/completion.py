"""`tokenfleet completion`: print what a shell needs to complete commands, flags and names."""

import argparse
from typing import Any, Final

from tokenfleet.cli.examples import examples

BASH: Final = """\
# bash completion of tokenfleet; kubectl's own completion serves `kubectl tokenfleet`.
_tokenfleet() {
  local IFS=$'\\n' line last
  COMPREPLY=()
  last=$(kubectl_complete-tokenfleet "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) || return
  for line in $last; do
    case $line in
      :6) compopt -o nospace 2>/dev/null ;;
      :*) ;;
      *) COMPREPLY+=("${line%%$'\\t'*}") ;;
    esac
  done
}
complete -F _tokenfleet tokenfleet kubectl-tokenfleet
"""

ZSH: Final = """\
#compdef tokenfleet kubectl-tokenfleet
# zsh completion of tokenfleet; kubectl's own completion serves `kubectl tokenfleet`.
_tokenfleet() {
  local -a found
  local line
  for line in ${(f)"$(kubectl_complete-tokenfleet "${(@)words[2,CURRENT]}" 2>/dev/null)"}; do
    [[ $line == :* ]] && continue
    found+=("${${line%%$'\\t'*}//:/\\\\:}${${(M)line:#*$'\\t'*}:+:${line#*$'\\t'}}")
  done
  _describe 'tokenfleet' found
}
if [[ $funcstack[1] == _tokenfleet ]]; then
  _tokenfleet "$@"  # this file is the function that zsh loads at the first use
elif (( $+functions[compdef] )); then
  compdef _tokenfleet tokenfleet kubectl-tokenfleet
fi
"""

SHELLS: Final = {"bash": BASH, "zsh": ZSH}


def add_parser(subparsers: Any) -> None:
    """Add the sub-command."""
    parser = subparsers.add_parser(
        "completion",
        help="print completion for bash or zsh",
        description="Print completion of `tokenfleet` for a shell. `kubectl tokenfleet` needs only"
        " kubectl's own completion: kubectl asks kubectl_complete-tokenfleet, which is on PATH with"
        " the package.",
        **examples(
            ("bash > ~/.local/share/bash-completion/completions/tokenfleet", "for bash"),
            ('zsh > "${fpath[1]}/_tokenfleet"', "for zsh"),
        ),
    )
    parser.add_argument("shell", choices=sorted(SHELLS))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    print(SHELLS[args.shell], end="")
    return 0
