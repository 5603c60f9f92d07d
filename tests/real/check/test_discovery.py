# SPDX-License-Identifier: Apache-2.0
"""Which version of the API is used, and what nodeprep says of a server that is no Supervisor."""

import copy

import pytest
import yaml

import servers
from builders import A100, hardware, keys_of, pool

GROUP = servers.GROUP
COMMANDS = ("plan", "diff", "apply", "check", "explain", "revert")


def crds(**versions):
    """The CRDs of the given plurals, each with the given versions alone, the last one stored."""
    by_plural = {}
    for file in servers.crd_files():
        crd = yaml.safe_load(file.read_text())
        by_plural[crd["spec"]["names"]["plural"]] = crd
    for plural, names in versions.items():
        crd = copy.deepcopy(by_plural[plural])
        kept = [v for v in crd["spec"]["versions"] if v["name"] in names]
        for version in kept:
            version["storage"] = version["name"] == names[-1]
        crd["spec"]["versions"] = kept
        yield crd


@pytest.fixture(scope="module")
def bare():
    """A server without VM Operator's API, to which its CRDs come one by one."""
    files, servers.crd_files = servers.crd_files, lambda: []
    try:
        with servers.RealServer() as running:
            servers.crd_files = files
            yield running
    finally:
        servers.crd_files = files


def test_server_without_the_api_then_without_classes_then_with_an_older_version_of_them(
    bare, nodeprep
):
    env = {"KUBECONFIG": bare.kubeconfig}
    text = yaml.safe_dump(pool("ml", "w", "gpu"))
    for command in COMMANDS:
        done = nodeprep(command, "-f", "-", input=text, env=env)
        assert done.rc == 4, command
        assert f"no API group '{GROUP}'" in done.err and "Supervisor" in done.err

    for crd in crds(virtualmachines=["v1alpha1", "v1alpha6"]):
        bare.create_crd(crd)
    for command in COMMANDS:
        done = nodeprep(command, "-f", "-", input=text, env=env)
        assert done.rc == 4, command
        assert GROUP in done.err and "'virtualmachineclasses'" in done.err

    # The group's preferred version does not serve the classes: the version that does is used.
    for crd in crds(virtualmachineclasses=["v1alpha1"]):
        bare.create_crd(crd)
    path = f"/apis/{GROUP}/v1alpha1/namespaces/ml/virtualmachineclasses"
    bare.must("POST", path, {"apiVersion": f"{GROUP}/v1alpha1", "kind": "VirtualMachineClass",
                             "metadata": {"name": "gpu"}, "spec": hardware(A100)})
    assert bare.must("GET", f"/apis/{GROUP}")["preferredVersion"]["version"] == "v1alpha6"
    bare.mark()
    assert nodeprep("apply", "-f", "-", input=text, env=env).rc == 0
    assert {r["path"] for r in bare.requests() if r["verb"] == "patch"} == {f"{path}/gpu"}
    assert keys_of(bare.must("GET", f"{path}/gpu"))
    done = nodeprep("check", "-f", "-", "-o", "json", input=text, env=env)
    assert done.rc == 0, done.out + done.err
    # Neither kind of image is served, nor are bindings asked for: the class has a namespace.
    assert done.json["findings"] == []
