"""Truth of a scan: true calls, and kept scores with them, by recording and label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from counter.errors import CallcountError
from counter.evaluation.rule_scoring import AnnotatedScores
from counter.events.matching import Intervals, Scene
from counter.formats.annotations import Annotation, match_recordings, read_annotations
from counter.records import FAILED, TRUNCATED
from counter.tables.results import Results, ScannedRecording
from counter.tables.scores import KeptScores, read_scores


@dataclass(frozen=True)
class AnnotatedScan:
    """A scan and the truth about it.

    Attributes
    ----------
    results : Results
        The scan.
    truth : Path
        Where the truth stands.
    scene : Scene
        All recordings that were scanned and did not fail, in order.
    scanned : tuple of ScannedRecording
        The same recordings.
    remarks : tuple of str
        What was left out or taken for granted.
    """

    results: Results
    truth: Path
    scene: Scene
    scanned: tuple[ScannedRecording, ...]
    remarks: tuple[str, ...]


def read_truth(results: Results, truth: Path, *, partial: bool) -> AnnotatedScan:
    """Read the truth and find the recording and label of every call.

    A recording that failed is left out. Of a truncated one only the calls that begin in what was
    scanned are taken. A recording without a row holds no call.

    Parameters
    ----------
    results : Results
        The scan.
    truth : Path
        What ``read_annotations`` reads.
    partial : bool
        Leave out calls of recordings or labels that are not in the scan, instead of raising.

    Raises
    ------
    CallcountError
        What ``read_annotations`` and ``match_recordings`` raise; a label that the scan does not
        know; nothing left to compare.
    """
    remarks: list[str] = []
    calls = _known_labels(read_annotations(truth), results.labels, remarks, partial=partial)
    lengths = ((one.name, one.duration_s) for one in results.recordings)
    matched = match_recordings(
        calls,
        [one.name for one in results.recordings],
        durations_s={name: length_s for name, length_s in lengths if length_s is not None},
        partial=partial,
        hint="Check the names, or give --partial to evaluate what was scanned.",
    )
    if matched.unknown:
        remarks.append(f"left out {len(matched.unknown)} recordings that were not scanned")
    scanned = tuple(one for one in results.recordings if one.status != FAILED)
    if not scanned:
        raise CallcountError(f"every recording of {results.files.results} failed.")
    _remark_failed(results.recordings, remarks)
    n_without = sum(one.name not in matched.by_recording for one in scanned)
    if n_without:
        remarks.append(
            f"{n_without} of {len(scanned)} recordings have no row in {truth}: "
            "taken as holding no call"
        )
    chosen = [_within(one, matched.by_recording.get(one.name, ()), remarks) for one in scanned]
    names = tuple(one.name for one in scanned)
    calls_by_place = _intervals(chosen, results.labels)
    scene = Scene(names, results.labels, _events(results), calls_by_place)
    return AnnotatedScan(results, truth, scene, scanned, tuple(remarks))


def _known_labels(
    calls: Sequence[Annotation], labels: Sequence[str], remarks: list[str], *, partial: bool
) -> list[Annotation]:
    """The calls of labels that the scan knows; without a label those of its only one."""
    known = {*labels, *([""] if len(labels) == 1 else [])}
    kept = [call for call in calls if call.label in known]
    if len(kept) == len(calls):
        return kept
    first = next(call for call in calls if call.label not in known)
    if not first.label:
        raise CallcountError(
            f"{first.place}: no label, but the scan has several: {', '.join(labels)}.",
            "Add a label to every row.",
        )
    if not partial:
        raise CallcountError(
            f"{first.place}: {first.label!r} is no label of the scan ({', '.join(labels)}).",
            "Rename it, or give --partial to leave out other labels.",
        )
    remarks.append(f"left out {len(calls) - len(kept)} calls of labels that were not scanned for")
    return kept


def _remark_failed(recordings: Sequence[ScannedRecording], remarks: list[str]) -> None:
    failed = [one.name for one in recordings if one.status == FAILED]
    if failed:
        more = " ..." if len(failed) > 3 else ""
        remarks.append(f"left out {len(failed)} that failed: {', '.join(failed[:3])}{more}")


def _within(
    one: ScannedRecording, calls: Sequence[Annotation], remarks: list[str]
) -> Sequence[Annotation]:
    if one.status != TRUNCATED:
        return calls
    kept = [call for call in calls if call.start_s < one.scanned_s]
    if len(kept) < len(calls):
        remarks.append(f"left out {len(calls) - len(kept)} calls after the end of {one.name}")
    return kept


def _intervals(calls: Sequence[Sequence[Annotation]], labels: Sequence[str]) -> Intervals:
    place = {label: number for number, label in enumerate(labels)} | {"": 0}
    if len(labels) == 1:
        group = np.repeat(np.arange(len(calls)), [len(some) for some in calls])
    else:
        every = [n * len(labels) + place[c.label] for n, some in enumerate(calls) for c in some]
        group = np.array(every, dtype=np.int64)
    starts_s = np.array([call.start_s for some in calls for call in some], dtype=np.float64)
    ends_s = np.array([call.end_s for some in calls for call in some], dtype=np.float64)
    return Intervals(group, starts_s, ends_s)


def _events(results: Results) -> Intervals:
    """Events by place among the recordings that did not fail; a failed one has none."""
    is_kept = np.array([one.status != FAILED for one in results.recordings])
    place = np.cumsum(is_kept) - 1
    table = results.event_table
    group = place[table.recording] * len(results.labels) + table.label
    return Intervals(group, table.start_s, table.end_s)


def scores_of(results: Results) -> KeptScores | None:
    """The scores kept with a scan; ``None`` where none were.

    Raises
    ------
    CallcountError
        They are of another scan, damaged, or not callcount's.
    """
    path = results.files.scores
    if not path.exists():
        return None
    kept = read_scores(path)
    if kept.bundle_hash != results.facts.bundle.get("hash") or kept.labels != results.labels:
        raise CallcountError(
            f"{path} and {results.files.results} are not of one scan.",
            "Scan again with --keep-scores, or remove the scores.",
        )
    return kept


def annotated_scores(
    kept: KeptScores, scan: AnnotatedScan, label: str
) -> Iterator[AnnotatedScores]:
    """Scores and true calls of one label in every recording that did not fail, in order."""
    column = kept.labels.index(label)
    calls = _by_recording(scan, column)
    scores = kept.each(scan.scene.recordings)
    for one, own, (_, values) in zip(scan.scanned, calls, scores, strict=True):
        yield AnnotatedScores(values[:, column], own, one.scanned_s)


def _by_recording(scan: AnnotatedScan, column: int) -> Iterator[Intervals]:
    """The true calls of one label, recording by recording; ``calls`` are in that order."""
    calls, n_labels = scan.scene.calls, len(scan.scene.labels)
    edges = (calls.group // n_labels).searchsorted(range(len(scan.scanned) + 1))
    for number, (first, stop) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        group = number * n_labels + column
        yield calls.subset(slice(first, stop)).of_groups(group, group + 1)
