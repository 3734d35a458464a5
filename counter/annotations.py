"""Annotated calls and the recordings they belong to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from urllib.parse import unquote

from counter.calltables import Annotation, read_annotations
from counter.errors import CallcountError

__all__ = ["Annotation", "Matched", "match_recordings", "read_annotations"]

# Decoders and annotation programs differ by this much about where a recording ends.
BEYOND_S = 0.5
_SUFFIX = re.compile(r"\.[A-Za-z]\w{1,4}$")


@dataclass(frozen=True)
class Matched:
    """Annotations by the recordings they belong to.

    Attributes
    ----------
    by_recording : mapping of str to tuple of Annotation
        For each recording that has any, in the order of the rows.
    unknown : tuple of str
        Names in the table that are no recording; empty unless that was allowed.
    """

    by_recording: Mapping[str, tuple[Annotation, ...]]
    unknown: tuple[str, ...]


def match_recordings(
    annotations: Iterable[Annotation],
    names: Sequence[str],
    *,
    durations_s: Mapping[str, float] | None = None,
    partial: bool = False,
    hint: str = "",
) -> Matched:
    """Find the recording that each annotation is about: by its relative path, then by its stem.

    Of several recordings with that stem the one whose folders agree furthest, counted from the
    file upwards, is meant.

    Parameters
    ----------
    annotations : iterable of Annotation
        Calls of any recordings.
    names : sequence of str
        The recordings, as paths relative to their folder, with ``/``.
    durations_s : mapping of str to float, optional
        Their lengths where known; a call may end ``BEYOND_S`` later and no more.
    partial : bool
        Leave out what is about no recording, instead of raising.
    hint : str
        What the user can do about names that are no recording.

    Raises
    ------
    CallcountError
        A name that is no recording (all are counted, the first few listed), one that may be
        several, two that would be the same, or a call beyond its recording's end.
    """
    by_name: dict[str, list[Annotation]] = {}
    for call in annotations:
        by_name.setdefault(call.recording, []).append(call)
    known = _Names(names)
    found = {name: known.find(calls[0]) for name, calls in by_name.items()}
    unknown = [calls[0] for name, calls in by_name.items() if found[name] is None]
    if unknown and not partial:
        raise _unknown(unknown, hint)
    by_recording: dict[str, list[Annotation]] = {}
    for name, calls in by_name.items():
        recording = found[name]
        if recording is None:
            continue
        others = by_recording.setdefault(recording, [])
        _check(calls, others, recording, (durations_s or {}).get(recording))
        others.extend(calls)
    return Matched(
        {name: tuple(calls) for name, calls in by_recording.items()},
        tuple(call.recording for call in unknown),
    )


class _Names:
    """Recordings to be found by their path or stem."""

    def __init__(self, names: Sequence[str]) -> None:
        # A backslash in a table may part folders or be the name's own.
        self._names = {name.replace("\\", "/"): name for name in names}
        self._names |= {name: name for name in names}
        self._by_stem: dict[str, list[str]] = {}
        for name in names:
            self._by_stem.setdefault(_without_suffix(name).rpartition("/")[2], []).append(name)

    def find(self, call: Annotation) -> str | None:
        """The recording that an annotation names; ``None`` where it is none of them."""
        # Tables that callcount names after recordings have %3A for a colon, and the like.
        forms = list(dict.fromkeys((call.recording, unquote(call.recording))))
        for path in forms:
            if path in self._names:
                return self._names[path]
        for path in (*forms, *map(_without_suffix, forms)):
            alike = self._by_stem.get(path.rpartition("/")[2], [])
            nearest = [name for name in alike if _without_suffix(name) == path]
            if alike and not nearest:
                agreement = [_agreement(path, name) for name in alike]
                nearest = [
                    name for name, n in zip(alike, agreement, strict=True) if n == max(agreement)
                ]
            if len(nearest) > 1:
                raise CallcountError(
                    f"{call.place}: {call.recording!r} may be {' or '.join(nearest[:3])}.",
                    "Give the path relative to the folder of recordings.",
                )
            if nearest:
                return nearest[0]
        return None


def _without_suffix(path: str) -> str:
    return _SUFFIX.sub("", path)


def _agreement(path: str, name: str) -> int:
    """Folders that two paths share, counted from the file upwards."""
    pairs = zip(path.split("/")[-2::-1], name.split("/")[-2::-1], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _unknown(calls: Sequence[Annotation], hint: str) -> CallcountError:
    first = ", ".join(f"{call.recording} (row {call.row})" for call in calls[:5])
    more = f" and {len(calls) - 5} more" if len(calls) > 5 else ""
    names = "recording" if len(calls) == 1 else "recordings"
    return CallcountError(
        f"{calls[0].file} names {len(calls)} {names} that are not here: {first}{more}.", hint
    )


def _check(
    calls: Sequence[Annotation],
    others: Sequence[Annotation],
    recording: str,
    duration_s: float | None,
) -> None:
    folder = calls[0].recording.rpartition("/")[0]
    for other in others:
        if folder and other.recording.rpartition("/")[0] not in ("", folder):
            raise CallcountError(
                f"{calls[0].place}: {calls[0].recording} and {other.recording} "
                f"(row {other.row}) would both be {recording}.",
                "Give the paths relative to the folder of recordings.",
            )
    if duration_s is None:
        return
    for call in calls:
        if call.end_s > duration_s + BEYOND_S:
            raise CallcountError(
                f"{call.place}: the call ends at {call.end_s} s, but {recording} is only "
                f"{duration_s:.3f} s long."
            )
