# SPDX-License-Identifier: Apache-2.0
"""The embedded Supervisor answers as a real kube-apiserver does.

One list of requests goes to both, in order, and each pair of answers is compared: status code and
body, with everything masked that differs between two servers by nature. This is what makes the rest
of the suite worth running against the embedded Supervisor alone.

Not compared: a method that is none, which the embedded Supervisor's HTTP library refuses by itself
(501, not 405).
"""

import copy
import dataclasses
import json
import re
import urllib.parse

import pytest

import servers

pytestmark = pytest.mark.real_only

GROUP = servers.GROUP
API = f"/apis/{GROUP}/v1alpha6"
PLURAL = "virtualmachineclasses"
ML = f"{API}/namespaces/ml/{PLURAL}"
OLD_ML = f"/apis/{GROUP}/v1alpha1/namespaces/ml/{PLURAL}"
GPU = f"{ML}/gpu"
VMS = f"{API}/namespaces/ml/virtualmachines"
IMAGES = f"{API}/namespaces/ml/virtualmachineimages"
CLUSTER_IMAGES = f"{API}/clustervirtualmachineimages"
BINDINGS = f"/apis/{GROUP}/v1alpha1/namespaces/ml/virtualmachineclassbindings"
STRICT = "fieldManager=nodeprep&fieldValidation=Strict"
GPU_STRICT = f"{GPU}?{STRICT}"

SPEC = {
    "hardware": {
        "cpus": 16,
        "memory": "256Gi",
        "devices": {
            "dynamicDirectPathIODevices": [
                {"vendorID": 4318, "deviceID": 8368, "customLabel": "a"},
                {"vendorID": 4318, "deviceID": 8368},
            ]
        },
    },
    "policies": {"resources": {"requests": {"memory": "128Gi", "cpu": "500m"}}},
    "configSpec": {
        "_typeName": "VirtualMachineConfigSpec",
        "annotation": None,
        "extraConfig": [{"_typeName": "OptionValue", "key": "b", "value": "1"}, {"key": None}],
        "numbers": {"big": 9007199254740993, "half": 0.5, "no": False, "nothing": {}, "none": []},
    },
}


def other(kind, name, **members):
    return {"apiVersion": f"{GROUP}/v1alpha6", "kind": kind, "metadata": {"name": name}, **members}


def vm_class(name, spec=None, **metadata):
    return {
        "apiVersion": f"{GROUP}/v1alpha6",
        "kind": "VirtualMachineClass",
        "metadata": {"name": name, **metadata},
        "spec": SPEC if spec is None else spec,
    }


@dataclasses.dataclass
class Step:
    """One request. `path` and `body` may be functions of the answers so far, {sentence: body}."""

    name: str
    method: str
    path: object
    body: object = None
    headers: dict = None
    content_type: str = None
    user: str = None  # administrator where it is not said


def create(name, body, path=ML):
    return Step(name, "POST", path, body)


def patch(name, body, path=GPU, **options):
    return Step(name, "PATCH", path, body, **options)


def get(name, path, **options):
    return Step(name, "GET", path, **options)


REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def review(name, verb, user=None, ns="ml"):
    """Asks what a user may do with classes."""
    asked = {"group": GROUP, "resource": PLURAL, "verb": verb, "namespace": ns}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    body["spec"] = {"resourceAttributes": asked}
    return Step(name, "POST", f"{REVIEWS}?{STRICT}", body, user=user)


def version_of(seen, sentence):
    return seen[sentence]["metadata"]["resourceVersion"]


def at_version(sentence, body):
    """A patch that carries the resourceVersion which that answer had."""
    return lambda seen: {**body, "metadata": {"resourceVersion": version_of(seen, sentence)}}


def next_page(path, sentence):
    def page(seen):
        token = seen[sentence]["metadata"]["continue"]
        return f"{path}?limit=1&continue={urllib.parse.quote(token)}"

    return page


def replaced(sentence, **spec):
    """The whole object of that answer with other members of spec."""

    def body(seen):
        whole = copy.deepcopy(seen[sentence])
        whole["spec"] = {**whole.get("spec", {}), **spec}
        return whole

    return body


BARE = {
    "apiVersion": f"{GROUP}/v1alpha6",
    "kind": "VirtualMachineClass",
    "metadata": {"name": "bare"},
}

STEPS = [
    # Discovery
    get("the version", "/version"),
    get("the list of groups", "/apis"),
    get("the group", f"/apis/{GROUP}"),
    *(get(f"the resources of {v}", f"/apis/{GROUP}/{v}") for v in servers.VERSIONS),
    get("the resources of a version that is not served", f"/apis/{GROUP}/v9"),
    get("a group that is not served", "/apis/no.such.group"),
    get("a resource that is not served", f"{API}/namespaces/ml/nosuchthings"),
    get("an object of a resource that is not served", f"{API}/namespaces/ml/nosuchthings/x"),
    get("a path outside the API", "/nothing/here"),
    get("a subresource that is not served", f"{ML}/gpu/nosuch"),
    # Empty
    get("an empty list", ML),
    get("an empty list of all namespaces", f"{API}/{PLURAL}"),
    get("an empty list in v1alpha1", OLD_ML),
    get("an empty list of a namespace that is not there", f"{API}/namespaces/nowhere/{PLURAL}"),
    get("a class that is not there", GPU),
    # Create
    create("creating a class", path=f"{ML}?fieldManager=admin", body=vm_class("gpu")),
    create("creating it again", path=f"{ML}?fieldManager=admin", body=vm_class("gpu")),
    create(
        "creating a class with labels in another namespace",
        path=f"{API}/namespaces/default/{PLURAL}",
        body=vm_class("cpu", {"hardware": {"cpus": 2, "memory": "8Gi"}}, labels={"a": "b"}),
    ),
    create("creating a second class", vm_class("little", {"configSpec": {}})),
    create("creating a class without a spec", BARE),
    create(
        "creating a class through v1alpha1",
        path=OLD_ML,
        body={**vm_class("old", {"hardware": {"cpus": 1}}), "apiVersion": f"{GROUP}/v1alpha1"},
    ),
    create("creating a class with configSpec null", vm_class("null", {"configSpec": None})),
    create("creating a class under a name that is none", vm_class("Not_A_Name")),
    create("creating a class without a name", {**vm_class("x"), "metadata": {}}),
    create("creating a class of another kind", {**vm_class("x"), "kind": "Other"}),
    create(
        "creating a class of another version", {**vm_class("x"), "apiVersion": f"{GROUP}/v1alpha2"}
    ),
    create("creating a class for another namespace", vm_class("x", namespace="default")),
    create(
        "creating a class with memory that is no quantity",
        vm_class("x", {"hardware": {"memory": "lots"}}),
    ),
    create(
        "creating a class with cpus that are text", vm_class("x", {"hardware": {"cpus": "two"}})
    ),
    create(
        "creating a class with an unknown field, without Strict",
        vm_class("unknown", {"configspec": {"a": 1}, "hardware": {"cpus": 1}}),
    ),
    create(
        "creating a class with an unknown field, with Strict",
        path=f"{ML}?{STRICT}",
        body=vm_class("x", {"configspec": {"a": 1}}),
    ),
    create(
        "creating a class in a namespace that is not there",
        path=f"{API}/namespaces/nowhere/{PLURAL}",
        body=vm_class("x"),
    ),
    create("creating with dryRun", path=f"{ML}?dryRun=All", body=vm_class("dry")),
    get("that a dry run leaves nothing behind", f"{ML}/dry"),
    # Get and list
    get("a class", GPU),
    get("a class in v1alpha1", f"{OLD_ML}/gpu"),
    get("a class in v1alpha3", f"/apis/{GROUP}/v1alpha3/namespaces/ml/{PLURAL}/gpu"),
    get("its status", f"{ML}/gpu/status"),
    get("a class with the name in another namespace", f"{API}/namespaces/default/{PLURAL}/gpu"),
    get("a list", ML),
    get("a list of all namespaces", f"{API}/{PLURAL}"),
    get("the first page of a list", f"{API}/{PLURAL}?limit=1"),
    get("the second page of a list", next_page(f"{API}/{PLURAL}", "the first page of a list")),
    get("a page that holds the rest", f"{ML}?limit=500"),
    get("a page by a token that is none", f"{ML}?limit=1&continue=rubbish"),
    # Merge patch
    patch("a patch", {"spec": {"configSpec": {"firmware": "efi"}}}, GPU_STRICT),
    patch(
        "a patch that changes nothing", {"spec": {"configSpec": {"firmware": "efi"}}}, GPU_STRICT
    ),
    patch("an empty patch", {}),
    patch(
        "a patch at a version that was current",
        at_version("a class", {"spec": {"configSpec": {"firmware": "bios"}}}),
    ),
    patch("a patch that changes nothing at a version that was current", at_version("a class", {})),
    patch(
        "a patch at the current version",
        at_version("an empty patch", {"spec": {"configSpec": {"firmware": "bios"}}}),
    ),
    patch("a patch at a version that is no number", {"metadata": {"resourceVersion": "x"}}),
    patch(
        "a patch at version 0",
        {"metadata": {"resourceVersion": "0"}, "spec": {"description": "zero"}},
    ),
    patch(
        "a patch at an empty version",
        {"metadata": {"resourceVersion": ""}, "spec": {"description": "empty"}},
    ),
    patch("a patch with dryRun", {"spec": {"description": "dry"}}, f"{ML}/gpu?dryRun=All"),
    patch("an unknown field with Strict", {"spec": {"configspec": {"a": 1}}}, GPU_STRICT),
    patch("two unknown fields with Strict", {"spec": {"x": 1, "hardware": {"y": 1}}}, GPU_STRICT),
    patch(
        "an unknown field without Strict",
        {"spec": {"configspec": {"a": 1}, "description": "known"}},
    ),
    patch("an unknown field with Warn", {"spec": {"x": 1}}, f"{ML}/gpu?fieldValidation=Warn"),
    patch("an unknown field with Ignore", {"spec": {"x": 1}}, f"{ML}/gpu?fieldValidation=Ignore"),
    patch("a validation that is none", {"spec": {}}, f"{ML}/gpu?fieldValidation=Rubbish"),
    patch(
        "an annotation and a label",
        {"metadata": {"annotations": {"x/y": "1"}, "labels": {"l": "m"}}},
    ),
    patch("taking the annotation away", {"metadata": {"annotations": {"x/y": None}}}),
    patch("annotations that are too large", {"metadata": {"annotations": {"x/y": "a" * 262144}}}),
    patch("an annotation that is no text", {"metadata": {"annotations": {"x/y": 1}}}),
    patch("a label that is none", {"metadata": {"labels": {"l": "not a label"}}}),
    patch(
        "nulling a leaf leaves its parents",
        {"spec": {"policies": {"resources": {"requests": {"memory": None, "cpu": None}}}}},
    ),
    patch("nulling a parent", {"spec": {"policies": None}}),
    patch("nulling what is not there", {"spec": {"policies": None}}),
    patch(
        "nulls in an object that is new",
        {"spec": {"configSpec": {"new": {"a": None, "b": {"c": None, "d": 1}}}}},
    ),
    patch(
        "nulls in a list that is replaced",
        {
            "spec": {
                "configSpec": {
                    "extraConfig": [
                        {"key": "x", "value": None, "deep": {"n": None, "m": 1}},
                        None,
                        {},
                    ]
                }
            }
        },
    ),
    patch("a list that becomes an object", {"spec": {"configSpec": {"extraConfig": {"a": 1}}}}),
    patch("configSpec as a list", {"spec": {"configSpec": []}}),
    patch("configSpec as null", {"spec": {"configSpec": None}}),
    patch("configSpec as an empty object", {"spec": {"configSpec": {}}}),
    patch("cpus as text", {"spec": {"hardware": {"cpus": "two"}}}),
    patch("cpus as a fraction", {"spec": {"hardware": {"cpus": 1.5}}}),
    patch("memory that is no quantity", {"spec": {"hardware": {"memory": "lots"}}}),
    patch("memory as a number", {"spec": {"hardware": {"memory": 4096}}}),
    patch("reservedSlots below zero", {"spec": {"reservedSlots": -1}}),
    patch(
        "a device without its ids",
        {"spec": {"hardware": {"devices": {"dynamicDirectPathIODevices": [{"vendorID": 1}]}}}},
    ),
    patch(
        "one vGPU profile twice",
        {
            "spec": {
                "hardware": {
                    "devices": {"vgpuDevices": [{"profileName": "p"}, {"profileName": "p"}]}
                }
            }
        },
    ),
    patch("spec as null", {"spec": None}, f"{ML}/little"),
    patch("spec as text", {"spec": "x"}),
    # Metadata
    patch("another name", {"metadata": {"name": "other"}}),
    patch("another namespace", {"metadata": {"namespace": "default"}}),
    patch("another uid", {"metadata": {"uid": "11111111-2222-3333-4444-555555555555"}}),
    patch("another creation time", {"metadata": {"creationTimestamp": "2020-01-01T00:00:00Z"}}),
    patch("another generation", {"metadata": {"generation": 99}}),
    patch("managedFields taken away", {"metadata": {"managedFields": None}}),
    patch("another kind", {"kind": "Other"}),
    patch("another version of the API", {"apiVersion": f"{GROUP}/v1alpha2"}),
    patch("the status by the main resource", {"status": {"capabilities": ["x"]}}),
    patch("through v1alpha1", {"spec": {"description": "old"}}, f"{OLD_ML}/gpu"),
    # Bad requests
    patch("a patch of a class that is not there", {"spec": {}}, f"{ML}/nowhere"),
    patch("a body that is no JSON", "{"),
    patch("a body that is empty", ""),
    patch("a body that is a list", "[]"),
    patch("a body that is a number", "1"),
    patch("a body that is null", "null"),
    patch("the same key twice", '{"spec":{"description":"a","description":"b"}}'),
    patch(
        "the same key twice with Strict",
        '{"spec":{"description":"a","description":"b"}}',
        GPU_STRICT,
    ),
    patch("a content type that is none", {"spec": {}}, content_type="text/plain"),
    patch("the content type of plain JSON", {"spec": {}}, content_type="application/json"),
    patch(
        "a strategic merge patch",
        {"spec": {}},
        content_type="application/strategic-merge-patch+json",
    ),
    patch(
        "a merge patch with a character set",
        {"spec": {"description": "utf"}},
        content_type="application/merge-patch+json; charset=utf-8",
    ),
    create("creating from a body that is no JSON", "{"),
    create("creating from an empty body", ""),
    Step("a post to an object", "POST", GPU, {}),
    Step("a patch of a list", "PATCH", ML, {}),
    get("an Accept that cannot be met", GPU, headers={"Accept": "text/plain"}),
    # Put
    Step(
        "replacing a class", "PUT", f"{ML}/little", replaced("spec as null", description="replaced")
    ),
    Step(
        "replacing a class at a version that was current",
        "PUT",
        f"{ML}/little",
        replaced("spec as null", description="stale"),
    ),
    # Who asks
    get("without a token", ML, headers={"Authorization": None}),
    get("with a token that is none", ML, headers={"Authorization": "Bearer rubbish"}),
    get("the version without a token", "/version", headers={"Authorization": None}),
    patch("a patch without a token", {"spec": {}}, headers={"Authorization": None}),
    patch("a patch with a token that is none", {}, headers={"Authorization": "Bearer rubbish"}),
    # Delete
    get("the last list", ML),
    Step("deleting a class of another uid", "DELETE", GPU, {"preconditions": {"uid": "0" * 8 + "-0000-0000-0000-" + "0" * 12}}),
    Step("deleting a class of another version", "DELETE", GPU, {"preconditions": {"resourceVersion": "1"}}),
    Step("deleting a class for a trial", "DELETE", GPU, {"dryRun": ["All"]}),
    Step("deleting a class for a trial, by the query", "DELETE", f"{GPU}?dryRun=All"),
    Step(
        "deleting a class at its version",
        "DELETE",
        f"{ML}/little",
        lambda seen: {"preconditions": {"resourceVersion": version_of(seen, "replacing a class")}},
    ),
    Step("deleting a class", "DELETE", GPU),
    Step("deleting it again", "DELETE", GPU),
    get("a class that was deleted", GPU),
    create("creating a class that was deleted", vm_class("gpu")),
    # Watch
    get(
        "a watch since a version that was current",
        lambda seen: (
            f"{ML}?watch=1&timeoutSeconds=1&resourceVersion={version_of(seen, 'the last list')}"
        ),
    ),
    # What stands around the classes
    Step("creating a VM", "POST", VMS, other("VirtualMachine", "a", spec={"className": "gpu"})),
    Step("creating a VM again", "POST", VMS, other("VirtualMachine", "a")),
    Step("a patch of a VM", "PATCH", f"{VMS}/a", {"spec": {"imageName": "x"}}),
    Step("a patch that leaves a VM as it is", "PATCH", f"{VMS}/a", {"spec": {"imageName": "x"}}),
    Step("creating an image", "POST", IMAGES,
         other("VirtualMachineImage", "mine", status={"firmware": "efi"})),
    Step("a patch of an image's status", "PATCH", f"{IMAGES}/mine/status",
         {"status": {"firmware": "bios", "name": "ubuntu"}, "spec": {"providerRef": {"name": "x"}}}),
    Step("a patch of an image that names a status", "PATCH", f"{IMAGES}/mine",
         {"status": {"firmware": "efi"}, "metadata": {"labels": {"a": "b"}}}),
    Step("creating a cluster's image", "POST", CLUSTER_IMAGES,
         other("ClusterVirtualMachineImage", "all")),
    get("a namespace's VMs", VMS),
    get("the VMs of all namespaces", f"{API}/virtualmachines"),
    get("the images", IMAGES),
    get("the cluster's images", CLUSTER_IMAGES),
    get("the cluster's images in a namespace", f"{API}/namespaces/ml/clustervirtualmachineimages"),
    get("the bindings where there are none", BINDINGS),
    get("the bindings in a version that has none", BINDINGS.replace("v1alpha1", "v1alpha6")),
    get("a VM", f"{VMS}/a"),
    get("a VM that was never there", f"{VMS}/b"),
    Step("deleting a VM", "DELETE", f"{VMS}/a"),
    Step("deleting it once more", "DELETE", f"{VMS}/a"),
    # What else nodeprep asks for
    get("the namespace that names the cluster", "/api/v1/namespaces/kube-system"),
    get("a namespace that is not there", "/api/v1/namespaces/nowhere"),
    get("whether the server is ready", "/readyz"),
    get("whether the server lives", "/livez"),
    review("whether the administrator may patch", "patch"),
    review("whether a viewer may get", "get", "viewer"),
    review("whether a viewer may patch", "patch", "viewer"),
    review("whether nobody may get", "get", "nobody"),
    Step("a review of nothing", "POST", REVIEWS, {"spec": {}}),
    Step("a review without a token", "POST", REVIEWS, {"spec": {}}, headers={"Authorization": None}),
]


# --------------------------------------------------------------------------------------------------
# Comparing

UID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
META_VERSION = re.compile(r"(ResourceVersion in record \()[0-9]+")
ECHO = re.compile(r'Invalid value: ("\{(?:[^"\\]|\\.)*")')


class Mask:
    """Replaces what differs between two servers by nature, by a word that says what it was.

    An object's resourceVersion becomes its place in the order of first appearance on its server, so
    that "unchanged" and "changed" still show.
    """

    def __init__(self):
        self._versions = {}

    def body(self, value):
        if isinstance(value, list):
            return [self.body(item) for item in value]
        if not isinstance(value, dict):
            return value
        masked = {key: self.body(item) for key, item in value.items()}
        if isinstance(value.get("metadata"), dict):
            masked["metadata"] = self._metadata(masked["metadata"])
        if isinstance(value.get("details"), dict) and "uid" in value["details"]:
            masked["details"]["uid"] = "<uid>"
        if isinstance(value.get("message"), str):
            text = ECHO.sub(self._echo, value["message"])
            text = UID.sub("<uid>", text)
            masked["message"] = META_VERSION.sub(r"\1<version>", text)
        return masked

    def _metadata(self, metadata):
        masked = dict(metadata)
        if "resourceVersion" in metadata:
            masked["resourceVersion"] = self._version(metadata)
        for key in ("uid", "creationTimestamp", "continue"):
            if metadata.get(key):
                masked[key] = f"<{key}>"
        if "managedFields" in metadata:
            # The server sorts them by time first, which depends on when a second begins.
            fields = [{**entry, "time": "<time>"} for entry in metadata["managedFields"]]
            masked["managedFields"] = sorted(fields, key=lambda f: json.dumps(f, sort_keys=True))
        return masked

    def _version(self, metadata):
        if "uid" not in metadata:
            return "<of the list>"
        return self._versions.setdefault(metadata["resourceVersion"], len(self._versions))

    def _echo(self, match):
        """Masks the whole object that some refusals quote in their message."""
        masked = self.body(json.loads(json.loads(match.group(1))))
        return f"Invalid value: {json.dumps(masked, sort_keys=True)}"


def parse_lines(body):
    """Turns a watch's answer, one JSON object a line, into a list; leaves other text as it is."""
    if isinstance(body, str) and body.startswith("{"):
        return [json.loads(line) for line in body.splitlines()]
    return body


def pick_version(body):
    """Keeps of /version that the numbers are there and are numbers."""
    return {key: re.sub("[0-9]+", "N", body[key]) for key in ("major", "minor")}


def pick_group(body):
    return [group for group in body["groups"] if group["name"] == GROUP]


def pick_resources(body):
    """Keeps of a version's resources those of our kind; the hash is of storage, not of the API."""
    ours = [item for item in body["resources"] if item["kind"] == "VirtualMachineClass"]
    for item in ours:
        item.pop("storageVersionHash", None)
    return {**body, "resources": ours}


OTHER_KINDS = ("VirtualMachine", "VirtualMachineImage", "ClusterVirtualMachineImage")


def pick_other(body):
    """Keeps of the other kinds what nodeprep reads: the embedded server has no schema of theirs."""
    if body.get("kind", "").removesuffix("List") not in OTHER_KINDS:
        return body
    if "items" in body:
        return {**body, "items": [pick_other(item) for item in body["items"]]}
    kept = ("name", "namespace", "generation", "creationTimestamp", "annotations", "labels")
    metadata = {key: value for key, value in body["metadata"].items() if key in kept}
    spec = {key: value for key, value in body.get("spec", {}).items()
            if key in ("className", "imageName")}
    return {**body, "metadata": metadata, "spec": spec}


def pick(step, body):
    if step.path == "/version":
        return pick_version(body)
    if step.path == "/apis":
        return pick_group(body)
    if isinstance(body, dict) and body.get("kind") == "APIResourceList":
        return pick_resources(body)
    if isinstance(body, dict) and body.get("kind") == "SelfSubjectAccessReview":
        # A reason names the real server's rules.
        return {**body, "metadata": None, "status": {"allowed": body["status"]["allowed"]}}
    return pick_other(body) if isinstance(body, dict) else parse_lines(body)


CACHE_TRIES = 20


def request(server, step, seen):
    """Sends a step's request; returns how often that was, and the answer.

    The real server's cache of a kind may lag behind what other kinds wrote meanwhile; a watch that
    begins with what is there is refused then, to be tried again.
    """
    path = step.path(seen) if callable(step.path) else step.path
    body = step.body(seen) if callable(step.body) else step.body
    sent = step.headers
    if step.user:
        sent = {"Authorization": f"Bearer {server.tokens[step.user]}"}
    for tries in range(1, CACHE_TRIES + 1):
        status, headers, answer = server.request(
            step.method, path, body, headers=sent, content_type=step.content_type
        )
        if "ResourceVersionTooLarge" not in str(answer):
            break
    return tries, path, status, headers, answer


def ask(server):
    """Sends every step to a server; returns what is compared, {sentence: answer}."""
    seen, answers, sent, mask = {}, {}, [], Mask()
    server.mark()
    for step in STEPS:
        tries, path, status, headers, answer = request(server, step, seen)
        sent += [step] * tries
        seen[step.name] = answer
        answers[step.name] = {
            "status": status,
            "type": headers.get_content_type(),
            "warnings": [] if "bindings" in path else headers.get_all("Warning", []),
            "body": mask.body(copy.deepcopy(pick(step, answer))),
        }
    for step, logged in zip(sent, server.requests(), strict=True):
        answers[step.name]["logged"] = {key: logged[key] for key in ("verb", "path", "status")}
    return answers


@pytest.fixture(scope="module")
def both():
    with servers.RealServer() as real, servers.SimServer(args=["--namespace", "ml"]) as sim:
        yield ask(real), ask(sim)


def test_sentences_are_unique():
    names = [step.name for step in STEPS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", [step.name for step in STEPS])
def test_answers_are_the_same(both, name):
    real, sim = both
    assert sim[name] == real[name]
