# SPDX-License-Identifier: Apache-2.0
"""The simulator itself, by govc and by plain requests: what the other tests rely on."""

import base64
import http.client
import json
import ssl

import pytest

import servers
from builders import A100, option
from foreign import losses
from vcenter import ADMIN, CLASSES, LOCKED, NOBODY, PASSWORD, READER, devices, gpu_class, keys_of, vm_class


class Client:
    """A plain client of REST that keeps a session."""

    def __init__(self, vcenter, user=ADMIN, password=PASSWORD):
        self.vcenter, self.token = vcenter, None
        secret = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.basic = {"Authorization": f"Basic {secret}"}

    def request(self, method, path, body=None, headers=None):
        context = ssl.create_default_context(cafile=self.vcenter.ca)
        host, port = self.vcenter.host.split(":")
        connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=30)
        sent = {"vmware-api-session-id": self.token} if self.token else {}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {**sent, **(headers or {})})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        return answer.status, servers.parse_body(text)

    def login(self, path="/api/session"):
        status, answer = self.request("POST", path, headers=self.basic)
        if status in (200, 201):
            self.token = answer if isinstance(answer, str) else answer["value"]
        return status, answer


@pytest.fixture
def client(vcenter):
    made = Client(vcenter)
    assert made.login()[0] == 201
    return made


@pytest.mark.parametrize(("path", "status"), [("/api/session", 201), ("/rest/com/vmware/cis/session", 200)])
def test_both_session_forms(vcenter, path, status):
    client = Client(vcenter)
    assert client.login(path)[0] == status
    assert client.request("GET", CLASSES) == (200, [])
    assert client.request("DELETE", path)[0] == 204
    assert client.request("GET", CLASSES)[0] == 401
    assert vcenter.sessions() == {"rest": 0, "soap": 0}


def test_session_forms_can_be_missing(vcenter):
    vcenter.set(newSession=False)
    assert Client(vcenter).request("POST", "/api/session")[0] == 404
    vcenter.set(newSession=True, oldSession=False)
    assert Client(vcenter).request("POST", "/rest/com/vmware/cis/session")[0] == 404


def test_sessions_end_after_requests(vcenter):
    vcenter.set(sessionRequests=2)
    client = Client(vcenter)
    client.login()
    assert [client.request("GET", CLASSES)[0] for _ in range(3)] == [200, 200, 401]


@pytest.mark.parametrize(
    ("user", "password", "status"), [(ADMIN, "wrong", 401), (LOCKED, PASSWORD, 401), (READER, PASSWORD, 201)]
)
def test_logins(vcenter, user, password, status):
    got, answer = Client(vcenter, user, password).login()
    assert got == status
    if user == LOCKED:
        assert "locked" in answer["messages"][0]["default_message"]


def test_rights(vcenter):
    vcenter.put_classes(vm_class("a"))
    reader, nobody = Client(vcenter, READER), Client(vcenter, NOBODY)
    reader.login()
    nobody.login()
    assert reader.request("GET", f"{CLASSES}/a")[0] == 200
    status, answer = reader.request("PATCH", f"{CLASSES}/a", {"cpu_count": 1})
    assert (status, answer["error_type"]) == (403, "UNAUTHORIZED")
    assert nobody.request("GET", CLASSES)[0] == 403


def test_govc_sees_what_was_put(vcenter):
    vcenter.put_classes(gpu_class("a", A100, extra=[option("first", "1")]))
    seen = vcenter.info("a")
    assert seen["config_spec"] == vcenter.dump()["a"]["config_spec"]
    assert vcenter.govc("namespace.vmclass.ls").split() == ["a"]
    assert vcenter.sessions() == {"rest": 0, "soap": 0}


def test_a_patch_keeps_what_it_leaves_out_but_reservations_and_devices(vcenter, client):
    before = vm_class("a", memory_reservation=100, cpu_reservation=5, devices=devices(A100), unknown={"x": 1})
    vcenter.put_classes(before)
    assert client.request("PATCH", f"{CLASSES}/a", {"memory_MB": 1024})[0] == 204
    after = vcenter.dump()["a"]
    assert after == {k: v for k, v in before.items() if "reservation" not in k} | {"memory_MB": 1024, "devices": {}}


def test_a_patch_can_take_away_what_it_leaves_out(vcenter, client):
    vcenter.set(keepMissing=False)
    vcenter.put_classes(gpu_class("a"))
    assert client.request("PATCH", f"{CLASSES}/a", {"cpu_count": 4})[0] == 204
    after = vcenter.dump()["a"]
    assert after["description"] == "" and "config_spec" not in after


@pytest.mark.parametrize(
    "body",
    [{"id": "a"}, {"memory_mb": 1}, {"memory_reservation": 101}, {"config_spec": {"_typeName": "VirtualMachineConfigSpec", "deviceChange": 1}},
     {"config_spec": {"_typeName": "VirtualMachineConfigSpec", "numCPUs": 3}}],
    ids=["read-only", "spelling", "percent", "type", "contradiction"],
)
def test_a_bad_patch_is_refused(vcenter, client, body):
    vcenter.put_classes(vm_class("a"))
    before = vcenter.dump()
    status, answer = client.request("PATCH", f"{CLASSES}/a", body)
    assert (status, answer["error_type"]) == (400, "INVALID_ARGUMENT")
    assert vcenter.dump() == before


def test_spellings(vcenter, client):
    vcenter.set(memoryName="memory_mb", devicesName="dynamic_direct_path_io_devices")
    vcenter.put_classes(vm_class("a", devices=devices(A100)))
    _, got = client.request("GET", f"{CLASSES}/a")
    assert got["memory_mb"] == 262144 and "dynamic_direct_path_io_devices" in got["devices"]
    body = {"memory_mb": 1, "devices": got["devices"]}
    assert client.request("PATCH", f"{CLASSES}/a", body)[0] == 204
    assert vcenter.dump()["a"]["memory_MB"] == 1 and vcenter.dump()["a"]["devices"] == devices(A100)


def test_an_old_server_knows_no_config_spec(vcenter, client):
    vcenter.set(version="8.0.1", drop=["config_spec"])
    vcenter.put_classes(vm_class("a"))
    assert client.request("PATCH", f"{CLASSES}/a", {"config_spec": {}})[0] == 400
    assert "8.0.1" in vcenter.govc("about")


def test_a_typed_config_spec_has_the_members_of_its_type_alone(vcenter, client):
    vcenter.set(typedConfigSpec=True)
    vcenter.put_classes(vm_class("a"))
    spec = {"_typeName": "VirtualMachineConfigSpec", "extraConfig": [option("b", "2")], "firmware": "efi", "odd": 1}
    assert client.request("PATCH", f"{CLASSES}/a", {"config_spec": spec})[0] == 204
    kept = client.request("GET", f"{CLASSES}/a")[1]["config_spec"]
    del spec["odd"]
    assert kept == spec


@pytest.mark.parametrize(("service", "status"), [("missing", 404), ("disabled", 400)])
def test_no_supervisor_service(vcenter, client, service, status):
    vcenter.set(service=service)
    assert client.request("GET", CLASSES)[0] == status


def test_a_host_is_no_vcenter(vcenter):
    vcenter.set(esxi=True)
    assert "HostAgent" in vcenter.govc("about")
    assert Client(vcenter).login()[0] == 404


def test_rules(vcenter, client):
    vcenter.put_classes(vm_class("a"))
    path = f"{CLASSES}/a"
    vcenter.rules(
        {"method": "GET", "path": path, "skip": 1, "times": 1, "status": 503, "body": "busy"},
        {"method": "PATCH", "times": 1, "status": 500, "late": True},
        {"method": "DELETE", "drop": True},
        {"method": "GET", "path": CLASSES, "cut": 5},
    )
    assert client.request("GET", path)[0] == 200
    assert client.request("GET", path) == (503, "busy")
    assert client.request("GET", path)[0] == 200
    assert client.request("PATCH", path, {"cpu_count": 3})[0] == 500
    assert vcenter.dump()["a"]["cpu_count"] == 3
    with pytest.raises(http.client.RemoteDisconnected):
        client.request("DELETE", path)
    with pytest.raises(http.client.IncompleteRead):
        client.request("GET", CLASSES)
    assert [rule["hits"] for rule in vcenter.control("GET", "/rules")] == [1, 1, 1, 1]


def test_a_foreign_writer_before_and_after_a_request(vcenter, client):
    vcenter.put_classes(vm_class("a"))
    path = f"{CLASSES}/a"
    vcenter.rules(
        {"method": "GET", "times": 1, "before": {"id": "a", "set": {"description": "one"}}},
        {"method": "GET", "times": 1, "after": {"id": "a", "set": {"cpu_count": 9}, "extra": {"other": "1"}}},
    )
    assert client.request("GET", path)[1]["description"] == "one"
    assert client.request("GET", path)[1]["cpu_count"] == 16
    after = vcenter.dump()["a"]
    assert after["cpu_count"] == 9 and keys_of(after) == {"other": "1"}
    vcenter.edit("a", extra={"other": ""}, set={"description": None})
    assert "description" not in vcenter.dump()["a"] and keys_of(vcenter.dump()["a"]) == {}


@pytest.mark.parametrize("style", ["simulator", "vcenter", "other"])
def test_prefixes_of_xml(vcenter, style):
    vcenter.set(prefixes=style)
    assert "DC0_C0_H0" in vcenter.govc("object.collect", "-s", "/DC0/host/DC0_C0/DC0_C0_H0", "name")


def test_hosts_have_gpus_of_their_own(vcenter):
    def gpus(host):
        path = f"/DC0/host/DC0_C0/{host}"
        [found] = json.loads(vcenter.govc("object.collect", "-json", path, "hardware.pciDevice"))
        return [one["deviceId"] & 0xFFFF for one in found["val"]["_value"] if one["vendorId"] == 0x10DE]

    assert gpus("DC0_C0_H0") == [0x2330] * 4
    assert gpus("DC0_C0_H1") == [0x20B0] * 2
    assert gpus("DC0_C0_H3") == []
    assert "nvidia_l40s-48q" in vcenter.govc("gpu.host.profile.ls", "-host", "/DC0/host/DC0_C0/DC0_C0_H2")


def test_the_rights_that_the_docs_name_make_a_role(vcenter):
    vcenter.govc("role.create", "nodeprep-vmclasses", "VirtualMachineClasses.Manage")
    assert "VirtualMachineClasses.Manage" in vcenter.govc("role.ls", "nodeprep-vmclasses")
    vcenter.govc("role.remove", "nodeprep-vmclasses")


def test_the_log_tells_what_a_client_overwrote(vcenter, client):
    """What it had read, and what it could not know, are told apart; what it keeps is no loss."""
    vcenter.put_classes(gpu_class("a", A100))
    path = f"{CLASSES}/a"
    vcenter.edit("a", set={"description": "known"}, extra={"kept": "1"})
    _, read = client.request("GET", path)
    vcenter.edit("a", set={"cpu_count": 7}, extra={"late": "1"})
    body = {"description": "other", "cpu_count": read["cpu_count"], "config_spec": read["config_spec"]}
    assert client.request("PATCH", path, body)[0] == 204
    unseen, seen = losses(vcenter.requests())
    assert seen == [(path, "/description", "known")]
    assert sorted(unseen) == [(path, "/cpu_count", 7), (path, "/extra/late", "1")]
