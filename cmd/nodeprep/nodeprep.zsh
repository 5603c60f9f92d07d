#compdef nodeprep kubectl-nodeprep
# zsh completion for nodeprep
# SPDX-License-Identifier: Apache-2.0

# The program knows what may follow: its last line says whether files may, too.
_nodeprep() {
	local -a list
	local line

	for line in ${(f)"$(${words[1]} __complete "${(@)words[2,CURRENT]}" 2>/dev/null)"}; do
		case $line in
		:0) _files ;;
		:*) ;;
		*) list+=(${line%%$'\t'*}) ;;
		esac
	done
	compadd -a list
}

# An installed copy is loaded as the body of the function; a sourced one registers it.
if [[ ${funcstack[1]:-} == _nodeprep ]]; then
	_nodeprep "$@"
else
	compdef _nodeprep nodeprep kubectl-nodeprep
fi
