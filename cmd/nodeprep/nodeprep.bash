# bash completion for nodeprep
# SPDX-License-Identifier: Apache-2.0

# The words come from the program's own help, so that they are never out of date.
_nodeprep() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}

	case $prev in
	-o | --output) mapfile -t COMPREPLY < <(compgen -W "table wide json yaml svg" -- "$cur") && return ;;
	--classes) mapfile -t COMPREPLY < <(compgen -W "kubernetes vcenter" -- "$cur") && return ;;
	--dry-run) mapfile -t COMPREPLY < <(compgen -W "client server" -- "$cur") && return ;;
	--leader-elect) mapfile -t COMPREPLY < <(compgen -W "true false" -- "$cur") && return ;;
	--log-format) mapfile -t COMPREPLY < <(compgen -W "text json" -- "$cur") && return ;;
	-f | --filename | --catalogue | --catalogue-from | --kubeconfig | --supervisor-kubeconfig | --certificate-authority | --bin-dir | --conf | --conf-dir | --sysfs | --procfs | --kmsg | --termination-log | --state-dir | --vcenter-password-file)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur") && return ;;
	esac
	if [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W \
			"$("${COMP_WORDS[0]}" help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p')" -- "$cur")
	elif [ "${COMP_WORDS[1]}" = host-check ] && [ "${cur#-}" = "$cur" ]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
	else
		mapfile -t COMPREPLY < <(compgen -W \
			"$("${COMP_WORDS[0]}" help "${COMP_WORDS[1]}" 2>/dev/null | grep -o -e '--[a-z-]*')" -- "$cur")
	fi
}
complete -o filenames -F _nodeprep nodeprep
