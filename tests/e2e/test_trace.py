# SPDX-License-Identifier: Apache-2.0
"""-v=6 to 9 trace requests as kubectl does, and no secret appears in a trace."""

import base64
import json

import pytest

import servers
from builders import A100, dump, hardware, pool
from fixtures import classes_path

SECRET = "s3cr3t-value-of-the-trace"


@pytest.fixture
def text(ns, put_class):
    put_class(ns, "gpu", hardware(A100), annotations={
        "example.com/bindPassword": SECRET,
        "kubectl.kubernetes.io/last-applied-configuration": json.dumps({"kind": "Secret", "data": {"a": SECRET}})})
    return dump(pool(ns, "w", "gpu"))


def debug(done):
    return [line.removeprefix("debug: ") for line in done.err.splitlines() if line.startswith("debug: ")]


def test_level_6_is_a_line_for_each_request(server, ns, nodeprep, text):
    url = f"{server.url}{classes_path(ns, 'gpu')}"
    lines = debug(nodeprep("plan", "-f", "-", "-v=6", input=text))
    assert lines[-1].startswith(f"GET {url} 200 OK in ") and lines[-1].endswith(" milliseconds")
    assert all(line.startswith("GET https://") for line in lines)
    missing = debug(nodeprep("plan", "-f", "-", "-v=6", input=dump(pool(ns, "w", "gpv"))))
    assert any(line.startswith(f"GET {url[:-1]}v 404 Not Found in ") for line in missing)
    for level in ("-v=5", "-v", "-v=0"):
        assert debug(nodeprep("plan", "-f", "-", level, input=text)) == []
    assert nodeprep("plan", "-f", "-", "-v=9", "-q", input=text).err == ""


def test_levels_add_headers_bodies_and_commands(nodeprep, text):
    seven, eight, nine = (debug(nodeprep("apply", "-f", "-", "--dry-run=server", f"-v={n}", input=text))
                          for n in (7, 8, 9))
    assert "Request Headers:" in seven and "    Accept: application/json" in seven
    assert any(line.startswith("Response Status: 200 OK in ") for line in seven)
    assert not any(line.startswith(("Response Headers", "Response Body", "Request Body")) for line in seven)
    assert "Response Headers:" in eight
    assert any(line.lower() == "    content-type: application/json" for line in eight)  # lower case in HTTP/2
    bodies = [line for line in eight if line.startswith(("Request Body: ", "Response Body: "))]
    assert any(" [truncated " in line for line in bodies) and max(map(len, bodies)) < 1100
    whole = [line.removeprefix("Request Body: ") for line in nine if line.startswith("Request Body: ")]
    assert [sorted(json.loads(line)) for line in whole] == [["metadata", "spec"]]
    commands = [line for line in nine if line.startswith("curl -v -X")]
    assert commands[-1].startswith("curl -v -XPATCH -H ") and "dryRun=All'" in commands[-1]


def test_lines_have_the_level_debug_in_json(nodeprep, text):
    done = nodeprep("plan", "-f", "-", "-v=6", "--log-format=json", input=text)
    lines = [json.loads(line) for line in done.err.splitlines()]
    assert {"GET"} == {line["msg"].split()[0] for line in lines if line["level"] == "debug"}


def test_request_without_an_answer(nodeprep, tmp_path):
    [port] = servers.free_ports(1)
    done = nodeprep("plan", "-f", "-", "-v=6", "--server", f"https://127.0.0.1:{port}", "--timeout", "2s",
                    input=dump(pool("ml", "w", "gpu")))
    assert done.rc == 6 and any(" failed (" in line for line in debug(done))


@pytest.mark.parametrize("level", range(6, 11))
def test_no_secret_of_headers_and_bodies(server, nodeprep, text, write_config, level):
    token = server.token
    argv = ["apply", "-f", "-", "--dry-run=server", f"-v={level}"]
    for extra in ([], ["--log-format=json"]):
        done = nodeprep(*argv, *extra, input=text)
        assert done.rc == 0 and token not in done.err and SECRET not in done.err
    wrong = f"{SECRET}-token"
    config = write_config({"token": wrong})
    done = nodeprep(*argv, "--kubeconfig", config, input=text)
    assert done.rc == 5 and wrong not in done.err
    if level >= 7:
        assert "Authorization: Bearer [redacted]" in done.err
    config = write_config({"username": "someone", "password": SECRET})
    done = nodeprep(*argv, "--kubeconfig", config, input=text)
    basic = base64.b64encode(f"someone:{SECRET}".encode()).decode()
    assert SECRET not in done.err and basic not in done.err
