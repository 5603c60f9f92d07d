#!/bin/sh
# run.sh BUILD - makes the inputs and the helpers in BUILD/bench, measures, prints tables. Nothing
# is asserted: times depend on the machine, so what matters is the ratio within one run.
set -eu
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
work=$build/bench
mkdir -p "$work"

${CC:-cc} -O2 -o "$work/events" "$here/events.c" -lyaml
${CC:-cc} -O2 -o "$work/measure" "$here/measure.c"
# Linked as nodeprep is, so that both start alike. The linker's words are of the C library's archives.
# shellcheck disable=SC2086 # words
${CC:-cc} -O2 -static-pie -fPIE -w -o "$work/bare" "$here/bare.c" $NODEPREP_LIBS 2>"$work/bare.ld" ||
	{ cat "$work/bare.ld" >&2; exit 1; }
# shellcheck disable=SC2086 # words
${CC:-cc} -O2 -static-pie -fPIE -w -o "$work/bare_vcenter" "$here/bare_vcenter.c" $NODEPREP_LIBS 2>"$work/bare.ld" ||
	{ cat "$work/bare.ld" >&2; exit 1; }
# shellcheck disable=SC2086 # words
${CC:-cc} -O2 -static-pie -fPIE -w -o "$work/bare_writer" "$here/bare_writer.c" $NODEPREP_LIBS 2>"$work/bare.ld" ||
	{ cat "$work/bare.ld" >&2; exit 1; }
for input in "plain 1000" "plain 10000" "plain 20000" "plain 100000" "dump 10000" \
	"list 10000" "dump-list 5000" "dump-list 10000"; do
	form=${input% *} pools=${input#* }
	file=$work/$form-$pools.yaml
	# Rebuilt when the generator has changed.
	if [ -z "$(find "$file" -newer "$here/generate.py" 2>/dev/null)" ]; then
		/usr/bin/env python3 -B "$here/generate.py" "$form" "$pools" >"$file.new"
		mv "$file.new" "$file"
	fi
done
/usr/bin/env python3 -B "$here/bench.py" "$build" "$here/../../docs/examples/all-kinds"

# Beside govc, on the vCenter simulator, which is built where it is missing.
/usr/bin/python3 -B "$here/vmclass.py" "$build"
/usr/bin/python3 -B "$here/vcenter_scale.py" "$build"

# What each further class, host and VM costs; docs/scaling.md has the table.
/usr/bin/python3 -B "$here/slopes.py" "$build"

# Many classes on a kube-apiserver, which is built where it is missing, beside a bare writer.
/usr/bin/python3 -B "$here/writes.py" "$build"

# The controller beside one on controller-runtime, which is built where it is missing, as the kube-apiserver is.
reference=$("$here/../real/controller/reference.sh" "$build/real")
NODEPREP_BIN_DIR=$build /usr/bin/python3 -B "$here/controller.py" "$reference"
NODEPREP_BIN_DIR=$build /usr/bin/python3 -B "$here/growth.py"

# Beside the least Go server, and beside Cluster API's own, which is built where it is missing.
"$here/load.sh" "$work"
"$here/lean.sh" "$work"
/usr/bin/env python3 -B "$here/hooks_lean.py" "$build"
reference=$("$here/../real/capi/build.sh" "$build/real")
exec /usr/bin/env python3 -B "$here/hooks.py" "$build" "$reference"
