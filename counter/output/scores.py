"""Frame scores kept beside the events, so that rules can be judged without a new scan.

``scores.npz`` is a zip of ``.npy`` files that ``numpy.load`` reads: ``000000.npy`` and so on, one
per recording that was scanned, shape (n_frames, n_labels), the logits ``log(s / (1 - s))`` of the
scores before smoothing as 16 bit floats (2 bytes a frame and label: 56 kB an hour at 128 ms a
frame); and ``recordings``, ``labels``, ``sample_rate_hz``, ``hop_samples`` and ``bundle`` (hash).
A score comes back to within 0.0003.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counter.bundle import Bundle
from counter.errors import CallcountError
from counter.output.own import SCORES_MARK, is_own_scores
from counter.output.paths import atomic_write
from counter.records import FloatArray
from counter.timebase import Timebase

# A 32 bit score nearest to 1 has a logit of 16.6; one of exactly 0 or 1 gets this.
_MOST = 18.0
_SCAN_AGAIN = "Scan again with --keep-scores."


class ScoresWriter:
    """Takes the scores of one recording after the other; made by ``write_scores``."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._names: list[str] = []

    def add(self, name: str, logits: NDArray[np.float16]) -> None:
        """Write what ``logits_of`` gave for one recording, shape (n_frames, n_labels)."""
        _put(self._archive, _member(len(self._names)), logits)
        self._names.append(name)

    def finish(self, bundle: Bundle) -> None:
        """Write whose scores these are."""
        spec = bundle.spec
        _put(self._archive, "recordings", np.array(self._names, dtype=np.str_))
        _put(self._archive, "labels", np.array(spec.labels, dtype=np.str_))
        _put(self._archive, "sample_rate_hz", np.array(spec.sample_rate_hz))
        _put(self._archive, "hop_samples", np.array(spec.frame_samples))
        _put(self._archive, "bundle", np.array(bundle.sha256))
        self._archive.comment = SCORES_MARK


def logits_of(scores: FloatArray) -> NDArray[np.float16]:
    """Scores, 0 to 1, as they are kept; of the same shape, may be empty."""
    with np.errstate(divide="ignore"):
        logits = np.log(scores) - np.log1p(-scores)
    return np.clip(logits, -_MOST, _MOST).astype(np.float16)


@contextmanager
def write_scores(path: Path, bundle: Bundle) -> Iterator[ScoresWriter]:
    """Open a file of scores to write; it takes its name when the block ends well.

    Raises
    ------
    OutputError
        The file cannot be written; none is left.
    """
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        writer = ScoresWriter(archive)
        yield writer
        writer.finish(bundle)


@dataclass(frozen=True)
class KeptScores:
    """A file of scores, read one recording at a time.

    Attributes
    ----------
    path : Path
        The file.
    members : mapping of str to str
        Where the scores of each recording are, by its name.
    labels : tuple of str
        Label of each column.
    timebase : Timebase
        Rate of samples and samples per frame.
    bundle_hash : str
        Hash of the bundle that gave the scores.
    """

    path: Path
    members: Mapping[str, str]
    labels: tuple[str, ...]
    timebase: Timebase
    bundle_hash: str

    def each(self, names: Sequence[str]) -> Iterator[tuple[str, FloatArray]]:
        """Scores of the named recordings in turn, 0 to 1, shape (n_frames, n_labels).

        Raises
        ------
        CallcountError
            The file holds none of one of them, or is damaged.
        """
        missing = [name for name in names if name not in self.members]
        if missing:
            raise CallcountError(f"{self.path} holds no scores of {missing[0]}.", _SCAN_AGAIN)
        with _reading(self.path), zipfile.ZipFile(self.path) as archive:
            for name in names:
                logits = _get(archive, self.members[name]).astype(np.float32)
                yield name, 1 / (1 + np.exp(-logits))


def read_scores(path: Path) -> KeptScores:
    """Open a file of scores.

    Raises
    ------
    CallcountError
        The file is missing, damaged or was not made by callcount.
    """
    with _reading(path):
        if not is_own_scores(path) or path.stat().st_size == 0:
            raise CallcountError(f"{path} holds no scores kept by callcount.", _SCAN_AGAIN)
        with zipfile.ZipFile(path) as archive:
            names = _get(archive, "recordings").tolist()
            return KeptScores(
                path=path,
                members={name: _member(number) for number, name in enumerate(names)},
                labels=tuple(_get(archive, "labels").tolist()),
                timebase=Timebase(
                    int(_get(archive, "sample_rate_hz")), int(_get(archive, "hop_samples"))
                ),
                bundle_hash=str(_get(archive, "bundle")),
            )


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        why = " ".join(str(error).split())
        raise CallcountError(f"cannot read {path}: {why}.", _SCAN_AGAIN) from error


def _member(number: int) -> str:
    return f"{number:06d}"


def _put(archive: zipfile.ZipFile, name: str, array: NDArray[Any]) -> None:
    with archive.open(f"{name}.npy", "w") as file:
        np.lib.format.write_array(file, array, allow_pickle=False)


def _get(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with archive.open(f"{name}.npy") as file:
        found: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        return found
