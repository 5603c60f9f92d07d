#!/bin/sh
# lint.sh - format, clang-tidy, cppcheck, every header alone, shellcheck, man pages, both compilers
# without a warning. Ends with "lint: clean" or exit status 1.
# shellcheck disable=SC2046,SC2086,SC2089,SC2090,SC2317 # lists of words, and functions called by name
set -u
B=${B:-build}
bad=0
flags="-std=gnu17 -Iinclude -I$B/gen -Itests/unit -D_GNU_SOURCE -DNP_VERSION=\"0\""
warnings="-Wall -Wextra -Wconversion -Wshadow -Wvla -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes
	-Wundef -Wpointer-arith -Wcast-qual -Werror"

step() {
	name=$1
	shift
	if out=$("$@" 2>&1); then
		echo "  ok      $name"
	else
		echo "$out"
		echo "  FAILED  $name"
		bad=1
	fi
}

# What git does not know yet is linted too; what it ignores is not.
files() {
	git ls-files --cached --others --exclude-standard -- "$@" | while read -r f; do [ ! -f "$f" ] || echo "$f"; done
}

c_files=$(files 'cmd/*.c' 'pkg/*.c' 'tests/unit/*.c')
h_files=$(files 'include/*.h' 'cmd/*.h' 'pkg/*.h' 'tests/*.h')
test_files=$(files 'tests/*.c')
scripts=$(files '*.sh' .ci/run)

headers_alone() {
	for h in $h_files; do
		echo "#include \"$h\"" | gcc $flags $warnings -I. -fsyntax-only -x c - || return 1
	done
}

compile() {
	for f in $c_files; do
		case $f in
		*_fuzz.c) extra=-Wno-missing-prototypes ;;
		*) extra= ;;
		esac
		$1 $flags $warnings $extra -O2 -c -o /dev/null -I"$(dirname "$f")" "$f" || return 1
	done
}

tidy() {
	# Two at a time: clang-tidy is the slowest step, and the smallest machines have two cores.
	export flags
	echo $c_files | xargs -P 2 -n 4 sh -c \
		'clang-tidy --quiet --warnings-as-errors="*" "$@" -- $flags 2>/dev/null' tidy
}

spdx() {
	missing=$(for f in $c_files $h_files; do head -n 1 "$f" | grep -q SPDX || echo "$f"; done)
	[ -z "$missing" ] || { echo "no SPDX line: $missing" && return 1; }
}

step "dialect" hack/dialect.sh $c_files $h_files $test_files
step "clang-format" clang-format --dry-run -Werror $c_files $h_files $test_files
step "licence lines" spdx
step "headers alone" headers_alone
step "gcc without a warning" compile gcc
step "clang without a warning" compile clang
step "clang-tidy" tidy
# memleak: cppcheck does not know the cleanup attribute either; LeakSanitizer does.
step "cppcheck" cppcheck --quiet --std=c11 --inline-suppr --error-exitcode=1 -j 2 \
	--enable=warning,performance,portability --suppress=missingIncludeSystem \
	--suppress=nullPointerOutOfMemory --suppress=memleak --library=gnu -D_GNU_SOURCE '-DNP_VERSION="lint"' \
	'-Djson_array_foreach(a, i, v)=while ((i = 0), (v = json_array_get(a, i)))' \
	'-Djson_object_foreach(o, k, v)=while ((v = json_object_get(o, k = next(o))))' \
	-Iinclude -I"$B/gen" -Itests/unit $c_files
step "shellcheck" shellcheck -S warning $scripts
step "shellcheck completion" shellcheck -S warning -s bash cmd/nodeprep/nodeprep.bash
for page in $(files 'cmd/*.1'); do
	step "mandoc $page" mandoc -Tlint -Wwarning "$page"
done
[ "$bad" -eq 0 ] && echo "lint: clean"
exit "$bad"
