"""The scan that the pages show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from counter.output.reading import Results
from counter.report.season import Place

Band = tuple[float, float]


@dataclass(frozen=True)
class Material:
    """A finished scan, and where its sound is.

    Attributes
    ----------
    results : Results
        The scan; read once, when the pages are started.
    places : mapping of str to Place
        When and where each recording was made; empty where no table tells it.
    bands : mapping of str to (low_hz, high_hz)
        Band that each label with an event was listened for in.
    files : mapping of str to str or Path
        The file or URL of every recording that is still there.
    """

    results: Results
    places: Mapping[str, Place]
    bands: Mapping[str, Band]
    files: Mapping[str, str | Path]
