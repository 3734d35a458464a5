"""What ``callcount sample`` does between its flags and its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from counter.cli.console import stderr, stdout
from counter.cli.cutting import RECORDING, Cut, check_new, cut_clips
from counter.cli.seasons import choose_label, read_stretches, sound_files, strata
from counter.estimation.sampling import draw_sample
from counter.estimation.units import Stretches, strata_codes
from counter.folders import new_folder
from counter.output.reading import Results, read_results
from counter.output.sampletable import (
    MARGIN_S,
    TABLE,
    PlannedCheck,
    SamplePlan,
    clip_name,
    picture_name,
    write_sample,
)
from counter.records import FAILED

# What a person looks for is rarely above; half the recording's rate where that is less.
FREQ_MAX_HZ = 12_000.0


@dataclass(frozen=True)
class Strata:
    """What the strata are: ``folder``, ``recording`` or a column of a table."""

    by: str
    table: Path | None


@dataclass(frozen=True)
class SampleOptions:
    """Flags of ``callcount sample``; see there."""

    n_checks: int
    strata: Strata
    label: str | None
    stretch_s: float
    seed: int
    audio: Path | None


def run_sample(results_csv: Path, output: Path, options: SampleOptions) -> None:
    """Draw the sample and write its folder, whole or not at all."""
    check_new(output, "a sample")
    results = read_results(results_csv)
    plan = draw_plan(results, options)
    files = sound_files(results, (check.recording for check in plan.checks), options.audio)
    with new_folder(output) as made:
        write_sample(made, plan)
        cut_clips(made, _cuts(plan), files)
    _report(results, plan, output)


def draw_plan(results: Results, options: SampleOptions) -> SamplePlan:
    """Decide what is to be checked; nothing is read but the results."""
    label = choose_label(results, options.label)
    stretches = read_stretches(results, label, options.stretch_s)
    by, table = options.strata.by, options.strata.table
    stratum_of = strata(results, stretches.recording, by=by, table=table)
    _, stratum = strata_codes(stretches, stratum_of)
    drawn = draw_sample(stretches.model_count, stratum, options.n_checks, seed=options.seed)
    return SamplePlan(
        bundle_hash=results.facts.bundle["hash"],
        label=label,
        stretch_s=options.stretch_s,
        seed=options.seed,
        by=options.strata.by,
        stratum_of=stratum_of,
        checks=tuple(
            _check(stretches, int(place), float(chance), stratum_of)
            for place, chance in zip(drawn.index, drawn.inclusion, strict=True)
        ),
    )


def _check(
    stretches: Stretches, place: int, chance: float, stratum_of: dict[str, str]
) -> PlannedCheck:
    recording = stretches.recording[place]
    return PlannedCheck(
        stretch=place,
        recording=recording,
        start_s=float(stretches.start_s[place]),
        end_s=float(stretches.end_s[place]),
        stratum=stratum_of[recording],
        inclusion_probability=chance,
        model_calls=int(stretches.model_count[place]),
    )


def _cuts(plan: SamplePlan) -> list[Cut]:
    return [
        Cut(
            recording=check.recording,
            start_s=check.start_s - MARGIN_S,
            end_s=check.end_s + MARGIN_S,
            asked_start_s=check.start_s,
            asked_end_s=check.end_s,
            clip=clip_name(number),
            picture=picture_name(number),
            title=f"{number}: {check.recording}, {check.start_s:.1f} to {check.end_s:.1f} s",
            question="Count the calls whose middle lies between the two lines.",
            times_of=RECORDING,
            freq_max_hz=FREQ_MAX_HZ,
        )
        for number, check in enumerate(plan.checks, start=1)
    ]


def _report(results: Results, plan: SamplePlan, output: Path) -> None:
    console = stdout()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(plan.by, overflow="fold")
    for title in ("checks", "with detections", "without"):
        table.add_column(title, justify="right")
    for stratum in sorted(set(plan.stratum_of.values())):
        found = [check.model_calls > 0 for check in plan.checks if check.stratum == stratum]
        counts = (len(found), sum(found), len(found) - sum(found))
        table.add_row(escape(stratum), *map(str, counts))
    console.print(table)
    failed = sum(one.status == FAILED for one in results.recordings)
    if failed:
        stderr().print(f"{failed} recordings failed in the scan; no estimate is about them.")
    console.print(
        f"{len(plan.checks)} stretches to check -> {escape(str(output / TABLE))}: fill in "
        "true_calls from the top, then run callcount estimate."
    )
