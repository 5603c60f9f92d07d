# SPDX-License-Identifier: Apache-2.0
"""-v=9 of requests to vCenter: neither password nor session of REST and SOAP appears."""

import base64

from builders import A100, dump, pool
from vcenter import gpu_class


def test_no_password_and_no_session_in_a_trace(vcenter, host):
    vcenter.put_classes(gpu_class("gpu", A100))
    for level in range(6, 10):
        rest = host("apply", "-f", "-", f"-v={level}", "--dry-run=client", input=dump(pool("ml", "w", "gpu")))
        soap = host("vm-check", f"-v={level}")
        assert rest.rc == 0 and soap.rc in (0, 1)
        for done in (rest, soap):
            assert f"{vcenter.url}/" in done.err
            assert base64.b64encode(f"{host.user}:{host.password}".encode()).decode() not in done.err
        if level >= 8:
            assert "Authorization: Basic [redacted]" in rest.err
            assert "vmware-api-session-id: [redacted]" in rest.err
            assert "Response Body: [redacted], " in rest.err and "Request Body: [redacted], " in soap.err
            assert "Cookie: [redacted]" in soap.err and "vmware_soap_session=" not in soap.err
            assert "<userName>" not in soap.err
