"""Selection of mined clips: doubtful, and unlike one another in sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from counter.mining.candidates import (
    EVENT,
    NEAR_MISS,
    SURPRISE,
    Candidate,
    Kinds,
    differences_db,
    weight,
    weightiest,
)
from counter.records import FloatArray

# Share of each kind; where one runs out, the others fill its place. Most errors of a count lie on
# the two sides of the threshold. A model that is sure is wrong only about sounds it never met,
# which doubt cannot show: hence the surprises.
SHARES = {EVENT: 0.4, NEAR_MISS: 0.4, SURPRISE: 0.2}
# Events and near misses of less doubt than this (odds 75 times those of the threshold, or as much
# less) come only when nothing else is left.
LEAST_DOUBT = 0.05
# Candidates held of a label and kind, as a multiple of the clips wanted; bounds memory.
HELD = 4
# Candidates of a recording, label and kind: at least so many, and more where recordings are few.
LEAST_EACH, EACH_SHARE = 8, 4


@dataclass(frozen=True)
class Pick:
    """A candidate that was chosen, and as what."""

    candidate: Candidate
    kind: str


def n_each(n_clips: int, n_recordings: int) -> int:
    """Most candidates of one recording, label and kind that are worth looking at."""
    return max(LEAST_EACH, -(-EACH_SHARE * n_clips // max(1, n_recordings)))


class CandidatePool:
    """Candidates of many recordings, in bounded memory.

    Of each label and kind those that weigh most and are unlike one another are held, ``HELD`` to
    twice as many times as there are clips (one or more) to be chosen. Equal seeds, and equal
    candidates in equal order, give equal picks.
    """

    def __init__(self, n_clips: int, seed: int) -> None:
        self.n_clips = n_clips
        self._rng = np.random.default_rng(seed)
        self._held: dict[tuple[str, str], list[Candidate]] = {}

    def add(self, found: Kinds) -> None:
        """Take the candidates of one more recording."""
        for key, candidates in found.items():
            held = self._held.setdefault(key, [])
            held += candidates
            if len(held) > 2 * HELD * self.n_clips:
                self._held[key] = weightiest(held, key[1], HELD * self.n_clips)

    def choose(self) -> list[Pick]:
        """The clips most worth a person's ear, best first; fewer where there are no more.

        In turn for each label and kind, by ``SHARES``: the candidate of most *worth*, which is its
        doubt (of a surprise: 1 - doubt), times how unlike in sound it is to the nearest one chosen
        (dB), over 1 + the clips already chosen from its recording. The first of all is drawn at
        random by its doubt. Clips never overlap. What is hardly doubted (``LEAST_DOUBT``), and more
        surprises than their share, only fill up what would be missing.

        Farthest-first choice weighted by uncertainty: k-center (Sener and Savarese 2018) alone
        would choose odd but certain sounds, uncertainty alone one sound many times.
        """
        groups = {key: _Group(held, key[1]) for key, held in self._held.items() if held}
        picks: list[Pick] = []
        for is_filling in (False, True):
            while len(picks) < self.n_clips:
                turn = self._turn(groups, len(picks) + 1, is_filling=is_filling)
                if turn is None:
                    break
                group = groups[turn]
                place = group.best() if picks else group.drawn(self._rng)
                picks.append(Pick(group.candidates[place], turn[1]))
                group.n_chosen += 1
                for one in groups.values():
                    one.passed(picks[-1].candidate)
        return picks

    def _turn(
        self, groups: dict[tuple[str, str], _Group], n_picks: int, *, is_filling: bool
    ) -> tuple[str, str] | None:
        """The group furthest behind its share, of those that have something to give."""
        n_labels = len({label for label, _ in groups})
        behind = {}
        for key, group in groups.items():
            share = SHARES[key[1]] / n_labels
            is_served = key[1] == SURPRISE and group.n_chosen >= share * self.n_clips
            if group.has_any(0.0 if is_filling else LEAST_DOUBT) and (is_filling or not is_served):
                behind[key] = share * n_picks - group.n_chosen
        return max(behind, key=lambda key: behind[key]) if behind else None


class _Group:
    """Candidates of one label and kind while clips are chosen."""

    def __init__(self, candidates: Sequence[Candidate], kind: str) -> None:
        self.candidates = candidates
        self.n_chosen = 0
        self._is_open = np.ones(len(candidates), dtype=bool)
        self._weights = np.array([weight(one, kind) for one in candidates])
        self._sounds: FloatArray = np.stack([one.sound for one in candidates])
        self._nearest_db = np.full(len(candidates), np.inf)
        self._n_of_recording = np.zeros(len(candidates), dtype=np.int64)
        self._recordings = np.array([one.recording for one in candidates], dtype=object)
        self._clips_s = np.array([one.clip_s for one in candidates])

    def has_any(self, least: float) -> bool:
        """Whether a candidate of at least this weight is open."""
        return bool((self._is_open & (self._weights >= least)).any())

    def best(self) -> int:
        """The open candidate of most worth, the first of equals."""
        worth = self._weights * self._nearest_db / (1 + self._n_of_recording)
        return int(np.argmax(np.where(self._is_open, worth, -1.0)))

    def drawn(self, rng: np.random.Generator) -> int:
        """An open candidate, drawn by its weight."""
        odds = np.where(self._is_open, self._weights + 1e-12, 0.0)
        return int(rng.choice(len(odds), p=odds / odds.sum()))

    def passed(self, chosen: Candidate) -> None:
        """One was chosen, of this group or another."""
        is_same = self._recordings == chosen.recording
        start_s, end_s = chosen.clip_s
        overlaps = (self._clips_s[:, 0] < end_s) & (self._clips_s[:, 1] > start_s)
        self._is_open &= ~(is_same & overlaps)
        self._n_of_recording += is_same
        self._nearest_db = np.minimum(self._nearest_db, differences_db(self._sounds, chosen.sound))
