"""README and pages: short enough, and what they name is there and runs."""

import re
import shlex
from pathlib import Path

import pytest
from audio_files import write
from bundles import MODEL_RATE_HZ, calls

from counter.cli.main import COMMANDS, cli

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *(ROOT / "docs").rglob("*.md"))
    if ".pytest_cache" not in path.parts
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
# What a page says of a file of the repository.
NAMED = re.compile(r"`((?:counter|training|tests|docs|configs|benchmarks|docker)/[\w./-]+\.\w+)`")
COMMAND = re.compile(r"^ *(?:\w.*\| *)?callcount +(.+)$", re.MULTILINE)


def words_of(line):
    """Words of a command line up to a pipe or comment; none of what is no command line."""
    try:
        return shlex.split(line.split("|")[0], comments=True)
    except ValueError:
        return []


def commands_in(text):
    """Command lines of callcount, as words: in the text, in fences, and indented."""
    text = re.sub(r"\\\n\s*", " ", text)
    inline = re.findall(r"`callcount ([^`]+)`", text)
    fenced = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    indented = "\n".join(line for line in text.splitlines() if line.startswith("    "))
    lines = (*inline, *COMMAND.findall(fenced), *COMMAND.findall(indented))
    return [words for line in lines if (words := words_of(line))]


def blocks_in(path, language):
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)


def test_the_readme_is_short():
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 250
    assert len(text) <= 12_000


def test_the_readme_has_every_command():
    table = README.read_text(encoding="utf-8").partition("## Commands")[2].partition("\n## ")[0]
    named = {
        name
        for row in table.splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    assert named == set(COMMANDS)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path):
    targets = [one.partition("#")[0] for one in LINK.findall(path.read_text(encoding="utf-8"))]
    gone = [one for one in targets if one and "://" not in one and not (path.parent / one).exists()]
    assert gone == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_that_is_named_is_there(path):
    if path.name == "CHANGELOG.md":  # it tells of what was, too
        return
    named = NAMED.findall(path.read_text(encoding="utf-8"))
    assert [one for one in named if not (ROOT / one).exists()] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_and_option_that_is_named_is_there(path):
    wrong = []
    for name, *words in commands_in(path.read_text(encoding="utf-8")):
        if name.isupper() or name.startswith("-"):  # COMMAND, --help
            continue
        if name not in COMMANDS:
            wrong.append(name)
            continue
        command = cli.get_command(None, name)
        known = {one for option in command.params for one in (*option.opts, *option.secondary_opts)}
        options = [word for word in words if re.match(r"--?[a-z]", word)]
        wrong += [f"{name} {one}" for one in options if one not in {*known, "--help"}]
    assert wrong == []


def test_commands_are_found_where_they_stand():
    text = """`callcount scan --jobs`

    callcount train --set a=b  # --no

```sh
x --no | callcount tune \\
-o y | z --no
```
"""
    assert commands_in(text) == [
        ["scan", "--jobs"],
        ["tune", "-o", "y"],
        ["train", "--set", "a=b"],
    ]


@pytest.fixture
def season(tmp_path, monkeypatch):
    """The season of the pages, as far as the model that ships is concerned: silent."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "season 2024"
    folder.mkdir()
    for name in ("Ridge_20240501_060000.wav", "Valley_20240501_060000.wav"):
        write(folder / name, calls(5.0, ()), MODEL_RATE_HZ)


def test_the_python_of_the_readme_and_of_the_tables_page_runs(season, capsys):
    for path in (README, ROOT / "docs" / "how-to" / "tables.md"):
        scope = {}
        blocks = blocks_in(path, "python")
        assert blocks
        for block in blocks:
            exec(block, scope)
    assert "Ridge_20240501_060000.wav 0" in capsys.readouterr().out
    assert scope["by_site"]["calls_per_hour"].to_dict() == {"Ridge": 0, "Valley": 0}
