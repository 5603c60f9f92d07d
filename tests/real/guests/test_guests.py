# SPDX-License-Identifier: Apache-2.0
"""node-check in real UEFI guests: its report is what kernel and firmware really did.

The facts come from the guest's own sysfs, /proc/iomem and kernel log, which `init` prints beside the
report, and are read here apart from nodeprep. Sufficiency: the window that `plan` computes holds every
BAR, each card behind a root port of its own; half of it does not.
"""

import contextlib
import json
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import guests  # noqa: E402
from guests import GIB, Boot, card  # noqa: E402

A100 = card("10de:20b0", "0/16M/32 1/64G/64p 3/32M/64p")
A100_80 = card("10de:20b2", "0/16M/32 1/128G/64p 3/32M/64p")
A30 = card("10de:20b7", "0/16M/32 1/32G/64p 3/32M/64p")
H100 = card("10de:2330", "0/16M/64p 2/128G/64p 4/32M/64p")
L40S = card("10de:26b9", "0/16M/32 1/64G/64p 3/32M/64p")
T4 = card("10de:1eb8", "0/16M/32 1/256M/64p 3/32M/64p")
UNKNOWN = card("10de:2fff", "0/16M/32 1/32G/64p 3/32M/64p")
NVSWITCH = card("10de:1af1", "0/32M/32", "0680")
NIC = card("15b3:101b", "0/32M/64p", "0207")
HOLE_512 = ("-global", "q35-pcihost.pci-hole64-size=512G")

# What each boot must come to: exit status, and which of the GPUs are ok, in the order of their addresses.
BOOTS = {
    "one A100-40 that fits": (Boot((A100,), 128, check="--expect A100-40GB=1"), 0, [True]),
    "two of which the second fails": (Boot((A100,) * 2, 192), 1, [True, False]),
    "two, all fail in the default window": (Boot((A100,) * 2), 1, [False, False]),
    "BIOS places both": (Boot((A100,) * 2, firmware="seabios"), 0, [True, True]),
    "a T4 needs no window": (Boot((T4,), check="--expect T4=1"), 0, [True]),
    "mixed A100-40 and T4": (
        Boot((A100, T4), 256, check="--expect A100-40GB=1,T4=1"),
        0,
        [True, True],
    ),
    "mixed A30 and A100-80 in half the window": (Boot((A30, A100_80), 160), 1, None),
    "hot-plug padding takes the room": (Boot((A100,), 65, spare_ports=4), 1, [False]),
    "no padding without hot-plug": (
        Boot((A100,), 65, spare_ports=4, hotplug=False, spare_hotplug=False),
        0,
        [True],
    ),
    "fewer GPUs than expected": (Boot((A100,), 128, check="--expect A100-40GB=2"), 1, [True]),
    "more GPUs than expected": (Boot((A100, A100), 256, check="--expect A100-40GB=1"), 1, [True] * 2),
    "another model than expected": (Boot((A30,), 64, check="--expect A100-80GB=1"), 1, [True]),
    "the kernel places what the firmware left": (
        Boot((A100,) * 2, 192, kernel="pci=realloc", machine=HOLE_512),
        0,
        [True, True],
    ),
    "directly on the root bus": (Boot((A100,), 128, on_bus=True), 0, [True]),
    "BARs 0, 2 and 4": (Boot((H100,), 256, check="--expect H100-80GB=1"), 0, [True]),
    "functions that are no GPUs": (
        Boot((A100, NVSWITCH, NIC), 128, check="--expect A100-40GB=1"),
        0,
        [True],
    ),
    "a card that the catalogue lacks": (Boot((UNKNOWN,), 64), 0, [True]),
    "a card that the catalogue lacks, too small a window": (Boot((UNKNOWN,), 16), 1, [False]),
    "no GPU at all": (Boot(), 6, []),
    "plugged in while node-check waits": (
        Boot((A100, A100), 512, plugged=1, reserve=True, check="--expect A100-40GB=2 --wait 300s"),
        0,
        [True, True],
    ),
    "plugged in where no room is left for it": (
        Boot((A100, A100), 192, plugged=1, check="--expect A100-40GB=2 --wait 300s"),
        1,
        [True, False],
    ),
}

# Shapes of nodes: what a pool asks for, and whether half the rule's figure is too small by the facts.
SHAPES = {
    "1 x A100-40GB": (A100,),
    "2 x A100-40GB": (A100,) * 2,
    "3 x A100-40GB": (A100,) * 3,
    "4 x A100-40GB": (A100,) * 4,
    "2 x A100-80GB": (A100_80,) * 2,
    "4 x H100-80GB": (H100,) * 4,
    "4 x A30": (A30,) * 4,
    "A30 and A100-80GB": (A30, A100_80),
    "2 x A100-40GB and 2 x T4": (A100, A100, T4, T4),
    "3 x L40S and A30": (L40S, L40S, L40S, A30),
}


@pytest.fixture(scope="session")
def lab():
    with contextlib.ExitStack() as stack:
        yield guests.Lab(stack)


@pytest.fixture(scope="session")
def queue(lab, request):
    """Starts all boots that the selected tests will ask for, as many at a time as there are processors."""
    for item in request.session.items:
        name = getattr(item, "callspec", None) and item.callspec.params.get("name")
        if name in BOOTS:
            lab.start(BOOTS[name][0])
        elif name in SHAPES:
            for boot in shape_boots(name):
                lab.start(boot)
    return lab


def facts_of(seen, address):
    """The memory BARs that the kernel has for a device: {index: address of the BAR}."""
    facts = {}
    for index in range(6):
        start, end, flags = seen.regions[address, index]
        if flags & 0x200 and start:
            assert (start, end, address) in seen.iomem, "sysfs and /proc/iomem tell different things"
            facts[index] = start
    return facts


def assert_true_report(seen, report, cards):
    """Every GPU of the guest is in the report, with exactly the BARs that it has, placed where they are."""
    by_id = {c.pci_id: c for c in cards}
    found = [gpu for gpu in report["gpus"] if gpu["pciID"] in by_id]
    expected = sorted(a for c in by_id for a in seen.addresses(c) if c not in ("10de:1af1", "15b3:101b"))
    assert [gpu["address"] for gpu in report["gpus"]] == expected
    assert len(found) == len(report["gpus"])
    for gpu in found:
        placed = facts_of(seen, gpu["address"])
        # Only the catalogue knows the size of a BAR without a place.
        known = gpu["model"] is not None
        assert [(b["index"], b["sizeBytes"], b["assigned"], b["address"]) for b in gpu["bars"]] == [
            (index, size, True, hex(placed[index]))
            if index in placed
            else (index, size if known else None, False, None)
            for index, size, _ in by_id[gpu["pciID"]].bars
        ]
        assert gpu["ok"] is (len(placed) == len(gpu["bars"]))
        assert gpu["driver"] is None


@pytest.mark.parametrize("name", BOOTS)
def test_report_is_what_the_guest_has(queue, name):
    boot, rc, ok = BOOTS[name]
    seen = queue.see(boot)
    assert (seen.rc, seen.errors) == (rc, ""), seen.report
    assert_true_report(seen, seen.report, boot.cards)
    assert seen.report["pass"] is {0: True, 1: False, 6: None}[rc]
    if ok is not None:
        assert [gpu["ok"] for gpu in seen.report["gpus"]] == ok
    assert seen.report["uefi"] is seen.uefi is (boot.firmware == "ovmf")
    blamed = {a for a in seen.devices if any(a in line for line in seen.log)}
    gpus = {gpu["address"] for gpu in seen.report["gpus"]}
    bad = {gpu["address"] for gpu in seen.report["gpus"] if not gpu["ok"]}
    status = seen.check("kernel-log")["status"]
    assert status == ("fail" if blamed & bad else "warn" if blamed & gpus else "pass")


@pytest.mark.parametrize("name", BOOTS)
def test_report_without_rights_differs_in_the_log_alone(queue, name):
    """Without rights the kernel's log is closed (kernel.dmesg_restrict); nothing else is lost."""
    seen = queue.see(BOOTS[name][0])
    report = json.loads(json.dumps(seen.report))
    for check in report["checks"]:
        if check["id"] == "kernel-log":
            check.update(status="unknown", cure=None)
            check["message"] = "not readable here; the BARs are judged without it"
    assert (seen.nobody_rc, seen.nobody_report) == (seen.rc, report)


def test_findings_of_the_boots(queue):
    """What only one boot shows."""
    see = {name: queue.see(BOOTS[name][0]) for name in BOOTS}
    assert see["fewer GPUs than expected"].check("gpu-count")["status"] == "fail"
    assert see["more GPUs than expected"].check("gpu-count")["status"] == "fail"
    assert see["another model than expected"].check("gpu-models")["status"] == "fail"
    assert see["another model than expected"].check("bars-assigned")["status"] == "pass"
    assert see["BIOS places both"].check("uefi")["status"] == "warn"
    assert see["a T4 needs no window"].check("bars-above-4g")["message"] == "no BAR is over 256 MB"
    assert see["directly on the root bus"].check("bridge-windows")["status"] == "pass"
    assert see["a card that the catalogue lacks"].check("bar-sizes")["status"] == "unknown"
    failed = see["two, all fail in the default window"].check("bars-assigned")
    assert "pciPassthru.64bitMMIOSizeGB 256 " in failed["cure"]


# --- sufficiency ----------------------------------------------------------------------------------


def plan_window(name):
    """What `plan` gives a pool with these cards, whose own minimum takes the place of the 512 GB floor."""
    from subprocess import run

    import servers

    ids = [c.pci_id for c in SHAPES[name]]
    devices = [
        {"vendorID": int(i[:4], 16), "deviceID": int(i[5:], 16)} for i in ids
    ]
    pool = {
        "apiVersion": "nodeprep.dev/v1alpha1",
        "kind": "NodePool",
        "metadata": {"name": "p", "namespace": "n"},
        "spec": {"vmClass": "c", "mmio": {"minimumGB": 64}},
    }
    vm_class = {
        "apiVersion": f"{servers.GROUP}/v1alpha2",
        "kind": "VirtualMachineClass",
        "metadata": {"name": "c", "namespace": "n"},
        "spec": {
            "hardware": {
                "cpus": 8,
                "memory": "256Gi",
                "devices": {"dynamicDirectPathIODevices": devices},
            }
        },
    }
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": [pool, vm_class]})
    done = run(
        [servers.BIN_DIR / "nodeprep", "plan", "-f", "-", "-o", "json"],
        input=text.encode(),
        capture_output=True,
        check=True,
    )
    plan = json.loads(done.stdout)
    assert plan["pools"][0]["gpusPerNode"] == len(ids)
    return plan["pools"][0]["mmioGB"], sum(g["mmioGB"] * g["count"] for g in plan["pools"][0]["gpus"])


def shape_boots(name):
    window_gb, rule_gb = plan_window(name)
    return Boot(SHAPES[name], window_gb), Boot(SHAPES[name], rule_gb // 2)


@pytest.mark.parametrize("name", SHAPES)
def test_window_of_plan_is_sufficient(queue, name):
    seen = queue.see(shape_boots(name)[0])
    assert_true_report(seen, seen.report, SHAPES[name])
    assert [gpu["ok"] for gpu in seen.report["gpus"]] == [True] * len(SHAPES[name])
    assert (seen.rc, seen.log) == (0, [])
    # The firmware itself placed them: it switches on only what it placed.
    assert all(seen.config[gpu["address"]][4] & 2 for gpu in seen.report["gpus"])


@pytest.mark.parametrize("name", SHAPES)
def test_half_of_the_rule_is_not(queue, name):
    boot = shape_boots(name)[1]
    seen = queue.see(boot)
    assert_true_report(seen, seen.report, SHAPES[name])
    assert not all(gpu["ok"] for gpu in seen.report["gpus"])
    assert seen.rc == 1


def test_expectations_are_not_trivial():
    """The boots differ in what they must come to; sums of BARs alone would not do."""
    assert {rc for _, rc, _ in BOOTS.values()} == {0, 1, 6}
    window_gb, _ = plan_window("3 x A100-40GB")
    assert window_gb == 512 and 3 * (64 * GIB) // GIB < window_gb // 2
