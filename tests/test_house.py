"""The house: imports run down only, heavy ones wait until they are needed, and rooms stay small."""

import ast
import io
import json
import os
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import yaml

import counter
from counter.bundle import shipped_path
from counter.cli.main import ONLY_FOR_TRAINING
from counter.errors import BundleError

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(path for name in ("counter", "training") for path in (ROOT / name).rglob("*.py"))
# Package -> floors from the ground up -> rooms with what each is for.
FLOORS = yaml.safe_load((ROOT / "docs/development/floors.yaml").read_text(encoding="utf-8"))
FLOOR_OF = {
    f"{package}.{room}": number
    for package, floors in FLOORS.items()
    for number, rooms in enumerate(floors)
    for room in rooms
}
TENSORFLOW = {"tensorflow", "tensorflow_io", "keras"}
NOT_FOR_SCANS = {
    *TENSORFLOW,
    "training",
    "pandas",
    "matplotlib",
    "pyarrow",
    "librosa",
    "sklearn",
    "scipy",
    "fsspec",
    "sounddevice",
    "starlette",
    "uvicorn",
}
NOT_FOR_HELP = {*NOT_FOR_SCANS, "numpy", "pydantic", "rich", "soundfile", "soxr", "ai_edge_litert"}
MAX_MODULE_LINES = 500
MAX_FUNCTION_LINES = 30
RUN = "import sys\nfrom counter.cli.main import run\nassert run"
NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}


@dataclass(frozen=True)
class Import:
    """One imported name: by whom, what, and whether it waits until a function runs."""

    by: str
    target: str
    is_deferred: bool

    @property
    def package(self) -> str:
        return self.target.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.by} imports {self.target}"


def _is_for_types_alone(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def _imports_under(node: ast.AST, by: str, *, is_deferred: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for name in child.names:
                yield Import(by, name.name, is_deferred)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"{by} has a relative import, which this test does not follow"
            for name in child.names:
                yield Import(by, f"{child.module}.{name.name}", is_deferred)
        else:
            waits = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            deferred = is_deferred or waits or _is_for_types_alone(child)
            yield from _imports_under(child, by, is_deferred=deferred)


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


NAMES = {_name(path) for path in MODULES}


def _imports_of(package: str) -> list[Import]:
    return [
        one
        for path in MODULES
        if _name(path).partition(".")[0] == package
        for one in _imports_under(ast.parse(path.read_text()), _name(path), is_deferred=False)
    ]


def _room(dotted: str) -> str:
    """The room that a dotted name is in; empty for a package itself, and for other packages."""
    package, _, rest = dotted.partition(".")
    room = rest.partition(".")[0]
    folder = ROOT / package
    is_room = (folder / room).is_dir() or (folder / f"{room}.py").is_file()
    return f"{package}.{room}" if package in FLOORS and room and is_room else ""


def _module(dotted: str) -> str:
    """The module that a dotted name is, or is in."""
    return dotted if dotted in NAMES else dotted.rpartition(".")[0]


def _told(found: list[Import]) -> list[str]:
    return [str(one) for one in found]


def test_every_room_has_a_floor_and_every_floor_its_rooms():
    rooms = {_room(name) for name in NAMES} - {""}
    assert rooms == set(FLOOR_OF), "docs/development/floors.yaml says the floors"


def test_imports_run_down_only():
    inside = [one for name in FLOORS for one in _imports_of(name) if one.package == name]
    up = [
        one
        for one in inside
        if one.by not in FLOORS  # a package names its API, which its modules make
        and (own := _room(one.by)) != (other := _room(one.target))
        and FLOOR_OF.get(other, -1) >= FLOOR_OF.get(own, -1)
    ]
    assert len(inside) > 20
    assert _told(up) == []


def test_no_two_modules_import_each_other():
    inside = [one for name in FLOORS for one in _imports_of(name) if one.package in FLOORS]
    imported: dict[str, set[str]] = {}
    for one in inside:
        if one.by not in FLOORS:
            imported.setdefault(one.by, set()).add(_module(one.target))
    below: dict[str, set[str]] = {}
    for name in imported:
        reached, waiting = set(), list(imported[name])
        while waiting:
            module = waiting.pop()
            if module not in reached:
                reached.add(module)
                waiting.extend(imported.get(module, ()))
        below[name] = reached
    assert sum(map(len, below.values())) > 1000
    assert sorted(name for name, reached in below.items() if name in reached) == []


def test_no_file_name_and_no_class_name_is_there_twice():
    files = Counter(
        (_name(path).partition(".")[0], path.name) for path in MODULES if path.name != "__init__.py"
    )
    assert [name for name, n in files.items() if n > 1] == []
    classes = Counter(
        node.name
        for path in MODULES
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, n in classes.items() if n > 1] == []


def test_counter_never_imports_training_or_tensorflow_except_inside_commands():
    found = [
        one
        for one in _imports_of("counter")
        if one.package in ONLY_FOR_TRAINING | {"training"}
        and not (_room(one.by) == "counter.cli" and one.is_deferred)
    ]
    assert _told(found) == []


def test_training_does_not_know_the_command_line():
    found = [one for one in _imports_of("training") if one.target.startswith("counter.cli")]
    assert _told(found) == []


def test_tensorflow_io_lives_in_one_module():
    imports = _imports_of("counter") + _imports_of("training")
    assert {one.by for one in imports if one.package == "tensorflow_io"} == {
        "training.augment.windows"
    }


def test_no_module_is_long():
    lengths = {_name(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: n for name, n in lengths.items() if n > MAX_MODULE_LINES} == {}


def _code_rows(text: str) -> set[int]:
    """Lines that hold code, not only blanks or a comment."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    spans = [(one.start[0], one.end[0]) for one in tokens if one.type not in NO_CODE]
    return {row for first, last in spans for row in range(first, last + 1)}


def _body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef, code_rows: set[int]) -> int:
    """Lines of code after the signature and the docstring."""
    has_docstring = ast.get_docstring(function, clean=False) is not None
    body = function.body[1:] if has_docstring else function.body
    if not body:
        return 0
    assert function.end_lineno is not None
    return len(code_rows & set(range(body[0].lineno, function.end_lineno + 1)))


def _function_lengths(text: str) -> dict[str, int]:
    rows = _code_rows(text)
    functions = (
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return {f"{one.name}:{one.lineno}": _body_lines(one, rows) for one in functions}


def test_no_function_is_long():
    lengths = {
        f"{_name(path)}.{name}": n
        for path in MODULES
        for name, n in _function_lengths(path.read_text()).items()
    }
    assert len(lengths) > 100
    assert {name: n for name, n in lengths.items() if n >= MAX_FUNCTION_LINES} == {}


def test_length_of_a_function_is_its_code_without_signature_docstring_comments_and_blanks():
    text = """\
def f(
    a,
):
    'Say.'
    # why

    b = (
        a
    )
    return 2 * b
"""
    assert _function_lengths(text) == {"f:1": 4}


def _run(code: str, *arguments: str) -> str:
    """Run code in a fresh interpreter, with the ``counter`` that the tests have."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(Path(counter.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _loaded(code: str, *arguments: str) -> set[str]:
    """Top-level packages in ``sys.modules`` after running code."""
    told = "\nimport json, sys\nprint(); print(json.dumps(sorted(sys.modules)))"
    *_, modules = _run(code + told, *arguments).splitlines()
    return {name.partition(".")[0] for name in json.loads(modules)}


def test_no_module_of_counter_loads_what_training_needs():
    names = [_name(path) for path in MODULES if _name(path).startswith("counter")]
    loaded = _loaded("".join(f"import {name}\n" for name in names))
    assert {"counter", "numpy", "soundfile"} <= loaded
    assert loaded & NOT_FOR_SCANS == set()


@pytest.mark.parametrize(("flags", "drawn_with"), [(("--no-plots",), set()), ((), {"matplotlib"})])
def test_a_whole_scan_loads_nothing_of_training(tmp_path, flags, drawn_with):
    try:
        bundle = shipped_path()
    except BundleError:
        pytest.skip("no bundle ships with this tree")
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 5 * 16000)
    sf.write(tmp_path / "noise.wav", noise, 16000)
    output = tmp_path / "results.csv"
    arguments = ["--model", str(bundle), "-o", str(output), *flags]
    loaded = _loaded(f"{RUN}(sys.argv[1:]) == 0", "scan", str(tmp_path / "noise.wav"), *arguments)
    assert "noise.wav" in output.read_text()
    assert "PIL" in loaded
    assert loaded & NOT_FOR_SCANS == drawn_with


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("train",),
        ("export",),
        ("scan",),
        ("listen",),
        ("status",),
        ("evaluate",),
        ("tune",),
        ("sample",),
        ("estimate",),
        ("mine",),
        ("report",),
        ("review",),
        ("demo",),
        ("info",),
    ],
)
def test_help_loads_nothing_heavy(arguments):
    code = f"{RUN}([*sys.argv[1:], '--help']) == 0"
    loaded = _loaded(code, *arguments)
    assert {"counter", "click"} <= loaded
    assert loaded & (NOT_FOR_SCANS if arguments else NOT_FOR_HELP) == set()
