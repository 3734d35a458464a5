"""The model card: what a model is, what it learned from, how well it counts, what it cannot do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from training.difference import HOW_TO_READ, Change
from training.metrics import plain_text

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
    """Figures of counting on recordings of held-out sources.

    Attributes
    ----------
    how : str
        How the recordings were made and what had not met their sources, a sentence or two.
    recordings, calls : int
        Made recordings, and calls laid into them.
    hours, background_hours : float
        Length of all of them, and of those without any call.
    count_error : float
        Mean absolute error, calls a recording.
    recording_s : float
        Mean length of a recording in seconds.
    false_events_per_hour : float or None
        Events found in an hour without any call; ``None`` where no such hour was made.
    """

    how: str
    recordings: int
    calls: int
    hours: float
    background_hours: float
    count_error: float
    recording_s: float
    false_events_per_hour: float | None


@dataclass(frozen=True)
class Parity:
    """How far an exported model's frame scores lie from those of the model that was trained.

    Attributes
    ----------
    variant : str
        ``float32`` or ``int8``.
    clips : int
        Clips compared.
    largest_difference, tolerance : float
        Largest absolute difference of a score, 0 to 1, and what was allowed.
    chosen : bool
        Whether the bundle holds this variant as its model.
    """

    variant: str
    clips: int
    largest_difference: float
    tolerance: float
    chosen: bool


@dataclass(frozen=True)
class CardData:
    """Everything that a model card says; texts are plain, markup in them is escaped.

    Attributes
    ----------
    name : str
        Name of the model.
    description : str
        What it is: front end, network, rate, band, in a sentence or two.
    labels : tuple of str
        What it counts.
    command : str
        The command that trained it, as typed.
    seed : int
        Of everything random in training.
    counts : sequence of SplitCount
        The clips, background among the labels.
    data_licence : str
        Licence and origin of the clips.
    reports : mapping
        As `training.report.split_reports` gives, one entry per split.
    rules : mapping of str to float
        The event rules as in the bundle, units in the names.
    rules_how : str
        How they were found.
    expected : ExpectedCounts or None
        ``None`` where the rules were not fitted.
    parity : sequence of Parity
        One per exported variant.
    limits : sequence of str
        Limits of this model, beside those of every model trained this way.
    versions : mapping of str to str
        Packages and their versions.
    skipped : sequence of str
        Clips and recordings that could not be read.
    origins : sequence of str
        Where clips come from and how many, beside the folders of the config.
    changes : sequence of Change
        What reviewed clips changed; empty where there are none.
    """

    name: str
    description: str
    labels: tuple[str, ...]
    command: str
    seed: int
    counts: Sequence[SplitCount]
    data_licence: str
    reports: Mapping[str, Mapping[str, Any]]
    rules: Mapping[str, float]
    rules_how: str
    expected: ExpectedCounts | None
    parity: Sequence[Parity]
    limits: Sequence[str] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    skipped: Sequence[str] = ()
    origins: Sequence[str] = ()
    changes: Sequence[Change] = ()


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
    changed = [f"## What the reviewed clips changed\n\n{_changes(data)}"] if data.changes else []
    sections = [
        f"# {escape(data.name)}\n\n{escape(data.description)}\n\n"
        f"Labels: {', '.join(escape(label) for label in data.labels)}.\n\n"
        f"Trained with seed {data.seed} by\n\n{command}",
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
        (f"count error (mean, calls a recording of {e.recording_s:.0f} s)", f"{e.count_error:.3f}"),
        ("false events an hour without calls", false_events),
    ]
    return (
        f"{_table(('figure', 'value'), rows)}\n\n"
        f"Measured on {e.recordings} recordings ({e.hours:.2f} h, {e.calls} calls). "
        f"{escape(e.how)}\n\n"
        "These are no field recordings. Real sites hold sounds that no clip showed, so read the "
        "figures as the least error to expect, and count some recordings by ear."
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
