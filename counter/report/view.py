"""What a report tells, made of a finished scan; how it looks is the template's."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from pathlib import Path

from counter.output.reading import Results
from counter.records import FAILED, TRUNCATED
from counter.report.calendar import season_charts
from counter.report.cards import card_group, gallery_note
from counter.report.charts import Chart, label_inks, score_chart, short
from counter.report.estimates import Corrected
from counter.report.material import Material
from counter.report.page import Fact, Report
from counter.report.season import DAY, HOUR, SITE, hours_of_days
from counter.report.tables import (
    Cell,
    Column,
    Table,
    estimates_table,
    make_table,
    number,
    problems_table,
    recordings_table,
    sums_table,
)

_MANY = 12


def make_report(material: Material, title: str | None) -> Report:
    """Put together what a report tells; without a title it is named after labels and table."""
    results, places = material.results, material.places
    labels = results.labels
    inks = label_inks(labels)
    n_labels = len(labels)
    made = [
        sums_table(material.sums[of], of, material.estimates, n_labels=n_labels)
        for of in (SITE, DAY, HOUR)
    ]
    what = ", ".join(labels) if n_labels <= 3 else f"{n_labels} kinds of calls"
    return Report(
        title=title or f"{what} in {results.files.results.stem}",
        subtitle=_subtitle(material),
        facts=_facts(material),
        remarks=_remarks(material),
        inks=inks,
        problems=problems_table(results),
        corrected=estimates_table(material.estimates),
        season=season_charts(hours_of_days(results, places), labels, inks),
        sums=tuple(table for table in made if table is not None),
        groups=tuple(card_group(group, material) for group in material.groups),
        gallery_note=gallery_note(material),
        scores=_score_charts(results, inks),
        recordings=recordings_table(results, places, material.estimates),
        rules=_rules_table(results),
        card=material.model.card,
        card_note=material.model.note,
        details=_details(results),
    )


def _subtitle(material: Material) -> str:
    begun = [place.origin.start for place in material.places.values() if place.origin.start]
    days = sorted(start.date().isoformat() for start in begun)
    span = f"Recorded {days[0]} to {days[-1]}. " if days else ""
    facts = material.results.facts
    return (
        f"{span}Counted by model {facts.bundle['name']} with callcount "
        f"{facts.manifest['versions']['callcount']} on {str(facts.manifest['started'])[:10]}."
    )


def _effort_s(material: Material) -> float:
    places = material.places
    return sum(
        places[one.name].effort_s if one.name in places else one.scanned_s
        for one in material.results.recordings
        if one.status != FAILED
    )


def _facts(material: Material) -> tuple[Fact, ...]:
    """The figures that stand first."""
    results = material.results
    n_calls, effort_h = len(results.events.score), _effort_s(material) / 3600
    n_failed = sum(one.status == FAILED for one in results.recordings)
    n_done = len(results.recordings) - n_failed
    n_silent = sum(one.calls == 0 for one in results.recordings)
    failed = f", {n_failed} failed" if n_failed else ""
    facts = [Fact(f"{n_calls:,}", "calls counted", _by_label(results))]
    facts += [
        Fact(f"{one.overall.calls:,.0f}", f"{one.label}, corrected", _interval(one.overall))
        for one in material.estimates
    ]
    facts += [
        Fact(f"{n_done:,}", "recordings", f"{n_silent:,} without a call{failed}"),
        Fact(*_span(effort_h), "really listened to"),
    ]
    if effort_h:
        facts.append(Fact(short(n_calls / effort_h), "calls per hour listened"))
    sites = {place.origin.site for place in material.places.values() if place.origin.site}
    days = {place.origin.start.date() for place in material.places.values() if place.origin.start}
    if sites or days:
        name = f"site{'s' * (len(sites) != 1)}" if sites else f"day{'s' * (len(days) != 1)}"
        told = f"{len(days):,} days with recordings" if sites and days else ""
        facts.append(Fact(f"{len(sites) or len(days):,}", name, told))
    return tuple(facts)


def _interval(one: Corrected) -> str:
    return f"95 % interval {one.low:,.0f} to {one.high:,.0f}, from checks by ear"


def _by_label(results: Results) -> str:
    if len(results.labels) == 1:
        return results.labels[0]
    counts = [int((results.events.label == n).sum()) for n in range(len(results.labels))]
    told = [f"{label} {n:,}" for label, n in zip(results.labels, counts, strict=True)]
    return ", ".join(told[:_MANY]) + (", ..." if len(told) > _MANY else "")


def _span(hours: float) -> tuple[str, str]:
    if hours >= 1:
        return f"{hours:,.2f}" if hours < 100 else f"{hours:,.0f}", "hours"
    return f"{hours * 60:.1f}", "minutes"


def _remarks(material: Material) -> tuple[str, ...]:
    """What a reader has to know before using a number."""
    results = material.results
    n_failed = sum(one.status == FAILED for one in results.recordings)
    n_cut = sum(one.status == TRUNCATED for one in results.recordings)
    n_without = sum(place.origin.start is None for place in material.places.values())
    told = []
    if n_failed:
        has = "has" if n_failed == 1 else "have"
        told.append(f"{_some(n_failed)} could not be read and {has} no count, which is not 0.")
    if n_cut:
        told.append(f"{_some(n_cut)} could be scanned in part only: use calls per hour there.")
    if not material.estimates:
        told.append(
            "These are counts of a model that nobody has checked here. How sure they are is told "
            "by callcount sample and callcount estimate; the interval then stands in this report."
        )
    if n_without and n_without < len(material.places):
        told.append(f"{_some(n_without)} without a start time: in no chart over time.")
    return tuple(told)


def _some(n: int) -> str:
    return "One recording" if n == 1 else f"{n:,} recordings"


def _score_charts(results: Results, inks: Mapping[str, str]) -> tuple[Chart, ...]:
    table = results.events
    return tuple(
        score_chart(
            label,
            table.score[table.label == place],
            threshold=results.facts.rules[label].threshold,
            ink=inks[label],
        )
        for place, label in enumerate(results.labels)
        if (table.label == place).any()
    )


def _rules_table(results: Results) -> Table:
    rules = {label: results.facts.rules[label].model_dump() for label in results.labels}
    names = list(next(iter(rules.values())))

    def column(label: str) -> Column[str]:
        return Column(label, lambda name: number(rules[label][name], 3))

    columns = [Column("rule", lambda name: Cell(name), False), *map(column, rules)]
    return make_table("rules", "Event rules", columns, names)


def _details(results: Results) -> dict[str, Mapping[str, str]]:
    """Settings, versions and hashes, as name and value."""
    manifest, files = results.facts.manifest, results.files
    settings = {key: value for key, value in manifest["settings"].items() if key != "rules"}
    run = {
        "command": shlex.join(manifest["command"]),
        "started": manifest["started"],
        "took": f"{manifest['wall_s']} s for {manifest['audio_s'] / 3600:.2f} h of sound",
        "done by earlier runs": f"{manifest.get('done_earlier', 0):,} recordings",
        "inputs": f"{len(manifest['inputs']):,} recordings",
    }
    hashes = {path.name: _sha256(path) for path in (files.results, files.events, files.manifest)}
    return {
        "Model": {key: str(value) for key, value in results.facts.bundle.items()},
        "Run": {key: str(value) for key, value in run.items()},
        "Settings": {key: _text(value) for key, value in settings.items()},
        "Versions": {key: str(value) for key, value in manifest["versions"].items()},
        "SHA-256 of the tables": hashes,
    }


def _text(value: object) -> str:
    """A setting as people write it."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "none"
    return str(value)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
