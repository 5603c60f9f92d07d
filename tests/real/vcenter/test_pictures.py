# SPDX-License-Identifier: Apache-2.0
"""docs/pictures/hosts.svg is what host-check draws of the simulator's hosts. With NODEPREP_BLESS it is written."""

import os

import servers
from vcenter import gpu_class, pools

H100 = {"vendorID": 0x10DE, "deviceID": 0x2330}
PICTURE = servers.REPO / "docs" / "pictures" / "hosts.svg"


def test_the_picture_of_hosts_is_up_to_date(vcenter, host):
    vcenter.put_classes(gpu_class("gpu-h100x2", H100, H100))
    text = pools("gpu-h100x2", gpus=[{"model": "H100-80GB", "count": 2}])
    # Exit status 1: the picture shows hosts with findings.
    done = host("host-check", "--cluster", "DC0_C0", "-o", "svg", "-f", "-", input=text)
    assert done.rc == 1, done.err
    if os.environ.get("NODEPREP_BLESS"):
        PICTURE.write_text(done.out, encoding="utf-8")
    assert done.out == PICTURE.read_text(encoding="utf-8"), "run 'make pictures'"
