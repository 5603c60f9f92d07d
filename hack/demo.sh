#!/bin/sh
# demo.sh BUILD - the main job against the embedded Supervisor API, each command shown as it can be
# typed. Exit status 0 only if every step held; stops what it started and leaves nothing behind.
set -u
cd "$(dirname "$0")/.." || exit 1
B=$1
pools=docs/examples/all-kinds/pools.yaml
work=$(mktemp -d)
sim=
failed=0

stop() {
	if [ -n "$sim" ]; then
		kill "$sim" 2>/dev/null
		wait "$sim" 2>/dev/null
	fi
	rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM

heading() {
	printf '\n== %s\n' "$1"
}

# run EXPECTED-STATUS COMMAND... - shows the command, runs it, and holds its exit status to what is expected.
run() {
	expected=$1
	shift
	printf '$ %s\n' "$*"
	"$@" >"$work/out" 2>&1
	status=$?
	cat "$work/out"
	if [ "$status" -ne "$expected" ]; then
		echo "demo: exit status $status, expected $expected"
		failed=1
	fi
}

# holds TEXT - the last command's output must hold it.
holds() {
	grep -q -e "$1" "$work/out" || { echo "demo: the output lacks '$1'" && failed=1; }
}

writes() {
	grep -c -E '"verb": ?"(update|patch|delete)"' "$work/requests.log"
}

heading "An embedded Supervisor API with six VM classes"
"$B/nodeprep-sim" --listen 127.0.0.1:0 --classes docs/examples/all-kinds/classes.yaml \
	--kubeconfig-out "$work/kubeconfig" --request-log "$work/requests.log" >"$work/sim.out" 2>&1 &
sim=$!
for _ in $(seq 100); do
	grep -q '^listening on' "$work/sim.out" && break
	sleep 0.1
done
cat "$work/sim.out"
grep -q '^listening on' "$work/sim.out" || { echo "demo: the embedded Supervisor did not start" && exit 1; }
export KUBECONFIG="$work/kubeconfig"
unset KUBECTL_EXTERNAL_DIFF
echo "\$ export KUBECONFIG=$KUBECONFIG"

heading "The pools"
run 0 cat "$pools"

heading "What they need"
run 0 "$B/nodeprep" plan -f "$pools"
holds 'gpu-h200x2 .*1024 GB'
holds 'gpu-l40s .*up to date'

heading "How the numbers of one class are computed"
run 0 "$B/nodeprep" explain -f "$pools" gpu-h200x2
holds '2 x 512 = 1024 GB'

heading "What would change"
run 1 "$B/nodeprep" diff -f "$pools"
holds '_value: "1024"'

heading "Change it"
run 0 "$B/nodeprep" apply -f "$pools"
holds 'gpu-a100x4 patched'
holds 'gpu-l40s unchanged'

heading "Change it again: an up-to-date class is not patched"
before=$(writes)
run 0 "$B/nodeprep" apply -f "$pools"
holds 'gpu-a100x4 unchanged'
after=$(writes)
echo "writes so far: $before before, $after after"
[ "$before" = 4 ] && [ "$after" = 4 ] || { echo "demo: expected 4 writes in all" && failed=1; }

heading "Detecting drift"
run 0 "$B/nodeprep" check -f "$pools"

heading "Called as a CNI plugin, as a bootstrap calls it"
conf='{"cniVersion":"1.1.0","name":"gpus","type":"nodeprep","specFile":"'$pools'"}'
printf "\$ CNI_COMMAND=ADD nodeprep <<<'%s'\n" "$conf"
printf '%s' "$conf" >"$work/conf"
run 0 env CNI_COMMAND=ADD CNI_CONTAINERID=node-1 CNI_IFNAME=eth0 sh -c '"$0" <"$1" >"$2"' "$B/nodeprep" "$work/conf" "$work/result"
run 0 env CNI_COMMAND=DEL CNI_CONTAINERID=node-1 CNI_IFNAME=eth0 sh -c '"$0" <"$1"' "$B/nodeprep" "$work/conf"

heading "Revert: each class has its original values"
run 0 "$B/nodeprep" revert -f "$pools"
holds 'gpu-a100x4 patched'
run 1 "$B/nodeprep" check -f "$pools"
holds 'class-drift'

heading "Invalid input: one line, nothing written"
run 3 "$B/nodeprep" apply -f docs/examples/invalid/swapped-ids.yaml
holds 'swapped-ids.yaml:7:12'

echo
if [ "$failed" -eq 0 ]; then
	echo "demo: every step passed"
else
	echo "demo: FAILED"
fi
exit "$failed"
