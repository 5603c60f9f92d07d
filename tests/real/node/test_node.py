# SPDX-License-Identifier: Apache-2.0
"""node-check and its Node in a real API: the annotation, condition, event and taint, with just its Role.

The rights are those of deploy/manifests/node-check, applied by kubectl; the token is the service account's.
"""

import json
import subprocess
import threading
import time

import pytest
import yaml

import servers
import sysfs

MANIFESTS = servers.REPO / "deploy/manifests/node-check"
NAMESPACE = "nodeprep-node-check"
TAINT = {"key": "nodeprep.dev/unverified", "effect": "NoSchedule"}
OTHER = {"key": "example.com/other", "value": "x", "effect": "NoExecute"}


@pytest.fixture(scope="module")
def kubectl(server):
    program = servers.find_apiserver().with_name("kubectl")

    def run(*args):
        return subprocess.run(
            [program, "--kubeconfig", server.kubeconfig, *args],
            capture_output=True,
            encoding="utf-8",
            check=True,
            timeout=120,
        ).stdout

    return run


@pytest.fixture(scope="module")
def account(server, kubectl, tmp_path_factory):
    """A kubeconfig with the token of the manifests' service account."""
    kubectl("apply", "-k", str(MANIFESTS))
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/nodeprep-node-check/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = server.must("POST", path, body)["status"]["token"]
    return server.write_kubeconfig(tmp_path_factory.mktemp("account") / "kubeconfig", token=token)


@pytest.fixture
def node(server, request):
    """node(annotations, taints) makes the test's own Node; it is gone afterwards."""
    name = f"node-{abs(hash(request.node.name)) % 10**8}"

    def make(gpus=None, taints=(TAINT, OTHER)):
        metadata = {"name": name, "annotations": {"nodeprep.dev/gpus": gpus} if gpus else {}}
        body = {"apiVersion": "v1", "kind": "Node", "metadata": metadata}
        body["spec"] = {"taints": list(taints)}
        server.must("POST", "/api/v1/nodes", body)
        return name

    yield make
    server.request("DELETE", f"/api/v1/nodes/{name}")


@pytest.fixture
def check(account, tmp_path):
    tree = sysfs.Tree(tmp_path)

    def run(name, *args, kubeconfig=account, env=None):
        argv = [servers.BIN_DIR / "nodeprep", "node-check", "-o", "json", "--sysfs", tree.root]
        argv += ["--procfs", tree.procfs, *args]
        given = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "KUBECONFIG": str(kubeconfig)}
        given |= {"NODE_NAME": name} if name else {}
        return subprocess.run(
            [str(a) for a in argv],
            capture_output=True,
            encoding="utf-8",
            env={**given, **(env or {})},
            timeout=120,
            check=False,
        )

    run.tree = tree
    return run


def get(server, name):
    return server.must("GET", f"/api/v1/nodes/{name}")


def condition(server, name):
    conditions = get(server, name)["status"].get("conditions", [])
    return next((c for c in conditions if c["type"] == "GPUWindowReady"), None)


def events(server, name):
    items = server.must("GET", "/api/v1/namespaces/default/events")["items"]
    return [e for e in items if e["involvedObject"]["name"] == name]


def keys(server, name):
    return [t["key"] for t in get(server, name)["spec"].get("taints", [])]


BOTH = ("--patch-node", "--remove-taint")


def test_a_node_that_is_well(server, node, check):
    name = node("A100-40GB=1")
    check.tree.gpu("0000:01:00.0")
    done = check(name, *BOTH)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["expected"] == [{"name": "A100-40GB", "count": 1, "found": 1}]
    found = condition(server, name)
    assert (found["status"], found["reason"]) == ("True", "GPUsReady")
    assert found["message"].startswith("node-check: pass")
    # The API server adds taints of its own; ours is gone, the other one is kept.
    assert TAINT["key"] not in keys(server, name) and OTHER["key"] in keys(server, name)
    assert [(e["type"], e["reason"], e["involvedObject"]["kind"]) for e in events(server, name)] == [
        ("Normal", "GPUsReady", "Node")
    ]
    assert events(server, name)[0]["involvedObject"]["uid"] == get(server, name)["metadata"]["uid"]


def test_again_changes_nothing_but_the_heartbeat(server, node, check):
    name = node("A100-40GB=1")
    check.tree.gpu("0000:01:00.0")
    assert check(name, *BOTH).returncode == 0
    first = condition(server, name)
    time.sleep(1.1)
    assert check(name, *BOTH).returncode == 0
    second = condition(server, name)
    assert second["lastTransitionTime"] == first["lastTransitionTime"]
    assert second["lastHeartbeatTime"] > first["lastHeartbeatTime"]
    assert len(events(server, name)) == 1


def test_other_conditions_are_kept(server, node, check):
    name = node()
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "m"}
    body = {"status": {"conditions": [ready]}}
    server.must("PATCH", f"/api/v1/nodes/{name}/status", body)
    check.tree.gpu("0000:01:00.0")
    assert check(name, "--patch-node").returncode == 0
    assert [c["type"] for c in get(server, name)["status"]["conditions"]].count("Ready") == 1
    assert condition(server, name)["status"] == "True"
    assert TAINT["key"] in keys(server, name)


def test_a_node_that_is_not_well_keeps_its_taint(server, node, check):
    name = node("A100-40GB=1")
    check.tree.gpu("0000:01:00.0", missing=(0, 1))
    assert check(name, *BOTH).returncode == 1
    found = condition(server, name)
    assert (found["status"], found["reason"]) == ("False", "GPUsNotReady")
    assert "bars-assigned" in found["message"] and "64bitMMIOSizeGB 128" in found["message"]
    assert TAINT["key"] in keys(server, name)
    assert [(e["type"], e["reason"]) for e in events(server, name)] == [("Warning", "GPUsNotReady")]


def test_annotation_of_the_node_is_what_is_expected(server, node, check):
    name = node("A100-40GB=2")
    check.tree.gpu("0000:01:00.0")
    done = check(name)
    assert done.returncode == 1
    checks = {c["id"]: c for c in json.loads(done.stdout)["checks"]}
    assert "annotation" in checks["gpu-count"]["message"]
    # What is said closer by stands before it.
    assert check(name, "--expect", "A100-40GB=1").returncode == 0
    assert check(name, env={"NODEPREP_EXPECT": "A100-40GB=1"}).returncode == 0
    assert check(None, "--node-name", name).returncode == 1


def test_annotation_that_is_nonsense(server, node, check):
    name = node("A100-40GB")
    done = check(name)
    assert (done.returncode, done.stdout) == (3, "") and "lacks its count" in done.stderr


def test_what_cannot_be_told(server, node, check):
    name = node()
    assert check(name, *BOTH).returncode == 6
    assert condition(server, name)["status"] == "Unknown"
    assert TAINT["key"] in keys(server, name)


def test_change_makes_a_new_event(server, node, check):
    name = node("A100-40GB=1")
    assert check(name, *BOTH).returncode == 1
    check.tree.gpu("0000:01:00.0")
    assert check(name, *BOTH).returncode == 0
    assert sorted(e["reason"] for e in events(server, name)) == ["GPUsNotReady", "GPUsReady"]
    assert condition(server, name)["status"] == "True"


def test_a_node_that_is_not_there(check):
    done = check("none", *BOTH)
    assert (done.returncode, done.stdout) == (4, "") and "none" in done.stderr


def test_without_rights(server, node, check, tmp_path):
    name = node()
    check.tree.gpu("0000:01:00.0")
    nobody = server.write_kubeconfig(tmp_path / "nobody", token=server.tokens["nobody"])
    done = check(name, "--expect", "A100-40GB=1", *BOTH, kubeconfig=nobody)
    assert done.returncode == 5 and json.loads(done.stdout)["pass"] is True
    assert "nodes" in done.stderr and "get" in done.stderr
    # What failed has failed, whatever could be reported.
    done = check(name, "--expect", "A100-40GB=2", *BOTH, kubeconfig=nobody)
    assert done.returncode == 1 and done.stderr.startswith("warning: ")


def test_rights_are_no_more_than_needed(kubectl):
    """The account can neither read pods nor write other objects; the manifest grants no wildcard."""
    user = f"--as=system:serviceaccount:{NAMESPACE}:nodeprep-node-check"

    def may(*words):
        try:
            return kubectl("auth", "can-i", *words, user).strip() == "yes"
        except subprocess.CalledProcessError:
            return False

    assert may("patch", "nodes") and may("patch", "nodes/status") and may("get", "nodes")
    assert may("create", "events", "-n", "default")
    for words in (("list", "nodes"), ("delete", "nodes"), ("get", "pods"), ("get", "secrets"),
                  ("update", "nodes"), ("create", "events", "-n", NAMESPACE)):
        assert not may(*words), words


def test_taint_among_other_writers(server, node, check):
    """Another client writes the Node all the time; no taint of theirs is lost."""
    name = node("A100-40GB=1")
    check.tree.gpu("0000:01:00.0")
    stop = threading.Event()

    def write():
        n = 0
        while not stop.is_set():
            n += 1
            body = {"metadata": {"annotations": {"example.com/n": str(n)}}}
            server.must("PATCH", f"/api/v1/nodes/{name}", body)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        done = check(name, *BOTH)
    finally:
        stop.set()
        writer.join()
    assert done.returncode == 0, done.stderr
    assert TAINT["key"] not in keys(server, name) and OTHER["key"] in keys(server, name)


def test_manifests_run_it_without_privilege(kubectl):
    found = yaml.safe_load(kubectl("get", "daemonset", "-n", NAMESPACE, "node-check", "-o", "yaml"))
    pod = found["spec"]["template"]["spec"]
    for container in [*pod["initContainers"], *pod["containers"]]:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert "privileged" not in context
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert [m["readOnly"] for m in pod["initContainers"][0]["volumeMounts"]] == [True]
    assert any(t["key"] == TAINT["key"] for t in pod["tolerations"])


def test_init_container_pattern_fits_a_deployment(kubectl, tmp_path):
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "train", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": "train"}},
            "template": {
                "metadata": {"labels": {"app": "train"}},
                "spec": {"containers": [{"name": "train", "image": "example.com/train:1"}]},
            },
        },
    }
    (tmp_path / "deployment.yaml").write_text(yaml.safe_dump(deployment))
    kubectl("apply", "-f", str(tmp_path / "deployment.yaml"))
    pattern = MANIFESTS / "init-container.yaml"
    kubectl("patch", "deployment", "train", "-n", "default", "--patch-file", str(pattern))
    found = yaml.safe_load(kubectl("get", "deployment", "-n", "default", "train", "-o", "yaml"))
    assert found["spec"]["template"]["spec"]["initContainers"][0]["name"] == "node-check"
