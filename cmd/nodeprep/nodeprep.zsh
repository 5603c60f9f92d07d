#compdef nodeprep kubectl-nodeprep
# zsh completion for nodeprep
# SPDX-License-Identifier: Apache-2.0

# The words come from the program's own help, so that they are never out of date.
_nodeprep() {
	local -a list

	case ${words[CURRENT-1]} in
	-o | --output) list=(table wide json yaml svg) ;;
	--classes) list=(kubernetes vcenter) ;;
	--dry-run) list=(client server) ;;
	--leader-elect) list=(true false) ;;
	--log-format) list=(text json) ;;
	-f | --filename | --catalogue | --catalogue-from | --kubeconfig | --supervisor-kubeconfig | --certificate-authority | --bin-dir | --conf | --conf-dir | --sysfs | --procfs | --kmsg | --termination-log | --state-dir | --vcenter-password-file)
		_files
		return ;;
	esac
	if (( ! $#list && CURRENT == 2 )); then
		list=(${(f)"$(${words[1]} help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p')"})
	elif (( ! $#list )); then
		[[ ${words[2]} == host-check && ${words[CURRENT]} != -* ]] && _files && return
		list=(${(f)"$(${words[1]} help ${words[2]} 2>/dev/null | grep -o -e '--[a-z-]*')"})
	fi
	compadd -a list
}

compdef _nodeprep nodeprep kubectl-nodeprep
