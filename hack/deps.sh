#!/bin/sh
# deps.sh GROUP... - makes sure that the Debian packages of the named groups are installed.
# Installs what is missing as root or by sudo without a question; else names the command and fails.
set -eu

packages() {
	case $1 in
	build) echo gcc libc6-dev binutils make pkg-config libcurl4-openssl-dev libssl-dev libjansson-dev \
		libyaml-dev libbsd-dev libmd-dev libnghttp2-dev zlib1g-dev libevent-dev libyajl-dev ;;
	check) echo zsh libcmocka-dev python3 python3-pytest python3-yaml openssl diffutils ;;
	lint) echo clang clang-format clang-tidy cppcheck shellcheck mandoc ;;
	fuzz) echo clang libclang-rt-14-dev ;;
	image) echo podman buildah runc iptables mmdebstrap debian-archive-keyring ;;
	guests) echo qemu-system-x86 ovmf busybox-static cpio gcc libc6-dev ;;
	real) echo etcd-server openssl python3 python3-pytest python3-yaml python3-pip ca-certificates ;;
	cni) echo iproute2 iptables strace util-linux ;;
	*) echo "deps.sh: unknown group '$1'" >&2 && exit 2 ;;
	esac
}

missing=
for group in "$@"; do
	for package in $(packages "$group"); do
		if ! dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed; then
			missing="$missing $package"
		fi
	done
done
[ -n "$missing" ] || exit 0

install="apt-get install -y --no-install-recommends$missing"
if ! command -v apt-get >/dev/null; then
	echo "deps.sh: needs these packages, by their Debian names:$missing" >&2
	exit 1
fi
if [ "$(id -u)" = 0 ]; then
	as_root=
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
	as_root="sudo -n"
else
	echo "deps.sh: packages are missing; run: sudo $install" >&2
	exit 1
fi
echo "installing$missing"
log=$(mktemp)
# shellcheck disable=SC2086 # words on purpose: the command and its packages
if ! { DEBIAN_FRONTEND=noninteractive $as_root $install ||
	{ $as_root apt-get update && DEBIAN_FRONTEND=noninteractive $as_root $install; }; } >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	rm -f "$log"
	echo "deps.sh: could not install; try: sudo apt-get update && sudo $install" >&2
	exit 1
fi
rm -f "$log"
