# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# lib.sh - what the scripts share; sourced, does nothing by itself. Needs bash and Debian's essential packages only.

# shellcheck disable=SC2034 # used by those who source this file
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034
PYTHON=/usr/bin/python3 # Debian's, which sees the packages that scripts/setup installs

# bpftool and nft lie where a plain su does not look; and in an empty environment make would see no PATH at all.
export PATH="$PATH:/usr/sbin:/sbin"

say() { printf '%s\n' "$*"; }
die() {
	printf '%s: %s\n' "${0##*/}" "$1" >&2
	exit "${2:-1}"
}

need_root() {
	[ "$(id -u)" = 0 ] || die "needs root: sudo $0 $*"
}

# By tracepoints from Linux 6.3 on, by the functions of the kernel's TCP before: `--check` tells exactly.
kernel_problem() {
	if [ ! -r /sys/kernel/btf/vmlinux ]; then
		say "the kernel's type information is missing: /sys/kernel/btf/vmlinux (CONFIG_DEBUG_INFO_BTF) does not exist."
	fi
}

need_kernel() {
	local problem
	problem=$(kernel_problem)
	[ -z "$problem" ] || die "$problem" 4
}

# Runs a command as the owner of the checkout, so that `sudo scripts/demo` leaves no files of root in it.
as_owner() {
	local owner
	owner=$(stat -c %u "$ROOT")
	if [ "$(id -u)" = 0 ] && [ "$owner" != 0 ] && [ "$owner" = "${SUDO_UID:-}" ]; then
		HOME=$(getent passwd "$owner" | cut -d: -f6) setpriv --reuid "$owner" \
			--regid "$(stat -c %g "$ROOT")" --init-groups -- "$@"
	else
		"$@"
	fi
}

build() {
	as_owner make -s -C "$ROOT" -j"$(nproc)" "$@" || die "the build failed"
}
