"""Find clips, label them by folder, group them by source, split the groups."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from counter.audio import load
from counter.errors import AudioError, CallcountError, ClipError
from counter.files import find_recordings
from counter.records import FloatArray
from training.settings import ClipSettings

# Share of clips that may fail to decode before training refuses.
MAX_BROKEN_SHARE = 0.1
SHORTEST_CLIP_S = 0.05
BACKGROUND = -1
Sources = tuple[str, ...]
DATA_HINT = (
    "Expected: one folder of clips with the call, one without; data/README.md says where the "
    "Capuchinbird clips come from. Or name your own with --positive and --negative."
)


@dataclass(frozen=True)
class Clip:
    """One clip, decoded as scanning decodes.

    Attributes
    ----------
    name : str
        File name.
    source : str
        What it was cut from; clips of one source never stand on two sides of a split.
    label : int
        Index into the labels, ``BACKGROUND`` where it holds no label.
    samples : array of float32, shape (n_samples,)
        Mono sound at the model's rate.
    """

    name: str
    source: str
    label: int
    samples: FloatArray


@dataclass(frozen=True)
class Broken:
    """A clip that could not be used, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class ClipSet:
    """Clips of all labels and the background.

    Attributes
    ----------
    labels : tuple of str
        Names of the labels.
    sample_rate_hz : int
        Rate of every clip's samples.
    clips : tuple of Clip
        All that decode, in order of folder and name.
    broken : tuple of Broken
        All that don't.
    """

    labels: tuple[str, ...]
    sample_rate_hz: int
    clips: tuple[Clip, ...]
    broken: tuple[Broken, ...] = ()

    def subset(self, sources: Sequence[str]) -> ClipSet:
        """The clips of the given sources."""
        kept = set(sources)
        return replace(self, clips=tuple(c for c in self.clips if c.source in kept), broken=())

    def of(self, label: int) -> list[Clip]:
        """The clips of one label, ``BACKGROUND`` for those without."""
        return [clip for clip in self.clips if clip.label == label]

    def sources_of(self, label: int) -> list[str]:
        """Sources of one label, in order of name."""
        return sorted({clip.source for clip in self.of(label)})

    def classes(self) -> list[int]:
        """Background, then every label."""
        return [BACKGROUND, *range(len(self.labels))]


def read_clips(settings: ClipSettings, sample_rate_hz: int) -> ClipSet:
    """Decode every clip of the configured folders at one rate.

    Raises
    ------
    ClipError
        A folder is missing or empty, a label has one source only, or more than a tenth of the
        clips don't decode.
    """
    pattern = _pattern(settings.source_pattern)
    labels = tuple(settings.labels)
    folders = [(BACKGROUND, f) for f in settings.background]
    folders += [(labels.index(name), f) for name in labels for f in settings.labels[name]]
    clips: list[Clip] = []
    broken: list[Broken] = []
    for label, folder in folders:
        for path in _files(Path(folder)):
            try:
                samples = _samples(path, sample_rate_hz)
            except AudioError as error:
                broken.append(Broken(str(path), str(error)))
                continue
            clips.append(Clip(path.name, _source(pattern, path), label, samples))
    clip_set = ClipSet(labels, sample_rate_hz, tuple(clips), tuple(broken))
    _check(clip_set)
    return clip_set


def _pattern(text: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise ClipError(f"source_pattern {text!r} is no regular expression: {error}.") from error
    if "source" not in pattern.groupindex:
        raise ClipError(f"source_pattern {text!r} has no group (?P<source>...).")
    return pattern


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ClipError(f"clip folder {folder} does not exist.", DATA_HINT)
    try:
        return [Path(recording.path) for recording in find_recordings([folder])]
    except CallcountError as error:
        raise ClipError(f"clip folder {folder}: {error.what}", DATA_HINT) from error


def _samples(path: Path, sample_rate_hz: int) -> FloatArray:
    samples, facts = load(path, sample_rate_hz)
    if facts.n_nonfinite:
        raise AudioError(f"{facts.n_nonfinite} samples are NaN or infinite")
    if len(samples) < SHORTEST_CLIP_S * sample_rate_hz:
        length_s = len(samples) / sample_rate_hz
        raise AudioError(f"too short: {length_s:.3f} s; at least {SHORTEST_CLIP_S} s are needed")
    return samples


def _source(pattern: re.Pattern[str], path: Path) -> str:
    found = pattern.match(path.stem)
    if found is None:
        raise ClipError(f"clip {path.name} does not match source_pattern {pattern.pattern!r}.")
    return found["source"]


def _check(clip_set: ClipSet) -> None:
    total = len(clip_set.clips) + len(clip_set.broken)
    if len(clip_set.broken) > MAX_BROKEN_SHARE * total:
        listed = "; ".join(f"{b.path}: {b.reason}" for b in clip_set.broken[:3])
        raise ClipError(
            f"{len(clip_set.broken)} of {total} clips cannot be used ({listed} ...).",
            "Repair or remove them.",
        )
    for label in clip_set.classes():
        n_sources = len(clip_set.sources_of(label))
        if n_sources < 2:
            name = "background" if label == BACKGROUND else f"label '{clip_set.labels[label]}'"
            raise ClipError(
                f"{name} has {n_sources} source(s); at least 2 are needed to test on unseen ones.",
                "Add clips cut from other recordings, or set clips.source_pattern.",
            )


@dataclass(frozen=True)
class Split:
    """Sources of each side; no source stands on two."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


def _deal(clip_set: ClipSet, n_hands: int, rng: np.random.Generator) -> list[list[str]]:
    """Deal the sources of every class into hands of nearly equal numbers of clips.

    Sources go from the largest to the smallest, equals in random order, to the hand that has the
    fewest clips of that class so far.
    """
    hands: list[list[str]] = [[] for _ in range(n_hands)]
    for label in _rarest_first(clip_set):
        clips = clip_set.of(label)
        dealt = {source for hand in hands for source in hand}
        sources = [source for source in clip_set.sources_of(label) if source not in dealt]
        size = {s: sum(1 for c in clips if c.source == s) for s in sources}
        order = rng.permutation(len(sources))
        ranked = sorted((sources[i] for i in order), key=lambda s: -size[s])
        loads: NDArray[np.float64] = rng.random(n_hands) * 1e-3
        loads += [sum(1 for c in clips if c.source in hand) for hand in hands]
        for source in ranked:
            hand = int(np.argmin(loads))
            hands[hand].append(source)
            loads[hand] += size[source]
    return hands


def _rarest_first(clip_set: ClipSet) -> list[int]:
    """Classes by number of sources: those that share theirs with others have least choice."""
    return sorted(clip_set.classes(), key=lambda label: len(clip_set.sources_of(label)))


def _require_all(clip_set: ClipSet, sources: Sequence[str]) -> None:
    """Make sure that there is something to train on of every class."""
    known = {clip.label for clip in clip_set.subset(sources).clips}
    for label in clip_set.classes():
        if label not in known:
            name = "background" if label == BACKGROUND else f"label '{clip_set.labels[label]}'"
            raise ClipError(
                f"{name} shares its few sources with others, and none was left to train on.",
                "Add clips cut from other recordings, or try another --seed.",
            )


def split_sources(clip_set: ClipSet, settings: ClipSettings, seed: int) -> Split:
    """Split by source into train, validation and test, each class in about the shares asked for.

    Every class keeps at least one source in train and in validation; test is left empty of a class
    that has too few sources.

    Raises
    ------
    ClipError
        Several classes share so few sources that one has none to train on.
    """
    rng = np.random.default_rng([seed, 1])
    sides: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for label in _rarest_first(clip_set):
        dealt = {source for side in sides.values() for source in side}
        sources = np.array([s for s in clip_set.sources_of(label) if s not in dealt], dtype=object)
        rng.shuffle(sources)
        n_test = max(0, min(round(len(sources) * settings.test_share), len(sources) - 2))
        n_validation = max(1, round(len(sources) * settings.validation_share))
        n_validation = max(0, min(n_validation, len(sources) - n_test - 1))
        sides["test"] += sources[:n_test].tolist()
        sides["validation"] += sources[n_test : n_test + n_validation].tolist()
        sides["train"] += sources[n_test + n_validation :].tolist()
    _require_all(clip_set, sides["train"])
    return Split(*(tuple(sorted(sides[side])) for side in ("train", "validation", "test")))


def folds(clip_set: ClipSet, n_folds: int, seed: int) -> list[tuple[Sources, Sources]]:
    """``n_folds`` pairs (sources to train on, sources held out); each source is held out once.

    A class with fewer sources than folds leaves some folds without a held-out source of it.

    Raises
    ------
    ClipError
        Several classes share so few sources that a fold has none of one to train on.
    """
    hands = _deal(clip_set, n_folds, np.random.default_rng([seed, 2]))
    every = [source for hand in hands for source in hand]
    pairs = [(tuple(sorted(set(every) - set(hand))), tuple(sorted(hand))) for hand in hands if hand]
    for kept, _ in pairs:
        _require_all(clip_set, kept)
    return pairs
