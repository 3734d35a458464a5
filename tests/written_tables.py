"""Tables of a scan, written from results that tests make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from counter.bundle import Calibration
from counter.records import FileResult
from counter.tables.csv import write_json
from counter.tables.event_rows import Bands
from counter.tables.manifest import Manifest, OutputPaths
from counter.tables.result_tables import ResultTables


def write_tables(
    table: Path,
    results: Iterable[FileResult],
    labels: Sequence[str],
    bands: Bands,
    calibrations: Mapping[str, Calibration] | None = None,
) -> OutputPaths:
    """Write all tables of a scan whose ``results.csv`` is ``table``; the manifest aside."""
    paths = OutputPaths(table)
    paths.folder.mkdir(parents=True, exist_ok=True)
    with ResultTables(paths, labels, bands, calibrations or {}) as tables:
        for result in results:
            tables.add(result)
    return paths


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write a manifest as a scan does."""
    write_json(path, manifest.data())
