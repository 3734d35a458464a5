"""The figures of a scan that come first, and what to know before using them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from counter.output.reading import Results
from counter.records import FAILED, TRUNCATED
from counter.report.charts import short
from counter.report.estimates import Corrected, LeftEstimate
from counter.report.page import Fact
from counter.report.season import Place

_MANY = 12


def _effort_s(results: Results, places: Mapping[str, Place]) -> float:
    return sum(
        places[one.name].effort_s if one.name in places else one.scanned_s
        for one in results.recordings
        if one.status != FAILED
    )


def key_facts(
    results: Results, places: Mapping[str, Place], estimates: Sequence[LeftEstimate]
) -> tuple[Fact, ...]:
    """The figures that stand first."""
    n_calls, effort_h = len(results.events.score), _effort_s(results, places) / 3600
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
    sites = {place.origin.site for place in places.values() if place.origin.site}
    days = {place.origin.start.date() for place in places.values() if place.origin.start}
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


def key_remarks(
    results: Results, places: Mapping[str, Place], estimates: Sequence[LeftEstimate]
) -> tuple[str, ...]:
    """What a reader has to know before using a number."""
    n_failed = sum(one.status == FAILED for one in results.recordings)
    n_cut = sum(one.status == TRUNCATED for one in results.recordings)
    n_without = sum(place.origin.start is None for place in places.values())
    told = []
    if n_failed:
        has = "has" if n_failed == 1 else "have"
        told.append(f"{_some(n_failed)} could not be read and {has} no count, which is not 0.")
    if n_cut:
        told.append(f"{_some(n_cut)} could be scanned in part only: use calls per hour there.")
    if not estimates:
        told.append(
            "These are counts of a model that nobody has checked here. How sure they are is told "
            "by callcount sample and callcount estimate; the interval then stands here."
        )
    if n_without and n_without < len(places):
        told.append(f"{_some(n_without)} without a start time: in no chart over time.")
    return tuple(told)


def _some(n: int) -> str:
    return "One recording" if n == 1 else f"{n:,} recordings"
