# SPDX-License-Identifier: Apache-2.0
"""deploy/manifests: bases and components in every sensible combination, and what they leave to the user."""

import itertools
import os
import re

import pytest
import yaml
from controller_harness import (
    MANIFESTS,
    SYSTEM,
    install_foreign_crds,
    render,
    run_kubectl,
    servers,
)

OPTIONS = ("clusters", "supervisor", "class-bindings")
HOOKD = (
    (),
    ("hookd", "cert-manager"),
    ("hookd", "given-secret"),
    ("hookd", "cert-manager", "extension-config"),
    ("hookd", "extension-config", "given-secret"),
)
BESIDE = ("crd", "rbac", "node-check", "cni", "monitoring", "overlays/gpu-workload")
SUBSETS = [
    chosen for number in range(len(OPTIONS) + 1) for chosen in itertools.combinations(OPTIONS, number)
]
# (bases, components)
COMBINATIONS = [
    *((("controller",), options + hookd) for options in SUBSETS for hookd in HOOKD),
    *((("namespace",), hookd) for hookd in HOOKD[1:]),
    *(((base, *BESIDE), ()) for base in ("controller", "hookd", "base")),
    (("controller", *BESIDE), OPTIONS + HOOKD[3]),
]
COMPONENTS = sorted(path.parent.name for path in MANIFESTS.glob("components/*/kustomization.yaml"))
DOCS = (servers.REPO / "docs" / "deploy.md").read_text()


@pytest.fixture(scope="module")
def cluster():
    """A server of its own: other tests need one without the permissions that options add."""
    with servers.RealServer() as running:
        install_foreign_crds(running)
        yield running


def name_of(combination):
    bases, components = combination
    return "+".join((*bases, *components))


def combine(folder, combination, **more):
    """Writes an overlay as docs/deploy.md describes it, and returns the objects that it renders."""
    bases, components = combination
    root = os.path.relpath(MANIFESTS, folder)
    body = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    body["resources"] = [f"{root}/{base}" for base in bases]
    body["components"] = [f"{root}/components/{name}" for name in components]
    (folder / "kustomization.yaml").write_text(yaml.safe_dump({**body, **more}))
    return render(folder)


def find(docs, kind, name):
    (found,) = [d for d in docs if d["kind"] == kind and d["metadata"]["name"] == name]
    return found


def controller_args(docs):
    spec = find(docs, "Deployment", "nodeprep-controller")["spec"]["template"]["spec"]
    return spec["containers"][0]["args"]


@pytest.mark.parametrize("combination", COMBINATIONS, ids=name_of)
def test_combinations__server_side_apply(cluster, tmp_path, combination):
    docs = combine(tmp_path, combination)
    args = ["apply", "--server-side", "--force-conflicts", "--validate=strict", "-k", tmp_path]
    done = run_kubectl(cluster, *args)
    assert len(done.stdout.splitlines()) == len(docs), done.stdout
    assert "PodSecurity" not in done.stderr and "unknown field" not in done.stderr, done.stderr


def test_combinations__cover_every_component():
    assert {name for _, components in COMBINATIONS for name in components} == set(COMPONENTS)


def test_combinations__controller_does_not_bring_hookd(tmp_path):
    for options in SUBSETS:
        docs = combine(tmp_path, (("controller",), options))
        assert [d["metadata"]["name"] for d in docs if d["kind"] == "Deployment"] == [
            "nodeprep-controller"
        ]


def test_combinations__every_option_takes_effect(tmp_path):
    docs = combine(tmp_path, (("controller",), (*OPTIONS, *HOOKD[4])))
    args = controller_args(docs)
    assert "--clusters" in args and "--supervisor-namespace=vsphere-namespace" in args
    names = {d["metadata"]["name"] for d in docs if d["kind"] == "ClusterRole"}
    assert {"nodeprep-controller-clusters", "nodeprep-controller-bindings"} <= names
    assert "nodeprep-controller-classes" not in names
    hookd = find(docs, "Deployment", "nodeprep-hookd")["spec"]["template"]["spec"]
    assert {"name": "tls", "secret": {"secretName": "my-hookd-tls"}} in hookd["volumes"]
    extension = find(docs, "ExtensionConfig", "nodeprep")
    assert list(extension["metadata"]["annotations"].values()) == [f"{SYSTEM}/my-hookd-tls"]


def test_combinations__your_image_reaches_every_container(tmp_path):
    images = [{"name": "registry.example/nodeprep", "newName": "yours", "digest": "sha256:1"}]
    docs = combine(tmp_path, COMBINATIONS[-1], images=images)
    specs = [d["spec"]["template"]["spec"] for d in docs if "template" in d.get("spec", {})]
    used = {c["image"] for s in specs for c in s["containers"] + s.get("initContainers", [])}
    placeholders = {image.partition("@")[0] for image in used}
    assert placeholders == {"yours", "registry.example/pause", "registry.example/workload"}


# --- what the user replaces or creates ------------------------------------------------------------


def texts(value):
    """Yields every string in an object."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts(item)


def placeholders_of(docs):
    """Returns the placeholders in the objects, and the objects that their pods mount and nobody creates."""
    found = set()
    for text in texts(docs):
        found |= set(re.findall(r"registry\.example/[a-z]+|\bvsphere-namespace\b", text))
    created = {d["metadata"]["name"] for d in docs if d["kind"] in ("Secret", "ConfigMap")}
    created |= {d["spec"]["secretName"] for d in docs if d["kind"] == "Certificate"}
    for doc in docs:
        spec = doc.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec).get("template", {}).get("spec", {})
        for volume in spec.get("volumes", []):
            name = volume.get("secret", {}).get("secretName") or volume.get("configMap", {}).get("name")
            if name and not name.startswith(tuple(created)):
                found.add(name)
    return found


def row_of(folder):
    """Returns what the row of docs/deploy.md that begins with the folder leaves to the user."""
    rows = [line for line in DOCS.splitlines() if line.startswith("|") and f"`{folder}`" in line.split("|")[1]]
    assert len(rows) == 1, (folder, rows)
    return rows[0].split("|")[3]


BASES = ("crd", "controller", "hookd", "node-check", "cni", "monitoring", "rbac", "namespace")
BASES += ("overlays/job", "overlays/cronjob", "overlays/gpu-workload")


@pytest.mark.parametrize("base", BASES)
def test_docs__name_the_placeholders_of_each_base(base):
    found = placeholders_of(render(MANIFESTS / base))
    named = row_of(base)
    assert [name for name in sorted(found) if f"`{name}`" not in named] == []


@pytest.mark.parametrize("component", COMPONENTS)
def test_docs__name_the_placeholders_of_each_component(tmp_path, component):
    hookd = ("hookd",) if component in ("given-secret", "cert-manager") else ()
    before = placeholders_of(combine(tmp_path, (("controller",), hookd)))
    added = placeholders_of(combine(tmp_path, (("controller",), (*hookd, component)))) - before
    if component == "hookd":
        added -= {"nodeprep-hookd-tls"}  # its text requires one of the components that bring it
    named = row_of(f"components/{component}")
    assert [name for name in sorted(added) if f"`{name}`" not in named] == []


def test_docs__supervisor_namespace_of_the_example_counts(tmp_path):
    block = DOCS[DOCS.index("    patches:\n    - target: {kind: Deployment") :].partition("\n\n")[0]
    more = yaml.safe_load(block)
    docs = combine(tmp_path, (("controller",), ("supervisor",)), **more)
    assert controller_args(docs)[-1] == "--supervisor-namespace=ml-classes"
