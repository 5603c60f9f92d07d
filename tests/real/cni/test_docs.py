# SPDX-License-Identifier: Apache-2.0
"""The commands of docs that call the plugin by cnitool: each runs, and prints what the page says."""

import json

import pytest

import doc_commands as docs
import servers
from fixtures import PATH
from runtime import plugin


@pytest.mark.parametrize("scenario", docs.scenarios(worlds=["cni"]), ids=lambda scenario: scenario.where)
def test_with_cnitool(scenario, tools, netns, tmp_path):
    folder = docs.make_folder(tmp_path / "work")
    networks, binaries, state = tmp_path / "cni.d", tmp_path / "bin", tmp_path / "lib"
    for path in (networks, binaries, state):
        path.mkdir()
    (binaries / "nodeprep").symlink_to(servers.BIN_DIR / "nodeprep")
    names = {"/etc/nodeprep/cni.d": networks, "/opt/cni/bin": binaries, "/var/run/netns/bootstrap": netns}
    with servers.SimServer(classes=[docs.CLASSES]) as supervisor:
        network = {"cniVersion": "1.1.0", "name": "nodeprep"}
        network["plugins"] = [plugin("ml", "training", vm_class="gpu-a100x4")]
        (networks / "nodeprep.conflist").write_text(json.dumps(network))
        env = {"HOME": str(tmp_path), "KUBECONFIG": supervisor.kubeconfig}
        env["PATH"] = f"{tools}:{servers.BIN_DIR}:{PATH}:/usr/sbin:/sbin"
        own_cache = ["unshare", "-m", "sh", "-c", f'mount --bind "{state}" /var/lib && exec "$@"', "sh"]
        names = {name: str(here) for name, here in names.items()}
        results = docs.run(scenario.commands, folder, env, names, own_cache)
    docs.check(scenario.commands, results)
