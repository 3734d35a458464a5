"""Sources of clips: folders and reviewed clips, joined with annotations; split into folds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from counter.config import suggest
from counter.errors import AudioError, CallcountError, ClipError
from counter.mining.mine_table import NO_CALL, UNSURE, ClipAnswer, read_review
from counter.storage.inputs import find_recordings
from counter.timebase import Timebase
from training.data.annotated_clips import (
    SHORTEST_BACKGROUND_S,
    AnnotatedCalls,
    annotated_calls,
)
from training.data.clip_set import (
    BACKGROUND,
    SHORTEST_CLIP_S,
    Asked,
    Broken,
    Clip,
    ClipSet,
    Gathered,
    KnownRecording,
    Plain,
    covers,
    read_clip,
)
from training.settings.train_settings import ClipSettings

DATA_HINT = (
    "Expected: one folder of clips with the call, one without; data/README.md says where the "
    "Capuchinbird clips come from. Or name your own with --positive and --negative."
)


class ClipFolders:
    """The folders of the settings, of each label and of the background: an origin of clips.

    Raises
    ------
    ClipError
        The pattern is no regular expression, or has no group ``source``.
    """

    def __init__(self, settings: ClipSettings) -> None:
        self._settings = settings
        self._pattern = _pattern(settings.source_pattern)
        self.labels = tuple(settings.labels)

    def gather(self, labels: Sequence[str], sample_rate_hz: int) -> Gathered:
        """Decode every clip at one rate.

        Raises
        ------
        ClipError
            A folder is missing or empty, or a name does not match the pattern.
        """
        clips: list[Clip] = []
        broken: list[Broken] = []
        for label, folder in self._folders(labels):
            for path in _files(Path(folder)):
                try:
                    samples = read_clip(path, sample_rate_hz)
                except AudioError as error:
                    broken.append(Broken(str(path), str(error)))
                    continue
                clips.append(Clip(path.name, self._source(path), label, samples))
        return Gathered(tuple(clips), broken=tuple(broken), n_files=len(clips) + len(broken))

    def paths(self) -> tuple[list[Path], list[Path]]:
        """Clips with a call of any label, and those without.

        Raises
        ------
        ClipError
            A folder is missing or empty.
        """
        folders = self._folders(self.labels)
        found = [(label, path) for label, folder in folders for path in _files(Path(folder))]
        calls = [path for label, path in found if label != BACKGROUND]
        return calls, [path for label, path in found if label == BACKGROUND]

    def _folders(self, labels: Sequence[str]) -> list[tuple[int, str]]:
        """Background first, then the labels in their order."""
        of_labels = self._settings.labels
        folders = [(BACKGROUND, folder) for folder in self._settings.background]
        return folders + [(labels.index(name), f) for name in of_labels for f in of_labels[name]]

    def _source(self, path: Path) -> str:
        found = self._pattern.match(path.stem)
        if found is None:
            pattern = self._settings.source_pattern
            raise ClipError(f"clip {path.name} does not match source_pattern {pattern!r}.")
        return found["source"]


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


class ReviewedClips:
    """A folder that ``callcount mine`` wrote, its table filled in: an origin of clips.

    Raises what ``read_review`` raises.
    """

    # A slip of the pen in a table must not become a label of the model.
    labels: tuple[str, ...] = ()

    def __init__(self, folder: Path) -> None:
        self._review = read_review(folder)

    def gather(self, labels: Sequence[str], sample_rate_hz: int) -> Gathered:
        """Cut the call or the background out of every clip that was labelled.

        Raises
        ------
        ClipError
            A label that is none of ``labels``, or a call shorter than ``SHORTEST_CLIP_S``.
        """
        review = self._review
        for answer in review.answers:
            _check(answer, labels)
        clips: list[Clip] = []
        broken: list[Broken] = []
        for answer in review.answers:
            try:
                clips.append(self._clip(answer, labels, sample_rate_hz))
            except AudioError as error:
                broken.append(Broken(str(answer.path), str(error)))
        least = SHORTEST_BACKGROUND_S * sample_rate_hz
        used = [x for x in clips if x.label != BACKGROUND or len(x.samples) + 1 >= least]
        return Gathered(
            tuple(used),
            broken=tuple(broken),
            n_files=len(review.answers),
            unit="reviewed clips",
            is_by_path=True,
            origin=self._origin(labels),
            remarks=tuple(self._remarks(len(clips) - len(used))),
        )

    def _clip(self, answer: ClipAnswer, labels: Sequence[str], sample_rate_hz: int) -> Clip:
        mined, plan = answer.mined, self._review.plan
        whole = read_clip(answer.path, sample_rate_hz)
        timebase = Timebase(sample_rate_hz, 1)
        span_s = (mined.call_start_s, mined.call_end_s)
        asked_s = (answer.start_s, answer.end_s) if answer.label else span_s
        return Clip(
            name=f"{self._review.folder.name}/{mined.clip}",
            source=mined.recording,
            label=labels.index(answer.label) if answer.label else BACKGROUND,
            samples=whole[timebase.samples(answer.start_s) : timebase.samples(answer.end_s)],
            asked=Asked(
                bundle=f"{plan.bundle['name']} {plan.bundle['hash'][:8]}",
                count_error=plan.count_error.get(mined.candidate),
                recording=mined.recording,
                candidate=mined.candidate,
                span_s=asked_s,
                was_counted=mined.is_counted and covers(span_s, asked_s),
                score=mined.score,
                samples=whole,
            ),
        )

    def _origin(self, labels: Sequence[str]) -> dict[str, Plain]:
        review = self._review
        answered = [one.label for one in review.answers]
        return {
            "reviewed": str(review.folder),
            "mined_by": review.plan.bundle["name"],
            "bundle_hash": review.plan.bundle["hash"],
            **{f"calls_of_{label}": answered.count(label) for label in labels},
            "no_call": answered.count(""),
            "unsure": review.n_unsure,
            "not_looked_at": review.n_open,
        }

    def _remarks(self, n_short: int) -> list[str]:
        review = self._review
        remarks = []
        if review.n_open or review.n_unsure:
            remarks.append(
                f"{review.folder}: {len(review.answers)} of {len(review.plan.clips)} clips are "
                f"used; {review.n_unsure} are unsure, {review.n_open} not filled in"
            )
        if n_short:
            remarks.append(
                f"{review.folder}: {n_short} stretches without a call are beside one and shorter "
                f"than {SHORTEST_BACKGROUND_S} s: not used"
            )
        return remarks


def _check(answer: ClipAnswer, labels: Sequence[str]) -> None:
    if answer.label and answer.label not in labels:
        near = suggest(answer.label, [*labels, *NO_CALL, UNSURE])
        raise ClipError(
            f"{answer.place}: label {answer.label!r}{near} is none of those to train on: "
            f"{', '.join(labels)}.",
            f"Write one of them, `{NO_CALL[0]}` or `{UNSURE}`, or leave it empty.",
        )
    if answer.label and answer.end_s - answer.start_s < SHORTEST_CLIP_S:
        raise ClipError(
            f"{answer.place}: the call is {answer.end_s - answer.start_s:.4f} s long; at least "
            f"{SHORTEST_CLIP_S} s are needed.",
            "Correct call_start_s and call_end_s.",
        )


# Share of clips or recordings that may fail to decode before training refuses.
MAX_BROKEN_SHARE = 0.1
Sources = tuple[str, ...]


# A way to find clips: the labels that it knows of, and all of its clips decoded.
ClipOrigin = ClipFolders | AnnotatedCalls | ReviewedClips


def _origins(settings: ClipSettings) -> list[ClipOrigin]:
    """Every origin of clips that the settings ask for."""
    origins: list[ClipOrigin] = [ClipFolders(settings)]
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
    origins = _origins(settings)
    labels = tuple(settings.labels) or tuple(sorted({x for one in origins for x in one.labels}))
    if not labels:
        raise ClipError(
            f"{settings.annotations} has no labels.", "Name what was marked with --label."
        )
    gathered = [origin.gather(labels, sample_rate_hz) for origin in origins]
    for one in gathered:
        _check_broken(one)
    clips, recordings = _same_sources(gathered)
    clip_set = ClipSet(
        labels,
        sample_rate_hz,
        clips,
        recordings=recordings,
        n_known_calls=tuple(
            sum(call[0] == label for one in recordings for call in one.calls)
            for label in range(len(labels))
        ),
        broken=tuple(broken for one in gathered for broken in one.broken),
        origins=tuple(one.origin for one in gathered if one.origin),
        remarks=tuple(remark for one in gathered for remark in one.remarks),
    )
    has_background = bool(clip_set.of(BACKGROUND) or settings.background)
    needs_background = needs_background or has_background or len(labels) < 2
    _check_sources(clip_set, [*range(len(labels)), *[BACKGROUND] * needs_background])
    return clip_set


def _same_sources(
    gathered: Sequence[Gathered],
) -> tuple[tuple[Clip, ...], tuple[KnownRecording, ...]]:
    """All clips and recordings; what may be of one recording has one source, wherever it is from.

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
    clips = tuple(
        replace(clip, source=sources[clip.source]) if one.is_by_path else clip
        for one in gathered
        for clip in one.clips
    )
    recordings = (recording for one in gathered for recording in one.recordings)
    return clips, tuple(replace(one, source=sources[one.source]) for one in recordings)


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

    train: Sources
    validation: Sources
    test: Sources


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
