"""Who is compared, and on what: models of recipes, clips that are the same for all, their folds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from counter.errors import ClipError, ConfigError
from training.clips import ClipSet, folds, read_clips
from training.settings import ClipSettings, FrontEndSettings, TrainSettings
from training.windowfit import check_windows

DEFAULT_FOLDS = 5
# The group of clips.source_pattern that says which published fold a clip is in.
FOLD_GROUP = "fold"
Sources = tuple[str, ...]


@dataclass(frozen=True)
class Candidate:
    """A model to compare.

    Attributes
    ----------
    name : str
        As tables and pictures call it.
    settings : TrainSettings
    model : str
        Which of ``settings.models``.
    """

    name: str
    settings: TrainSettings
    model: str

    @property
    def front_end(self) -> FrontEndSettings:
        """Its front end."""
        return self.settings.models[self.model]


def candidates(recipes: Sequence[tuple[str, TrainSettings]]) -> list[Candidate]:
    """Every model of every recipe; a recipe of several models gives ``recipe-model`` each.

    Raises
    ------
    ConfigError
        Two have one name.
    """
    made = [
        Candidate(name if len(settings.models) == 1 else f"{name}-{model}", settings, model)
        for name, settings in recipes
        for model in settings.models
    ]
    for number, one in enumerate(made):
        if one.name in [other.name for other in made[:number]]:
            raise ConfigError(
                f"two recipes are named '{one.name}'.", "Name the files differently, or give one."
            )
    return made


class Arena:
    """The clips that all candidates are judged on, in the same folds.

    Parameters
    ----------
    entrants : sequence of Candidate
        One at least.
    n_folds : int or None
        Folds of sources; ``None`` for those that names tell (a group ``fold`` in
        ``clips.source_pattern``), else ``DEFAULT_FOLDS``.
    seed : int
        Of the folds, where they are dealt.

    Raises
    ------
    ClipError
        Clips that cannot be used, are not the same for all, or do not fit the folds.
    ConfigError
        ``n_folds`` where names tell the folds.
    """

    def __init__(self, entrants: Sequence[Candidate], n_folds: int | None, seed: int) -> None:
        self._sets: dict[tuple[str, int, bool], ClipSet] = {}
        first = entrants[0]
        for one in entrants:
            clips = self.clips(one)
            check_windows(one.settings, one.front_end, clips)
            _check_same(first, self.clips(first), one, clips)
        self.folds = _folds(first.settings.clips, self.clips(first), n_folds, seed)

    def clips(self, candidate: Candidate) -> ClipSet:
        """All clips at the candidate's rate."""
        settings, rate_hz = candidate.settings, candidate.front_end.sample_rate_hz
        needs_background = not settings.has_windows
        key = settings.clips.model_dump_json(), rate_hz, needs_background
        if key not in self._sets:
            self._sets[key] = read_clips(settings.clips, rate_hz, needs_background=needs_background)
        return self._sets[key]


def _check_same(first: Candidate, clips: ClipSet, other: Candidate, its: ClipSet) -> None:
    def told(one: ClipSet) -> list[tuple[str, str, str]]:
        return [(clip.name, clip.source, one.named(clip.label)) for clip in one.clips]

    if told(clips) != told(its):
        raise ClipError(
            f"'{first.name}' and '{other.name}' name different clips, labels or sources.",
            "Give the same clips to all, with --clips or --set clips....",
        )


def _folds(
    settings: ClipSettings, clips: ClipSet, n_folds: int | None, seed: int
) -> list[tuple[Sources, Sources]]:
    """Pairs (sources to train on, sources held out)."""
    pattern = re.compile(settings.source_pattern)
    if FOLD_GROUP not in pattern.groupindex:
        return folds(clips, n_folds or DEFAULT_FOLDS, seed)
    if n_folds is not None:
        raise ConfigError(
            "clips.source_pattern has a group 'fold', which tells the folds.", "Leave out --cv."
        )
    return published_folds(pattern, clips)


def published_folds(pattern: re.Pattern[str], clips: ClipSet) -> list[tuple[Sources, Sources]]:
    """The folds that the clips' names tell, in order of name.

    Raises
    ------
    ClipError
        A name tells none, a source stands in two, there is one fold only, or a class is all in one.
    """
    fold_of: dict[str, str] = {}
    for clip in clips.clips:
        found = pattern.match(Path(clip.name).stem)
        if found is None or found[FOLD_GROUP] is None:
            raise ClipError(f"clip {clip.name} has no group 'fold' by clips.source_pattern.")
        if fold_of.setdefault(clip.source, found[FOLD_GROUP]) != found[FOLD_GROUP]:
            raise ClipError(
                f"source {clip.source} stands in the folds {fold_of[clip.source]} and "
                f"{found[FOLD_GROUP]}.",
                "Correct the names or clips.source_pattern: one source on both sides of a test "
                "makes every model look better than it is.",
            )
    pairs = []
    for fold in sorted(set(fold_of.values())):
        kept = tuple(sorted(source for source, of in fold_of.items() if of != fold))
        known = {clip.label for clip in clips.subset(kept).clips}
        for label in sorted({clip.label for clip in clips.clips} - known):
            raise ClipError(
                f"all clips of {clips.named(label)} are in fold {fold}: none is left to train on."
            )
        pairs.append((kept, tuple(sorted(source for source, of in fold_of.items() if of == fold))))
    return pairs
