# bash completion for nodeprep
# SPDX-License-Identifier: Apache-2.0

# The program knows what may follow: its last line says whether files may, too.
_nodeprep() {
	local cur=${COMP_WORDS[COMP_CWORD]} line

	[ "$cur" != = ] || cur=
	COMPREPLY=()
	while IFS= read -r line; do
		case $line in
		:0) mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur") ;;
		:*) ;;
		*) COMPREPLY+=("${line%%$'\t'*}") ;;
		esac
	done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o filenames -F _nodeprep nodeprep kubectl-nodeprep
