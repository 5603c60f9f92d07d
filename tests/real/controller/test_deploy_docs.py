# SPDX-License-Identifier: Apache-2.0
"""docs/deploy.md, command by command: install, use, uninstall; then every class is as it was."""

import pytest
from controller_harness import MANIFESTS, POOLS, SYSTEM, servers
from deployed import CRD, DEPLOYMENT, Cluster, Place, blocks, contents, put_classes, use


@pytest.fixture
def fresh():
    """A server that no other test has: the CRD and the controller's namespace are deleted."""
    with servers.RealServer() as running:
        running.create_namespace("team")
        with Cluster(running):
            yield running


@pytest.fixture
def place(fresh, tmp_path):
    return Place(fresh, tmp_path)


def test_uninstall__restores_every_class(fresh, place):
    before = put_classes(fresh)
    place.follow("Install")
    use(fresh)
    changed = contents(fresh)
    assert all(changed[key] != before[key] for key in before)
    place.follow("Uninstall")
    assert contents(fresh) == before
    for path in (DEPLOYMENT, CRD, f"/api/v1/namespaces/{SYSTEM}"):
        assert fresh.request("GET", path)[0] == 404, path


def test_uninstall__overlay_first_keeps_the_pools_and_is_recovered(fresh, place):
    before = put_classes(fresh)
    place.follow("Install")
    use(fresh)
    place.run("kubectl delete -k my-overlay")
    assert fresh.request("GET", CRD)[0] == 200
    pools = fresh.must("GET", f"{POOLS}/nodepools")["items"]
    assert len(pools) == 3 and not any("deletionTimestamp" in p["metadata"] for p in pools)
    place.run("kubectl apply -k my-overlay")
    place.follow("Uninstall")
    assert contents(fresh) == before


def test_install__commands_name_folders_that_exist():
    words = [word for block in blocks((servers.REPO / "docs" / "deploy.md").read_text()) for word in block.split()]
    named = {word for word in words if "deploy/manifests/" in word}
    assert named
    for word in named:
        folder = MANIFESTS / word.partition("deploy/manifests/")[2]
        assert (folder / "kustomization.yaml").is_file(), word
