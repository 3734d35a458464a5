"""What ``callcount mine`` does between its flags and its files."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from rich.markup import escape
from rich.table import Table

from counter.bundle import Bundle, BundleSpec, choose_bundle
from counter.cli.console import ScanProgress, print_model, stderr, stdout
from counter.cli.cutting import CLIP, Cut, check_new, cut_clips
from counter.cli.running import (
    ALL_SCANNED,
    INTERRUPTED,
    SOME_FAILED,
    n_threads,
    stopping_on_interrupt,
)
from counter.errors import CallcountError
from counter.files import find_recordings
from counter.folders import new_folder
from counter.mining.candidates import NEAR_MISS, Kinds, Listening, find_candidates
from counter.mining.choice import Pick, Pool, n_each
from counter.output.minetable import (
    CLIPS,
    HOW_TO,
    PICTURES,
    TABLE,
    MinedClip,
    MinePlan,
    write_mined,
)
from counter.output.names import plot_names
from counter.pool import ScanPool
from counter.records import FAILED, FileResult, Recording
from counter.worker import ScanOrder


@dataclass(frozen=True)
class MineOptions:
    """Flags of ``callcount mine``; see there."""

    model: Path | None
    n_clips: int
    seed: int
    jobs: int | None


@dataclass
class _Heard:
    """What listening gave."""

    pool: Pool
    failed: list[FileResult] = field(default_factory=list)
    n_recordings: int = 0


def run_mine(given: Sequence[str | Path], output: Path, options: MineOptions) -> int:
    """Pick the clips and write their folder, whole or not at all; the exit code."""
    check_new(output, "clips")
    recordings = find_recordings(given, exclude=output)
    bundle, which = choose_bundle(options.model, Path("artifacts"))
    print_model(bundle, which)
    stop = threading.Event()
    heard = _listen(recordings, bundle, options, stop)
    if stop.is_set():
        stderr().print("Interrupted: nothing was picked.")
        return INTERRUPTED
    picks = heard.pool.choose()
    _print_failed(heard.failed)
    if not picks:
        raise CallcountError(
            f"nothing to pick from: {len(heard.failed)} of {len(recordings)} recordings could not "
            "be read, and none holds more than a moment of sound.",
            "Name recordings that can be scanned.",
        )
    plan = _plan(picks, bundle, options.seed, heard.failed)
    with new_folder(output) as made:
        write_mined(made, plan, output=output)
        files = {recording.name: recording.path for recording in recordings}
        cut_clips(made, mined_cuts(plan, bundle.spec.high_hz), files)
    _report(plan, options.n_clips, output)
    return SOME_FAILED if heard.failed else ALL_SCANNED


def _listen(
    recordings: list[Recording], bundle: Bundle, options: MineOptions, stop: threading.Event
) -> _Heard:
    """Scan all; of each recording no more than its candidates is kept."""
    spec = bundle.spec
    rules = {label: spec.rules[label] for label in spec.labels}
    listening = Listening(rules, spec.timebase, (spec.low_hz, spec.high_hz))
    heard = _Heard(Pool(options.n_clips, options.seed))
    most = n_each(options.n_clips, len(recordings))
    order = ScanOrder(bundle, rules, n_threads(options.jobs), pictures=True)
    with (
        ScanPool(order) as pool,
        stopping_on_interrupt(stop),
        ScanProgress(recordings) as progress,
    ):
        pool.progress = progress.advance
        found: dict[int, Kinds] = {}
        for number, result in pool.results(recordings, stop):
            found[number] = find_candidates(result, listening, most)
            while heard.n_recordings in found:  # in the order of the recordings, come what may
                heard.pool.add(found.pop(heard.n_recordings))
                heard.n_recordings += 1
            if result.status == FAILED:
                heard.failed.append(result)
            progress.finished(result.recording)
    return heard


def _plan(
    picks: Sequence[Pick], bundle: Bundle, seed: int, failed: Sequence[FileResult]
) -> MinePlan:
    return MinePlan(
        bundle={
            "name": bundle.spec.name,
            "path": os.path.abspath(bundle.path),
            "hash": bundle.sha256,
        },
        labels=bundle.spec.labels,
        count_error=_count_error(bundle.spec),
        seed=seed,
        failed=tuple(result.recording.name for result in failed),
        clips=tuple(
            mined_clip(pick, f"{number:04d}-{clip_stem(pick.candidate.recording)}")
            for number, pick in enumerate(picks, start=1)
        ),
    )


def _count_error(spec: BundleSpec) -> dict[str, float]:
    """Count error of each label on made recordings, where training left word of it."""
    learned_on = spec.provenance.get("rules_learned_on", {})
    return {
        label: float(learned_on[label]["count_error"])
        for label in spec.labels
        if "count_error" in learned_on.get(label, {})
    }


def clip_stem(recording: str) -> str:
    """A recording's name without its ending, safe for a file."""
    bare = recording.removesuffix(PurePosixPath(recording).suffix)
    return plot_names([bare])[bare].removesuffix(".png")


def mined_clip(pick: Pick, stem: str) -> MinedClip:
    """What a person is asked of a pick; its files are called ``stem``."""
    one = pick.candidate
    start_s = round(one.clip_s[0], 3)

    def inside(time_s: float) -> float:
        return round(max(0.0, time_s - start_s), 3)

    return MinedClip(
        clip=f"{CLIPS}/{stem}.flac",
        picture=f"{PICTURES}/{stem}.png",
        recording=one.recording,
        start_s=start_s,
        end_s=round(one.clip_s[1], 3),
        call_start_s=inside(one.span_s[0]),
        call_end_s=inside(one.span_s[1]),
        clear_start_s=inside(one.clear_s[0]),
        clear_end_s=inside(one.clear_s[1]),
        candidate=one.label,
        kind=pick.kind,
        score=round(one.score, 6),
        is_counted=pick.kind != NEAR_MISS,
    )


def mined_cuts(plan: MinePlan, high_hz: float) -> list[Cut]:
    """The clips to be cut, and their pictures; ``high_hz`` is where the model's band ends."""
    question = "What sounds between the two lines?"
    if len(plan.labels) == 1:
        question = f"Is what sounds between the two lines the call of {plan.labels[0]}?"
    return [
        Cut(
            recording=one.recording,
            start_s=one.start_s,
            end_s=one.end_s,
            asked_start_s=one.start_s + one.call_start_s,
            asked_end_s=one.start_s + one.call_end_s,
            clip=one.clip,
            picture=one.picture,
            title=f"{number}: {one.recording}, {one.start_s:.1f} to {one.end_s:.1f} s",
            question=question,
            times_of=CLIP,
            # The call in the lower half, and what of it lies above the model's band.
            freq_max_hz=2 * high_hz,
        )
        for number, one in enumerate(plan.clips, start=1)
    ]


def _print_failed(failed: Sequence[FileResult]) -> None:
    for result in failed:
        stderr().print(
            f"failed: {result.recording.name}: {result.message}", style="red", markup=False
        )


def _report(plan: MinePlan, n_wanted: int, output: Path) -> None:
    console = stdout()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("candidate", "kind"):
        table.add_column(title)
    for title in ("clips", "recordings", "scores"):
        table.add_column(title, justify="right")
    groups = Counter((one.candidate, one.kind) for one in plan.clips)
    for (label, kind), n_clips in sorted(groups.items()):
        own = [one for one in plan.clips if (one.candidate, one.kind) == (label, kind)]
        scores = f"{min(one.score for one in own):.2f} to {max(one.score for one in own):.2f}"
        n_recordings = len({one.recording for one in own})
        table.add_row(escape(label), kind, str(n_clips), str(n_recordings), scores)
    console.print(table)
    if len(plan.clips) < n_wanted:
        stderr().print(f"No more than {len(plan.clips)} clips that do not overlap were found.")
    console.print(
        f"{len(plan.clips)} clips -> {escape(str(output / TABLE))}: fill in `label` as "
        f"{HOW_TO} says, then run callcount train --reviewed {escape(str(output))}"
    )
