# SPDX-License-Identifier: Apache-2.0
"""chart.py OUT - generates the Helm chart in the folder OUT: deploy/chart, with templates of the objects in deploy/manifests.

Each folder of PARTS becomes templates; the patches of its components become conditions in them. What this script
does not know is an error. tests/real/controller/test_chart.py compares what helm and kustomize render.
"""

import itertools
import pathlib
import re
import shutil
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
MANIFESTS = ROOT / "deploy" / "manifests"
SYSTEM = "nodeprep-system"
CLUSTER_WIDE = ("ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "ExtensionConfig")
CONTAINER = "/spec/template/spec/containers/0"

# Folder, and the condition under which its objects and patches count. helm creates the namespace; another
# secret for hookd is a value.
PARTS = (
    ("crd", ".Values.crds.enabled"),
    ("controller", ".Values.controller.enabled"),
    ("components/clusters", "and .Values.controller.enabled .Values.controller.clusters"),
    ("components/supervisor", "and .Values.controller.enabled .Values.controller.supervisor.enabled"),
    ("components/class-bindings", "and .Values.controller.enabled .Values.controller.classBindings"),
    ("components/hookd", ".Values.hookd.enabled"),
    ("components/cert-manager", "and .Values.hookd.enabled .Values.hookd.tls.certManager"),
    ("components/extension-config", "and .Values.hookd.enabled .Values.hookd.extensionConfig"),
    ("monitoring", ".Values.monitoring.enabled"),
    ("rbac", ".Values.commandRoles.enabled"),
)
# What a text becomes, wherever it is in the objects of the part's folder.
TEXTS = (
    ("", SYSTEM, "{{ .Release.Namespace }}"),
    ("", "nodeprep-hookd-tls", "{{ .Values.hookd.tls.secretName }}"),
    ("components/supervisor", "vsphere-namespace", "{{ .Values.controller.supervisor.namespace }}"),
    ("components/supervisor", "nodeprep-supervisor", "{{ .Values.controller.supervisor.secretName }}"),
    ("components/hookd", "capi-system", "{{ .Values.hookd.managerNamespace }}"),
    ("components/hookd", "monitoring", "{{ .Values.hookd.monitoringNamespace }}"),
    ("components/cert-manager", "capi-system", "{{ .Values.hookd.managerNamespace }}"),
)


class Expression:
    """A value that helm computes: its template, and the lines around it."""

    def __init__(self, text, before="", after=""):
        self.text, self.before, self.after = text, before, after


def when(condition, text):
    return Expression(text, f"{{{{- if {condition} }}}}", "{{- end }}")


def each(values, text):
    return Expression(text, f"{{{{- range {values} }}}}", "{{- end }}")


class Writer:
    """Writes objects as templates: PyYAML writes a mark for each expression, whose line is then replaced."""

    def __init__(self):
        self.marks = {}
        self.numbers = itertools.count()

    def mark(self, value, texts):
        if isinstance(value, dict):
            return {self.mark(key, texts): self.mark(item, texts) for key, item in value.items()}
        if isinstance(value, list):
            return [self.mark(item, texts) for item in value]
        if isinstance(value, str):
            value = as_template(value, texts)
        if not isinstance(value, Expression):
            return value
        name = f"expression-{next(self.numbers)}-"
        self.marks[name] = value
        return name

    def write(self, condition, doc, texts):
        dumped = yaml.safe_dump(self.mark(doc, texts), sort_keys=False, width=1000, allow_unicode=True)
        lines = [f"{{{{- if {condition} }}}}", "---"]
        for line in dumped.splitlines():
            found = re.search("expression-[0-9]+-", line)
            expression = self.marks[found.group()] if found else None
            before, after = (expression.before, expression.after) if expression else ("", "")
            lines += [text for text in (before, line, after) if text]
        text = "\n".join([*lines, "{{- end }}"]) + "\n"
        return re.sub("expression-[0-9]+-", lambda m: self.marks[m.group()].text, text)


def as_template(text, texts):
    """The text as it is, or an expression where values count in it."""
    parts = re.split("|".join(f"({re.escape(old)})" for old in texts), text) if texts else [text]
    parts = [part for part in parts if part]
    if not any(part in texts for part in parts):
        # Braces of Prometheus, not of helm.
        return Expression("{{ " + f"`{text}` | quote" + " }}") if "{{" in text else text
    return Expression("".join(texts.get(part, part) for part in parts) if len(parts) > 1
                      else texts[parts[0]].replace(" }}", " | quote }}"))


def load(path):
    return yaml.safe_load(path.read_text())


def find(objects, target):
    found = [o for o in objects if (o["doc"]["kind"], o["doc"]["metadata"]["name"]) == (target["kind"], target["name"])]
    if len(found) != 1:
        sys.exit(f"chart.py: expected one {target['kind']} '{target['name']}', found {len(found)}")
    return found[0]


def insert(doc, path, condition, value):
    """Adds a value under a condition, as an operation of a JSON patch does."""
    *parents, last = path.strip("/").split("/")
    for name in parents:
        doc = doc[int(name) if isinstance(doc, list) else name]
    if isinstance(doc, list) and last == "-":
        doc.append(when(condition, value))
    elif isinstance(doc, dict) and last not in doc:
        doc[last] = when(condition, value)
    else:
        sys.exit(f"chart.py: cannot add {path}")


def flow(value, texts):
    """A value on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=100000).strip().removesuffix("\n...")
    for old, new in texts.items():
        text = text.replace(old, new)
    return text


def patch(objects, entry, condition, texts):
    target = find(objects, entry["target"])
    body = yaml.safe_load(entry["patch"])
    if isinstance(body, dict) and body.get("$patch") == "delete":
        target["condition"] = f"and ({target['condition']}) (not ({condition}))"
        return
    for operation in body:
        if operation["op"] != "add":
            sys.exit(f"chart.py: unknown operation '{operation['op']}'")
        insert(target["doc"], operation["path"], condition, flow(operation["value"], texts))


def put_namespace(doc):
    if doc["kind"] not in CLUSTER_WIDE:
        doc["metadata"] = {"name": doc["metadata"]["name"], "namespace": SYSTEM, **doc["metadata"]}


def read_part(folder, condition, objects):
    kustomization = load(MANIFESTS / folder / "kustomization.yaml")
    texts = {old: new for part, old, new in TEXTS if part in ("", folder)}
    for name in kustomization["resources"]:
        path = MANIFESTS / folder / name
        if path.is_dir() and name == "../namespace":
            continue
        for doc in yaml.safe_load_all(path.read_text()):
            put_namespace(doc)
            objects.append({"file": f"{pathlib.Path(folder).name}-{path.name}", "doc": doc, "condition": condition,
                            "texts": texts})
    for entry in kustomization.get("patches", []):
        patch(objects, entry, condition, texts)
    for entry in kustomization.get("configMapGenerator", []):
        (file,) = entry["files"]
        doc = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
            "name": entry["name"], "namespace": SYSTEM, "labels": entry["options"]["labels"]}}
        doc["data"] = {file: Expression(f'{{{{ .Files.Get "files/{file}" | toJson }}}}')}
        objects.append({"file": f"{folder}-{entry['name']}.yaml", "doc": doc, "condition": condition, "texts": texts})


def put_values(objects):
    """Makes values of what users of a chart expect to set."""
    crd = find(objects, {"kind": "CustomResourceDefinition", "name": "nodepools.nodeprep.dev"})["doc"]
    crd["metadata"]["annotations"] = {"helm.sh/resource-policy": "keep", **crd["metadata"].get("annotations", {})}
    for name, prefix in (("nodeprep-controller", ".Values.controller"), ("nodeprep-hookd", ".Values.hookd")):
        doc = find(objects, {"kind": "Deployment", "name": name})["doc"]
        template = doc["spec"]["template"]
        pod, (container,) = template["spec"], template["spec"]["containers"]
        doc["spec"]["replicas"] = Expression(f"{{{{ {prefix}.replicas }}}}")
        container["image"] = Expression('{{ include "nodeprep.image" . | quote }}')
        container["imagePullPolicy"] = Expression("{{ .Values.image.pullPolicy }}")
        container["resources"] = Expression(f"{{{{ toJson {prefix}.resources }}}}")
        container["args"].append(each(f"{prefix}.extraArgs", "{{ . | quote }}"))
        for key in ("nodeSelector", "tolerations", "priorityClassName"):
            pod[key] = when(f"{prefix}.{key}", f"{{{{ toJson {prefix}.{key} }}}}")
        pod["imagePullSecrets"] = when(".Values.image.pullSecrets", "{{ toJson .Values.image.pullSecrets }}")
        own = template["metadata"].get("annotations")
        template["metadata"]["annotations"] = (
            Expression(f"{{{{ toJson (merge (dict {words(own)}) {prefix}.podAnnotations) }}}}") if own
            else when(f"{prefix}.podAnnotations", f"{{{{ toJson {prefix}.podAnnotations }}}}"))


def words(pairs):
    return " ".join(f'"{key}" "{value}"' for key, value in pairs.items())


def main():
    out = pathlib.Path(sys.argv[1])
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(ROOT / "deploy" / "chart", out)
    shutil.copy(ROOT / "LICENSE", out)
    (out / "files").mkdir()
    shutil.copy(MANIFESTS / "monitoring" / "nodeprep.json", out / "files")
    version = (ROOT / "VERSION").read_text().strip()
    with open(out / "Chart.yaml", "a") as chart:
        chart.write(f'version: {version}\nappVersion: "{version}"\n')
    objects = []
    for folder, condition in PARTS:
        read_part(folder, condition, objects)
    put_values(objects)
    writer = Writer()
    files = {}
    for entry in objects:
        files.setdefault(entry["file"], []).append(writer.write(entry["condition"], entry["doc"], entry["texts"]))
    for name, texts in files.items():
        (out / "templates" / name).write_text("".join(texts))


main()
