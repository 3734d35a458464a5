"""Parts of the documentation that are made of the code when the site is built.

A page asks for a part by a line ``<!-- made: KIND ARGUMENT -->``, where KIND is a function here: a
file of the repository, the columns of a table, the fields of settings, the options of commands,
names of the API, the floors of the packages, or a notebook, which is run.
"""

from __future__ import annotations

import ast
import os
import posixpath
import re
import sys
from collections.abc import Callable, Iterator
from html import escape
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
import click
import nbformat
import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page
from nbclient import NotebookClient
from pydantic import BaseModel
from pydantic.fields import FieldInfo

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # so that it is this checkout that is told of

_MARK = re.compile(r"^<!-- made: (\S+) (\S+) -->$", re.MULTILINE)
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
# Files that are pages of the site as well.
_PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "development/changelog.md",
    "CONTRIBUTING.md": "development/contributing.md",
    "benchmarks/README.md": "development/benchmarks.md",
    "data/README.md": "how-to/sounds.md",
    "artifacts/README.md": "reference/training-outputs.md",
    "docs/tutorials/counts-in-python.ipynb": "tutorials/counts-in-python.md",
}
_BOUNDS = (
    (annotated_types.Ge, "ge", "at least"),
    (annotated_types.Gt, "gt", "above"),
    (annotated_types.Le, "le", "at most"),
    (annotated_types.Lt, "lt", "below"),
)
_TYPES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
    tuple: "a list",
    dict: "names with values",
}


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put what a page asks for into it."""

    def made(match: re.Match[str]) -> str:
        return _KINDS[match[1]](match[2], page.file.src_uri)

    return _MARK.sub(made, markdown)


def file(name: str, page: str) -> str:
    """A Markdown file of the repository, or a section, without its heading; links lead to pages."""
    name, _, section = name.partition("#")
    text = (ROOT / name).read_text(encoding="utf-8")
    body = text.split(f"\n## {section}\n" if section else "\n", 1)[1]

    def linked(match: re.Match[str]) -> str:
        target, _, anchor = match[3].partition("#")
        if "://" in target or not target:
            return match[0]
        there = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
        if not (ROOT / there).exists():
            raise FileNotFoundError(f"{name} links to {target}, which is not there")
        inside = _PAGES.get(there) or (there[5:] if there.startswith("docs/") else "")
        if not inside:
            return match[2]
        path = posixpath.relpath(inside, posixpath.dirname(page) or ".")
        return f"{match[1]}[{match[2]}]({path}{'#' * bool(anchor)}{anchor})"

    return _LINK.sub(linked, body)


def columns(name: str, page: str) -> str:
    """The columns of a table that a scan leaves."""
    table = getattr(import_module("counter.tables.columns"), name)
    return _table(("column", "what"), ((f"`{key}`", text) for key, text in table.items()))


def settings(name: str, page: str) -> str:
    """The fields of settings, with those inside them, each with its default and range."""
    module, _, model = name.rpartition(".")
    return "\n\n".join(_sections("", getattr(import_module(module), model)))


def commands(name: str, page: str) -> str:
    """The commands of a group, each with its usage and options as ``--help`` has them."""
    module, _, attribute = name.rpartition(".")
    group = getattr(import_module(module), attribute)
    parts = []
    with click.Context(group, info_name="callcount") as top:
        for key in group.list_commands(top):
            command = group.get_command(top, key)
            context = click.Context(command, parent=top, info_name=key)
            usage = " ".join(command.collect_usage_pieces(context))
            records = (one.get_help_record(context) for one in command.get_params(context))
            options = ((f"`{one[0]}`", one[1]) for one in records if one and one[1])
            parts += [f"## callcount {key}", f"```sh\ncallcount {key} {usage}\n```"]
            parts += [cleandoc(command.help), _table(("option", "what"), options)]
    return "\n\n".join(parts)


def api(name: str, page: str) -> str:
    """What a package has in ``__all__``: functions, then classes, as mkdocstrings shows them."""
    names = sorted(import_module(name).__all__, key=lambda one: (one[0].isupper(), one))
    return "\n\n".join(f"::: {name}.{one}" for one in names)


def floors(name: str, page: str) -> str:
    """The picture of the packages: their floors, the highest first, and the rooms on each."""
    parts = []
    for package, of_package in _read_floors(name).items():
        parts.append(f'<div class="house"><p><strong>{package}/</strong></p>')
        for rooms in reversed(of_package):
            cards = (
                f'<li><a href="#{package}-{room}"><code>{room}</code></a> {escape(text)}</li>'
                for room, text in rooms.items()
            )
            parts.append(f"<ul>{''.join(cards)}</ul>")
        parts.append("</div>")
    return "\n".join(parts)


def rooms(name: str, page: str) -> str:
    """The modules of each room, with the first lines of their docstrings."""
    parts = []
    for package, of_package in _read_floors(name).items():
        for room in (one for floor in reversed(of_package) for one in floor):
            parts.append(f"### `{package}/{room}` {{ #{package}-{room} }}")
            modules = sorted((ROOT / package / room).rglob("*.py")) or [ROOT / package / room]
            told = ((f"`{_shown(one)}`", _first_line(one)) for one in modules if _is_code(one))
            parts.append(_table(("module", "what"), told))
    return "\n\n".join(parts)


def notebook(name: str, page: str) -> str:
    """A notebook without its heading, run from first cell to last; an error ends the build."""
    book = nbformat.read(ROOT / name, as_version=4)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    NotebookClient(book, timeout=600).execute()
    parts = []
    for cell in book.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        printed = "".join(one.text for one in cell.outputs if one.output_type == "stream")
        parts += [f"```text\n{printed.rstrip()}\n```"] if printed else []
        parts += [_shown_output(one.data) for one in cell.outputs if "data" in one]
    return "\n\n".join(parts).split("\n", 1)[1]


def _shown_output(data: dict[str, str]) -> str:
    """What a cell gives: a picture, else a table, else text."""
    if "image/png" in data:
        source = f"data:image/png;base64,{data['image/png'].strip()}"
        return f'<img alt="what the cell draws" src="{source}">'
    if "text/html" in data:
        bare = re.sub(r"<style.*?</style>", "", data["text/html"], flags=re.DOTALL)
        return re.sub(r' (?:border|class|style)="[^"]*"', "", bare).replace("\n\n", "\n")
    return f"```text\n{data['text/plain']}\n```"


_KINDS: dict[str, Callable[[str, str], str]] = {
    one.__name__: one for one in (file, columns, settings, commands, api, floors, rooms, notebook)
}


def _read_floors(name: str) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = yaml.safe_load((ROOT / name).read_text("utf-8"))
    return found


def _shown(module: Path) -> str:
    return module.relative_to(ROOT).with_suffix(".py").as_posix()


def _is_code(module: Path) -> bool:
    return module.name != "__init__.py"


def _first_line(module: Path) -> str:
    text = ast.get_docstring(ast.parse(module.with_suffix(".py").read_text("utf-8"))) or ""
    return text.split("\n\n")[0].replace("\n", " ").replace("``", "`")


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    cells = ([one.replace("|", "\\|").replace("\n", " ") for one in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _sections(prefix: str, model: type[BaseModel]) -> Iterator[str]:
    """The table of a model's own fields, then a section for each that has fields of its own."""
    plain, nested = [], []
    for key, field in model.model_fields.items():
        kinds = list(_models(field.annotation))
        if kinds:
            nested.append((f"{prefix}{key}", field, kinds))
        else:
            plain.append((f"`{key}`", *_cells(field)))
    yield _table(("setting", "default", "range", "what"), iter(plain))
    for path, field, kinds in nested:
        is_named = get_origin(field.annotation) is dict
        for kind in kinds:
            below = f"{path}.NAME." if is_named else f"{path}."
            yield f"## `{below[:-1]}`{_kind(kind)}"
            yield (kind.__doc__ or "").split("\n\n")[0].replace("``", "`")
            yield from _sections(below, kind)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The settings that a value of a type may be."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for one in get_args(annotation) if get_origin(annotation) is not Literal else ():
        yield from _models(one)


def _kind(model: type[BaseModel]) -> str:
    field = model.model_fields.get("kind")
    if field is None:
        return ""
    return f" of kind {' or '.join(f'`{one}`' for one in get_args(field.annotation))}"


def _cells(field: FieldInfo) -> tuple[str, str, str]:
    needed = "needed" if field.is_required() else ""
    default = needed or f"`{_yaml(field.default)}`"
    bounds = [
        f"{word} {getattr(one, name):,}"
        for kind, name, word in _BOUNDS
        for one in field.metadata
        if isinstance(one, kind)
    ]
    return default, ", ".join(bounds) or _type(field.annotation), field.description or ""


def _yaml(value: Any) -> str:
    """A default as a config would have it."""
    if isinstance(value, tuple):
        value = list(value)
    if isinstance(value, dict):
        value = {key: list(one) if isinstance(one, tuple) else one for key, one in value.items()}
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000)
    return text.removesuffix("...\n").strip()


def _type(annotation: Any) -> str:
    """What may stand there, where no bounds say so."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{one}`" for one in inside)
    if origin in (Union, UnionType):
        return " or ".join(_type(one) for one in inside if one is not type(None))
    if origin is Annotated:
        return _type(inside[0])
    return _TYPES.get(origin or annotation, "")
