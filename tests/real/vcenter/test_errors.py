# SPDX-License-Identifier: Apache-2.0
"""What goes wrong on the way to vCenter: one line, its exit status, no secret, nothing written."""

import json
import pathlib
import re
import urllib.parse

import pytest

import servers
from vcenter import (
    ADMIN, CLASSES, LOCKED, NOBODY, PASSWORD, READER, gpu_class, is_prepared, pools, with_var_lib,
)

TEXT = pools("gpu")


@pytest.fixture
def gpu(vcenter):
    """One class, as it is on the server."""
    vcenter.put_classes(gpu_class("gpu"))
    return vcenter.dump()


def errors(done):
    return [line for line in done.err.splitlines() if line.startswith("error: ")]


def refused(done, status, *words):
    """One error line with all of the words, that exit status and no result."""
    assert done.rc == status, (done.rc, done.out, done.err)
    [line] = errors(done)
    for word in words:
        assert word in line, (word, line)
    assert PASSWORD not in done.out + done.err
    return line


def test_a_wrong_password(vcenter, gpu, host):
    host.file.write_text("wrong\n")
    refused(host("apply", "-f", "-", input=TEXT), 5, ADMIN, "password")
    # One try: more would lock the account.
    assert len([one for one in vcenter.requests() if one["status"] == 401]) == 1
    assert vcenter.dump() == gpu


def test_a_locked_account(vcenter, gpu, host):
    host.user = LOCKED
    refused(host("apply", "-f", "-", input=TEXT), 5, LOCKED, "locked")


def test_a_missing_privilege_to_write(vcenter, gpu, host):
    host.user = READER
    host.must("plan", "-f", "-", input=TEXT)
    refused(host("apply", "-f", "-", input=TEXT), 5, "VirtualMachineClasses.Manage")
    assert vcenter.dump() == gpu


def test_a_missing_privilege_to_read(vcenter, gpu, host):
    host.user = NOBODY
    refused(host("plan", "-f", "-", input=TEXT), 5, "System.Read")


@pytest.mark.parametrize("requests", [1, 2, 3])
def test_a_session_that_expires_is_renewed(vcenter, host, requests):
    vcenter.put_classes(gpu_class("gpu"))
    vcenter.rules({"path": f"{CLASSES}.*", "skip": requests - 1, "times": 1, "expire": True})
    host.must("apply", "-f", "-", input=TEXT)
    assert is_prepared(vcenter.dump()["gpu"], 512)
    assert vcenter.patches().count("gpu") <= 2 and vcenter.sessions()["rest"] == 0


def test_a_session_that_always_expires_is_an_error(vcenter, gpu, host):
    vcenter.rules({"path": f"{CLASSES}.*", "status": 401, "body": "{}"})
    refused(host("apply", "-f", "-", input=TEXT), 5, "session")
    assert len([one for one in vcenter.requests() if one["path"] in ("/api/session", "/rest/com/vmware/cis/session")
                and one["method"] == "POST"]) == 2


def without_ca(argv):
    at = argv.index("--certificate-authority")
    return argv[:at] + argv[at + 2 :]


def test_an_untrusted_certificate(vcenter, gpu, host):
    argv = without_ca(host.argv("plan", "-f", "-"))
    line = refused(host.run_argv(argv, TEXT), 5, "certificate", vcenter.fingerprint)
    assert "--certificate-authority" in line
    # Nothing secret was sent to who is not trusted.
    assert not [one for one in vcenter.requests() if one["method"]]


def test_verification_goes_off_by_the_flag_alone(vcenter, gpu, host):
    argv = without_ca(host.argv("plan", "-f", "-"))
    refused(host.run_argv(argv, TEXT, host.env(GOVC_INSECURE="1")), 5, "certificate")
    assert host.run_argv([*argv, "--insecure-skip-tls-verify"], TEXT).rc == 0


def test_govcs_ca_file_is_honoured(vcenter, gpu, host):
    argv = without_ca(host.argv("plan", "-f", "-"))
    assert host.run_argv(argv, TEXT, host.env(GOVC_TLS_CA_CERTS=vcenter.ca)).rc == 0


def test_another_name_than_the_certificates(vcenter, gpu, host):
    url = vcenter.url.replace("127.0.0.1", "localhost")
    refused(host("plan", "-f", "-", url=url, input=TEXT), 5, "certificate")


def test_a_host_is_no_vcenter(vcenter, gpu, host):
    vcenter.set(esxi=True)
    refused(host("plan", "-f", "-", input=TEXT), 5, "ESXi")


@pytest.mark.parametrize("service", ["missing", "disabled"])
def test_a_vcenter_without_supervisor(vcenter, gpu, host, service):
    vcenter.set(service=service)
    refused(host("plan", "-f", "-", input=TEXT), 5, "Supervisor")


@pytest.mark.parametrize("version", ["8.0.1", "8.0.0", "7.0.3"])
def test_a_vcenter_too_old_for_config_spec(vcenter, gpu, host, version):
    vcenter.set(version=version, drop=["config_spec"])
    refused(host("plan", "-f", "-", input=TEXT), 5, version, "8.0 U2")
    assert vcenter.patches() == []


def test_nobody_listens(vcenter, host):
    [port] = servers.free_ports(1)
    refused(host("plan", "-f", "-", "--timeout=2s", url=f"https://127.0.0.1:{port}", input=TEXT), 6, f"127.0.0.1:{port}")


def test_a_class_that_is_not_there(vcenter, host):
    refused(host("apply", "-f", "-", input=TEXT), 4, "gpu")


def test_an_id_that_cannot_be_a_class(vcenter, host):
    done = host("plan", "-f", "-", input=pools("Not_A_Label"))
    assert done.rc in (3, 4) and errors(done)
    assert not [one for one in vcenter.requests() if "Not_A_Label" in one["path"]]


# --- faults of the server --------------------------------------------------------------------------


ONCE = {
    "503": {"status": 503, "body": "busy"},
    "429": {"status": 429, "headers": {"Retry-After": "1"}},
    "cut": {"cut": 20},
    "drop": {"drop": True},
}


@pytest.mark.parametrize("fault", ONCE)
@pytest.mark.parametrize("path", ["/api/session", "/sdk", f"{CLASSES}/gpu"])
def test_a_fault_that_passes_is_retried(vcenter, gpu, host, fault, path):
    vcenter.rules({"method": "GET|POST", "path": path, "times": 1, **ONCE[fault]})
    host.must("apply", "-f", "-", input=TEXT)
    assert is_prepared(vcenter.dump()["gpu"], 512)
    assert vcenter.control("GET", "/rules")[0]["hits"] == 1


@pytest.mark.parametrize("fault", ["503", "cut", "drop"])
def test_a_fault_that_stays_ends_by_the_deadline(vcenter, gpu, host, fault):
    vcenter.rules({"path": f"{CLASSES}.*", **ONCE[fault]})
    refused(host("apply", "-f", "-", "--timeout=3s", input=TEXT), 6)
    assert vcenter.dump() == gpu


def test_a_server_that_is_slow(vcenter, gpu, host):
    vcenter.rules({"path": f"{CLASSES}.*", "delayMs": 5000})
    refused(host("plan", "-f", "-", "--timeout=1s", input=TEXT), 6)


@pytest.mark.parametrize(
    "answer",
    ["not JSON", "[]", "{}", '{"id":"other","cpu_count":1}', '{"id":"gpu"', '{"id":"gpu","config_spec":7}', "[" * 5000],
    ids=["text", "list", "empty", "another class", "half", "type", "deep"],
)
def test_an_answer_that_is_no_class(vcenter, gpu, host, answer):
    vcenter.rules({"method": "GET", "path": f"{CLASSES}.*", "status": 200, "body": answer})
    done = host("apply", "-f", "-", "--timeout=3s", input=TEXT)
    assert done.rc in (3, 5, 6), (done.rc, done.err)
    assert errors(done) and all(len(line) < 2000 for line in errors(done))
    assert vcenter.patches() == []


@pytest.mark.parametrize(
    "answer",
    [
        "", "<html>", '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "<a>" * 5000,
        '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body/></e:Envelope>',
    ],
    ids=["empty", "HTML", "entity", "deep", "no result"],
)
def test_an_answer_that_is_no_soap(vcenter, gpu, host, answer):
    vcenter.rules({"path": "/sdk", "status": 200, "body": answer, "headers": {"Content-Type": "text/xml"}})
    done = host("apply", "-f", "-", "--timeout=3s", input=TEXT)
    assert done.rc in (5, 6), (done.rc, done.err)
    assert errors(done)
    assert vcenter.dump() == gpu


def test_a_patch_whose_answer_is_lost_is_looked_after(vcenter, gpu, host):
    """The class is read to learn what it holds: the change is there, and is not sent again."""
    vcenter.rules({"method": "PATCH", "times": 1, "late": True, "drop": True})
    host.must("apply", "-f", "-", input=TEXT)
    assert is_prepared(vcenter.dump()["gpu"], 512)
    host.must("revert", "-f", "-", input=TEXT)
    assert vcenter.dump() == gpu


@pytest.mark.parametrize("times", [1, 2])
def test_a_patch_that_never_arrived_is_sent_again(vcenter, gpu, host, times):
    vcenter.rules({"method": "PATCH", "times": times, "drop": True})
    done = host("apply", "-f", "-", input=TEXT)
    if done.rc == 6:
        done = host.must("apply", "-f", "-", input=TEXT)
    assert is_prepared(vcenter.dump()["gpu"], 512)
    host.must("revert", "-f", "-", input=TEXT)
    assert vcenter.dump() == gpu


def test_a_patch_that_is_refused_leaves_no_record_that_lies(vcenter, gpu, host):
    answer = {"error_type": "INVALID_ARGUMENT", "messages": [{"id": "x", "default_message": "No such thing.", "args": []}]}
    vcenter.rules({"method": "PATCH", "status": 400, "body": json.dumps(answer)})
    refused(host("apply", "-f", "-", input=TEXT), 5, "No such thing.")
    vcenter.rules()
    assert vcenter.dump() == gpu
    host("revert", "-f", "-", input=TEXT)
    assert vcenter.dump() == gpu


def test_one_class_that_fails_stops_no_other(vcenter, host):
    vcenter.put_classes(gpu_class("bad"), gpu_class("gpu"), gpu_class("last"))
    vcenter.rules({"method": "PATCH", "path": f"{CLASSES}/bad", "status": 400, "body": "{}"})
    done = host("apply", "-f", "-", "-o", "json", input=pools("bad", "gpu", "last"))
    assert done.rc == 5
    assert host.results(done) == {"bad": "failed", "gpu": "patched", "last": "patched"}


# --- secrets ---------------------------------------------------------------------------------------


def quoted(text):
    return urllib.parse.quote(text, safe="")


SECRETS = (PASSWORD, quoted(PASSWORD))


@pytest.mark.parametrize("way", ["file", "stdin", "environment", "url"])
def test_every_way_to_give_a_password(vcenter, gpu, host, way):
    argv = without_ca(host.argv("plan", "-f", "-"))[:2]
    program, command = argv
    tls = ["--certificate-authority", vcenter.ca, "--state-dir", str(host.state)]
    pool_file = host.folder / "pools.yaml"
    pool_file.write_text(TEXT)
    given, env, text = ["--vcenter", vcenter.host], host.env(), ""
    if way == "file":
        given += ["--vcenter-username", ADMIN, "--vcenter-password-file", str(host.file)]
    elif way == "stdin":
        given += ["--vcenter-username", ADMIN, "--vcenter-password-file", "-"]
        text = PASSWORD + "\n"
    elif way == "environment":
        env = host.env(GOVC_USERNAME=ADMIN, GOVC_PASSWORD=PASSWORD)
    else:
        given = ["--vcenter", f"https://{quoted(ADMIN)}:{quoted(PASSWORD)}@{vcenter.host}/sdk"]
    done = host.run_argv([program, command, *given, *tls, "-f", pool_file, "-v=9"], text, env)
    assert done.rc == 0, done.err
    for secret in SECRETS:
        assert secret not in done.out + done.err
    assert vcenter.sessions() == {"rest": 0, "soap": 0}
    assert [one["user"] for one in vcenter.requests() if one["path"] == CLASSES + "/gpu"][0] == ADMIN


@pytest.mark.parametrize("missing", ["username", "password"])
def test_missing_credentials(vcenter, gpu, host, missing):
    argv = host.argv("plan", "-f", "-")
    name = "--vcenter-username" if missing == "username" else "--vcenter-password-file"
    at = argv.index(name)
    refused(host.run_argv(argv[:at] + argv[at + 2 :], TEXT), 2, name)
    assert vcenter.requests() == []


@pytest.mark.parametrize("way", ["file", "url"])
@pytest.mark.parametrize("command", ["plan", "diff", "apply", "check", "revert"])
def test_no_password_in_any_output_or_command_line(vcenter, gpu, host, command, way):
    """A password in the URL is on the command line until the program reads it."""
    vcenter.rules({"path": f"{CLASSES}.*", "delayMs": 300})
    argv = host.argv(command, "-f", "-", "-v=9")
    if way == "url":
        url = f"https://{quoted(ADMIN)}:{quoted(PASSWORD)}@{vcenter.host}"
        argv = [*argv[:2], "--vcenter", url, *argv[argv.index("--certificate-authority") :]]
    with host.start(argv) as process:
        process.stdin.write(TEXT)
        process.stdin.close()
        servers.wait_until("a request", lambda: [one for one in vcenter.requests() if one["path"] == "/api/session"], process)
        told = pathlib.Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()
        process.stdin = None  # closed: communicate() would flush it
        out, err = process.communicate()
    assert process.returncode in (0, 1), err
    for secret in SECRETS:
        assert secret not in out + err + told
    assert not re.search(r"Basic (?!\[redacted\])", out + err + told)


def test_a_server_that_echoes_secrets(vcenter, gpu, host):
    answer = {"error_type": "ERROR", "messages": [{"id": "x", "default_message": f"user said {PASSWORD}", "args": []}]}
    vcenter.rules({"path": f"{CLASSES}.*", "status": 500, "body": json.dumps(answer)})
    done = host("plan", "-f", "-", "-v=9", "--timeout=3s", input=TEXT)
    assert done.rc in (5, 6)
    assert PASSWORD not in done.out + done.err


# --- the state directory ---------------------------------------------------------------------------


@pytest.fixture
def prepared(vcenter, gpu, host):
    """The class is prepared; the file of its record."""
    host.must("apply", "-f", "-", input=TEXT)
    [record] = host.state.rglob("*.json")
    vcenter.mark()
    return record


@pytest.mark.parametrize(
    "text", ["", "not JSON", "{}", "[]", '{"pools": 1}', "\0\0", "{" * 100000, "x" * (1 << 20)],
    ids=["empty", "text", "no members", "list", "type", "zeros", "deep", "large"],
)
@pytest.mark.parametrize("command", ["apply", "revert"])
def test_a_corrupted_record(vcenter, host, prepared, command, text):
    before = vcenter.dump()
    prepared.write_text(text)
    done = host(command, "-f", "-", input=TEXT)
    assert done.rc in (3, 5), (done.rc, done.err)
    assert str(prepared) in errors(done)[0]
    assert vcenter.patches() == [] and vcenter.dump() == before
    assert prepared.read_text() == text


def test_a_record_that_others_may_write(vcenter, host, prepared):
    prepared.chmod(0o666)
    done = host("revert", "-f", "-", input=TEXT)
    assert done.rc != 0 and str(prepared) in errors(done)[0]
    assert vcenter.patches() == []


def test_a_record_that_is_a_link(vcenter, host, prepared, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    prepared.rename(elsewhere)
    prepared.symlink_to(elsewhere)
    done = host("revert", "-f", "-", input=TEXT)
    assert done.rc != 0 and vcenter.patches() == []


@pytest.mark.parametrize("kind", ["file", "writable by all", "link"])
def test_a_state_directory_that_cannot_be_used(vcenter, gpu, host, kind, tmp_path):
    if kind == "file":
        host.state.write_text("")
    elif kind == "link":
        (tmp_path / "dir").mkdir()
        host.state.symlink_to(tmp_path / "dir" / "none")
    else:
        host.state.mkdir()
        host.state.chmod(0o777)
    done = host("apply", "-f", "-", input=TEXT)
    assert done.rc != 0
    assert str(host.state) in errors(done)[0]
    assert vcenter.patches() == [] and vcenter.dump() == gpu


def test_a_state_directory_that_is_read_only(vcenter, gpu, host, tmp_path):
    """/proc is one even for root."""
    host.state = pathlib.Path("/proc/nodeprep")
    done = host("apply", "-f", "-", input=TEXT)
    assert done.rc != 0 and "/proc/nodeprep" in errors(done)[0]
    assert vcenter.patches() == [] and vcenter.dump() == gpu


def test_the_default_state_directory(vcenter, gpu, host, tmp_path):
    """For root, records are the machine's."""
    argv = host.argv("apply", "-f", "-")
    at = argv.index("--state-dir")
    del argv[at : at + 2]
    lib = tmp_path / "lib"
    done = host.run_argv(with_var_lib(lib, argv), TEXT)
    assert done.rc == 0, done.err
    assert len(list((lib / "nodeprep").rglob("*.json"))) == 1
    argv[1] = "revert"
    done = host.run_argv(with_var_lib(lib, argv), TEXT)
    assert done.rc == 0 and vcenter.dump() == gpu


# --- usage -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1", "ftp://127.0.0.1", "https://", "", "https://127.0.0.1/other", "127.0.0.1:99999"]
)
def test_an_address_that_cannot_be(vcenter, host, url):
    done = host.run_argv(
        [servers.BIN_DIR / "nodeprep", "plan", "--vcenter", url, "--vcenter-username", ADMIN,
         "--vcenter-password-file", host.file, "-f", "-"], TEXT,
    )
    assert done.rc == 2, (done.rc, done.err)
    assert errors(done)
