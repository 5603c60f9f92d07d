# SPDX-License-Identifier: Apache-2.0
"""The commands of README and docs: finds them, runs them, compares what they print.

A comment `<!-- run: WORLD -->` begins a scenario: a new folder and one shell for all command blocks up to the next such
comment. `<!-- run: WORLD; first: COMMAND -->` runs a command before them, `<!-- not run: REASON -->` leaves them out.
docs/maintainers.md describes how a page is written.
"""

import dataclasses
import pathlib
import re
import subprocess

import servers

PAGES = [
    servers.REPO / "README.md",
    servers.REPO / "CONTRIBUTING.md",
    *sorted((servers.REPO / "docs").rglob("*.md")),
]
PROGRAMS = (
    "build/nodeprep cnitool curl docker export git govc helm kubectl make nodeprep nodeprep-hookd nodeprep-sim podman "
    "promtool read sh"
).split()
# Commands that exit with 1 where they find something.
FINDERS = re.compile(r"^(\S*nodeprep (diff|check|host-check|vm-check|node-check)|kubectl diff)\b")
EXIT = re.compile(r"# exits with (\d+)$")
MARKER = re.compile(r"^<!-- (not run|run): (.*) -->$")
FILE = re.compile(r"^# ([\w./-]+\.(?:yaml|yml|json|conflist))$")
EXAMPLES = servers.REPO / "docs" / "examples"
CLASSES = EXAMPLES / "all-kinds" / "classes.yaml"
REST = "…"
MARK = "--- command"
TIMEOUT_S = 180


@dataclasses.dataclass
class Block:
    """Code of a page: indented or fenced, without its indentation."""

    page: pathlib.Path
    line: int
    lines: list
    marker: tuple = None  # ("run", world), ("not run", reason); None: none before it on the page

    @property
    def where(self):
        return f"{self.page.relative_to(servers.REPO)}:{self.line}"

    @property
    def is_session(self):
        return self.lines[0].startswith("$ ")

    @property
    def is_script(self):
        return not self.is_session and first_word(self.lines[0]) in PROGRAMS

    @property
    def file(self):
        found = FILE.match(self.lines[0])
        return found and found[1]


@dataclasses.dataclass
class Command:
    text: str
    where: str
    output: list = None  # lines; None: not shown

    @property
    def statuses(self):
        told = EXIT.search(self.text)
        if told:
            return {int(told[1])}
        return {0, 1} if FINDERS.match(self.text) else {0}


@dataclasses.dataclass
class Scenario:
    world: str
    where: str
    commands: list


def first_word(line):
    """The program of a command line, behind assignments."""
    words = [word for word in line.split() if not re.match(r"^\w+=", word)]
    return words[0] if words else ""


def blocks_of(page):
    """The code blocks of a page, each with the marker that holds there."""
    found, block, marker, fence, blank = [], None, None, None, True
    for number, line in enumerate([*page.read_text(encoding="utf-8").splitlines(), "", "end"], 1):
        told = MARKER.match(line)
        marker = (told[1], told[2]) if told else marker
        opens = re.match(r"^( *)```", line)
        if fence is not None:
            if opens:
                fence, block = None, None
            else:
                block.lines.append(line.removeprefix(" " * fence))
        elif opens:
            fence, block = len(opens[1]), Block(page, number + 1, [], marker)
            found.append(block)
        elif re.match(r"^ {4,}\S", line) and (block or blank):
            if not block:
                block = Block(page, number, [], marker)
                found.append(block)
            block.lines.append(line)
        elif line and block:
            block = None
        elif block:
            block.lines.append("")
        blank = not line
    for block in found:
        strip(block)
    return [block for block in found if block.lines]


def strip(block):
    while block.lines and not block.lines[-1]:
        block.lines.pop()
    indents = [len(line) - len(line.lstrip()) for line in block.lines if line]
    margin = min(indents, default=0)
    block.lines = [line[margin:] for line in block.lines]


def commands_of(block):
    """The commands of a session or a script; a backslash, an open quote and a here-document go on."""
    found, lines = [], iter(block.lines)
    for line in lines:
        if block.is_session and not line.startswith("$ "):
            found[-1].output.append(line)
            continue
        text = line.removeprefix("$ ") if block.is_session else line
        while text.endswith("\\") or text.count("'") % 2:
            text += "\n" + next(lines)
        here = re.search(r"<<'(\w+)'", text)
        while here and not text.endswith(f"\n{here[1]}"):
            text += "\n" + next(lines)
        if text:
            found.append(Command(text, block.where, [] if block.is_session else None))
    return found


def file_command(block):
    """Writes a block that names its file in its first line."""
    text = "\n".join(block.lines)
    folder = pathlib.PurePosixPath(block.file).parent
    return Command(f"mkdir -p {folder} && cat >{block.file} <<'NODEPREP'\n{text}\nNODEPREP", block.where)


def scenarios(*pages, worlds=None):
    """The scenarios of the pages, of the worlds named."""
    found = []
    for page in pages or PAGES:
        text = page.read_text(encoding="utf-8").splitlines()
        starts = [n for n, line in enumerate(text, 1) if MARKER.match(line)]
        for start, end in zip(starts, [*starts[1:], len(text) + 1]):
            kind, value = MARKER.match(text[start - 1]).groups()
            world, _, first = value.partition("; first: ")
            if kind == "run" and (worlds is None or world in worlds):
                found.append(scenario(page, start, end, world, first))
    return found


def scenario(page, start, end, world, first):
    where = f"{page.relative_to(servers.REPO)}:{start}"
    commands = [Command(first, where)] if first else []
    for block in blocks_of(page):
        if start < block.line < end:
            if block.is_session or block.is_script:
                commands += commands_of(block)
            elif block.file:
                commands.append(file_command(block))
    return Scenario(world, where, commands)


def make_folder(folder):
    """A folder as the docs assume it: the checkout's folders, also below the name nodeprep, and a pools.yaml."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("deploy", "docs"):
        (folder / name).symlink_to(servers.REPO / name)
    (folder / "build").symlink_to(servers.BIN_DIR)
    (folder / "nodeprep").symlink_to(servers.REPO)
    (folder / "pools.yaml").write_bytes((EXAMPLES / "controller" / "nodepool.yaml").read_bytes())
    return folder


def run(commands, folder, env, names=None, argv=(), timeout=TIMEOUT_S):
    """Runs the commands in one shell, and returns (output, exit status) of each.

    names: what the docs call something, and what it is called here. argv: what runs the shell.
    """
    names = names or {}
    parts = ["exec 2>&1", "trap 'kill $(jobs -p) 2>/dev/null' EXIT"]
    parts += [f"{command.text}\nprintf '\\n%s %d\\n' '{MARK}' $?" for command in commands]
    script = replace("\n".join(parts) + "\n", names)
    done = subprocess.run(
        [*argv, "bash", "-c", script], cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        encoding="utf-8", timeout=timeout, check=False,
    )
    output = replace(done.stdout, {here: told for told, here in names.items()})
    found = re.split(rf"\n{MARK} (\d+)\n", output)
    return [(text, int(status)) for text, status in zip(found[::2], found[1::2])]


def replace(text, names):
    for name, other in names.items():
        text = text.replace(name, other)
    return text


def pattern(lines):
    """What a shown output matches: `…` is the rest of a line's word, and alone on a line any lines."""
    parts = []
    for line in lines:
        if line.strip() == REST:
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(re.escape(line).replace(REST, ".*?") + r"\n")
    return "".join(parts)


def significant(lines):
    """The lines that are compared: empty ones are for the eye."""
    return [line.rstrip() for line in lines if line.strip()]


def differences(commands, results):
    """What is otherwise than the docs say, as texts."""
    found = []
    for command, (output, status) in zip(commands, results):
        got = significant(output.splitlines())
        if status not in command.statuses:
            found.append(f"{command.where}: $ {command.text}\nexits with {status}:\n" + "\n".join(got))
        elif command.output is not None:
            shown = significant(command.output)
            if not re.fullmatch(pattern(shown), "".join(f"{line}\n" for line in got)):
                found.append(
                    f"{command.where}: $ {command.text}\nprints:\n" + "\n".join(got) + "\nbut the page shows:\n"
                    + "\n".join(shown)
                )
    if len(results) < len(commands):
        found.append(f"{commands[len(results)].where}: $ {commands[len(results)].text}\nended the shell")
    return found


def check(commands, results):
    found = differences(commands, results)
    if found:
        raise AssertionError("\n\n".join(found))
