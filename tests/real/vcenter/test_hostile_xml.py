# SPDX-License-Identifier: Apache-2.0
"""Answers of a SOAP server that is none, or means harm: one line, bounded memory, no write."""

import base64
import gzip
import os
import signal
import subprocess

import pytest

from vcenter import PASSWORD

MIB = 1 << 20
MEMORY_MB = 300  # the body's bound is 64 MiB, its elements take some more
SOAP = "xmlns:s='http://schemas.xmlsoap.org/soap/envelope/' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'"
PAGE = f"<s:Envelope {SOAP}><s:Body><RetrievePropertiesExResponse xmlns='urn:vim25'><returnval>%s</returnval></RetrievePropertiesExResponse></s:Body></s:Envelope>"
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
ATTRIBUTES = [f"a{n}=''" for n in range(300000)]
NAMESPACES = [f"xmlns:a{n}='u{n}'" for n in range(100000)]
OBJECT = "<objects><obj type='ClusterComputeResource'>domain-c1</obj></objects>"


def packed(data):
    return {"body": base64.b64encode(gzip.compress(data)).decode(), "base64": True, "headers": {"Content-Encoding": "gzip"}}


# What is answered in place of a page, the exit status, and what the error says.
CASES = {
    "deep": ({"body": "<a>" * 100000}, 5, "nested deeper than 100 levels"),
    "laughs": ({"body": f'<!DOCTYPE a [<!ENTITY l0 "ha">{LAUGHS}]><a>&l9;</a>'}, 5, "XML has a DTD, which is not accepted"),
    "external entity": ({"body": '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>'}, 5, "XML has a DTD"),
    "external DTD": ({"body": '<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd"><a/>'}, 5, "XML has a DTD"),
    "parameter entity": ({"body": '<!DOCTYPE a [<!ENTITY % p SYSTEM "file:///etc/passwd">%p;]><a/>'}, 5, "XML has a DTD"),
    "undefined entity": ({"body": "<a>&e;</a>"}, 5, "undefined entity"),
    "1 GB": ({"body": PAGE % "" + " " * (MIB - len(PAGE) + 2), "repeat": 1024}, 5, "larger than 64 MiB"),
    "1 GB of one text": ({"body": "a" * MIB, "repeat": 1024}, 5, "larger than 64 MiB"),
    "gzip bomb": (packed(bytes(1 << 28)), 5, "larger than 64 MiB"),
    "gzip of nested elements": (packed(b"<a>" * (16 * MIB)), 5, "nested deeper than 100 levels"),
    "elements": ({"body": PAGE % ("<a/>" * 1100000)}, 5, "more than 1000000 elements"),
    "properties": ({"body": PAGE % f"<objects><obj type='a'>b</obj>{'<propSet/>' * 1100000}</objects>"}, 5, "more than 1000000 elements"),
    "objects": ({"body": PAGE % (OBJECT * 210000)}, 5, "more than 200000 objects of type ClusterComputeResource"),
    "attributes": ({"body": f"<a {' '.join(ATTRIBUTES)}/>"}, 5, "not a SOAP envelope"),
    "namespaces": ({"body": f"<a {' '.join(NAMESPACES)}/>"}, 5, "not a SOAP envelope"),
    "a long name": ({"body": f"<{'a' * 16 * MIB}/>"}, 5, "not a SOAP envelope"),
    "a long text": ({"body": PAGE % f"<token>{'a' * 16 * MIB}"}, 5, "mismatched tag"),
    "objects without references": ({"body": PAGE % "<objects/>"}, 5, "without a reference"),
    "cut XML": ({"body": (PAGE % OBJECT)[:-20]}, 5, "line 1, column"),
    "another response": ({"body": (PAGE % "").replace("Retrieve", "Cancel")}, 5, "no RetrievePropertiesExResponse of urn:vim25"),
    "another namespace": ({"body": (PAGE % "").replace("urn:vim25", "urn:other")}, 5, "no RetrievePropertiesExResponse of urn:vim25"),
    "JSON": ({"body": '{"value": []}'}, 5, "not well-formed XML: line 1, column"),
    "HTML": ({"body": "<!DOCTYPE html><html><body>Log in</body></html>"}, 5, "XML has a DTD"),
    "nothing": ({"body": ""}, 5, "no element found"),
    "a NUL": ({"body": "<a>\0</a>"}, 5, "not well-formed XML"),
    "no UTF-8": ({"body": base64.b64encode(b"<a>\xff\xfe</a>").decode(), "base64": True}, 5, "not well-formed XML"),
    "UTF-16": ({"body": base64.b64encode("<a/>".encode("utf-16")).decode(), "base64": True}, 5, "not a SOAP envelope"),
    "another encoding": ({"body": "<?xml version='1.0' encoding='ebcdic'?><a/>"}, 5, "not a SOAP envelope"),
    "a fault in a good answer": ({"body": f"<s:Envelope {SOAP}><s:Body><s:Fault/></s:Body></s:Envelope>"}, 5, "no RetrievePropertiesExResponse"),
    "an error with a DTD": ({"status": 500, "body": "<!DOCTYPE a><a/>"}, 6, "status 500 and without a SOAP fault"),
    "an error of 1 GB": ({"status": 500, "body": "<a>" * (MIB // 3), "repeat": 1024}, 5, "larger than 64 MiB"),
    "a fault of many lines": (
        {"status": 500, "body": f"<s:Envelope {SOAP}><s:Body><s:Fault><faultstring>a\n\tb{'c' * MIB}</faultstring></s:Fault></s:Body></s:Envelope>"},
        5, "the fault without a type: a",
    ),
}


def run(host, *args):
    """Exit status, output, errors, and the most memory that the program had in MB."""
    with subprocess.Popen(
        host.argv(*args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        encoding="utf-8", env=host.env(), cwd=host.folder,
    ) as process:
        signal.alarm(120)
        out, err = process.stdout.read(), process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        signal.alarm(0)
        process.returncode = os.waitstatus_to_exitcode(status)
    host.seen += [out, err]
    return process.returncode, out, err, used.ru_maxrss / 1024


def check(done, rc, says):
    assert done[:2] == (rc, ""), done
    lines = done[2].splitlines()
    assert lines[-1].startswith("error: ") and says in lines[-1], lines
    assert [line for line in lines if not line.startswith("info: ")] == lines[-1:]
    assert PASSWORD not in done[2] and "root:" not in done[2] and len(lines[-1]) < 600
    assert done[3] < MEMORY_MB


def rule(answer, soap="RetrievePropertiesEx"):
    return {"status": 200, "headers": {"Content-Type": "text/xml"}, "soap": soap, **answer}


@pytest.mark.parametrize("name", CASES)
def test_in_place_of_a_page(host, vcenter, name):
    answer, rc, says = CASES[name]
    vcenter.rules(rule(answer))
    check(run(host, "vm-check", "--timeout", "2s" if rc == 6 else "30s"), rc, says)


@pytest.mark.parametrize("name", ["deep", "laughs", "1 GB", "gzip bomb", "elements", "nothing"])
def test_before_the_login(host, vcenter, name):
    answer, rc, says = CASES[name]
    vcenter.rules(rule(answer, "RetrieveServiceContent"))
    check(run(host, "host-check", "--timeout", "30s"), rc, says)
    assert vcenter.sessions() == {"rest": 0, "soap": 0}


@pytest.mark.parametrize("name", ["deep", "laughs", "1 GB", "nothing", "JSON", "cut XML"])
def test_in_place_of_a_task(host, vcenter, name):
    """Whether the VM changes is not known: the record stays."""
    answer, _, says = CASES[name]
    vcenter.rules(rule(answer, "ReconfigVM_Task"))
    rc, out, err, mb = run(host, "vm-apply", "--vm", "DC0_C2_RP0_VM0", "--change-firmware", "--timeout", "30s")
    assert (rc, err) == (6, "") and says in out and len(out.splitlines()) == 1
    assert mb < MEMORY_MB
    assert len(list(host.state.glob("*/*.json"))) == 1


def test_a_body_that_is_cut(host, vcenter):
    vcenter.rules(rule({"body": PAGE % OBJECT, "cut": 100}))
    check(run(host, "vm-check", "--timeout", "2s"), 6, "deadline of 2000 ms")


def test_pages_without_end(host, vcenter):
    """Each page promises another one: the run's deadline ends it."""
    page = PAGE % ("<token>1</token>" + OBJECT)
    vcenter.rules(rule({"body": page}), rule({"body": page.replace("<Retrieve", "<ContinueRetrieve").replace("</Retrieve", "</ContinueRetrieve")}, "Cont.*"))
    check(run(host, "vm-check", "--timeout", "2s"), 6, "deadline of 2000 ms")
