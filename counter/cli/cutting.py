"""What ``sample`` and ``mine`` share: clips cut out of recordings, and their pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile as sf
from rich.progress import track

from counter.audio import probe
from counter.cli.console import stderr
from counter.errors import AudioError, CallcountError, OutputError
from counter.output.clipplot import ClipFacts, draw_clip
from counter.output.paths import check_writable
from counter.spans import read_spans

RECORDING, CLIP = "recording", "clip"


@dataclass(frozen=True)
class Cut:
    """A clip to be cut, and the stretch of it that a person is asked about.

    Attributes
    ----------
    recording : str
        Name of the recording that it is cut out of.
    start_s, end_s : float
        The clip, seconds from the recording's start; what lies outside the recording is left out.
    asked_start_s, asked_end_s : float
        The stretch asked about, seconds from the recording's start.
    clip, picture : str
        Names of the files, below the folder.
    title, question : str
        Written above the picture.
    times_of : str
        What the times of the picture are counted in: ``recording`` or ``clip``.
    freq_max_hz : float
        Upper end of the picture, > 0; half the recording's rate where that is less.
    """

    recording: str
    start_s: float
    end_s: float
    asked_start_s: float
    asked_end_s: float
    clip: str
    picture: str
    title: str
    question: str
    times_of: str
    freq_max_hz: float


def check_new(output: Path, holds: str) -> None:
    """Make sure, before the work, that a folder for a person to fill in can be made.

    Parameters
    ----------
    output : Path
        Must not exist, or be an empty folder.
    holds : str
        What a person may have filled in there, for the message.

    Raises
    ------
    OutputError
        Something is there, or nothing can be written there.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise OutputError(
            f"{output} exists already; {holds} may have been filled in there.",
            "Give another folder with -o.",
        )
    check_writable(output.parent)


def cut_clips(folder: Path, cuts: Sequence[Cut], files: Mapping[str, str | Path]) -> None:
    """Cut clips (FLAC, mono, at the recording's own rate) and draw them, recording by recording.

    Parameters
    ----------
    folder : Path
        Where their files go; folders below it are made.
    cuts : sequence of Cut
        In any order.
    files : mapping of str to str or Path
        The file of each recording.

    Raises
    ------
    CallcountError
        A recording cannot be read, or ends before a clip.
    """
    for name in {Path(name).parent for cut in cuts for name in (cut.clip, cut.picture)}:
        (folder / name).mkdir(parents=True, exist_ok=True)
    by_recording: dict[str, list[Cut]] = {}
    for cut in cuts:
        by_recording.setdefault(cut.recording, []).append(cut)
    console = stderr()
    shown = track(
        by_recording.items(), "cutting clips", console=console, disable=not console.is_terminal
    )
    for recording, of_it in shown:
        try:
            _cut_recording(folder, of_it, files[recording])
        except (AudioError, sf.LibsndfileError) as error:
            raise CallcountError(
                f"cannot cut clips out of {files[recording]}: {error}.",
                "Bring back the file that was scanned.",
            ) from error


def _cut_recording(folder: Path, cuts: Sequence[Cut], file: str | Path) -> None:
    rate_hz = probe(file).sample_rate_hz
    cuts = sorted(cuts, key=lambda cut: cut.start_s)
    spans = [(max(0, round(cut.start_s * rate_hz)), round(cut.end_s * rate_hz)) for cut in cuts]
    for cut, span, clip in zip(cuts, spans, read_spans(file, rate_hz, spans), strict=True):
        if not len(clip):
            raise AudioError(f"it ends before {cut.asked_start_s:.1f} s")
        sf.write(folder / cut.clip, clip, rate_hz, format="FLAC", subtype="PCM_24")
        zero_s = 0.0 if cut.times_of == RECORDING else span[0] / rate_hz
        facts = ClipFacts(
            title=cut.title,
            question=cut.question,
            sample_rate_hz=rate_hz,
            clip_start_s=span[0] / rate_hz - zero_s,
            start_s=cut.asked_start_s - zero_s,
            end_s=min(cut.asked_end_s, (span[0] + len(clip)) / rate_hz) - zero_s,
            times_of=cut.times_of,
            freq_max_hz=min(rate_hz / 2, cut.freq_max_hz),
        )
        draw_clip(clip, facts, folder / cut.picture)
