"""Questions of a review: what is asked, from where, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from counter.estimation.sample_table import MARGIN_S, SamplePlan, clip_name
from counter.mining.mine_table import MinePlan
from counter.records import Origin
from counter.review.answers import COUNTED, NO, OTHER, UNSURE, VERDICTS, YES, Answer, Judgement, Key
from counter.tables.results import Results

EVENT, STRETCH, CLIP = "event", "stretch", "clip"
# What is shown, by the person's own answer; and in which order.
OPEN, ALL = "not answered", "all"
AS_WRITTEN, DOUBTFUL, BEST, BY_CHANCE = (
    "as in the table",
    "lowest score first",
    "highest score first",
    "by chance",
)
ORDERS = (AS_WRITTEN, DOUBTFUL, BEST, BY_CHANCE)
_NONE = 0
_SEED = 0  # of what is drawn by chance: all persons get one order
_CODES = {verdict: code for code, verdict in enumerate(VERDICTS, start=1)}

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CutClip:
    """A clip that was cut out before, and where in its recording it begins, seconds."""

    file: Path
    start_s: float


@dataclass(frozen=True)
class Item:
    """One question.

    Attributes
    ----------
    row : int
        Its place among all.
    key : Key
        How its answers are found again.
    start_s, end_s, peak_s : float
        What is asked about, seconds from the recording's start.
    score : float or None
        The model's, 0 to 1; None where it is kept from the person.
    site : str
        Empty where it is not known.
    cut : CutClip or None
        Where its sound was cut out before.
    """

    row: int
    key: Key
    start_s: float
    end_s: float
    peak_s: float
    score: float | None
    site: str
    cut: CutClip | None


@dataclass(frozen=True)
class Items:
    """All questions of one kind; arrays of one length, which may be 0.

    Attributes
    ----------
    kind : str
        ``event``, ``stretch`` or ``clip``.
    recordings, labels : tuple of str
        What ``recording`` and ``label`` are places in.
    recording, label : array of int64
        Of each item.
    start_s, end_s, peak_s, score : array of float64
        As in ``Item``; NaN where no score is shown.
    site_of : tuple of str
        Site of each recording, empty where it is not known.
    cuts : tuple of CutClip
        Of each item, or of none.
    """

    kind: str
    recordings: tuple[str, ...]
    labels: tuple[str, ...]
    recording: Ints
    label: Ints
    start_s: Floats
    end_s: Floats
    peak_s: Floats
    score: Floats
    site_of: tuple[str, ...]
    cuts: tuple[CutClip, ...] = ()

    def __len__(self) -> int:
        return len(self.recording)

    def item(self, row: int) -> Item:
        """One of them."""
        recording = int(self.recording[row])
        score = float(self.score[row])
        return Item(
            row=row,
            key=Key(
                self.kind,
                self.recordings[recording],
                self.labels[self.label[row]],
                int(self._start_ms[row]),
                int(_ms(self.end_s[row])),
            ),
            start_s=float(self.start_s[row]),
            end_s=float(self.end_s[row]),
            peak_s=float(self.peak_s[row]),
            score=None if np.isnan(score) else score,
            site=self.site_of[recording],
            cut=self.cuts[row] if self.cuts else None,
        )

    def row_of(self, key: Key) -> int | None:
        """Where an item is; None where it is none of these, as after another scan."""
        recording = self._places.get(key.recording)
        if recording is None or key.kind != self.kind:
            return None
        sorted_codes, order = self._by_start
        code = (recording << 40) + key.start_ms
        first, stop = np.searchsorted(sorted_codes, [code, code + 1])
        alike = (int(row) for row in order[first:stop])
        return next((row for row in alike if self.item(row).key == key), None)

    @cached_property
    def sites(self) -> tuple[str, ...]:
        """The sites that are known, in order of name."""
        return tuple(sorted(set(self.site_of) - {""}))

    @cached_property
    def site_codes(self) -> Ints:
        """Place of each recording's site in ``sites``; -1 where it is not known."""
        place = {site: number for number, site in enumerate(self.sites)}
        return np.array([place.get(site, -1) for site in self.site_of], dtype=np.int64)

    @cached_property
    def _start_ms(self) -> Ints:
        return _ms(self.start_s)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.recordings)}

    @cached_property
    def _by_start(self) -> tuple[Ints, Ints]:
        """Recording and start as one number, sorted; and the rows in that order."""
        codes = (self.recording << 40) + self._start_ms
        order = np.argsort(codes, kind="stable")
        return codes[order], order


def _ms(time_s: Floats) -> Ints:
    return np.rint(np.asarray(time_s) * 1000).astype(np.int64)


@dataclass(frozen=True)
class Wish:
    """What a person wants to see, and in which order.

    Attributes
    ----------
    sites, labels : tuple of str
        Only these; all where empty.
    scores : (float, float)
        Lowest and highest score.
    answer : str
        ``OPEN``, ``ALL`` or one of ``store.VERDICTS``.
    order : str
        One of ``ORDERS``.
    """

    sites: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    scores: tuple[float, float] = (0.0, 1.0)
    answer: str = OPEN
    order: str = AS_WRITTEN


def verdicts_of(kind: str) -> tuple[str, ...]:
    """The answers that can be given to items of a kind."""
    return (COUNTED, UNSURE) if kind == STRETCH else (YES, NO, UNSURE, OTHER)


def own_answers(items: Items, newest: Iterable[Answer], reviewer: str) -> dict[int, Judgement]:
    """A person's newest answers, by row; those to what is no longer asked are left out."""
    own = ((items.row_of(one.key), one.judgement) for one in newest if one.reviewer == reviewer)
    return {row: judgement for row, judgement in own if row is not None}


def line_up(items: Items, own: Mapping[int, Judgement], wish: Wish) -> Ints:
    """Rows of the items that are wanted, in the order wanted; may be empty.

    Parameters
    ----------
    items : Items
        All of them.
    own : mapping of int to Judgement
        The person's answers, by row.
    wish : Wish
        What is wanted.
    """
    codes = np.zeros(len(items), dtype=np.int8)
    for row, judgement in own.items():
        codes[row] = _CODES[judgement.verdict]
    is_wanted = np.ones(len(items), dtype=bool)
    if wish.sites:
        of_recording = np.isin(items.site_codes, _places(items.sites, wish.sites))
        is_wanted &= of_recording[items.recording]
    if wish.labels:
        is_wanted &= np.isin(items.label, _places(items.labels, wish.labels))
    # what has no score to be seen is not chosen by it
    outside = (items.score < wish.scores[0]) | (items.score > wish.scores[1])
    is_wanted &= ~outside
    if wish.answer == OPEN:
        is_wanted &= codes == _NONE
    elif wish.answer != ALL:
        is_wanted &= codes == _CODES[wish.answer]
    rows = np.flatnonzero(is_wanted)
    if wish.order == BY_CHANCE:
        # the lot of an item stays the same, whatever else is wanted
        return rows[np.argsort(np.random.default_rng(_SEED).random(len(items))[rows])]
    if wish.order in (DOUBTFUL, BEST):
        sign = 1 if wish.order == DOUBTFUL else -1
        return rows[np.argsort(sign * items.score[rows], kind="stable")]
    return rows


def _places(known: Sequence[str], wanted: Sequence[str]) -> list[int]:
    return [number for number, name in enumerate(known) if name in wanted]


@dataclass
class Walk:
    """A person's way through a line; ``at`` is its end when all is done.

    Attributes
    ----------
    rows : array of int64
        The line.
    at : int
        Where the person is.
    """

    rows: Ints
    at: int = 0
    _answered: set[int] = field(default_factory=set)

    @property
    def row(self) -> int | None:
        """The item to show; None at the end."""
        return int(self.rows[self.at]) if self.at < len(self.rows) else None

    @property
    def n_left(self) -> int:
        """Items of the line without an answer given on this way."""
        return len(self.rows) - len(self._answered)

    def ahead(self, n: int) -> list[int]:
        """The next items that have no answer yet, without that which is shown; at most ``n``."""
        places = (at for at in range(self.at + 1, len(self.rows)) if at not in self._answered)
        return [int(self.rows[at]) for at in islice(places, n)]

    def answered(self) -> None:
        """Go on behind an answer, to the next that has none on this way."""
        self._answered.add(self.at)
        while self.at in self._answered:
            self.at += 1

    def back(self) -> None:
        """Go to the one before."""
        self.at = max(0, self.at - 1)


Origins = Mapping[str, Origin]


def event_items(results: Results) -> Items:
    """Every event of a scan."""
    names = tuple(one.name for one in results.recordings)
    table = results.event_table
    return Items(
        kind=EVENT,
        recordings=names,
        labels=results.labels,
        recording=table.recording,
        label=table.label,
        start_s=table.start_s,
        end_s=table.end_s,
        peak_s=table.peak_s,
        score=table.score,
        site_of=_sites(names, results.origins),
    )


def stretch_items(plan: SamplePlan, folder: Path, origins: Origins) -> Items:
    """The stretches of a sample, in its order; what the model found in them is not shown."""
    checks = plan.checks
    return _cut_items(
        STRETCH,
        [(one.recording, plan.label) for one in checks],
        np.array([(one.start_s, one.end_s, np.nan) for one in checks]).reshape(-1, 3),
        [
            CutClip(folder / clip_name(number), max(0.0, one.start_s - MARGIN_S))
            for number, one in enumerate(checks, start=1)
        ],
        origins,
    )


def clip_items(plan: MinePlan, folder: Path, origins: Origins) -> Items:
    """The clips that were mined, in their order: most worth first."""
    clips = plan.clips
    return _cut_items(
        CLIP,
        [(one.recording, one.candidate) for one in clips],
        np.array(
            [
                (one.start_s + one.call_start_s, one.start_s + one.call_end_s, one.score)
                for one in clips
            ]
        ).reshape(-1, 3),
        [CutClip(folder / one.clip, one.start_s) for one in clips],
        origins,
    )


def _cut_items(
    kind: str,
    asked: Sequence[tuple[str, str]],
    numbers: Floats,
    cuts: Sequence[CutClip],
    origins: Origins,
) -> Items:
    """Items of recordings and labels; ``numbers`` are start and end (s) and score, by column."""
    names, recording = np.unique([name for name, _ in asked], return_inverse=True)
    labels, label = np.unique([label for _, label in asked], return_inverse=True)
    start_s, end_s, score = numbers.T
    known = tuple(names.tolist())
    return Items(
        kind=kind,
        recordings=known,
        labels=tuple(labels.tolist()),
        recording=recording.astype(np.int64),
        label=label.astype(np.int64),
        start_s=start_s,
        end_s=end_s,
        peak_s=(start_s + end_s) / 2,
        score=score,
        site_of=_sites(known, origins),
        cuts=tuple(cuts),
    )


def _sites(names: Sequence[str], origins: Origins) -> tuple[str, ...]:
    return tuple(origins[name].site if name in origins else "" for name in names)
