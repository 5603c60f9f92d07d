#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# enter.sh ROOT COMMAND... - runs COMMAND with ROOT as its root, in mount and process namespaces of its own
#
# The root is entered by pivot_root, not chroot: in a chroot no user namespace can be made, and devpts
# is not the root's. When this script ends, so does every process in there. The root gets the machine's
# names of hosts and servers, and its proxy variables; nothing else of the environment.
set -eu
if [ "${1:-}" != --inside ]; then
	root=$(realpath "$1")
	shift
	exec unshare --mount --propagation private --pid --fork --kill-child "$0" --inside "$root" "$@"
fi
root=$2
shift 2
mount --bind "$root" "$root"
cd "$root"
for file in /etc/hosts /etc/resolv.conf; do
	[ ! -r "$file" ] || cat "$file" >".$file"
done
mount -t proc proc proc
mount --rbind /dev dev
mount --rbind /sys sys
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs tmpfs run
mkdir -p .old
pivot_root . .old
umount -l /.old
cd /
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb \
	${http_proxy:+"http_proxy=$http_proxy"} ${https_proxy:+"https_proxy=$https_proxy"} \
	${no_proxy:+"no_proxy=$no_proxy"} "$@"
