#!/bin/sh
# stubs.sh NAMES DATA - prints C stubs for the symbols in the file NAMES; those in DATA are no functions.
#
# They belong to back ends (Kerberos, LDAP, RTMP) of protocols and log-ins that are switched off at
# run time: only https and http are allowed. A stub that is called prints its name and aborts. The few
# that libcurl calls while it starts answer "not available".
set -eu

cat <<'C'
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((noreturn)) static void unreachable(const char *name)
{
	static const char text[] = "nodeprep: bug: libcurl called ";
	if (write(STDERR_FILENO, text, sizeof(text) - 1) >= 0 &&
	    write(STDERR_FILENO, name, strlen(name)) >= 0)
		(void)!write(STDERR_FILENO, "\n", 1);
	abort();
}

C
while read -r symbol; do
	if grep -qxF "$symbol" "$2"; then
		echo "void *$symbol;"
		continue
	fi
	case $symbol in
	ldap_get_option) echo "int $symbol(void) { return -1; }" ;;
	libssh2_init) echo "int $symbol(void) { return 0; }" ;;
	libssh2_exit | psl_free | idn2_free) echo "void $symbol(void) {}" ;;
	libssh2_version | psl_get_version) echo "const char *$symbol(void) { return \"0\"; }" ;;
	idn2_check_version | psl_builtin | psl_latest | nghttp3_version | *CreateInstance | ZSTD_createDStream)
		echo "void *$symbol(void) { return 0; }" ;;
	BrotliDecoderVersion | ZSTD_versionNumber | psl_check_version_number)
		echo "unsigned $symbol(void) { return 0; }" ;;
	*) echo "void $symbol(void) { unreachable(\"$symbol\"); }" ;;
	esac
done <"$1"
