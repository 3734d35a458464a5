"""What ``callcount sample`` does between its flags and its files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from counter.audio import MonoStream, probe
from counter.cli.console import stderr, stdout
from counter.cli.seasons import choose_label, read_stretches, sound_files, strata
from counter.errors import AudioError, CallcountError, OutputError
from counter.estimation.sampling import draw_sample
from counter.estimation.units import Stretches, strata_codes
from counter.folders import new_folder
from counter.output.clipplot import ClipFacts, draw_clip
from counter.output.reading import Results, read_results
from counter.output.sampletable import (
    TABLE,
    PlannedCheck,
    SamplePlan,
    clip_name,
    picture_name,
    write_sample,
)
from counter.records import FAILED, FloatArray

# A call of 6 s whose middle is just inside a stretch is heard whole.
MARGIN_S = 3.0


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
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise OutputError(
            f"{output} exists already; a sample may have been filled in there.",
            "Give another folder with -o.",
        )
    results = read_results(results_csv)
    plan = draw_plan(results, options)
    files = sound_files(results, (check.recording for check in plan.checks), options.audio)
    with new_folder(output) as made:
        write_sample(made, plan)
        _cut_clips(made, plan, files)
    _report(results, plan, output)


def draw_plan(results: Results, options: SampleOptions) -> SamplePlan:
    """Decide what is to be checked; nothing is read but the results."""
    label = choose_label(results, options.label)
    stretches = read_stretches(results, label, options.stretch_s)
    stratum_of = strata(stretches.recording, options.strata.by, options.strata.table)
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


def _cut_clips(folder: Path, plan: SamplePlan, files: dict[str, Path]) -> None:
    for name in (clip_name(1), picture_name(1)):
        (folder / name).parent.mkdir()
    numbers: dict[str, list[int]] = {}
    for number, check in enumerate(plan.checks, start=1):
        numbers.setdefault(check.recording, []).append(number)
    console = stderr()
    shown = track(
        numbers.items(), "cutting clips", console=console, disable=not console.is_terminal
    )
    for recording, of_it in shown:
        try:
            _cut_recording(folder, plan, of_it, files[recording])
        except (AudioError, sf.LibsndfileError) as error:
            raise CallcountError(
                f"cannot cut clips out of {files[recording]}: {error}.",
                "Bring back the file that was scanned.",
            ) from error


def _cut_recording(folder: Path, plan: SamplePlan, numbers: Sequence[int], file: Path) -> None:
    rate_hz = probe(file).sample_rate_hz
    numbers = sorted(numbers, key=lambda number: plan.checks[number - 1].start_s)
    checks = [plan.checks[number - 1] for number in numbers]
    spans = [
        (max(0, round((one.start_s - MARGIN_S) * rate_hz)), round((one.end_s + MARGIN_S) * rate_hz))
        for one in checks
    ]
    clips = read_spans(file, rate_hz, spans)
    for number, check, span, clip in zip(numbers, checks, spans, clips, strict=True):
        if not len(clip):
            raise AudioError(f"it ends before {check.start_s:.1f} s")
        sf.write(folder / clip_name(number), clip, rate_hz, format="FLAC", subtype="PCM_16")
        facts = ClipFacts(
            title=f"{number}: {check.recording}, {check.start_s:.1f} to {check.end_s:.1f} s",
            sample_rate_hz=rate_hz,
            clip_start_s=span[0] / rate_hz,
            start_s=check.start_s,
            end_s=min(check.end_s, (span[0] + len(clip)) / rate_hz),
            freq_max_hz=min(rate_hz / 2, 12_000.0),
        )
        draw_clip(clip, facts, folder / picture_name(number))


def read_spans(file: Path, rate_hz: int, spans: Sequence[tuple[int, int]]) -> Iterator[FloatArray]:
    """Samples of each span of a recording, in one forward pass; mono, at the file's own rate.

    Parameters
    ----------
    file : Path
        The recording.
    rate_hz : int
        Its sample rate.
    spans : sequence of (int, int)
        First sample and the one after the last, in order of the first; they may overlap.

    Yields
    ------
    array of float32, shape (n_samples,)
        Shorter than the span where the recording ends before.
    """
    with MonoStream(file, rate_hz) as stream:
        blocks = iter(stream)
        held, start = np.zeros(0, np.float32), 0
        for first, stop in spans:
            drop = min(max(first - start, 0), len(held))
            held, start = held[drop:], start + drop
            while start + len(held) < stop and (block := next(blocks, None)) is not None:
                held = np.concatenate([held, block])
                drop = min(max(first - start, 0), len(held))
                held, start = held[drop:], start + drop
            yield held[max(first - start, 0) : stop - start]


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
