"""Model card: what a model is, what it learned from, how well it counts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from training.validation.clip_metrics import plain_text
from training.validation.review_effect import HOW_TO_READ, Change

LAID, IN_A_ROW, ANNOTATED = "laid", "in a row", "annotated"

_FOLDS = {
    LAID: (
        "Each fold's model scored recordings made of sources it had not met: calls laid over "
        "backgrounds at known times, sparse and in chorus, a third without any call"
    ),
    IN_A_ROW: (
        "Each fold's model scored recordings made of sources it had not met: clips one after "
        "another, each of another label than the one before"
    ),
    ANNOTATED: "Each fold's model scored the annotated recordings that it had not met",
}
_CHOSEN = (
    ". The rules of least count error on all of these were taken: of equals the strictest of what "
    "shortens, drops or keeps whole, else the middle."
)
_MEAN = (
    " The model is the mean of the folds' models, and makes fewer false events than each of them "
    "alone, on which the rules were learned: so the threshold stands a third of the way from the "
    "lowest to the highest of its equals."
)
_SCORED_BY = {
    True: " (each by one of the folds' models alone, not by their mean).",
    False: " (cross-fitted over folds of sources, and the final model on those of validation).",
}


def how_rules(learned_on: str, *, is_mean: bool) -> str:
    """How rules were found; ``is_mean``: whether the model is the mean of the folds' models."""
    if is_mean:
        return _FOLDS[learned_on] + _CHOSEN + _MEAN
    those = "those of validation" if learned_on == ANNOTATED else "the validation sources"
    final = f"; the final model did the same with {those}"
    return _FOLDS[learned_on] + final + _CHOSEN


def how_expected(learned_on: str, *, is_mean: bool) -> str:
    """What the expected figures were found on; as ``how_rules``."""
    met, more = "Made recordings of sources", "somewhat more"
    if learned_on == ANNOTATED:
        met, more = "Annotated recordings", "more"
    return (
        f"{met} that the scoring model had not met{_SCORED_BY[is_mean]}"
        f" The rules were chosen on these same recordings, so expect {more} error."
    )


_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~$&!])")


@dataclass(frozen=True)
class SplitCount:
    """Clips and sources of one class in one split; a clip of two labels counts for both."""

    split: str
    label: str
    clips: int
    sources: int


@dataclass(frozen=True)
class ExpectedCounts:
    """Figures of counting on recordings of held-out sources."""

    how: str  # how the recordings were made and what had not met their sources, a sentence or two
    recordings: int  # that were made
    calls: int  # laid into them
    hours: float  # length of all of them
    background_hours: float  # of those without any call
    count_error: float  # mean absolute error, calls a recording
    recording_s: float  # mean length of a recording in seconds
    # Events found in an hour without any call; ``None`` where no such hour was made.
    false_events_per_hour: float | None
    found: int = 0  # events that were found
    # Of each label, the error to expect of a total, a share of it; ``None`` where nothing called.
    total_error: tuple[tuple[str, float | None], ...] = ()
    is_on_made: bool = True  # whether made recordings are among them


@dataclass(frozen=True)
class Parity:
    """How far an exported model's frame scores lie from those of the model that was trained."""

    variant: str  # ``float32`` or ``int8``
    clips: int
    largest_difference: float  # absolute, of a score, 0 to 1
    tolerance: float  # what was allowed
    chosen: bool  # whether the bundle holds this variant as its model


@dataclass(frozen=True)
class CardData:
    """Everything that a model card says; texts are plain, markup in them is escaped."""

    name: str
    description: str  # what it is: front end, network, rate, band, in a sentence or two
    labels: tuple[str, ...]  # what it counts
    command: str  # the command that trained it, as typed
    seed: int  # of everything random in training
    counts: Sequence[SplitCount]  # the clips, background among the labels
    data_licence: str  # licence and origin of the clips
    reports: Mapping[str, Mapping[str, Any]]  # a split's, as ``split_reports`` gives them
    rules: Mapping[str, float]  # the event rules as in the bundle, units in the names
    rules_how: str  # how they were found
    expected: ExpectedCounts | None  # ``None`` where the rules were not fitted
    parity: Sequence[Parity]  # one per exported variant
    limits: Sequence[str] = ()  # beside those of every model trained this way
    versions: Mapping[str, str] = field(default_factory=dict)
    skipped: Sequence[str] = ()  # clips and recordings that could not be read
    # Where clips come from and how many, beside the folders of the config.
    origins: Sequence[str] = ()
    changes: Sequence[Change] = ()  # what reviewed clips changed; empty where there are none
    warnings: Sequence[str] = ()  # what speaks against counting with it, each with what to bring


COMMON_LIMITS = (
    "A score is no probability: only its order and the rules below have a meaning.",
    "It knows the sounds of its clips. Other places, seasons, recorders and species that sound "
    "alike can raise and lower the count; check a sample of every new site by ear.",
    "Calls fainter than those in the clips, and calls that overlap fully, are missed.",
    "Counts are counts of calls, not of animals.",
)


def escape(text: str) -> str:
    """One line of plain text that Markdown shows as it is, in a table cell too."""
    return _MARKUP.sub(r"\\\1", plain_text(text))


def model_card(data: CardData) -> str:
    """The card as Markdown; ``not defined`` stands for a figure that the clips do not allow.

    Returns
    -------
    str
        Text that ends in a line break and holds no character that UTF-8 cannot encode.
    """
    command = "\n".join(f"    {plain_text(line)}" for line in data.command.splitlines())
    warned = "\n".join(f"- {escape(line)}" for line in data.warnings)
    doubts = [f"## Before you count with it\n\n{warned}"] if data.warnings else []
    changed = [f"## What the reviewed clips changed\n\n{_changes(data)}"] if data.changes else []
    sections = [
        f"# {escape(data.name)}\n\n{escape(data.description)}\n\n"
        f"Labels: {', '.join(escape(label) for label in data.labels)}.\n\n"
        f"Trained with seed {data.seed} by\n\n{command}",
        *doubts,
        f"## Data\n\n{_data(data)}",
        f"## Clips of unseen sources\n\n{_metrics(data.reports)}",
        f"## Event rules\n\n{_rules(data)}",
        f"## Expected errors of counts\n\n{_expected(data.expected)}",
        *changed,
        f"## Export\n\n{_parity(data.parity)}",
        "## Limits\n\n" + "\n".join(f"- {escape(line)}" for line in [*data.limits, *COMMON_LIMITS]),
        f"## Versions\n\n{_table(('package', 'version'), sorted(data.versions.items()))}",
    ]
    return "\n\n".join(sections) + "\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table; numbers, which are the columns after the first, stand on the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)]]
    lines += [[escape(str(cell)) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _figure(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.3f}"


def _data(data: CardData) -> str:
    rows = [(f"{c.split}: {c.label}", c.clips, c.sources) for c in data.counts]
    text = (
        f"{_table(('split: class', 'clips', 'sources'), rows)}\n\n"
        "A source is the recording that clips were cut from; none stands in two splits.\n\n"
        f"Licence: {escape(data.data_licence)}"
    )
    text += "".join(f"\n\nClips from {escape(origin)}." for origin in data.origins)
    if data.skipped:
        names = ", ".join(escape(name) for name in data.skipped)
        text += f"\n\nFiles that could not be read and were left out: {names}."
    return text


def _metrics(reports: Mapping[str, Mapping[str, Any]]) -> str:
    keys = ("precision", "recall", "f1", "roc_auc", "average_precision")
    rows = [
        (f"{split}: {label}", figures["support"], *(_figure(figures[key]) for key in keys))
        for split, report in reports.items()
        for label, figures in report["labels"].items()
    ]
    header = ("split: label", "clips with it", "precision", "recall", "F1", "ROC AUC")
    spreads = "\n".join(_spread(split, report["spread"]) for split, report in reports.items())
    return (
        f"{_table((*header, 'average precision'), rows)}\n\n{spreads}\n\n"
        "Intervals come from resampling whole sources. An interval without width only says that "
        "no source here was hard, and good figures on clips do not make good counts: see below."
    )


def _spread(split: str, spread: Mapping[str, Any]) -> str:
    accuracy, auc = (_with_interval(spread[key]) for key in ("accuracy", "roc_auc"))
    line = (
        f"- {escape(split)}, {len(spread['sources'])} sources: accuracy {accuracy}, AUC {auc}; "
        f"accuracy of a source: median {_figure(spread['median_accuracy'])}, "
        f"lowest {_figure(spread['min_accuracy'])}"
    )
    worst = ", ".join(escape(name) for name in spread["worst"])
    return f"{line} (most errors: {worst})." if worst else f"{line}."


def _with_interval(figure: Mapping[str, float | None]) -> str:
    if figure["low"] is None:
        return f"{_figure(figure['value'])} (too few sources for an interval)"
    return f"{_figure(figure['value'])} (95 %: {figure['low']:.3f} to {figure['high']:.3f})"


def _rules(data: CardData) -> str:
    rows = [(name, f"{value:g}") for name, value in data.rules.items()]
    return f"{escape(data.rules_how)}\n\n{_table(('rule', 'value'), rows)}"


_MADE = (
    "Made recordings are no field recordings. Real sites hold sounds that no clip showed, so read "
    "the figures as the least error to expect, and count some recordings by ear."
)
_MARKED = (
    "Other sites, seasons and recorders hold sounds that none of these recordings showed, so read "
    "the figures as what to expect where these were made, and count some others by ear."
)


def _expected(expected: ExpectedCounts | None) -> str:
    if expected is None:
        return "Not measured: the rules were not fitted, and what counts are worth is not known."
    e = expected
    false_events = "not measured"
    if e.false_events_per_hour is not None:
        false_events = (
            f"{e.false_events_per_hour:.2f} (over {e.background_hours:.2f} h without calls)"
        )
    rows = [
        (f"count error (mean, calls a recording of {e.recording_s:.3g} s)", f"{e.count_error:.3f}"),
        ("false events an hour without calls", false_events),
        ("calls known, events found", f"{e.calls}, {e.found}"),
    ]
    rows += [
        (f"error of a total of {label} to expect", "-" if share is None else f"{share:.0%}")
        for label, share in e.total_error
    ]
    where = _MADE if e.is_on_made else _MARKED
    return (
        f"{_table(('figure', 'value'), rows)}\n\n"
        f"Measured on {e.recordings} recordings ({e.hours:.2f} h, {e.calls} calls). "
        f"{escape(e.how)}\n\n{where}"
    )


def _changes(data: CardData) -> str:
    tables = [
        _table((f"{change.label}: {change.about()}", *change.models()), change.table())
        for change in data.changes
    ]
    return "\n\n".join([*tables, HOW_TO_READ])


def _parity(parity: Sequence[Parity]) -> str:
    if not parity:
        return "Not compared with the trained model."
    rows = [
        (
            f"{p.variant}, chosen" if p.chosen else p.variant,
            p.clips,
            f"{p.largest_difference:.2g}",
            f"{p.tolerance:.2g}",
        )
        for p in parity
    ]
    header = ("variant", "clips compared", "largest difference of a score", "allowed")
    return _table(header, rows)
