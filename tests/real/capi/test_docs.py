# SPDX-License-Identifier: Apache-2.0
"""The commands of docs that need Cluster API: each runs, and prints what the page says.

cert-manager, the kubelet and the Service of nodeprep-hookd are not there: the tests put what they would make.
"""

import base64
import os
import pathlib
import subprocess

import capi
import pytest
import servers
import yaml

import doc_commands as docs

MANAGER = "/apis/apps/v1/namespaces/capi-system/deployments"
CONFIG = f"{capi.EXTENSIONS}/nodeprep"


def cert_manager_crds():
    script = servers.REPO / "tests" / "real" / "controller" / "crds.sh"
    argv = [str(script), str(servers.BIN_DIR / "real")]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=1200, check=True)
    for name in ("certificates", "issuers"):
        crd = yaml.safe_load((pathlib.Path(done.stdout.strip()) / f"crd-{name}.yaml").read_text())
        # They are a template of helm's; its labels are no labels yet.
        crd["metadata"] = {"name": crd["metadata"]["name"]}
        crd["spec"].pop("conversion", None)
        yield crd


def manager_deployment():
    container = {"name": "manager", "image": "manager", "args": ["--leader-elect"], "volumeMounts": [{"name": "cert", "mountPath": "/c"}]}
    pod = {"containers": [container], "volumes": [{"name": "cert", "emptyDir": {}}]}
    labels = {"control-plane": "controller-manager"}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "capi-controller-manager"}, "spec": spec}


@pytest.fixture
def cluster(server, clients, extension):
    """What is in a management cluster before nodeprep-hookd is installed."""
    if server.request("GET", "/api/v1/namespaces/capi-system")[0] == 404:
        server.create_namespace("capi-system")
    for crd in cert_manager_crds():
        server.create_crd(crd)
    server.must("POST", MANAGER, manager_deployment())
    ca = base64.b64encode(clients.ca.read_bytes()).decode()
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "nodeprep-hookd-client-ca"}, "data": {"tls.crt": ca}}
    server.must("POST", "/api/v1/namespaces/capi-system/secrets", secret)
    server.must("DELETE", CONFIG)
    servers.wait_until("ExtensionConfig gone", lambda: server.request("GET", CONFIG)[0] == 404)
    return server


def reach_hookd(server, hookd):
    """Does what the Service does, and the manager with the CA of hookd's secret."""
    reachable = capi.extension_config(hookd)["spec"]["clientConfig"]
    change = {"metadata": {"annotations": None}, "spec": {"clientConfig": {**reachable, "service": None}}}
    server.must("PATCH", CONFIG, change)


def test_with_cluster_api(cluster, hookd, tmp_path):
    (scenario,) = docs.scenarios(worlds=["cluster-api"])
    folder = docs.make_folder(tmp_path / "work")
    kubectl = servers.find_apiserver().with_name("kubectl")
    env = {"PATH": f"{kubectl.parent}:{os.environ['PATH']}", "HOME": str(tmp_path), "KUBECONFIG": cluster.kubeconfig}
    install, *rest = scenario.commands
    docs.check([install], docs.run([install], folder, env))
    reach_hookd(cluster, hookd)
    docs.check(rest, docs.run(rest, folder, env))
    pod = cluster.must("GET", f"{MANAGER}/capi-controller-manager")["spec"]["template"]["spec"]
    assert len(pod["volumes"]) == 2 and len(pod["containers"][0]["args"]) == 3
    capi.Topology(cluster, "ml").delete_cluster("demo")
