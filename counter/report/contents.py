"""Contents of a report: key figures, tables and charts of a finished scan."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from counter.estimation.corrected_counts import Corrected, LeftEstimate
from counter.plots.chart import Chart, short
from counter.plots.counts_plot import estimate_chart, placed_sites, score_chart, site_map
from counter.plots.season_plot import season_charts
from counter.plots.style import label_colours
from counter.records import FAILED, TRUNCATED
from counter.report.gallery import ReportInputs, card_group, gallery_note
from counter.report.report_page import Counts, Fact, Report
from counter.report.report_tables import (
    Cell,
    Column,
    HtmlTable,
    estimates_table,
    make_table,
    number,
    problems_table,
    recordings_table,
    sums_table,
)
from counter.tables.results import Results
from counter.tables.season import DAY, HOUR, SITE, SumRow, hours_of_days

_MANY = 12


def _effort_s(results: Results) -> float:
    return sum(one.effort_s for one in results.recordings if one.status != FAILED)


def key_facts(results: Results, estimates: Sequence[LeftEstimate]) -> tuple[Fact, ...]:
    """The figures that stand first."""
    n_calls, effort_h = len(results.event_table.score), _effort_s(results) / 3600
    n_failed = sum(one.status == FAILED for one in results.recordings)
    n_done = len(results.recordings) - n_failed
    n_silent = sum(one.calls == 0 for one in results.recordings)
    failed = f", {n_failed} failed" if n_failed else ""
    facts = [Fact(f"{n_calls:,}", "calls counted", _by_label(results))]
    facts += [
        Fact(f"{one.overall.calls:,.0f}", f"{one.label}, corrected", _interval(one.overall))
        for one in estimates
    ]
    facts += [
        Fact(f"{n_done:,}", "recordings", f"{n_silent:,} without a call{failed}"),
        Fact(*_span(effort_h), "really listened to"),
    ]
    if effort_h:
        facts.append(Fact(short(n_calls / effort_h), "calls per hour listened"))
    sites = {one.site for one in results.origins.values() if one.site}
    days = {one.start.date() for one in results.origins.values() if one.start}
    if sites or days:
        name = f"site{'s' * (len(sites) != 1)}" if sites else f"day{'s' * (len(days) != 1)}"
        remark = f"{len(days):,} days with recordings" if sites and days else ""
        facts.append(Fact(f"{len(sites) or len(days):,}", name, remark))
    return tuple(facts)


def _interval(one: Corrected) -> str:
    return f"95 % interval {one.low:,.0f} to {one.high:,.0f}, from checks by ear"


def _by_label(results: Results) -> str:
    if len(results.labels) == 1:
        return results.labels[0]
    counts = [int((results.event_table.label == n).sum()) for n in range(len(results.labels))]
    counted = [f"{label} {n:,}" for label, n in zip(results.labels, counts, strict=True)]
    return ", ".join(counted[:_MANY]) + (", ..." if len(counted) > _MANY else "")


def _span(hours: float) -> tuple[str, str]:
    if hours >= 1:
        return f"{hours:,.2f}" if hours < 100 else f"{hours:,.0f}", "hours"
    return f"{hours * 60:.1f}", "minutes"


def key_remarks(results: Results, estimates: Sequence[LeftEstimate]) -> tuple[str, ...]:
    """What a reader has to know before using a number."""
    n_failed = sum(one.status == FAILED for one in results.recordings)
    n_cut = sum(one.status == TRUNCATED for one in results.recordings)
    n_without = sum(one.start is None for one in results.origins.values())
    remarks = []
    if n_failed:
        has = "has" if n_failed == 1 else "have"
        remarks.append(f"{_some(n_failed)} could not be read and {has} no count, which is not 0.")
    if n_cut:
        remarks.append(f"{_some(n_cut)} could be scanned in part only: use calls per hour there.")
    if not estimates:
        remarks.append(
            "These are counts of a model that nobody has checked here. How sure they are is told "
            "by callcount sample and callcount estimate; the interval then stands here."
        )
    if n_without and n_without < len(results.origins):
        remarks.append(f"{_some(n_without)} without a start time: in no chart over time.")
    return tuple(remarks)


def _some(n: int) -> str:
    return "One recording" if n == 1 else f"{n:,} recordings"


def find_counts(
    results: Results, sums: Mapping[str, Sequence[SumRow]], estimates: Sequence[LeftEstimate]
) -> Counts:
    """The figures, tables and charts of a scan.

    Parameters
    ----------
    results : Results
        The scan.
    sums : mapping of str to sequence of SumRow
        By site, day and hour.
    estimates : sequence of LeftEstimate
        Corrected counts; may be empty.
    """
    labels, cells = results.labels, hours_of_days(results)
    sites = placed_sites(cells, results.origins)
    made = [sums_table(sums[of], of, estimates, n_labels=len(labels)) for of in (SITE, DAY, HOUR)]
    drawn = map(estimate_chart, estimates)
    return Counts(
        facts=key_facts(results, estimates),
        remarks=key_remarks(results, estimates),
        colours=label_colours(labels),
        problems=problems_table(results),
        corrected=estimates_table(estimates),
        corrected_charts=tuple(one for one in drawn if one is not None),
        season=season_charts(cells, labels),
        sites=site_map(sites) if sites else None,
        sums=tuple(table for table in made if table is not None),
        recordings=recordings_table(results, estimates),
    )


def make_report(material: ReportInputs, title: str | None) -> Report:
    """Put together what a report tells; without a title it is named after labels and table."""
    results = material.results
    labels = results.labels
    what = ", ".join(labels) if len(labels) <= 3 else f"{len(labels)} kinds of calls"
    return Report(
        title=title or f"{what} in {results.files.results.stem}",
        subtitle=_subtitle(material),
        counts=find_counts(results, material.sums, material.estimates),
        groups=tuple(card_group(group, material) for group in material.groups),
        gallery_note=gallery_note(material),
        scores=_score_charts(results),
        rules=_rules_table(results),
        card=material.model.card,
        card_note=material.model.note,
        details=_details(results),
    )


def _subtitle(material: ReportInputs) -> str:
    begun = [one.start for one in material.results.origins.values() if one.start]
    days = sorted(start.date().isoformat() for start in begun)
    span = f"Recorded {days[0]} to {days[-1]}. " if days else ""
    facts = material.results.facts
    return (
        f"{span}Counted by model {facts.bundle['name']} with callcount "
        f"{facts.manifest['versions']['callcount']} on {str(facts.manifest['started'])[:10]}."
    )


def _score_charts(results: Results) -> tuple[Chart, ...]:
    table, colours = results.event_table, label_colours(results.labels)
    return tuple(
        score_chart(
            label,
            table.score[table.label == place],
            threshold=results.facts.rules[label].threshold,
            colour=colours[label],
        )
        for place, label in enumerate(results.labels)
        if (table.label == place).any()
    )


def _rules_table(results: Results) -> HtmlTable:
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
