# SPDX-License-Identifier: Apache-2.0
"""README and docs: each command runs and prints what the page shows; each option, target and link exists.

tests/real runs the commands of the worlds that need real servers.
"""

import importlib.util
import re
import subprocess
import time

import pytest

import doc_commands as docs
import servers
from fixtures import PATH

# The world of a scenario, and the file that runs it.
WORLDS = {
    "checkout": "tests/e2e/test_docs.py",
    "supervisor": "tests/e2e/test_docs.py",
    "make": "tests/e2e/test_docs.py",
    "deploy": "tests/real/controller/test_deploy_docs.py",
    "cluster": "tests/real/controller/test_docs.py",
    "cni": "tests/real/cni/test_docs.py",
    "cluster-api": "tests/real/capi/test_docs.py",
    "vcenter": "tests/real/vcenter/test_docs.py",
}
NOT_RUN_MAX = 3
BLOCKS = [block for page in docs.PAGES for block in docs.blocks_of(page)]
SPANS = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


def environment(folder, **more):
    path = f"{servers.BIN_DIR}:{PATH}"
    return {"HOME": str(folder), "LC_ALL": "C.UTF-8", "PATH": path, "TZ": "UTC", **more}


def scenarios(world):
    found = docs.scenarios(worlds=[world])
    assert found, f"no page has the world '{world}'"
    return [pytest.param(one, id=one.where) for one in found]


@pytest.mark.parametrize("scenario", scenarios("checkout"))
def test_without_an_api_server(scenario, tmp_path):
    folder = docs.make_folder(tmp_path / "work")
    results = docs.run(scenario.commands, folder, environment(tmp_path))
    docs.check(scenario.commands, results)


@pytest.mark.parametrize("scenario", scenarios("supervisor"))
def test_with_a_supervisor(scenario, tmp_path):
    """The classes of docs/examples/all-kinds are there, and nobody manages them."""
    folder = docs.make_folder(tmp_path / "work")
    with servers.SimServer(classes=[docs.CLASSES]) as supervisor:
        # Managed fields have whole seconds: the classes are older than what the commands write.
        started = int(time.time())
        servers.wait_until("the next second", lambda: int(time.time()) > started)
        (folder / "supervisor.kubeconfig").symlink_to(supervisor.kubeconfig)
        env = environment(tmp_path, KUBECONFIG=str(supervisor.kubeconfig))
        results = docs.run(scenario.commands, folder, env, {"/etc/nodeprep/cni.d/kubeconfig": "supervisor.kubeconfig"})
    docs.check(scenario.commands, results)


# --- what is not run ------------------------------------------------------------------------------


def test_every_command_has_a_world():
    for block in BLOCKS:
        if block.is_session or block.is_script:
            assert block.marker, f"{block.where}: a comment <!-- run: WORLD --> must stand before it"
            kind, value = block.marker
            world = value.partition(";")[0]
            assert kind == "not run" or world in WORLDS, f"{block.where}: unknown world '{world}'"


def test_every_world_is_used_and_has_a_test():
    used = {scenario.world for scenario in docs.scenarios()}
    assert used == set(WORLDS)
    assert all((servers.REPO / file).is_file() for file in WORLDS.values())


def test_few_commands_are_not_run():
    left = [b for b in BLOCKS if (b.is_session or b.is_script) and b.marker and b.marker[0] == "not run"]
    assert len(left) <= NOT_RUN_MAX, [block.where for block in left]


def test_no_command_hides_in_another_block():
    for block in BLOCKS:
        if not block.is_session and not block.is_script and not block.file:
            for line in block.lines:
                assert not line.startswith("$ "), f"{block.where}: a session begins with its first command"
                assert docs.first_word(line) not in docs.PROGRAMS, f"{block.where}: {line}"


# --- options, targets, links ----------------------------------------------------------------------


def make_words():
    """Targets and variables of the Makefile."""
    text = (servers.REPO / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][\w.-]*):", text, re.M)) | {"real-%"}
    return targets, set(re.findall(r"^([A-Z_]+) [?:]?=", text, re.M)) | {"IMAGE", "BASE", "ENGINE", "FLAGS", "SAN"}


def make_commands():
    """Each `make` of a block or of a text, with its place."""
    for block in BLOCKS:
        if block.is_script or block.is_session:
            for command in docs.commands_of(block):
                if docs.first_word(command.text) == "make":
                    yield block.where, command.text
    for page in docs.PAGES:
        for span in SPANS.findall(page.read_text(encoding="utf-8")):
            if span.startswith("make "):
                yield page.name, span


def test_every_make_target_exists():
    targets, variables = make_words()
    suites = {f"real-{path.name}" for path in (servers.REPO / "tests" / "real").iterdir() if path.is_dir()}
    found = list(make_commands())
    assert found
    for where, text in found:
        for word in text.partition("#")[0].split()[1:]:
            name, assigned, _ = word.partition("=")
            known = variables if assigned else targets | suites
            is_file = "/" in name
            assert is_file or name in known or name == "&&", f"{where}: {text}: {word}"


HELP = {}


def help_of(command):
    if command not in HELP:
        argv = [str(servers.BIN_DIR / command[0]), *command[1:], "--help"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
        HELP[command] = done.stdout if done.returncode == 0 else None
    return HELP[command]


def spans_of_nodeprep():
    for page in docs.PAGES:
        for span in SPANS.findall(page.read_text(encoding="utf-8")):
            words = span.replace("kubectl nodeprep", "nodeprep").split()
            if len(words) > 1 and words[0] in ("nodeprep", "nodeprep-hookd", "nodeprep-sim"):
                yield page.name, words


def test_every_option_in_the_text_exists():
    found = list(spans_of_nodeprep())
    assert len(found) > 30
    for page, words in found:
        has_commands = words[0] == "nodeprep" and not words[1].startswith("-")
        text = help_of(tuple(words[:2]) if has_commands else (words[0],))
        assert text, f"{page}: {' '.join(words)}: no such command"
        for word in words[1:]:
            option = re.match(r"--?[a-z][a-z-]*", word)
            if option:
                assert re.search(rf"(^|[\s,]){option[0]}\b", text, re.M), f"{page}: {' '.join(words)}: {option[0]}"


FOREIGN_OPTIONS = {"--formatter", "--force-conflicts", "--take-ownership"}  # esxcli's, kubectl's, helm's


def test_every_option_alone_exists():
    commands = re.findall(r"^  ([a-z][a-z-]*)  ", help_of(("nodeprep",)), re.M)
    assert "plan" in commands
    programs = [("nodeprep", name) for name in commands] + [("nodeprep",), ("nodeprep-hookd",), ("nodeprep-sim",)]
    known = set(re.findall(r"--[a-z][a-z-]*", " ".join(help_of(program) or "" for program in programs)))
    for page in docs.PAGES:
        for span in SPANS.findall(page.read_text(encoding="utf-8")):
            option = re.match(r"--[a-z][a-z-]*[a-z]", span)
            if option and "*" not in span:
                assert option[0] in known | FOREIGN_OPTIONS, f"{page.name}: {span}"


def anchors_of(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    headings = [line.lstrip("#").strip() for line in text.splitlines() if re.match(r"#+ ", line)]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links():
    for page in [*docs.PAGES, servers.REPO / "CHANGELOG.md", servers.REPO / "SECURITY.md"]:
        text = re.sub(r"`[^`\n]*`", "", page.read_text(encoding="utf-8"))
        for target in re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r' src="([^"]+)"', text):
            if not re.match(r"[a-z]+:", target):
                yield page, target


def test_every_link_leads_somewhere():
    found = list(links())
    assert len(found) > 50
    for page, target in found:
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors_of(file), f"{page.name}: {target}"


# --- versions -------------------------------------------------------------------------------------


def compatibility():
    spec = importlib.util.spec_from_file_location("compatibility", servers.REPO / "hack" / "compatibility.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tested_versions_are_those_of_the_tests(capsys):
    assert compatibility().main() == 0, capsys.readouterr().out


@pytest.mark.parametrize("old, new", [("1.34.2 |", "1.34.3 |"), ("| libcni,", "| libcnj,"), (", v1alpha6", "")])
def test_another_version_is_found(tmp_path, capsys, old, new):
    module = compatibility()
    text = module.PAGE.read_text()
    module.PAGE = tmp_path / "compatibility.md"
    module.PAGE.write_text(text.replace(old, new, 1))
    assert module.main() == 1
    assert "the tests run" in capsys.readouterr().out


# --- the comparison itself ------------------------------------------------------------------------


def differences(shown, printed, text="nodeprep plan", status=0):
    command = docs.Command(text, "page:1", shown)
    return docs.differences([command], [(printed, status)])


@pytest.mark.parametrize(
    "shown, printed",
    [
        (["a", "b", ""], "a\n\nb\n"),
        (["a … z"], "a b c z\n"),
        (["a", "…", "z"], "a\nb\nc\nz\n"),
        (["…"], ""),
        ([], ""),
    ],
)
def test_an_equal_output_is_accepted(shown, printed):
    assert differences(shown, printed) == []


@pytest.mark.parametrize(
    "shown, printed",
    [(["a"], "b\n"), (["a"], "a\nb\n"), ([], "a\n"), (["a … z"], "a b\n"), (["a", "…", "z"], "a\n"), (["a+"], "aa\n")],
)
def test_another_output_is_found(shown, printed):
    assert len(differences(shown, printed)) == 1


@pytest.mark.parametrize(
    "text, status, is_fine",
    [
        ("nodeprep plan", 1, False),
        ("nodeprep diff", 1, True),
        ("nodeprep diff", 2, False),
        ("nodeprep plan # exits with 3", 3, True),
        ("nodeprep plan # exits with 3", 0, False),
    ],
)
def test_the_exit_status_is_compared(text, status, is_fine):
    assert (differences([], "", text, status) == []) == is_fine


def test_a_shell_that_ends_early_is_found(tmp_path):
    commands = [docs.Command("true", "page:1"), docs.Command("exit 0", "page:1"), docs.Command("true", "page:1")]
    results = docs.run(commands, tmp_path, environment(tmp_path))
    assert len(docs.differences(commands, results)) == 1
