#!/bin/sh
# deps.sh GROUP... - makes sure that the Debian packages of the named groups are installed.
# Installs what is missing as root or by sudo without a question; else names the command and fails.
# deps.sh --names GROUP... prints the packages' names.
# With NODEPREP_DEPS=check, as make sets it for most targets, it only names the command; =none: trusts that all are there.
set -eu

# The release's own names: clang's runtime carries its version.
release() {
	id='' version_id='' name=''
	if [ -r /etc/os-release ]; then
		# shellcheck disable=SC1091 # the machine's own
		id=$(. /etc/os-release && echo "${ID:-}") version_id=$(. /etc/os-release && echo "${VERSION_ID:-}")
		# shellcheck disable=SC1091
		name=$(. /etc/os-release && echo "${PRETTY_NAME:-}")
	fi
	case $id-$version_id in
	debian-12) clang_rt=libclang-rt-14-dev ;;
	debian-13) clang_rt=libclang-rt-19-dev ;;
	*)
		echo "deps.sh: unknown release '${name:-$id $version_id}': expected Debian 12 or 13; trying Debian 13's package names" >&2
		clang_rt=libclang-rt-19-dev
		;;
	esac
}

packages() {
	case $1 in
	build) echo gcc libc6-dev binutils make pkg-config libcurl4-openssl-dev libssl-dev libjansson-dev \
		libyaml-dev libbsd-dev libmd-dev libnghttp2-dev zlib1g-dev libevent-dev libyajl-dev libexpat1-dev \
		libidn2-dev libunistring-dev libpsl-dev libssh2-1-dev libzstd-dev libbrotli-dev ;;
	check) echo fish zsh libcmocka-dev proot python3 python3-pytest python3-pytest-xdist python3-yaml openssl diffutils nghttp2-proxy ca-certificates pci.ids ;;
	lint) echo clang clang-format clang-tidy cppcheck shellcheck mandoc ;;
	fuzz) echo clang "$clang_rt" ;;
	image) echo podman buildah runc iptables mmdebstrap debian-archive-keyring docker-registry ;;
	guests) echo qemu-system-x86 ovmf busybox-static cpio gcc libc6-dev ;;
	real) echo openssl python3 python3-pytest python3-pytest-xdist python3-yaml python3-pip ca-certificates nghttp2-proxy ;;
	cni) echo iproute2 iptables strace util-linux ;;
	monitoring) echo prometheus ;;
	dist) echo mmdebstrap debian-archive-keyring git python3 python3-yaml ;;
	deb) echo lintian ;;
	release) echo qemu-user-static python3-yaml ;;
	debian) echo mmdebstrap debian-archive-keyring util-linux git ;;
	*) echo "deps.sh: unknown group '$1'" >&2 && exit 2 ;;
	esac
}

release
if [ "${1:-}" = --names ]; then
	shift
	for group in "$@"; do packages "$group"; done
	exit
fi
[ "${NODEPREP_DEPS:-install}" != none ] || exit 0
missing=
for group in "$@"; do
	names=$(packages "$group") # on its own line, so that an unknown group ends the script
	for package in $names; do
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
if [ "${NODEPREP_DEPS:-install}" = check ]; then
	echo "deps.sh: packages are missing; run: make deps, or as root: $install" >&2
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
# Another run, of a parallel make, may be installing.
wait="-o DPkg::Lock::Timeout=300"
# shellcheck disable=SC2086 # words on purpose: the command and its packages
if ! { DEBIAN_FRONTEND=noninteractive $as_root $install $wait ||
	{ $as_root apt-get update && DEBIAN_FRONTEND=noninteractive $as_root $install $wait; }; } >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	rm -f "$log"
	echo "deps.sh: could not install; try: sudo apt-get update && sudo $install" >&2
	exit 1
fi
rm -f "$log"
