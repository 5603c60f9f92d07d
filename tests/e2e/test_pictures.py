# SPDX-License-Identifier: Apache-2.0
"""The pictures of docs/pictures are what `make pictures` draws."""

import re
import subprocess
import xml.etree.ElementTree as tree

import pytest

import servers

PICTURES = servers.REPO / "docs" / "pictures"
DRAWN = re.findall(r"^draw (\S+) ", (servers.REPO / "hack" / "pictures.sh").read_text(), re.M)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    argv = [servers.REPO / "hack" / "pictures.sh", servers.BIN_DIR, folder]
    subprocess.run([str(arg) for arg in argv], cwd=servers.REPO, env={"PATH": "/usr/bin:/bin"}, timeout=60, check=True)
    return folder


@pytest.mark.parametrize("name", DRAWN)
def test_a_picture_is_up_to_date(drawn, name):
    assert (drawn / name).read_bytes() == (PICTURES / name).read_bytes(), "run 'make pictures'"


@pytest.mark.parametrize("file", sorted(PICTURES.iterdir()), ids=lambda file: file.name)
def test_a_picture_is_svg_with_a_title(file):
    root = tree.parse(file).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.find("{http://www.w3.org/2000/svg}title").text
