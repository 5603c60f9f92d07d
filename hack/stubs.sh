#!/bin/sh
# stubs.sh ARCHIVE - prints C stubs for the libraries that libcurl.a can use and this program never does.
# Debian ships no static krb5, and LDAP, RTMP, SSH, IDN and PSL back ends serve protocols that are
# switched off at run time (only https and http are allowed). A stub that is reached after all says
# its name and aborts; the few that run during curl_global_init() answer "nothing here".
set -eu
archive=$1

undefined() {
	nm -u "$archive" 2>/dev/null | awk 'NF == 2 { print $2 }' | LC_ALL=C sort -u |
		grep -E '^(gss_|GSS_|ldap_|ber_|RTMP_|krb5_|idn2_|psl_|libssh2_|ZSTD_|Brotli)' || true
}

cat <<'C'
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
undefined | while read -r symbol; do
	case $symbol in
	GSS_C_*) echo "void *$symbol;" ;;
	ldap_get_option) echo "int $symbol(void) { return -1; }" ;;
	libssh2_init) echo "int $symbol(void) { return 0; }" ;;
	libssh2_exit | psl_free | idn2_free) echo "void $symbol(void) {}" ;;
	libssh2_version | psl_get_version) echo "const char *$symbol(void) { return \"0\"; }" ;;
	idn2_check_version | psl_builtin | psl_latest | *CreateInstance | ZSTD_createDStream)
		echo "void *$symbol(void) { return 0; }" ;;
	BrotliDecoderVersion | ZSTD_versionNumber | psl_check_version_number)
		echo "unsigned $symbol(void) { return 0; }" ;;
	*) echo "void $symbol(void) { unreachable(\"$symbol\"); }" ;;
	esac
done
