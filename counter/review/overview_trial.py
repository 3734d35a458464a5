"""A recording of a visitor's, scanned as the season was: with its model and its event rules."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from counter.audio import probe
from counter.bundle import Bundle
from counter.errors import AudioError, CallcountError
from counter.output.plots import PlotSettings, RecordingPlotter
from counter.output.reading import Results, bundle_of
from counter.pool import ScanPool
from counter.records import FAILED, FileResult, Recording
from counter.worker import ScanOrder

MOST_S = 3600.0
_STALL_S = 30.0
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Trial:
    """A recording that was scanned, and its plot as PNG; the result is without its picture."""

    result: FileResult
    plot: bytes


def try_recording(results: Results, name: str, sound: bytes) -> Trial:
    """Scan a recording in a folder that is gone afterwards; visitors wait for one another.

    Parameters
    ----------
    results : Results
        The season whose model and event rules are used.
    name : str
        What the recording is called; it names no file.
    sound : bytes
        Its file.

    Raises
    ------
    CallcountError
        It cannot be read or is too long, or the season's model is gone.
    """
    bundle = bundle_of(results)
    with _ONE_AT_A_TIME, tempfile.TemporaryDirectory(prefix="callcount-") as folder:
        file = Path(folder) / "recording"
        file.write_bytes(sound)
        _check_length(file)
        recording = Recording(str(file), name)
        order = ScanOrder(bundle, results.facts.rules, n_threads=1, pictures=True)
        with ScanPool(order, stall_s=_STALL_S) as pool:
            [(_, result)] = pool.results([recording])
        if result.status == FAILED:
            raise AudioError(f"the recording cannot be read: {result.message}.")
        plot = _plot(result, results, bundle, Path(folder) / "plot.png")
        return Trial(replace(result, picture=None), plot)


def _check_length(file: Path) -> None:
    try:
        duration_s = probe(str(file)).duration_s
    except AudioError as error:
        fix = "WAV, FLAC, MP3, Ogg and AIFF can be."
        raise CallcountError(f"the recording cannot be read: {error.what}.", fix) from error
    if duration_s > MOST_S:
        raise CallcountError(
            f"the recording is {duration_s / 60:.0f} min long, more than {MOST_S / 60:.0f} min.",
            "Give a shorter one, or use callcount scan.",
        )


def _plot(result: FileResult, results: Results, bundle: Bundle, path: Path) -> bytes:
    """The picture that a scan draws."""
    spec = bundle.spec
    threshold = min(rules.threshold for rules in results.facts.rules.values())
    bands = {label: (spec.low_hz, spec.high_hz) for label in spec.labels}
    settings = PlotSettings(bands, threshold, spec.sample_rate_hz / 2)
    RecordingPlotter(settings).draw(result, path)
    return path.read_bytes()
