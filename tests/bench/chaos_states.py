# SPDX-License-Identifier: Apache-2.0
"""Reads every stored state of the VM classes from etcd, and says which of them must not be.

etcd keeps each state, also what an API server stored before it was restarted. Each state is compared with
the one before it: either the foreign writer made it, and then it has exactly that edit, or a program of
nodeprep did, and then nothing but nodeprep's own settings may differ."""

import base64
import copy
import http.client
import json
import threading
import urllib.parse

from builders import MANAGED, SIZE, USE64

SERIAL = "example.com/serial"  # each edit of the foreign writer has a number of its own
PREFIX = "/registry/vmoperator.vmware.com/virtualmachineclasses/"


def encode(text):
    return base64.b64encode(text.encode()).decode()


def without_empty(value):
    """Returns the value without members that are empty: absent and empty mean the same in a class."""
    if not isinstance(value, dict):
        return value
    kept = {key: without_empty(member) for key, member in value.items()}
    return {key: member for key, member in kept.items() if member not in (None, {}, [])}


def text_of(entry):
    return entry["value"]["_value"] if isinstance(entry["value"], dict) else entry["value"]


class State:
    """A class as it was stored: nodeprep's record, nodeprep's settings, and the rest, which is foreign."""

    def __init__(self, cls):
        self.cls = cls
        rest = copy.deepcopy({"spec": cls["spec"], "labels": cls["metadata"].get("labels")})
        rest["annotations"] = dict(cls["metadata"].get("annotations") or {})
        self.serial = rest["annotations"].get(SERIAL)
        self.record_text = rest["annotations"].pop(MANAGED, None)
        config = rest["spec"].get("configSpec") or {}
        entries = config.get("extraConfig") or []
        requests = ((rest["spec"].get("policies") or {}).get("resources") or {}).get("requests") or {}
        self.has_config = bool(rest["spec"].get("configSpec"))
        self.devices = len(config.pop("deviceChange", None) or [])
        config.pop("_typeName", None)
        self.settings = {
            "window": [(e["key"], text_of(e)) for e in entries if e["key"] in (SIZE, USE64)],
            "firmware": config.pop("firmware", None),
            "locked": config.pop("memoryReservationLockedToMax", None),
            "reservation": requests.pop("memory", None),
        }
        if entries:
            config["extraConfig"] = [e for e in entries if e["key"] not in (SIZE, USE64)]
        self.rest = without_empty(rest)

    def holders(self):
        """Returns pool id -> holders; {} where nodeprep has nothing to do with the class."""
        pools = json.loads(self.record_text)["pools"] if self.record_text else {}
        return {pool: set(entry["holders"]) for pool, entry in pools.items()}

    def window(self):
        sizes = [int(value) for key, value in self.settings["window"] if key == SIZE]
        return max(sizes, default=0)

    def wrong(self, original, before):
        """Returns what is half-written in it, or None."""
        if not self.record_text:
            if self.settings != original.settings:
                return f"no record, but settings {self.settings} in place of {original.settings}"
            return None
        try:
            pools = json.loads(self.record_text)["pools"]
            most = max(entry["mmioGB"] for entry in pools.values())
        except (ValueError, KeyError, TypeError) as error:
            return f"bad record ({error!r}): {self.record_text}"
        # A larger window may stay, but no write makes one larger than the pools need.
        size = most if self.window() == most else max(most, before.window())
        wanted = {
            "window": [(SIZE, str(size)), (USE64, "TRUE")],
            "firmware": "efi",
            "locked": original.settings["locked"],
            "reservation": self.cls["spec"]["hardware"]["memory"],
        }
        found = {**self.settings, "window": sorted(self.settings["window"])}
        if found != wanted:
            return f"the record needs {wanted}, but there is {found}"
        cards = len(self.cls["spec"]["hardware"]["devices"]["dynamicDirectPathIODevices"])
        return None if self.devices == cards else f"{self.devices} of {cards} devices in configSpec"


class States(threading.Thread):
    """Follows etcd from the revision after the classes were created."""

    def __init__(self, etcd_url, edits):
        super().__init__(daemon=True)
        self.etcd, self.edits = urllib.parse.urlsplit(etcd_url).netloc, edits
        self.span = {"key": encode(PREFIX), "range_end": encode(PREFIX[:-1] + "0")}
        self.last, self.wrongs = {}, []
        self.writes = self.foreign = self.revision = 0
        found = self.read()
        self.begin = int(found["header"]["revision"]) + 1
        for kv in found["kvs"]:
            state = self.state_of(kv)
            self.last[state.cls["metadata"]["name"]] = state
        self.originals = dict(self.last)

    @staticmethod
    def state_of(kv):
        return State(json.loads(base64.b64decode(kv["value"])))

    def ask(self, path, body, timeout):
        connection = http.client.HTTPConnection(self.etcd, timeout=timeout)
        connection.request("POST", path, json.dumps(body))
        return connection.getresponse()

    def read(self):
        return json.load(self.ask("/v3/kv/range", self.span, 30))

    def is_up_to_date(self):
        return self.revision >= max(int(kv["mod_revision"]) for kv in self.read()["kvs"])

    def run(self):
        try:
            answer = self.ask("/v3/watch", {"create_request": {**self.span, "start_revision": self.begin}}, None)
            while line := answer.readline():
                for event in json.loads(line)["result"].get("events", []):
                    self.take(event)
            self.wrongs.append("etcd ended the watch")
        except (OSError, ValueError, KeyError) as error:
            self.wrongs.append(f"the watch of etcd ended: {error!r}")

    def take(self, event):
        revision = int(event["kv"]["mod_revision"])
        if event.get("type") == "DELETE":
            self.wrongs.append(f"revision {revision}: a class was deleted")
        else:
            self.compare(self.state_of(event["kv"]), revision)
        self.revision = revision

    def compare(self, state, revision):
        name = state.cls["metadata"]["name"]
        before, self.last[name] = self.last[name], state
        wrong = state.wrong(self.originals[name], before) or self.wrong_step(name, before, state)
        if wrong:
            self.wrongs.append(f"{name}, revision {revision}: {wrong}")

    def wrong_step(self, name, before, state):
        """Returns what this write changed that its writer had no business to change."""
        if state.serial == before.serial:
            self.writes += 1
            return differs("a foreign field was lost", before.rest, state.rest)
        self.foreign += 1
        edited = copy.deepcopy(before.cls)
        self.edits[name, state.serial].make(edited)
        return differs("the foreign edit is not whole", State(edited).rest, state.rest) or differs(
            "a foreign edit undid a write of nodeprep", (before.record_text, before.settings),
            (state.record_text, state.settings))


def differs(what, wanted, found):
    if wanted == found:
        return None
    return f"{what}: expected {json.dumps(wanted)}, found {json.dumps(found)}"
