# SPDX-License-Identifier: Apache-2.0
"""apply of one class of vCenter beside a bare program that makes its requests, and beside govc.

    vmclass.py BUILD

govc does what an administrator does by hand: it reads the class and updates it."""

import json
import os
import pathlib
import statistics
import sys

import bench as timing

HERE = pathlib.Path(__file__).resolve().parent
RUNS = 15
NAME = "gpu"


class Work:
    def __init__(self, bench, vcenter, under_test):
        self.bench, self.vcenter = bench, vcenter
        self.host = under_test.Host(vcenter, vcenter.folder / "host")
        self.login = f"{under_test.ADMIN}:{under_test.PASSWORD}"
        self.pools = self.host.folder / "pools.yaml"
        self.pools.write_text(under_test.pools(NAME))
        vcenter.put_classes(under_test.gpu_class(NAME, *[under_test.A100] * 4))
        self.govc_env = {
            "GOVC_URL": vcenter.url, "GOVC_USERNAME": under_test.ADMIN, "GOVC_PASSWORD": under_test.PASSWORD,
            "GOVC_TLS_CA_CERTS": vcenter.ca, "HOME": str(vcenter.folder),
        }

    def nodeprep(self, command):
        run = self.bench.once(self.host.argv(command, "-f", self.pools))
        if run.status:
            sys.exit(f"nodeprep {command}: {self.bench.said}")
        return run

    def prepare(self):
        """Writes what apply sends, so that the others can send the same."""
        self.vcenter.mark()
        self.nodeprep("apply")
        lines = []
        for number, one in enumerate(self.vcenter.requests()):
            body = self.host.folder / f"body-{number}"
            text = one.get("body") or (one.get("soap") and SERVICE_CONTENT) or ""
            body.write_text(text)
            has_body = text or one["method"] == "POST"
            lines.append(f"{one['method']} {one['path']} {body if has_body else '-'}\n")
        self.requests = self.host.folder / "requests"
        self.requests.write_text("".join(lines))
        stored = self.vcenter.dump()[NAME]
        self.spec = json.dumps(stored["config_spec"])
        self.size = [f"-cpus={stored['cpu_count']}", f"-memory={stored['memory_MB']}"]
        self.nodeprep("revert")

    def bare(self):
        program = self.bench.work / "bare_vcenter"
        return [self.bench.once([program, self.vcenter.url, self.vcenter.ca, self.login, self.requests])]

    def govc(self):
        program = self.vcenter.tools / "govc"
        info = [program, "namespace.vmclass.info", "-json", NAME]
        update = [program, "namespace.vmclass.update", *self.size, "-spec", self.spec, NAME]
        return [self.bench.once(one, env=self.govc_env) for one in (info, update)]

    def measure(self, ways):
        """Takes turns; the class is as it was before each."""
        seen = {name: [] for name in ways}
        before = self.vcenter.dump()
        for _ in range(RUNS):
            for name, way in ways.items():
                runs = way()
                if any(run.status for run in runs):
                    sys.exit(f"{name}: {self.bench.said}")
                seen[name].append(runs)
                if name.startswith("nodeprep"):
                    self.nodeprep("revert")
                self.vcenter.control("PUT", "/classes", before)
        return {
            name: (
                statistics.median(sum(run.wall for run in runs) for runs in each),
                statistics.median(sum(run.cpu for run in runs) for runs in each),
                statistics.median(max(run.mb for run in runs) for runs in each),
            )
            for name, each in seen.items()
        }


SERVICE_CONTENT = (
    '<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
    '<RetrieveServiceContent xmlns="urn:vim25"><_this type="ServiceInstance">ServiceInstance</_this></RetrieveServiceContent>'
    "</s:Body></s:Envelope>"
)


def main(build):
    os.environ["NODEPREP_BIN_DIR"] = str(build)
    sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE.parent / "real" / "vcenter")]
    import vcenter as under_test

    bench = timing.Bench(build)
    with under_test.VCenter(under_test.build_tools()) as running:
        work = Work(bench, running, under_test)
        work.prepare()
        got = work.measure({
            "nodeprep apply": lambda: [work.nodeprep("apply")],
            "bare requests": work.bare,
            "govc info + update": work.govc,
        })
    wall, cpu, mb = got["nodeprep apply"]
    timing.table(
        "apply of one class of vCenter, its requests by a bare program, govc namespace.vmclass.info + update\n"
        "(aim: CPU at most 1.5 times the bare program's; govc at least twice the CPU and the memory)",
        ["", "ms", "cpu ms", "peak MB", "time", "cpu", "memory"],
        [
            (name, f"{w * 1e3:.1f}", f"{c * 1e3:.1f}", f"{m:.1f}", f"{w / wall:.2f}", f"{c / cpu:.2f}", f"{m / mb:.2f}")
            for name, (w, c, m) in got.items()
        ],
    )
    print(f"  apply takes {cpu / got['bare requests'][1]:.2f} times the bare program's CPU time")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve())
