#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# kernel.sh OUTDIR - fetches Debian's cloud kernel, unpacked and not installed, and prints where it is
#
# The folder is keyed by the version, so that a kernel that is there already is right.
set -eu

die() { echo "kernel.sh: $*" >&2; exit 1; }

[ $# -eq 1 ] || die "usage: kernel.sh OUTDIR"
mkdir -p "$1"
out=$(CDPATH='' cd -- "$1" && pwd)

find_package() {
	apt-cache depends linux-image-cloud-amd64 2>/dev/null |
		sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1
}

update() {
	if [ "$(id -u)" -eq 0 ]; then apt-get update -q; else sudo -n apt-get update -q; fi >&2
}

for kernel in "$out"/kernel-*/vmlinuz; do
	[ -f "$kernel" ] && echo "$kernel" && exit
done
package=$(find_package)
[ -n "$package" ] || { update && package=$(find_package); }
[ -n "$package" ] || die "apt knows no linux-image-cloud-amd64"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
chmod 755 "$work"
fetch() { (cd "$work" && apt-get download -q "$package" >&2); }
fetch || { update && fetch; } || die "cannot download $package"
dpkg -x "$work"/linux-image-*.deb "$work/root"
mkdir -p "$out/$package.new"
cp "$work"/root/boot/vmlinuz-* "$out/$package.new/vmlinuz"
rm -rf "$out/kernel-$package"
mv "$out/$package.new" "$out/kernel-$package"
echo "$out/kernel-$package/vmlinuz"
