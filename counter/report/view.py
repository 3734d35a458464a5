"""What a report tells, made of a finished scan; how it looks is the template's."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from pathlib import Path

from counter.output.reading import Results
from counter.report.calendar import season_charts
from counter.report.cards import card_group, gallery_note
from counter.report.charts import Chart, label_inks, score_chart
from counter.report.keyfigures import key_facts, key_remarks
from counter.report.material import Material
from counter.report.page import Report
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
        facts=key_facts(results, places, material.estimates),
        remarks=key_remarks(results, places, material.estimates),
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
