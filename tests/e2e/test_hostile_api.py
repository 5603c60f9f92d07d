# SPDX-License-Identifier: Apache-2.0
"""The controller against API servers whose watches never work."""

import contextlib
import http.client
import json
import re
import signal
import urllib.parse

import pytest
import servers
from hostile_api import ALL, GONE, Handler, HostileAPI, event

LOST_S = 60  # after which a watch without success is reported
WAIT_S = 180
# Attempts wait 0.2, 0.4, … 10 s: 6 in the first 7 s, then one in 7.5 to 12.5 s.
MOST_ATTEMPTS = 6 + WAIT_S // 7

BEHAVIOURS = {
    "ends at once": lambda h: h.answer(200, b""),
    "one event, then the end": lambda h: h.answer(200, event("ADDED")),
    "one event, then 410": lambda h: h.answer(200, event("MODIFIED") + GONE),
    "bookmarks, then the end": lambda h: h.answer(200, event("BOOKMARK") * 9),
    "410": lambda h: h.answer(410, b"{}"),
    "Retry-After: 0": lambda h: h.answer(429, b"{}", Retry_After="0"),
    "Retry-After in the past": lambda h: h.answer(
        503, b"{}", Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"
    ),
    "Retry-After: -1": lambda h: h.answer(429, b"{}", Retry_After="-1"),
    "Retry-After: soon": lambda h: h.answer(503, b"{}", Retry_After="soon"),
    "Retry-After: 1000000000": lambda h: h.answer(429, b"{}", Retry_After="1000000000"),
    "no JSON": lambda h: h.answer(200, b"<html>\n"),
    "cut": Handler.cut,
}


class Running:
    """A controller with an API server of its own."""

    def __init__(self, stack, folder, name, behave, *args, before=None, **options):
        self.name, self.log = name, folder / f"{len(list(folder.iterdir()))}.log"
        self.api = stack.enter_context(HostileAPI(behave, **options))
        if before:
            before(self.api)
        argv = [servers.BIN_DIR / "nodeprep", "controller"]
        argv += [] if before else ["--server", self.api.url]
        argv += ["--leader-elect=false", "--log-format=json", "--health-listen=127.0.0.1:0"]
        self.process = servers.start(stack, [*argv, *args], self.log, env={"HOME": str(folder)})
        self.health = self.wait("the listener", self.find_health)

    def wait(self, what, is_true):
        return servers.wait_until(
            f"{self.name}: {what}", is_true, self.process, self.log, timeout=WAIT_S
        )

    def lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines() if line[:1] == "{"]

    def find_health(self):
        found = re.search(r"health-listen: listening on (http://[^\s\"]+)", self.log.read_text())
        return found and urllib.parse.urlsplit(found[1]).netloc

    def get(self, path):
        connection = http.client.HTTPConnection(self.health, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def metric(self, name, **labels):
        wanted = ",".join(f'{k}="{v}"' for k, v in labels.items())
        text = self.get("/metrics")[1]
        pattern = rf"^nodeprep_controller_{name}{re.escape('{' + wanted + '}') if wanted else ''} (\S+)$"
        return float(re.search(pattern, text, re.MULTILINE)[1])

    def logged(self, level, pattern):
        return [m for m in self.lines() if m["level"] == level and re.search(pattern, m["msg"])]


@pytest.fixture
def stack():
    with contextlib.ExitStack() as stack:
        yield stack


def check_lost(running):
    running.wait("not ready", lambda: running.get("/readyz")[0] == 503)
    running.wait("both logged", lambda: len(running.logged("warning", "has not been est")) == 2)
    assert running.metric("watches_lost_total") == 2
    assert running.metric("watch_down_seconds", resource="nodepools") >= LOST_S
    assert running.metric("watch_down_seconds", resource="virtualmachineclasses") >= LOST_S
    for (_, resource), n in running.api.seen.items():
        assert n <= MOST_ATTEMPTS, f"{running.name}: {n} requests for {resource}"


def check_found(running):
    running.wait("ready again", lambda: running.get("/readyz")[0] == 200)
    running.wait("both found", lambda: len(running.logged("info", "established again")) == 2)
    assert running.metric("watch_down_seconds", resource="nodepools") == 0
    assert running.metric("watches_lost_total") == 2


@pytest.mark.slow
def test_hostile__no_watch_spins_and_each_is_reported(stack, target, tmp_path):
    if target != "sim":
        return  # no part of it is the API server's
    all_of_them = [
        Running(stack, tmp_path, name, behave) for name, behave in BEHAVIOURS.items()
    ]
    for running in all_of_them:
        check_lost(running)
    for running in all_of_them:
        running.api.behave = Handler.hold
    for running in all_of_them:
        check_found(running)


@pytest.mark.slow
def test_controller__sighup_reloads_credentials(stack, target, tmp_path):
    if target != "sim":
        return
    token = tmp_path / "token"
    token.write_text("first-token")
    config = tmp_path / "config"
    running = Running(stack, tmp_path, "sighup", Handler.hold, f"--kubeconfig={config}",
                      before=lambda api: write_kubeconfig(config, api, token))
    running.wait("ready", lambda: running.get("/readyz")[0] == 200)
    assert running.metric("credentials_last_reload_successful", server="pools") == 1
    token.write_text("")
    running.wait("a warning", lambda: running.logged("warning", "cannot reload the credentials"))
    assert running.metric("credentials_last_reload_successful", server="pools") == 0
    running.process.send_signal(signal.SIGHUP)
    running.wait("its answer", lambda: len(running.logged("warning", "holds no token")) == 2)
    token.write_text("second-token")
    running.wait("the repair", lambda: running.logged("info", "credentials for .* reloaded"))
    running.process.send_signal(signal.SIGHUP)
    running.wait("both", lambda: len(running.logged("info", "credentials for .* reloaded")) == 2)
    assert running.metric("credentials_last_reload_successful", server="pools") == 1
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(30) == 0


def write_kubeconfig(path, api, token):
    user = {"name": "u", "user": {"tokenFile": str(token)}}
    cluster = {"name": "c", "cluster": {"server": api.url}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    path.write_text(json.dumps({
        "current-context": "x", "clusters": [cluster], "users": [user], "contexts": [context],
    }))


def test_controller__missing_crd_is_named(stack, target, tmp_path):
    if target != "sim":
        return
    groups = [g for g in ALL if g != "nodeprep.dev"]
    running = Running(stack, tmp_path, "no CRD", Handler.hold, groups=groups)
    (line, *_) = running.wait("a warning", lambda: running.logged("warning", "no API group"))
    assert "kubectl apply -k deploy/manifests/crd" in line["msg"]
    assert "Supervisor" not in line["msg"]
    assert line["resource"] == "nodepools"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert running.get("/readyz")[0] == 503
