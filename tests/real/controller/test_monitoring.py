# SPDX-License-Identifier: Apache-2.0
"""deploy/manifests/monitoring with Debian's Prometheus: its rules, alerts, dashboard and a scrape."""

import contextlib
import json
import os
import re
import subprocess
import urllib.parse
import urllib.request

import pytest
import yaml
from controller_harness import (
    MANIFESTS,
    Controller,
    gpu_class,
    put_pool,
    servers,
    start_hookd,
    wait_reason,
)

GROUPS = yaml.safe_load((MANIFESTS / "monitoring" / "rules.yaml").read_text())["spec"]
RULES = {rule["alert"]: rule for group in GROUPS["groups"] for rule in group["rules"]}
BOARD = json.loads((MANIFESTS / "monitoring" / "nodeprep.json").read_text())
ALERTS = (servers.REPO / "docs" / "alerts.md").read_text()
DAY = 86400

# Alert, series with their values each minute, the minute of the look, the labels beside severity and the
# value of the alert that fires; None: it does not.
CASES = [
    ("NodeprepNoLeader", {'leader{pod="a"}': "0x10"}, 5, ({}, 0)),
    ("NodeprepNoLeader", {}, 5, ({}, 1)),
    ("NodeprepNoLeader", {'leader{pod="a"}': "0x10", 'leader{pod="b"}': "1x10"}, 5, None),
    ("NodeprepTwoLeaders", {'leader{pod="a"}': "1x10", 'leader{pod="b"}': "1x10"}, 5, ({}, 2)),
    ("NodeprepTwoLeaders", {'leader{pod="a"}': "1x10", 'leader{pod="b"}': "0x10"}, 5, None),
    ("NodeprepPoolsNotReady", {'nodepools{ready="false"}': "2x30"}, 20, ({}, 2)),
    ("NodeprepPoolsNotReady", {'nodepools{ready="false"}': "2x10 0x20"}, 20, None),
    ("NodeprepClassContended", {"classes_contended": "1x5"}, 3, ({}, 1)),
    ("NodeprepClassContended", {"classes_contended": "0x5"}, 3, None),
    ("NodeprepReconcileFailures", {"reconcile_failures_total": "0+1x40"}, 40, ({}, 15)),
    ("NodeprepReconcileFailures", {"reconcile_failures_total": "0+1x4 4x40"}, 40, None),
    ("NodeprepNotSynced", {'synced{pod="a"}': "0x20", 'synced{pod="b"}': "1x20"}, 15, ({}, 0)),
    ("NodeprepNotSynced", {'synced{pod="a"}': "0x5 1x20"}, 15, None),
    (
        "NodeprepWatchLost",
        {'watch_down_seconds{pod="a",resource="nodepools"}': "0+60x10"},
        6,
        ({"pod": "a", "resource": "nodepools"}, 360),
    ),
    ("NodeprepWatchLost", {'watch_down_seconds{pod="a",resource="nodepools"}': "30x10"}, 6, None),
    (
        "NodeprepHookErrors",
        {'requests_total{hook="GeneratePatches",result="failure"}': "0+1x40"},
        35,
        ({"hook": "GeneratePatches"}, 10),
    ),
    (
        "NodeprepHookErrors",
        {'requests_total{hook="GeneratePatches",result="success"}': "0+1x40"},
        35,
        None,
    ),
    (
        "NodeprepHookCertificateExpires",
        {'certificate_not_after_timestamp_seconds{pod="a"}': f"{6 * DAY}x150"},
        120,
        ({"pod": "a"}, 6 * DAY - 7200),
    ),
    (
        "NodeprepHookCertificateExpires",
        {'certificate_not_after_timestamp_seconds{pod="a"}': f"{8 * DAY}x150"},
        120,
        None,
    ),
    (
        "NodeprepHookCertificateStale",
        {'certificate_last_reload_successful{pod="a"}': "0x20"},
        15,
        ({"pod": "a"}, 0),
    ),
    (
        "NodeprepHookCertificateStale",
        {'certificate_last_reload_successful{pod="a"}': "1x20"},
        15,
        None,
    ),
]


def write_rules(folder):
    """Writes the rules as Prometheus reads them, without the operator's object around."""
    path = folder / "rules.yaml"
    path.write_text(yaml.safe_dump(GROUPS))
    return path


def promtool(*args, must=True):
    argv = ["promtool", *map(str, args)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert not must or done.returncode == 0, done.stdout + done.stderr
    return done


def expected(alert, labels, value):
    """Returns the alert as promtool expects it: the annotations with their templates filled in."""
    rule = RULES[alert]

    def fill(match):
        name = match[1]
        return f"{value:g}" if name == "$value" else labels[name.removeprefix("$labels.")]

    texts = {
        key: re.sub(r"\{\{ (\S+) \}\}", fill, text) for key, text in rule["annotations"].items()
    }
    return {"exp_labels": {**rule["labels"], **labels}, "exp_annotations": texts}


def alert_test(alert, series, minute, fires):
    prefix = "nodeprep_hookd_" if alert.startswith("NodeprepHook") else "nodeprep_controller_"
    inputs = [{"series": prefix + name, "values": values} for name, values in series.items()]
    look = {"eval_time": f"{minute}m", "alertname": alert}
    look["exp_alerts"] = [expected(alert, *fires)] if fires else []
    return {"interval": "1m", "input_series": inputs, "alert_rule_test": [look]}


def run_cases(folder, cases, must=True):
    body = {"rule_files": [write_rules(folder).name], "evaluation_interval": "1m"}
    body["tests"] = [alert_test(*case) for case in cases]
    (folder / "test.yaml").write_text(yaml.safe_dump(body))
    return promtool("test", "rules", folder / "test.yaml", must=must)


def test_rules__promtool_accepts_them(tmp_path):
    done = promtool("check", "rules", write_rules(tmp_path))
    assert f"{len(RULES)} rules found" in done.stdout


def test_rules__each_alert_fires_when_it_should_and_only_then(tmp_path):
    run_cases(tmp_path, CASES)


def test_rules__each_alert_has_a_case_that_fires_and_one_that_does_not():
    assert {case[0] for case in CASES if case[3]} == set(RULES)
    assert {case[0] for case in CASES if not case[3]} == set(RULES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_rules__opposite_of_each_case_fails(tmp_path, case):
    """The cases above can fail."""
    alert, series, minute, fires = case
    labels = dict.fromkeys(re.findall(r"\$labels\.(\w+)", str(RULES[alert])), "x")
    opposite = (alert, series, minute, None if fires else (labels, 0))
    assert run_cases(tmp_path, [opposite], must=False).returncode != 0


@pytest.mark.parametrize("alert", RULES)
def test_rules__runbook_url_names_a_section_of_the_docs(alert):
    annotations = RULES[alert]["annotations"]
    assert {"runbook_url", "summary", "description"} == set(annotations)
    page, _, anchor = annotations["runbook_url"].partition("#")
    assert page.rpartition("/")[2] == "alerts"
    headings = re.findall(r"^## (.+)$", ALERTS, re.M)
    assert alert in headings and anchor == alert.lower()
    assert set(headings) == set(RULES)


# --- dashboard ------------------------------------------------------------------------------------


def queries():
    """Yields the dashboard's queries, as Grafana sends them for all namespaces."""
    for panel in BOARD["panels"]:
        for query in panel["targets"]:
            yield query["expr"].replace("$namespace", ".*")


@pytest.mark.parametrize("panel", BOARD["panels"], ids=lambda panel: panel["title"])
def test_dashboard__panel_is_described(panel):
    defaults = panel["fieldConfig"]["defaults"]
    assert panel["description"] and defaults["unit"]
    assert defaults["thresholds"]["steps"][0]["value"] is None
    for query in panel["targets"]:
        names = re.findall(r"nodeprep_\w+", query["expr"])
        assert names and query["expr"].count('{namespace=~"$namespace"') == len(names)


def test_dashboard__has_a_variable_for_the_namespace():
    variables = {v["name"]: v for v in BOARD["templating"]["list"]}
    assert set(variables) == {"datasource", "namespace"}
    assert variables["namespace"]["includeAll"] and variables["namespace"]["multi"]


def test_dashboard__promtool_parses_every_query(tmp_path):
    rules = [{"record": f"query:{n}", "expr": expr} for n, expr in enumerate(queries())]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", path).stdout


# --- a scrape -------------------------------------------------------------------------------------


class Prometheus:
    """Debian's prometheus, on loopback, with the rules, scraping each second."""

    def __init__(self, folder, targets):
        (port,) = servers.free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self.folder = folder
        jobs = [
            {"targets": [address], "labels": {"namespace": "nodeprep-system", "pod": name}}
            for name, address in targets.items()
        ]
        body = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}}
        body["rule_files"] = [str(write_rules(folder))]
        body["scrape_configs"] = [{"job_name": "nodeprep", "static_configs": jobs}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(body))
        self.argv = ["prometheus", f"--config.file={folder / 'prometheus.yml'}"]
        self.argv += [f"--storage.tsdb.path={folder / 'tsdb'}"]
        self.argv += [f"--web.listen-address=127.0.0.1:{port}"]

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        log = self.folder / "prometheus.log"
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        process = servers.start(self.stack, self.argv, log, env=env)
        servers.wait_until("prometheus", lambda: self.get("targets"), process, log)
        return self

    def __exit__(self, *exc_info):
        self.stack.close()

    def get(self, path, **params):
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(params)}"
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(url, timeout=10) as got:
                return json.load(got)["data"]
        return None

    def query(self, expr):
        answer = self.get("query", query=expr)
        return answer and answer["result"]

    def rules(self):
        groups = (self.get("rules") or {}).get("groups", [])
        return {r["name"]: (r["health"], r["state"]) for g in groups for r in g["rules"]}

    def wait(self, expr):
        return servers.wait_until(expr, lambda: self.query(expr))


def test_scrape__prometheus_reads_both_programs_and_answers_the_dashboard(
    installed, pools_ns, put_class, tmp_path
):
    with contextlib.ExitStack() as stack:
        controller = stack.enter_context(Controller(installed)).wait_ready()
        address = urllib.parse.urlsplit(controller.address("metrics-listen")).netloc
        targets = {"controller": address, "hookd": start_hookd(stack, installed, tmp_path)}
        put_class(pools_ns, "gpu", gpu_class())
        put_pool(installed, pools_ns)
        wait_reason(installed, pools_ns, "Configured")
        prometheus = stack.enter_context(Prometheus(tmp_path, targets))
        for name in targets:
            prometheus.wait(f'up{{pod="{name}"}} == 1')
        prometheus.wait('nodeprep_controller_nodepools{ready="true"} >= 1')
        prometheus.wait("nodeprep_hookd_build_info")
        for expr in queries():
            prometheus.wait(expr)
        assert set(prometheus.rules()) == set(RULES)

        def all_quiet():
            states = prometheus.rules()
            # The certificate of the tests may be valid for a short time only.
            states.pop("NodeprepHookCertificateExpires")
            return set(states.values()) == {("ok", "inactive")}

        servers.wait_until("rules without alerts", all_quiet)
