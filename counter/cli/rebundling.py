"""A bundle made of another one: the same model with other rules, or with probabilities."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counter.bundle import SPEC_FILE, Bundle, write_bundle
from counter.errors import CallcountError, OutputError
from counter.folders import check_replaceable
from counter.output.paths import check_writable
from counter.output.reading import Results, bundle_of


@dataclass(frozen=True)
class NewBundle:
    """A bundle to be written, made of that of a scan; ``planned`` makes sure that it can be.

    Attributes
    ----------
    path : Path
        Its folder.
    old : Bundle
        The bundle it is made of; stays as it is.
    """

    path: Path
    old: Bundle

    @classmethod
    def planned(cls, path: Path, results: Results, mark: str = SPEC_FILE) -> NewBundle:
        """Look before the work whether all is there, and whether the place is free.

        Parameters
        ----------
        path : Path
            The folder: free, or one that holds a file named ``mark``, to be replaced.
        results : Results
            The scan.
        mark : str
            A file that stands only in bundles that may be replaced.

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

        Parameters
        ----------
        changes : mapping
            Fields of ``BundleSpec`` that are other now.
        kept : iterable of str
            Files of the old bundle that go with it, ``model.tflite`` among them; new ones of the
            same name win.

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
