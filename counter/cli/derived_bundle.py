"""A bundle made of another one: the same model with other rules, or with probabilities."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape

from counter.bundle import SPEC_FILE, Bundle, write_bundle
from counter.cli.console import stdout
from counter.errors import CallcountError, OutputError
from counter.estimation.calibration import Calibrated
from counter.storage.atomic import check_replaceable, check_writable
from counter.tables.manifest import plot_names
from counter.tables.results import Results, bundle_of


@dataclass(frozen=True)
class NewBundle:
    """A bundle to be written, made of that of a scan; ``planned`` makes sure that it can be."""

    path: Path  # its folder
    old: Bundle  # the bundle it is made of; stays as it is

    @classmethod
    def planned(cls, path: Path, results: Results, mark: str = SPEC_FILE) -> NewBundle:
        """Look before the work whether all is there, and whether the place is free.

        ``path`` is a free folder, or one to be replaced: it holds a file named ``mark``.

        Raises
        ------
        CallcountError
            The bundle of the scan is gone or has changed; ``path`` is that bundle, or something
            else is there, or nothing can be written there.
        """
        old = bundle_of(results)
        if path.resolve() == old.path.resolve():
            raise CallcountError(f"{path} is the bundle of the scan itself.", "Name a new folder.")
        if (path / SPEC_FILE).is_file() and not (path / mark).is_file():
            raise OutputError(f"{path} is a bundle of another kind.", "Name a new folder.")
        check_writable(path.parent)
        check_replaceable(path, mark)
        return cls(path, old)

    @contextmanager
    def written(self, changes: Mapping[str, Any], kept: Iterable[str]) -> Iterator[Path]:
        """Give a folder for further files; the bundle is written with them when all went well.

        ``changes`` are fields of ``BundleSpec``; ``kept`` are the files of the old bundle that go
        with it, ``model.tflite`` among them; new ones of the same name win.

        Raises
        ------
        OutputError
            It cannot be written.
        """
        spec = self.old.spec.for_another()
        files = {name: (self.old.path / name).read_bytes() for name in kept}
        with tempfile.TemporaryDirectory() as scratch:
            yield Path(scratch)
            files |= {path.name: path.read_bytes() for path in Path(scratch).iterdir()}
        write_bundle(self.path, {**spec, **changes}, files)


def write_calibrated(new: NewBundle, calibrated: Mapping[str, Calibrated], source: str) -> None:
    """Write a copy of a bundle that also gives probabilities, and say so.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    old = new.old
    calibration = {label: one.provenance(source) for label, one in calibrated.items()}
    provenance = old.spec.provenance
    before = provenance.get("calibration", {}) if old.spec.calibration else {}
    changes = {
        "calibration": {
            **{label: one.model_dump() for label, one in old.spec.calibration.items()},
            **{label: one.calibration.model_dump() for label, one in calibrated.items()},
        },
        "provenance": {
            **provenance,
            "calibrated_from": old.sha256,
            "calibration": {**before, **calibration},
        },
    }
    kept = [path.name for path in old.path.iterdir() if path.is_file() and path.name != SPEC_FILE]
    with new.written(changes, kept) as folder:
        draw_reliabilities(folder, calibrated, old.spec.labels)
    for label, one in calibrated.items():
        stdout().print(f"{escape(one.text(label))} -> {escape(str(new.path))}", soft_wrap=True)


def draw_reliabilities(
    folder: Path, calibrated: Mapping[str, Calibrated], labels: Sequence[str]
) -> None:
    """Draw ``reliability.png``, or one for each label where the bundle has several."""
    from counter.plots.evaluation_plot import draw_reliability

    names = plot_names(labels)
    for label, one in calibrated.items():
        name = "reliability.png" if len(labels) == 1 else f"reliability-{names[label]}"
        draw_reliability(folder / name, one.tested)
