# SPDX-License-Identifier: Apache-2.0
"""On a bare machine with git and make alone, `make demo` and `make test` pass, from nothing."""

import pathlib
import platform
import re
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import debian  # noqa: E402
import servers  # noqa: E402

RELEASES = {"bookworm": "12", "trixie": "13"}
PROGRAMS = ("nodeprep", "nodeprep-hookd", "nodeprep-sim")


@pytest.fixture(scope="module", params=RELEASES)
def root(request):
    with debian.root(request.param) as made:
        release = made.sh(". /etc/os-release && echo $VERSION_ID").strip()
        assert release == RELEASES[request.param]
        yield made
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            for command, seconds in made.seconds.items():
                print(f"\nDebian {release}: {seconds:6.1f} s  {command}", end="")


def make(root, target):
    """Runs make, whose compiler and linker must not warn; returns the last line."""
    output = root.sh(f"make {target} 2>&1")
    assert [line for line in output.splitlines() if re.search(r"\[-W|/ld: ", line)] == []
    return output.splitlines()[-1]


# In this order: the second command finds what the first one built.


def test_make_demo(root):
    assert make(root, "demo") == "demo: every step passed"


def test_make_test(root):
    """On the machine's own release `make test` runs outside too: here only what the archives decide is tested."""
    is_own = root.codename == platform.freedesktop_os_release().get("VERSION_CODENAME")
    last = make(root, "e2e T=stubs NODEPREP_DEPS=install" if is_own else "test")
    assert re.fullmatch(r"(e2e-sim: )?[1-9][0-9]* passed, 0 failed", last), last


def test_programs_are_static(root):
    for program in PROGRAMS:
        headers = root.sh(f"readelf -hl build/{program}")
        assert re.search(r"Type: +DYN", headers) and "GNU_RELRO" in headers
        assert "INTERP" not in headers
    assert root.sh("build/nodeprep version").startswith("nodeprep ")


def test_two_builds_give_the_same_bytes(root):
    files = " ".join(f"build/{program}" for program in PROGRAMS)
    root.sh("git clone --quiet /src/nodeprep /src/elsewhere")
    first = root.sh(f"sha256sum {files}")
    root.sh("make", cwd="/src/elsewhere")
    assert root.sh(f"sha256sum {files}", cwd="/src/elsewhere") == first


def test_unknown_release_is_named(root):
    """hack/deps.sh then tries the newest release's package names."""
    text = 'ID=other\\nVERSION_ID=1\\nPRETTY_NAME="Other Linux 1"\\n'
    told = root.sh(f"printf '{text}' >/tmp/os && mount --bind /tmp/os /etc/os-release && hack/deps.sh build")
    assert told.splitlines()[0] == ("deps.sh: unknown release 'Other Linux 1': expected Debian 12 or 13; "
                                    "trying Debian 13's package names")
