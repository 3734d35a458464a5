"""``callcount sample``: which stretches of a finished scan a person should check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from counter.cli.console import (
    folded_column,
    number_columns,
    plain_table,
    stderr,
    stdout,
    tracked,
)
from counter.cli.options import PATH, audio_option, seed_option, spreadsheet_option, strata_option
from counter.estimation.sample_table import (
    MARGIN_S,
    TABLE,
    SamplePlan,
    SampleRequest,
    clip_name,
    draw_plan,
    picture_name,
    write_sample,
)
from counter.estimation.stretches import sound_files
from counter.plots.clip_plot import TIMES_OF_RECORDING, ClipToCheck, cut_clips
from counter.records import FAILED
from counter.storage.atomic import check_new, new_folder
from counter.tables.results import Results, read_results


@click.command()
@click.argument("results", type=PATH)
@click.option(
    "-n",
    "--checks",
    "n_checks",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="How many stretches to check.",
)
@click.option(
    "-o",
    "--output",
    type=PATH,
    default=Path("sample"),
    show_default=True,
    help="New folder for the table, the clips and their spectrograms.",
)
@click.option(
    "--by",
    default="folder",
    show_default=True,
    help="Strata: folder, recording, or a column of the --recordings table, as site or day.",
)
@strata_option
@click.option("--label", help="What to count. [default: the only label there is]")
@click.option(
    "--stretch",
    "stretch_s",
    type=click.FloatRange(1, 600),
    default=10.0,
    show_default=True,
    help="Longest stretch, s; well above the length of a call.",
)
@seed_option()
@audio_option
@spreadsheet_option
def sample(results: Path, output: Path, audio: Path | None, **options: Any) -> None:
    """Draw stretches of the scan RESULTS for a person to check.

    Half of them are drawn where the model found calls, in proportion to how many; the other half
    where it found none, since missed calls would never show otherwise. Cuts the clips (FLAC),
    draws their spectrograms and writes sample.csv: fill in `true_calls`, the calls whose middle
    lies in the stretch, then run `callcount estimate RESULTS sample/sample.csv`. The rows are in
    random order; check them from the top, and stop early if need be.
    """
    check_new(output, "a sample")
    scan = read_results(results)
    plan = draw_plan(scan, SampleRequest(**options))
    files = sound_files(scan, (check.recording for check in plan.checks), audio)
    with new_folder(output) as made:
        write_sample(made, plan)
        cut_clips(made, _cuts(plan), files, progress=tracked("cutting clips"))
    _report(scan, plan, output)


# What a person looks for is rarely above; half the recording's rate where that is less.
FREQ_MAX_HZ = 12_000.0


def _cuts(plan: SamplePlan) -> list[ClipToCheck]:
    return [
        ClipToCheck(
            recording=check.recording,
            start_s=check.start_s - MARGIN_S,
            end_s=check.end_s + MARGIN_S,
            asked_start_s=check.start_s,
            asked_end_s=check.end_s,
            clip=clip_name(number),
            picture=picture_name(number),
            title=f"{number}: {check.recording}, {check.start_s:.1f} to {check.end_s:.1f} s",
            question="Count the calls whose middle lies between the two lines.",
            times_of=TIMES_OF_RECORDING,
            freq_max_hz=FREQ_MAX_HZ,
        )
        for number, check in enumerate(plan.checks, start=1)
    ]


def _report(results: Results, plan: SamplePlan, output: Path) -> None:
    console = stdout()
    numbers = number_columns("checks", "with detections", "without")
    table = plain_table(folded_column(plan.by), *numbers)
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
