# bash completion for nodeprep-hookd
# SPDX-License-Identifier: Apache-2.0

# The words come from the program's own help, so that they are never out of date.
_nodeprep_hookd() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}

	case $prev in
	--log-format) mapfile -t COMPREPLY < <(compgen -W "json text" -- "$cur") && return ;;
	--tls-cert-file | --tls-private-key-file | --tls-ticket-secret-file | --client-ca-file | --catalogue | --kubeconfig | --supervisor-kubeconfig | --certificate-authority)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur") && return ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W \
		"$("${COMP_WORDS[0]}" --help 2>/dev/null | grep -o -e '--[a-z-]*')" -- "$cur")
}
complete -o filenames -F _nodeprep_hookd nodeprep-hookd
