#!/bin/sh
# archives.sh key        - prints the static archives that a build would use, with sizes and times
# archives.sh DIR        - decides which archives the binaries link; writes DIR/libs (words for the
#                          linker), DIR/stubs.c and DIR/stubs (the names of the stubs)
#
# Debian ships no static Kerberos, and SASL and p11-kit have none either. libcurl.a still refers to
# them. A library is linked if it and all that it needs have static archives. Each symbol that then
# remains undefined gets a stub (hack/stubs.sh).
set -eu
export LC_ALL=C
cc=${CC:-gcc}
nm=$($cc -print-prog-name=nm)
required="curl nghttp2 ssl crypto z jansson yaml bsd md event_openssl event_extra event_core yajl_s expat"

fail() {
	echo "archives.sh: $*" >&2
	exit 1
}

# The path of the archive of library $1; nothing if there is none.
archive() {
	path=$($cc -print-file-name="lib$1.a")
	case $path in */*) echo "$path" ;; esac
}

# The libraries that pkg-config names for module $1, one a line.
needs_of() {
	${PKG_CONFIG:-pkg-config} --static --libs-only-l "$1" 2>/dev/null | tr ' ' '\n' | sed -n 's/^-l//p'
}

# The libraries behind the required ones, with an archive, in the order in which pkg-config names them.
candidates() {
	todo="$(needs_of libcurl) $(needs_of libssl)"
	seen=" $required c m pthread dl "
	while [ -n "$todo" ]; do
		next=
		for lib in $todo; do
			case $seen in *" $lib "*) continue ;; esac
			seen="$seen$lib "
			[ -n "$(archive "$lib")" ] || continue
			echo "$lib"
			next="$next $(needs_of "lib$lib") $(needs_of "$lib")"
		done
		todo=${next# }
	done
}

words() {
	for lib in "$@"; do printf ' -l%s' "$lib"; done
}

# What stays undefined if all of the required archives and what they need of $1 are linked. Names that
# begin with an underscore are reserved: they belong to the compiler, the linker and the C library.
undefined() {
	# shellcheck disable=SC2046,SC2086 # words
	$cc -r -nostdlib -o "$dir/trial.o" -Wl,-Bstatic -Wl,--whole-archive $(words $required) -Wl,--no-whole-archive \
		-Wl,--start-group $(words $1) -lc -lm -lgcc -lgcc_eh -Wl,--end-group 2>"$dir/trial.log" ||
		fail "cannot link the archives: $(grep -v -e warning -e 'in function' "$dir/trial.log" | head -n 1)"
	"$nm" -u "$dir/trial.o" | awk '$1 == "U" && $2 !~ /^_/ { print $2 }' | sort -u
	rm -f "$dir/trial.o" "$dir/trial.log"
}

# The libraries of $1 that need none of the symbols in DIR/undefined.
closed() {
	for lib in $1; do
		"$nm" -u "$(archive "$lib")" 2>/dev/null | awk '$1 == "U" { print $2 }' | sort -u |
			comm -12 - "$dir/undefined" | grep -q . || echo "$lib"
	done
}

# The data symbols, as opposed to functions, of the shared libraries that libcurl.so uses.
data_symbols() {
	"$($cc -print-prog-name=readelf)" -d "$($cc -print-file-name=libcurl.so)" 2>/dev/null |
		sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p' | while read -r lib; do
		"$nm" -D --defined-only "$($cc -print-file-name="$lib")" 2>/dev/null
	done | awk '$2 ~ /^[BDRGSV]$/ { sub(/@.*/, "", $3); print $3 }' | sort -u
}

case ${1:-} in
key)
	for lib in $required $(candidates); do
		path=$(archive "$lib")
		[ -z "$path" ] || stat -L -c '%n %s %Y' "$path"
	done
	exit
	;;
"") fail "usage: archives.sh key|DIR" ;;
esac
dir=$1
mkdir -p "$dir"
# Two runs of make in one build folder take turns.
exec 9>"$dir/lock"
flock 9
for lib in $required; do
	[ -n "$(archive "$lib")" ] || fail "lib$lib.a is missing: hack/deps.sh build installs the -dev packages"
done

optional=$(candidates)
while :; do
	undefined "$optional" >"$dir/undefined"
	kept=$(closed "$optional")
	[ "$kept" != "$optional" ] || break
	optional=$kept
done
data_symbols | comm -12 - "$dir/undefined" >"$dir/data"
# libcurl takes a host's name to be in the locale's encoding, and would open the host's iconv modules for
# it. The program's texts are UTF-8, and both functions take the same arguments.
idn=
if echo "$optional" | grep -qx idn2; then
	idn=" -Wl,-u,idn2_lookup_u8,--wrap=idn2_lookup_ul,--defsym=__wrap_idn2_lookup_ul=idn2_lookup_u8"
fi
# shellcheck disable=SC2046,SC2086 # words
echo "-Wl,--start-group$(words $required $optional) -Wl,--end-group$idn -lm -lpthread -ldl" >"$dir/libs"
mv "$dir/undefined" "$dir/stubs"
"$(dirname "$0")/stubs.sh" "$dir/stubs" "$dir/data" >"$dir/stubs.c"
rm -f "$dir/data"
