#!/bin/sh
# e2e.sh SUITE BUILD [NAME] - runs one suite of pytest, or test_NAME.py of it; its last line is
# "e2e-SUITE: N passed, N failed".
# SUITE: sim (tests/e2e against the embedded Supervisor API), real (the same against a real
# kube-apiserver), or the name of a folder in tests/real.
set -u
suite=$1 build=$2
here=$(cd "$(dirname "$0")/.." && pwd)
report=$build/e2e-$suite.xml
mkdir -p "$build"
rm -f "$report"

# Most tests wait for a server or a deadline, so several at a time keep two processors busy. Each process has a
# server of its own; the embedded one is small.
many="-n 6 --dist loadgroup" few="-n 3 --dist loadgroup"
limit=1500 jobs=
case $suite in
sim) target=sim tests=tests/e2e jobs=$many ;;
real) target=real tests=tests/e2e jobs=$few ;;
vcenter) target=sim tests=tests/real/vcenter jobs=$few ;; # its server is a vCenter; the Supervisor is beside it
debian) target=none tests=tests/real/debian limit=2700 ;; # starts no API server, builds twice from nothing
*) target=real tests=tests/real/$suite ;;
esac
if [ -n "${3:-}" ]; then
	tests=$tests/test_$3.py
	[ -f "$tests" ] || { echo "e2e.sh: there is no $tests" >&2 && exit 2; }
fi
if [ "$target" = real ]; then
	hack/deps.sh real || exit 1
	tests/real/build.sh "$build/real" >"$build/real-path" || exit 1
fi
[ "$suite" != vcenter ] || hack/deps.sh real cni || exit 1
[ "$suite" != controller ] || hack/deps.sh monitoring || exit 1 # promtool; its service is not used
[ "$suite" != debian ] || hack/deps.sh check debian image || exit 1
# Compiled tests are kept: to compile them costs each process more than a second of CPU.
pycache=$(cd "$build" && pwd)/pycache
# shellcheck disable=SC2086,SC1007 # $jobs and $tests are words
# Debian's python3 has Debian's pytest; another one on PATH may have none.
NODEPREP_TARGET=$target NODEPREP_BIN_DIR=$build PYTHONPATH= PYTHONDONTWRITEBYTECODE= PYTHONPYCACHEPREFIX=$pycache \
	timeout "$limit" /usr/bin/python3 -m pytest \
	-q -p no:cacheprovider --junitxml="$report" --rootdir="$here" \
	$jobs $tests &
running=$!
# The tests are in a process group of their own, which no Ctrl-C reaches. Interrupted, they end the servers that they
# started.
trap 'kill -INT "$running" 2>/dev/null' HUP INT TERM
wait "$running"
status=$?
while kill -0 "$running" 2>/dev/null; do
	wait "$running"
	status=$?
done

# A skipped test counts as failed: what cannot run must be reported, not ignored.
/usr/bin/python3 - "$report" "$suite" "$status" <<'PY'
import sys
import xml.etree.ElementTree as tree

report, suite_name, status = sys.argv[1:]
try:
    suite = tree.parse(report).getroot().find("testsuite")
    total, bad = int(suite.get("tests")), sum(int(suite.get(k)) for k in ("errors", "failures", "skipped"))
except (OSError, tree.ParseError):
    total, bad = 1, 1
if status != "0" and bad == 0:
    bad = 1
print(f"e2e-{suite_name}: {max(total - bad, 0)} passed, {bad} failed")
sys.exit(1 if bad or not total else 0)
PY
