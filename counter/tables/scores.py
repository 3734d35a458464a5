"""Frame scores kept beside the events, so that rules can be judged without a new scan."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counter.bundle import Bundle
from counter.errors import CallcountError
from counter.records import FloatArray
from counter.storage.atomic import atomic_write
from counter.timebase import Timebase

# A 32 bit score nearest to 1 has a logit of 16.6; one of exactly 0 or 1 gets this.
_MOST = 18.0
_SCAN_AGAIN = "Scan again with --keep-scores."


def logits_of(scores: FloatArray) -> NDArray[np.float16]:
    """Scores, 0 to 1, as they are kept; of the same shape, may be empty."""
    with np.errstate(divide="ignore"):
        logits = np.log(scores) - np.log1p(-scores)
    return np.clip(logits, -_MOST, _MOST).astype(np.float16)


@contextmanager
def write_scores(
    path: Path, bundle: Bundle
) -> Iterator[Callable[[str, NDArray[np.float16]], None]]:
    """Give a function that adds a recording to a file, which is there when all went well.

    It takes the recording's name and what ``logits_of`` gave, shape (n_frames, n_labels).

    Raises
    ------
    OutputError
        The file cannot be written; none is left.
    """
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        names: list[str] = []

        def add(name: str, logits: NDArray[np.float16]) -> None:
            _put(archive, _member(len(names)), logits)
            names.append(name)

        yield add
        _put(archive, "recordings", np.array(names, dtype=np.str_))
        _put(archive, "labels", np.array(bundle.spec.labels, dtype=np.str_))
        _put(archive, "sample_rate_hz", np.array(bundle.spec.sample_rate_hz))
        _put(archive, "hop_samples", np.array(bundle.spec.frame_samples))
        _put(archive, "bundle", np.array(bundle.sha256))
        archive.comment = SCORES_MARK


@dataclass(frozen=True)
class KeptScores:
    """A file of scores, read one recording at a time."""

    path: Path
    members: Mapping[str, str]  # where the scores of each recording are, by its name
    labels: tuple[str, ...]  # label of each column
    timebase: Timebase
    bundle_hash: str  # hash of the bundle that gave the scores

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
                scores: Any = 1 / (1 + np.exp(-logits))
                yield name, scores


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


SCORES_MARK = b"callcount scores 1"


def is_own_scores(path: Path) -> bool:
    """Whether a file is empty or a zip file of scores that ``write_scores`` wrote."""
    if not path.is_file():
        return False
    if path.stat().st_size == 0:
        return True
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.comment == SCORES_MARK
    except zipfile.BadZipFile:
        return False
