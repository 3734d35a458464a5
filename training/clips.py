"""Clips of every origin joined into one set, and its sources split into sides and folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from counter.errors import ClipError
from training.clipfolders import ClipFolders
from training.clipset import BACKGROUND, Broken, Clip, ClipSet, Gathered
from training.cuts import annotated_calls
from training.reviewed import ReviewedClips
from training.settings import ClipSettings

__all__ = [
    "BACKGROUND",
    "Broken",
    "Clip",
    "ClipSet",
    "Split",
    "folds",
    "is_source_of",
    "read_clips",
    "split_sources",
]

# Share of clips or recordings that may fail to decode before training refuses.
MAX_BROKEN_SHARE = 0.1
Sources = tuple[str, ...]


class Origin(Protocol):
    """A way to find clips.

    Attributes
    ----------
    labels : tuple of str
        Labels that it knows of.
    """

    @property
    def labels(self) -> tuple[str, ...]: ...

    def gather(self, labels: Sequence[str], sample_rate_hz: int) -> Gathered:
        """Decode all of its clips; ``Clip.label`` is an index into ``labels``."""


def origins_of(settings: ClipSettings) -> list[Origin]:
    """Every origin of clips that the settings ask for."""
    origins: list[Origin] = [ClipFolders(settings)]
    if settings.annotations is not None:
        origins.append(annotated_calls(settings))
    return origins + [ReviewedClips(Path(folder)) for folder in settings.reviewed]


def read_clips(
    settings: ClipSettings, sample_rate_hz: int, *, needs_background: bool = True
) -> ClipSet:
    """Decode every clip of every origin at one rate.

    The labels are those of the settings; where these name none, all that the origins know of.
    Without ``needs_background``, several labels may stand for themselves.

    Raises
    ------
    ClipError
        A folder is missing or empty, no label is named, a label has one source only, or more than
        a tenth of an origin's files don't decode.
    CallcountError
        Annotations or a table of reviewed clips that cannot be used.
    """
    origins = origins_of(settings)
    labels = tuple(settings.labels) or tuple(sorted({x for one in origins for x in one.labels}))
    if not labels:
        raise ClipError(
            f"{settings.annotations} has no labels.", "Name what was marked with --label."
        )
    gathered = [origin.gather(labels, sample_rate_hz) for origin in origins]
    for one in gathered:
        _check_broken(one)
    clip_set = ClipSet(
        labels,
        sample_rate_hz,
        _same_sources(gathered),
        broken=tuple(broken for one in gathered for broken in one.broken),
        origins=tuple(one.origin for one in gathered if one.origin),
        remarks=tuple(remark for one in gathered for remark in one.remarks),
    )
    has_background = bool(clip_set.of(BACKGROUND) or settings.background)
    if needs_background or has_background or len(labels) < 2:
        _check_sources(clip_set, [*range(len(labels)), BACKGROUND])
    else:
        _check_sources(clip_set, range(len(labels)))
    return clip_set


def _same_sources(gathered: Sequence[Gathered]) -> tuple[Clip, ...]:
    """All clips; those that may be of one recording have one source, wherever they come from.

    A folder's clips go by the recording's bare name, those cut from it by its path, which depends
    on the folder that was given: paths of two origins are alike where the longer ends as the other.
    """
    named = {clip.source for one in gathered if not one.is_by_path for clip in one.clips}
    sources: dict[str, str] = {}
    for one in gathered:
        paths = {clip.source for clip in one.clips} if one.is_by_path else ()
        found = {}
        for path in sorted(paths):
            stem = PurePosixPath(path).stem
            alike = [other for other in sources if _ends_alike(other, path)]
            own = stem if stem in named else path
            found[path] = sources[alike[0]] if alike else own
            sources |= dict.fromkeys(alike, found[path])
        sources |= found
    return tuple(
        replace(clip, source=sources[clip.source]) if one.is_by_path else clip
        for one in gathered
        for clip in one.clips
    )


def is_source_of(source: str, recording: str) -> bool:
    """Whether clips of this source may have been cut from the recording at this path."""
    return source == PurePosixPath(recording).stem or _ends_alike(source, recording)


def _ends_alike(path: str, other: str) -> bool:
    parts, others = PurePosixPath(path).parts, PurePosixPath(other).parts
    n = min(len(parts), len(others))
    return parts[-n:] == others[-n:]


def _check_broken(gathered: Gathered) -> None:
    if len(gathered.broken) > MAX_BROKEN_SHARE * gathered.n_files:
        listed = "; ".join(f"{b.path}: {b.reason}" for b in gathered.broken[:3])
        more = " ..." if len(gathered.broken) > 3 else ""
        raise ClipError(
            f"{len(gathered.broken)} of {gathered.n_files} {gathered.unit} cannot be used "
            f"({listed}{more}).",
            "Repair or remove them.",
        )


def _check_sources(clip_set: ClipSet, classes: Sequence[int]) -> None:
    for label in classes:
        n_sources = len(clip_set.sources_of(label))
        if n_sources < 2:
            more = "annotate more recordings, or set clips.source_pattern"
            if label == BACKGROUND:
                more = "give --negative, lower clips.margin_s, or set clips.source_pattern"
            raise ClipError(
                f"{clip_set.named(label)} has {n_sources} source(s); at least 2 are needed to test "
                "on unseen ones.",
                f"Add clips cut from other recordings, {more}.",
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
            raise ClipError(
                f"{clip_set.named(label)} shares its few sources with others, and none was left to "
                "train on.",
                "Add clips cut from other recordings, or try another --seed.",
            )


def split_sources(clip_set: ClipSet, settings: ClipSettings, seed: int) -> Split:
    """Split by source into train, validation and test, each class in about the shares asked for.

    Every class keeps at least one source in train and in validation; test is left empty of a class
    that has too few sources for its share to be a whole one.

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
        # Of few sources none is spared for a test: each serves as the unseen one in a fold.
        n_test = max(0, min(int(len(sources) * settings.test_share + 1e-9), len(sources) - 2))
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
