#!/bin/sh
# linked.sh CC OUT - prints package, version, source package and architecture of each Debian package of which an
# archive is linked (build/static/libs, and the C library), and copies the copyright files into the folder OUT.
set -eu
export LC_ALL=C
cc=$1 out=$2
rm -rf "$out"
mkdir -p "$out"
for word in $(cat build/static/libs) -lc; do
	case $word in -l*) ;; *) continue ;; esac
	path=$($cc -print-file-name="lib${word#-l}.a")
	case $path in */*) realpath "$path" ;; esac
done | sort -u | while read -r path; do
	package=$(dpkg-query -S "$path" 2>/dev/null | sed 's/: .*//' | head -n 1)
	[ -z "$package" ] || dpkg-query -W -f "\${Package}\t\${Version}\t\${source:Package}\t\${Architecture}\n" "$package"
done | sort -u | while read -r package rest; do
	cp "/usr/share/doc/$package/copyright" "$out/$package"
	printf '%s\t%s\n' "$package" "$(echo "$rest" | tr ' ' '\t')"
done
