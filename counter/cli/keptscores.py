"""The scores that a scan kept, laid beside the truth recording by recording."""

from __future__ import annotations

from collections.abc import Iterator

from counter.cli.truth import Beside
from counter.errors import CallcountError
from counter.evaluation.records import Intervals
from counter.evaluation.thresholds import Heard
from counter.output.reading import Results
from counter.output.scores import KeptScores, read_scores


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


def heard(kept: KeptScores, beside: Beside, label: str) -> Iterator[Heard]:
    """Scores and true calls of one label in every recording that did not fail, in order."""
    column = kept.labels.index(label)
    calls = _by_recording(beside, column)
    scores = kept.each(beside.scene.recordings)
    for one, own, (_, values) in zip(beside.scanned, calls, scores, strict=True):
        yield Heard(values[:, column], own, one.scanned_s)


def _by_recording(beside: Beside, column: int) -> Iterator[Intervals]:
    """The true calls of one label, recording by recording; ``calls`` are in that order."""
    calls, n_labels = beside.scene.calls, len(beside.scene.labels)
    edges = (calls.group // n_labels).searchsorted(range(len(beside.scanned) + 1))
    for number, (first, stop) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        own = Intervals(calls.group[first:stop], calls.start_s[first:stop], calls.end_s[first:stop])
        yield own.of_groups(number * n_labels + column, number * n_labels + column + 1)
