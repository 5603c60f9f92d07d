#!/bin/sh
# lint.sh - words, dialect, format, clang-tidy, cppcheck, every header alone and all together, names with external
# linkage, shellcheck, man pages, both compilers without a warning. Ends with "lint: clean" or exit status 1.
# The compilers' steps run beside the others, of which most use one processor.
# LINT=deep: clang-tidy's analyzer walks into every call, which takes ten times as long.
# shellcheck disable=SC2046,SC2086,SC2089,SC2090,SC2317 # lists of words, and functions called by name
set -u
B=${B:-build}
bad=0
flags="-std=gnu17 -Iinclude -I$B/gen -Itests/unit -D_GNU_SOURCE -DNP_VERSION=\"0\""
warnings="-Wall -Wextra -Wconversion -Wshadow -Wvla -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes
	-Wundef -Wpointer-arith -Wcast-qual -Werror"
depth="-Xclang -analyzer-config -Xclang mode=shallow"
[ "${LINT:-}" != deep ] || depth=

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
# Records and corpora hold texts of others.
prose=$(files README.md docs 'cmd/*' pkg include tests | grep -v -E '/testdata/|\.(svg|png)$')

headers_alone() {
	for h in $h_files; do
		echo "#include \"$h\"" | gcc $flags $warnings -I. -fsyntax-only -x c - || return 1
	done
}

# A clash of two public headers shows only in a file that includes both.
headers_together() {
	{
		for h in $(files 'include/*.h'); do echo "#include \"$h\""; done
	} | gcc $flags $warnings -I. -fsyntax-only -x c -
}

# What has external linkage: np_MODULE_... if public, MODULE_... if private, np_... in base; and once.
# The names are those of the objects that the gcc step has left.
symbols() {
	public=$(cat include/nodeprep/*.h)
	all=$(for m in $MODULES; do
		for o in "$B/lint/pkg/$m"/*.o; do
			case $o in *_test.o | *_fuzz.o) continue ;; esac
			nm --defined-only -g "$o" | while read -r _ _ name; do echo "$m $name $o"; done
		done
	done)
	bad_names=$(echo "$all" | while read -r m name o; do
		case $m:$name in
		base:np_* | "$m":"$m"_* | "$m":np_"$m"_*) ;;
		*) echo "$o: '$name' has not its module's prefix: np_${m}_ if public, ${m}_ if private" ;;
		esac
	done
	echo "$all" | grep ' np_' | while read -r _ name o; do
		case $public in
		*"${name}("* | *"${name}["* | *"${name};"*) ;;
		*) echo "$o: '$name' is public by its name and in no public header" ;;
		esac
	done
	echo "$all" | sort -k2,2 -k3,3 | awk '$2 == last { print $3 ": \047" $2 "\047 is defined in " from " too" }
		{ last = $2; from = $3 }')
	[ -z "$bad_names" ] || { echo "$bad_names" && return 1; }
}

# every_file JOB... - runs the job on each C file, on every processor; a file that fails fails the step.
every_file() {
	export B flags warnings depth
	echo $c_files | xargs -P "$(nproc 2>/dev/null || echo 1)" -n 4 "$@"
}

# Leaves objects: the names with external linkage are read from them.
compile_gcc() {
	rm -rf "$B/lint"
	every_file sh -c 'for f; do
		mkdir -p "$B/lint/${f%/*}"
		gcc $flags $warnings -O2 -c -o "$B/lint/${f%.c}.o" -I"${f%/*}" "$f" || exit 1
	done' compile
}

# clang's own warnings are among the checks, so that it reads each file once.
tidy() {
	every_file sh -c 'clang-tidy --quiet --warnings-as-errors="*" "$@" -- $flags $warnings $depth 2>/dev/null' tidy
}

spdx() {
	missing=$(for f in $c_files $h_files; do head -n 1 "$f" | grep -q SPDX || echo "$f"; done)
	[ -z "$missing" ] || { echo "no SPDX line: $missing" && return 1; }
}

other_steps() {
	# memleak: cppcheck does not know the cleanup attribute either; LeakSanitizer does.
	step "cppcheck" cppcheck --quiet --std=c11 --inline-suppr --error-exitcode=1 -j "$(nproc 2>/dev/null || echo 1)" \
		--enable=warning,performance,portability --suppress=missingIncludeSystem \
		--suppress=nullPointerOutOfMemory --suppress=memleak --library=gnu -D_GNU_SOURCE '-DNP_VERSION="lint"' \
		'-Djson_array_foreach(a, i, v)=while ((i = 0), (v = json_array_get(a, i)))' \
		'-Djson_object_foreach(o, k, v)=while ((v = json_object_get(o, k = next(o))))' \
		'-DLIST_FOREACH(v, h, f)=while (((v) = next(h)))' '-DTAILQ_FOREACH(v, h, f)=while (((v) = next(h)))' \
		-Iinclude -I"$B/gen" -Itests/unit $c_files
	step "words" hack/words.sh $prose
	step "dialect" hack/dialect.sh $c_files $h_files $test_files
	step "clang-format" clang-format --dry-run -Werror $c_files $h_files $test_files
	step "headers together" headers_together
	step "licence lines" spdx
	step "headers alone" headers_alone
	step "shellcheck" shellcheck -S warning $scripts
	step "shellcheck completion" shellcheck -S warning -s bash cmd/nodeprep/nodeprep.bash
	for page in $(files 'cmd/*.1'); do
		step "mandoc $page" mandoc -Tlint -Wwarning "$page"
	done
	return "$bad"
}

mkdir -p "$B"
other_steps >"$B/lint.log" 2>&1 &
others=$!
trap 'kill "$others" 2>/dev/null; exit 130' HUP INT TERM
step "gcc without a warning" compile_gcc
step "symbols" symbols
step "clang-tidy, clang without a warning" tidy
wait "$others" || bad=1
cat "$B/lint.log"
[ "$bad" -eq 0 ] && echo "lint: clean"
exit "$bad"
