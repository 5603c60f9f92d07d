# SPDX-License-Identifier: Apache-2.0
"""tests/e2e/test_stubs.py fails if a function that the program needs is a stub."""

import os
import shutil
import subprocess

import pytest

import servers

BUILD = os.path.relpath(servers.BIN_DIR, servers.REPO)


@pytest.mark.parametrize(("function", "feature"), [
    ("SSL_connect", "proxy"),
    ("getaddrinfo", "name_lookup"),
    ("idn2_check_version", "idn_host"),
    ("inflate", "gzip"),
    ("nghttp2_session_callbacks_new", "http2"),
])
def test_stub_is_noticed(tmp_path, function, feature):
    program = f"{BUILD}/stubbed/{function}/nodeprep"
    subprocess.run(["make", "--no-print-directory", f"B={BUILD}", program], cwd=servers.REPO, check=True, timeout=600)
    for path in [*servers.BIN_DIR.glob("nodeprep-*"), servers.BIN_DIR / "nodeprep.stubs"]:
        (tmp_path / path.name).symlink_to(path)
    shutil.copy2(servers.REPO / program, tmp_path / "nodeprep")
    env = os.environ | {"NODEPREP_TARGET": "sim", "NODEPREP_BIN_DIR": str(tmp_path)}
    done = subprocess.run(
        ["/usr/bin/python3", "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"-k{feature}",
         "tests/e2e/test_stubs.py"],
        cwd=servers.REPO, env=env, capture_output=True, encoding="utf-8", timeout=300, check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"nodeprep: bug: libcurl called __wrap_{function}" in done.stdout
