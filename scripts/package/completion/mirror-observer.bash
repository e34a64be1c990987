# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# bash completion for mirror-observer(8). Commands and options are read from the usage of the program itself, which cannot
# fall behind.
_mirror_observer() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} usage commands word command='' words
	usage=$("${COMP_WORDS[0]}" --help 2>/dev/null | sed -n 's/^\(Usage:\|      \) mirror-observer //p')
	commands=$(sed -n 's/^\([a-z]\+\).*/\1/p' <<<"$usage" | sort -u)
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		if grep -qxF -- "$word" <<<"$commands"; then command=$word; fi
	done
	case $prev in
	--config | --output) compopt -o filenames 2>/dev/null; words=$(compgen -f -- "$cur") ;;
	--log-level) words="error warning info debug" ;;
	--cluster) words=$(sed -n 's/^[ -]*name: *\([A-Za-z0-9_.-]\+\).*/\1/p' /etc/mirror-observer/observer.yaml 2>/dev/null) ;;
	--url | --prometheus | --wait) return ;;
	*)
		words=$(grep -E -- "^${command:-[^a-z]}" <<<"$usage" | grep -oE -- '--[a-z-]+')
		[ -n "$command" ] || words="$commands $words --version --help"
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _mirror_observer mirror-observer
