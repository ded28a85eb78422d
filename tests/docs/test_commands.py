"""Every command the pages show exists, with its options; the quick ones are run."""

import re
import shlex

import click
import pytest
from pages import PAGES, ROOT, blocks

from simpost.cli.main import main, simpost

TOOLS = {"python3", "pip", "pytest", "mkdocs", "simpost", "head", "tail", "sha256sum"}
GATE = re.compile(r"^\| \w[\w ]* \| `([^`]+)` \|$", re.M)


def shown():
    """(where, words) of every command, the parts of `a && b` and `a | b` apart."""
    lines = [(block.name, line) for block in blocks("bash") for line in block.text.splitlines()]
    gates = GATE.findall((ROOT / "CONTRIBUTING.md").read_text())
    lines += [("CONTRIBUTING.md", gate) for gate in gates]
    return [
        (where, shlex.split(part, comments=True))
        for where, line in lines
        for part in re.split(r"&&|\|", line)
        if part.strip()
    ]


COMMANDS = shown()
OURS = [words[1:] for _, words in COMMANDS if words[0].endswith("simpost")]
INLINE = [
    shlex.split(words)
    for page in PAGES
    for words in re.findall(r"`simpost ([a-z][^`|]*)`", page.read_text(encoding="utf-8"))
]


def parse(words):
    """Parse the arguments of `simpost` as click does, without running anything."""
    command, words = simpost, list(words)
    context = click.Context(simpost, info_name="simpost")
    while isinstance(command, click.Group) and words:
        name = words.pop(0)
        command = command.get_command(context, name)
        assert command is not None, f"no verb {name}"
        context = click.Context(command, parent=context, info_name=name)
    return command, words


def test_pages_show_commands():
    assert len(OURS) > 12
    assert ["run", "configs/quickstart.yaml"] in OURS


@pytest.mark.parametrize("words", OURS, ids=" ".join)
def test_command_with_its_options(words):
    command, rest = parse(words)
    command.make_context(command.name, rest)


@pytest.mark.parametrize("words", INLINE, ids=" ".join)
def test_verb_named_in_a_sentence(words):
    command, rest = parse(words)
    if not isinstance(command, click.Group):
        command.make_context(command.name, rest or ["x"], resilient_parsing=not rest)


@pytest.mark.parametrize(("where", "words"), COMMANDS, ids=lambda value: " ".join(value))
def test_tools_and_files_exist(where, words):
    tool = words[0].rpartition("/")[2]
    if words[0].startswith(("scripts/", ".ci/")):
        assert (ROOT / words[0]).is_file()
    elif where != "CONTRIBUTING.md":
        assert tool in TOOLS
    for word in words[1:]:
        if word.startswith("configs/") or word == "setup.cfg":
            assert (ROOT / word).is_file(), word


def test_extras_exist():
    extras = set(
        re.findall(r"^(\w+) =$", (ROOT / "setup.cfg").read_text().partition("extras_require]")[2], re.M)
    )
    named = {
        extra
        for _, words in COMMANDS
        for word in words
        for group in re.findall(r"^\.\[([\w,]+)\]$", word)
        for extra in group.split(",")
    }
    assert named
    assert named <= extras


QUICK = ("inspect sample:arepo-box", "grid show slab", "grid show slab --json", "sample make ramses")


@pytest.mark.parametrize("words", [w for w in OURS if " ".join(w).startswith(QUICK)], ids=" ".join)
def test_quick_commands_run(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(list(words))
    assert stop.value.code == 0
    assert capsys.readouterr().out.strip()


def test_the_command_lines_of_the_readme():
    """Continuous integration takes them from there."""
    text = (ROOT / "README.md").read_text()
    first = (
        "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/simpost run configs/quickstart.yaml"
    )
    assert f"\n{first}\n" in text
    assert '\n.venv/bin/pip install ".[test]" && .venv/bin/pytest\n' in text
