# SPDX-License-Identifier: Apache-2.0
"""In an ordinary container of a plain Debian with git and make alone, `make demo` and `make test` pass, from nothing.

The package of one release is installed on each.
"""

import pathlib
import platform
import re
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import containers  # noqa: E402
import debian  # noqa: E402
import servers  # noqa: E402

RELEASES = {"bookworm": "12", "trixie": "13"}
PROGRAMS = ("nodeprep", "nodeprep-hookd", "nodeprep-sim")


@pytest.fixture(scope="module")
def podman():
    with containers.podman() as run:
        yield run


@pytest.fixture(scope="module", params=RELEASES)
def container(request, podman):
    with debian.container(podman, request.param) as made:
        release = made.sh(". /etc/os-release && echo $VERSION_ID", cwd="/").strip()
        assert release == RELEASES[request.param]
        made.clone_project()
        yield made
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            for command, seconds in made.seconds.items():
                print(f"\nDebian {release}: {seconds:6.1f} s  {command}", end="")


def make(container, target, user="root"):
    """Runs make, whose compiler and linker must not warn; returns the last line."""
    output = container.sh(f"make {target}", user=user)
    assert [line for line in output.splitlines() if re.search(r"\[-W|/ld: ", line)] == []
    return output.splitlines()[-1]


# In this order: each command finds what those before it built.


def test_make_demo(container):
    assert make(container, "demo") == "demo: every step passed"


def test_make_test(container):
    """On the machine's own release `make test` runs outside too: here only what the archives decide is tested."""
    is_own = container.codename == platform.freedesktop_os_release().get("VERSION_CODENAME")
    last = make(container, "e2e T=stubs NODEPREP_DEPS=install" if is_own else "test")
    assert re.fullmatch(r"(e2e-sim: )?[1-9][0-9]* passed, 0 failed", last), last


def test_ordinary_user(container):
    """Where the packages are installed nothing needs root, nor a namespace of its own."""
    container.sh("useradd --create-home dev && chown -R dev: /src")
    assert make(container, "demo", "dev") == "demo: every step passed"
    for name in ("stubs", "client_network", "files"):
        last = make(container, f"e2e T={name}", "dev")
        assert re.fullmatch(r"e2e-sim: [1-9][0-9]* passed, 0 failed", last), last
    container.sh("chown -R root: /src")


def test_programs_are_static(container):
    for program in PROGRAMS:
        headers = container.sh(f"readelf -hl build/{program}")
        assert re.search(r"Type: +DYN", headers) and "GNU_RELRO" in headers
        assert "INTERP" not in headers
    assert container.sh("build/nodeprep version").startswith("nodeprep ")


def test_two_builds_give_the_same_bytes(container):
    """In another folder, two days later."""
    files = " ".join(f"build/{program}" for program in PROGRAMS)
    container.sh("apt-get install -qq -y --no-install-recommends faketime >/dev/null", cwd="/")
    container.sh("git clone --quiet /src/nodeprep /src/elsewhere")
    first = container.sh(f"sha256sum {files}")
    container.sh("faketime -f +2d make", cwd="/src/elsewhere")
    assert container.sh(f"sha256sum {files}", cwd="/src/elsewhere") == first


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Where the first release's package is kept for the next ones."""
    return tmp_path_factory.mktemp("package") / "nodeprep.deb"


def files_of(container):
    """What dpkg and apt write on every installation is left out."""
    return container.sh("find / -xdev ! -path '/proc/*' ! -path '/var/cache/*' ! -path '/var/log/*' ! -path '/tmp/*' "
                        "! -path '/var/lib/apt/*' ! -path '/var/lib/dpkg/*' | sort", cwd="/")


def test_package(container, podman, package):
    """Debian's tools build it on the first release; apt installs and purges it in a container without a package."""
    if not package.exists():
        container.sh("apt-get install -qq -y --no-install-recommends debhelper >/dev/null", cwd="/")
        container.sh("dpkg-buildpackage -b -nc -d -us -uc && mv ../nodeprep_*_*.deb /tmp/nodeprep.deb")
        container.copy_out("/tmp/nodeprep.deb", package)
    with debian.container(podman, container.codename) as bare:
        bare.copy_in(package, "/tmp/nodeprep.deb")
        before = files_of(bare)
        bare.sh("apt-get install -qq -y /tmp/nodeprep.deb", cwd="/")
        version = (servers.REPO / "VERSION").read_text().strip()
        assert bare.sh("nodeprep version && nodeprep-hookd --version", cwd="/").startswith(f"nodeprep {version} (")
        assert bare.sh("kubectl-nodeprep gpus A100-40GB", cwd="/")
        listed = bare.sh("dpkg -L nodeprep", cwd="/").splitlines()
        assert {"/usr/bin/nodeprep", "/usr/share/man/man1/nodeprep.1.gz", "/usr/share/zsh/vendor-completions/_nodeprep",
                "/usr/share/doc/nodeprep/linked/libc6-dev.gz"} <= set(listed)
        bare.sh("apt-get purge -qq -y nodeprep", cwd="/")
        assert files_of(bare) == before


def test_unknown_release_is_named(container):
    """hack/deps.sh then tries the newest release's package names."""
    text = 'ID=other\\nVERSION_ID=1\\nPRETTY_NAME="Other Linux 1"\\n'
    told = container.sh(f"rm /etc/os-release && printf '{text}' >/etc/os-release && hack/deps.sh build")
    assert told.splitlines()[0] == ("deps.sh: unknown release 'Other Linux 1': expected Debian 12 or 13; "
                                    "trying Debian 13's package names")
