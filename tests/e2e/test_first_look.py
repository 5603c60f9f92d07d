# SPDX-License-Identifier: Apache-2.0
"""What people saw first that was wrong in 0.1, and is held nowhere else."""

import json
import signal
import subprocess

import servers
from builders import A100, dump, hardware, pool
from fixtures import PATH


def test_cni_dry_run_does_not_say_patched_and_prints_numbers_as_plan_does(server, ns, put_class, tmp_path):
    put_class(ns, "gpu", hardware(A100))
    log = tmp_path / "log"
    config = {"cniVersion": "1.1.0", "name": "gpus", "type": "nodeprep", "dryRun": True, "logFile": str(log),
              "nodePool": pool(ns, "w", "gpu"), "supervisor": {"kubeconfig": server.kubeconfig}}
    env = {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c", "CNI_NETNS": "/n", "CNI_IFNAME": "eth0", "CNI_PATH": "/p",
           "HOME": str(tmp_path), "PATH": PATH}
    done = subprocess.run([servers.BIN_DIR / "nodeprep"], input=json.dumps(config), env=env, capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert "would be patched (dryRun)" in log.read_text()
    plan = subprocess.run([servers.BIN_DIR / "nodeprep", "plan", "-f", "-", "-o", "json"], text=True, timeout=60,
                          input=dump(pool(ns, "w", "gpu")), env={"KUBECONFIG": server.kubeconfig, "HOME": str(tmp_path)},
                          capture_output=True, check=True).stdout
    assert '"overheadMB": 97.03,' in plan and "97.03" in done.stdout and "97.030" not in done.stdout


def test_check_wide_has_a_remedy_for_each_finding(ns, nodeprep, put_class):
    put_class(ns, "gpu", hardware(A100))
    text = dump(pool(ns, "w", "gpu"))
    out = nodeprep("check", "-f", "-", "-o", "wide", input=text).out
    findings = [line for line in out.splitlines() if line.startswith(("error ", "warning ", "unknown "))]
    rows = out.partition("\nWhat to do\n")[2].splitlines()
    assert len(findings) > 1 and len(rows) == 2 * len(findings)
    assert all(row.startswith("      ") and row.strip() for row in rows[1::2])


def test_near_names_of_what_is_mistyped(nodeprep):
    for argv, name in ((["aply"], "apply"), (["-n", "ml", "stauts"], "status"), (["help", "plna"], "plan"),
                       (["plan", "--namespce=ml"], "--namespace")):
        done = nodeprep(*argv)
        assert done.rc == 2 and done.err.endswith(f": did you mean '{name}'?\n"), done.err
    done = nodeprep("frobnicate")
    assert (done.rc, done.err) == (2, "error: unknown command 'frobnicate': see 'nodeprep help'\n")
    done = nodeprep("status", "gpu")
    assert (done.rc, done.err) == (2, "error: unexpected argument 'gpu': usage: nodeprep status\n")


def test_url_is_told_from_a_file(nodeprep):
    done = nodeprep("plan", "-f", "https://example.com/pools.yaml")
    assert done.rc == 2 and "URLs are not read" in done.err


def test_help_has_one_blank_between_words(nodeprep):
    for command in ("status", "plan", "version"):
        assert "  " not in nodeprep(command, "--help").out.splitlines()[0]


def test_help_of_the_controller(nodeprep):
    text = nodeprep("controller", "--help").out
    [line] = [line for line in text.splitlines() if "--namespace " in line]
    assert "watch pools in this namespace only" in line
    assert not [line for line in text.splitlines() if line.strip().startswith("--timeout")]


def test_controller_names_the_crd_that_is_missing(server, tmp_path):
    argv = [servers.BIN_DIR / "nodeprep", "controller", "--log-format=json", "--leader-elect=false",
            "--health-listen=127.0.0.1:0", "--kubeconfig", server.kubeconfig]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, env={"HOME": str(tmp_path), "PATH": PATH}) as process:
        try:
            line = next(line for line in process.stderr if "CustomResourceDefinition" in line)
            entry = json.loads(line)
            assert {"time", "level", "msg"} <= set(entry)
            assert "kubectl apply -k deploy/manifests/crd" in line and "Supervisor" not in line
            process.send_signal(signal.SIGTERM)
            process.wait(30)
        finally:
            process.kill()
