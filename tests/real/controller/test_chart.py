# SPDX-License-Identifier: Apache-2.0
"""The Helm chart: it renders what kustomize renders, and installs, upgrades and uninstalls as docs/deploy.md says."""

import itertools
import os
import subprocess

import pytest
import yaml
from controller_harness import MANIFESTS, SYSTEM, put_pool, render, servers, wait_reason
from deployed import CRD, DEPLOYMENT, Cluster, Place, contents, put_classes, use

ZERO = "sha256:" + "0" * 64
KEEP = "helm.sh/resource-policy"
# What the manifests leave to the user, as values.
MATCHING = {"image": {"digest": ZERO}, "controller": {"supervisor": {"namespace": "vsphere-namespace"}}}
OPTIONS = {
    "clusters": {"controller": {"clusters": True}},
    "supervisor": {"controller": {"supervisor": {"enabled": True}}},
    "class-bindings": {"controller": {"classBindings": True}},
}
HOOKD = {
    "hookd": {"hookd": {"enabled": True}},
    "cert-manager": {"hookd": {"tls": {"certManager": True}}},
    "extension-config": {"hookd": {"extensionConfig": True}},
    "given-secret": {"hookd": {"tls": {"secretName": "my-hookd-tls"}}},
}
SETS = ((), ("hookd", "cert-manager"), ("hookd", "given-secret"), ("hookd", "cert-manager", "extension-config"),
        ("hookd", "extension-config", "given-secret"))
SUBSETS = [chosen for number in range(len(OPTIONS) + 1) for chosen in itertools.combinations(OPTIONS, number)]
BASES = {
    "crd": {"crds": {"enabled": True}},
    "controller": {"controller": {"enabled": True}},
    "monitoring": {"monitoring": {"enabled": True}},
    "rbac": {"commandRoles": {"enabled": True}},
}


@pytest.fixture(scope="session")
def helm(tmp_path_factory):
    """helm(*args): helm's output, or its error with must=False; its files are in the test's folder."""
    script = servers.REPO / "tests/real/controller/helm/build.sh"
    done = subprocess.run([script, servers.BIN_DIR / "real"], stdout=subprocess.PIPE, text=True, check=True, timeout=1200)
    program = servers.pathlib.Path(done.stdout.strip()) / "helm"
    home = tmp_path_factory.mktemp("helm")

    def call(*args, must=True, values=None):
        env = {"PATH": os.environ["PATH"], "HOME": str(home)}
        if values is not None:
            args = (*args, "--values", "-")
        done = subprocess.run([str(a) for a in (program, *args)], env=env, capture_output=True, text=True, timeout=120,
                              input=yaml.safe_dump(values or {}), check=False)
        assert not must or done.returncode == 0, done.stderr
        return done.stdout if must else (done.returncode, done.stderr)

    call.folder = program.parent
    return call


@pytest.fixture(scope="session")
def chart(tmp_path_factory):
    """The chart that `make chart` packages."""
    folder = tmp_path_factory.mktemp("chart")
    subprocess.run([servers.REPO / "hack/chart.sh", folder], check=True, timeout=60)
    (path,) = folder.glob("nodeprep-*.tgz")
    return path


def merge(*trees):
    merged = {}
    for tree in trees:
        for key, value in tree.items():
            merged[key] = merge(merged.get(key, {}), value) if isinstance(value, dict) else value
    return merged


def by_name(docs):
    found = {}
    for doc in docs:
        key = (doc["kind"], doc["metadata"].get("namespace"), doc["metadata"]["name"])
        assert key not in found
        annotations = doc["metadata"].get("annotations", {})
        annotations.pop(KEEP, None)
        if not annotations:
            doc["metadata"].pop("annotations", None)
        found[key] = doc
    return found


def template(helm, chart, values, namespace=SYSTEM):
    text = helm("template", "nodeprep", chart, "--namespace", namespace, values=values)
    return [doc for doc in yaml.safe_load_all(text) if doc]


def kustomize(folder, bases, components):
    root = os.path.relpath(MANIFESTS, folder)
    body = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
            "resources": [f"{root}/{base}" for base in bases],
            "components": [f"{root}/components/{name}" for name in components]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(body))
    # helm creates the release's namespace.
    return [doc for doc in render(folder) if (doc["kind"], doc["metadata"]["name"]) != ("Namespace", SYSTEM)]


def off(*names):
    return {name: {"enabled": False} for name in names}


CASES = [
    *((("controller",), options) for options in SUBSETS),
    *((("controller",), (*OPTIONS, *hookd)) for hookd in SETS[1:]),
    *((("namespace",), hookd) for hookd in SETS[1:]),
    (("crd", "controller", "monitoring", "rbac"), (*OPTIONS, *SETS[3])),
    (("crd",), ()),
]


@pytest.mark.parametrize(("bases", "components"), CASES, ids=lambda names: "+".join(names) or "none")
def test_chart__renders_what_kustomize_renders(helm, chart, tmp_path, bases, components):
    chosen = [BASES[name] for name in bases if name in BASES] + [(OPTIONS | HOOKD)[name] for name in components]
    values = merge(MATCHING, off("crds", "controller"), *chosen)
    rendered = by_name(template(helm, chart, values))
    assert rendered == by_name(kustomize(tmp_path, bases, components))


def test_chart__cases_cover_every_component_and_value():
    components = {path.parent.name for path in MANIFESTS.glob("components/*/kustomization.yaml")}
    assert {name for _, names in CASES for name in names} == components


def test_chart__another_namespace_reaches_every_object(helm, chart):
    values = merge(MATCHING, *BASES.values(), *OPTIONS.values(), HOOKD["hookd"], HOOKD["cert-manager"],
                   HOOKD["extension-config"])
    text = helm("template", "nodeprep", chart, "--namespace", "elsewhere", values=values)
    assert SYSTEM not in text
    namespaces = {doc["metadata"].get("namespace") for doc in yaml.safe_load_all(text) if doc}
    assert namespaces == {None, "elsewhere", "capi-system"}


def test_chart__values_reach_the_pods(helm, chart):
    pod = {"extraArgs": ["--max-window=1024"], "replicas": 3, "nodeSelector": {"a": "b"}, "priorityClassName": "high",
           "tolerations": [{"operator": "Exists"}], "resources": {"requests": {"cpu": "1"}},
           "podAnnotations": {"c": "d"}}
    values = {"image": {"repository": "yours/nodeprep", "tag": "1.2", "pullPolicy": "Always", "pullSecrets": [{"name": "mine"}]},
              "controller": pod, "hookd": {"enabled": True, **pod}}
    docs = [d for d in template(helm, chart, values) if d["kind"] == "Deployment"]
    assert len(docs) == 2
    for doc in docs:
        spec = doc["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        assert container["args"][-1] == "--max-window=1024"
        assert (container["image"], container["imagePullPolicy"]) == ("yours/nodeprep:1.2", "Always")
        assert (doc["spec"]["replicas"], container["resources"]["requests"]["cpu"]) == (3, "1")
        assert (spec["nodeSelector"], spec["tolerations"]) == (pod["nodeSelector"], pod["tolerations"])
        assert (spec["priorityClassName"], spec["imagePullSecrets"]) == ("high", [{"name": "mine"}])
        assert doc["spec"]["template"]["metadata"]["annotations"]["c"] == "d"


def test_chart__the_version_is_the_project_s(helm, chart):
    version = (servers.REPO / "VERSION").read_text().strip()
    assert chart.name == f"nodeprep-{version}.tgz"
    shown = yaml.safe_load(helm("show", "chart", chart))
    assert (shown["version"], shown["appVersion"]) == (version, version)
    (image,) = {c["image"] for d in template(helm, chart, {}) if d["kind"] == "Deployment"
                for c in d["spec"]["template"]["spec"]["containers"]}
    assert image == f"registry.example/nodeprep:{version}"


def test_chart__lint_is_clean(helm, chart, tmp_path):
    subprocess.run(["tar", "-xf", chart, "-C", tmp_path], check=True)
    assert "1 chart(s) linted, 0 chart(s) failed" in helm("lint", "--strict", tmp_path / "nodeprep")


@pytest.mark.parametrize(("values", "told"), [
    ({"controler": {}}, "controler"),
    ({"controller": {"replicas": "two"}}, "replicas"),
    ({"controller": {"supervisor": {"enabled": True}}}, "supervisor"),
    ({"controller": {"extraArgs": ["max-window=4"]}}, "extraArgs"),
    ({"image": {"digest": "sha256:1"}}, "digest"),
    ({"hookd": {"tls": {"secretName": "a b"}}}, "secretName"),
])
def test_chart__invalid_values_are_errors(helm, chart, values, told):
    status, error = helm("template", "nodeprep", chart, values=values, must=False)
    assert status == 1 and told in error, error


@pytest.fixture
def place(helm, chart, tmp_path):
    with servers.RealServer() as running:
        running.create_namespace("team")
        with Cluster(running):
            made = Place(running, tmp_path, [helm.folder])
            (tmp_path / "nodeprep.tgz").symlink_to(chart)
            yield made


def test_chart__uninstall_restores_every_class(place):
    before = put_classes(place.server)
    place.follow("Install by Helm")
    use(place.server)
    assert all(contents(place.server)[key] != value for key, value in before.items())
    place.follow("Uninstall by Helm")
    assert contents(place.server) == before
    for path in (DEPLOYMENT, CRD, f"/api/v1/namespaces/{SYSTEM}"):
        assert place.server.request("GET", path)[0] == 404, path


def test_chart__upgrade_and_reinstall_keep_the_pools(place):
    """Upgraded with an option and rolled back; uninstalled too early, installed again."""
    server = place.server
    put_classes(server)
    place.follow("Install by Helm")
    put_pool(server, "team", "one", vmClass="gpu")
    wait_reason(server, "team", "Configured", "one")
    options = "--namespace nodeprep-system --reuse-values"
    place.run(f"helm upgrade nodeprep nodeprep.tgz {options} --set controller.classBindings=true")
    role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/nodeprep-controller-bindings"
    assert server.request("GET", role)[0] == 200
    place.run("helm rollback nodeprep 1 --namespace nodeprep-system")
    assert server.request("GET", role)[0] == 404
    place.run("helm uninstall nodeprep --namespace nodeprep-system")
    assert (server.request("GET", DEPLOYMENT)[0], server.request("GET", CRD)[0]) == (404, 200)
    place.run("helm install nodeprep nodeprep.tgz --namespace nodeprep-system --values values.yaml")
    wait_reason(server, "team", "Configured", "one")
    place.follow("Uninstall by Helm")
