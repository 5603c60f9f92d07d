# SPDX-License-Identifier: Apache-2.0
"""Input beyond the bounds: exit 3 and one line that names the bound. How long it takes is for tests/bench."""

import random
import subprocess

import pytest
import servers

MIB = 1 << 20
INPUT_MAX = 64 * MIB
DEEP = 10_000
LETTERS = "abcdefghi"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{to}: &{to} [{','.join(['*' + at] * 10)}]\n" for at, to in zip(LETTERS, LETTERS[1:])
)
MERGES = "a: &a {k: 1}\n" + "".join(
    f"{to}: &{to} {{<<: [{','.join(['*' + at] * 10)}], l: *{at}, m: *{at}}}\n"
    for at, to in zip(LETTERS, LETTERS[1:])
)

# Bytes, what the line says.
ROWS = {
    "an alias bomb": (BOMB.encode(), "at most 1000000"),
    "an alias bomb of merge keys": (MERGES.encode(), "at most 1000000"),
    "an alias bomb of nesting": (
        b"a0: &a0 [x]\n" + b"".join(b"a%d: &a%d [*a%d]\n" % (i, i, i - 1) for i in range(1, 200)),
        "at most 100 levels",
    ),
    "an alias in itself": (b"a: &a [*a]\n", "inside its own anchor"),
    "a million values and one": (b"[" + b"1," * 1_000_001 + b"]", "at most 1000000"),
    "a million values in JSON": (b'{"a":[' + b"1," * 1_000_001 + b"1]}", "at most 1000000"),
    "10,000 levels in YAML's flow style": (b"[" * DEEP, "at most 100 levels"),
    "10,000 levels in YAML's block style": (b"- " * DEEP, "at most 100 levels"),
    "10,000 levels of indentation": (
        "".join(" " * at + "a:\n" for at in range(DEEP)).encode(),
        "at most 100 levels",
    ),
    "10,000 levels in JSON": (b'{"a":' * DEEP + b"1" + b"}" * DEEP, "at most 100 levels"),
    "100,000 brackets that never close": (b"{" * 100_000, "bad:1:"),
    "random bytes": (random.Random(1).randbytes(MIB), "bad:1:"),
    "a program": (b"\x7fELF\x02\x01\x01" + bytes(9) + random.Random(2).randbytes(4096), "bad:1:"),
    "gzip": (b"\x1f\x8b\x08" + bytes(7) + random.Random(3).randbytes(4096), "bad:1:"),
    "zeros": (bytes(MIB), "bad:1:"),
    "UTF-16": ("apiVersion: v1\n".encode("utf-16"), "bad:1:"),
    "64 MiB and one byte": (b"#" * (INPUT_MAX + 1), f"larger than {INPUT_MAX} bytes"),
    "a long line of one text": (b"x" * MIB, "bad:1:1"),
}


def refused(done, says):
    assert done.rc == 3, done.err
    assert done.out == ""
    assert done.err.count("\n") == 1, done.err
    assert len(done.err) < 1100
    assert done.err[:-1].isprintable(), done.err
    assert says in done.err


@pytest.mark.parametrize(("content", "says"), ROWS.values(), ids=ROWS.keys())
def test_input_beyond_a_bound_is_one_line_and_exit_3(nodeprep, tmp_path, content, says):
    (tmp_path / "bad").write_bytes(content)
    refused(nodeprep("plan", "-f", "bad"), says)


def test_a_file_of_64_mib_is_read(nodeprep, tmp_path):
    text = b"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n#"
    (tmp_path / "full").write_bytes(text + b"#" * (INPUT_MAX - len(text)))
    done = nodeprep("plan", "-f", "full")
    assert done.rc == 3
    assert "Secret" in done.err and "larger" not in done.err


def test_a_sparse_gigabyte_is_refused(nodeprep, tmp_path):
    with open(tmp_path / "bad", "wb") as sparse:
        sparse.truncate(1 << 30)
    refused(nodeprep("plan", "-f", "bad"), f"larger than {INPUT_MAX} bytes")


def test_a_line_without_end_through_a_pipe_is_refused(nodeprep, tmp_path):
    """The reader stops at the bound: what it leaves unread ends the writer."""
    writer = subprocess.Popen(["/bin/sh", "-c", "yes aaaaaaaa | tr -d '\\n'"], stdout=subprocess.PIPE)
    try:
        done = subprocess.run(
            [servers.BIN_DIR / "nodeprep", "plan", "-f", "-"],
            stdin=writer.stdout,
            capture_output=True,
            encoding="utf-8",
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
            timeout=60,
            check=False,
        )
    finally:
        writer.stdout.close()
        writer.wait(timeout=60)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.count("\n") == 1
    assert f"larger than {INPUT_MAX} bytes" in done.stderr


def test_the_catalogue_has_the_same_bounds(nodeprep, tmp_path):
    (tmp_path / "bad").write_text(BOMB)
    refused(nodeprep("gpus", "--catalogue", "bad"), "at most 1000000")
