"""What ``callcount export`` does between its flags and the training room."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.markup import escape

from counter.audio import MonoStream
from counter.bundle import Bundle, read_bundle
from counter.cli.console import stderr, stdout
from counter.errors import AudioError, CallcountError, ConfigError
from counter.files import find_recordings
from counter.output.paths import check_writable
from counter.records import FloatArray

if TYPE_CHECKING:
    from training.exports import Request

# Clips are proven on whole; of a long recording the beginning is enough.
LONGEST_SOUND_S = 60.0
FOR_ANDROID, FOR_COMPARING = ("window_s",), ("config", "clips")
FOR_MAKING = ("window_s", "labels", "sounds")


@dataclass(frozen=True)
class ExportOptions:
    """The options of ``callcount export``."""

    output: Path | None = None
    window_s: float | None = None
    labels: Path | None = None
    sounds: tuple[Path, ...] = ()
    config: Path | None = None
    clips: Path | None = None

    def refuse(self, names: tuple[str, ...], why: str) -> None:
        """Raise ConfigError for an option that would not be read."""
        for one in fields(self):
            if one.name in names and getattr(self, one.name) not in (None, ()):
                raise ConfigError(f"--{one.name.removesuffix('_s')} {why}.", "Leave it out.")


def run_export(path: Path, target: str, options: ExportOptions) -> None:
    """Make one target of a bundle and say where it is."""
    options.refuse(FOR_COMPARING, "is for --compare")
    if target != "android":
        options.refuse(FOR_ANDROID, "is for --to android")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    bundle = read_bundle(path)
    output = options.output or Path(f"{file_name(bundle)}-{target}")
    check_writable(output.parent)
    request = _request(bundle, options)
    from training.exports import export_bundle

    with stderr().status(f"Making {target} ..."):
        facts = export_bundle(bundle, target, output, request)
    _tell(output, facts)


def file_name(bundle: Bundle) -> str:
    """A bundle's name as the beginning of a file's."""
    return re.sub(r"[^\w.-]", "_", bundle.spec.name)


def _request(bundle: Bundle, options: ExportOptions) -> Request:
    from training.exports import Request

    labels = None if options.labels is None else _labels(options.labels)
    return Request(options.window_s, labels, tuple(_sounds(bundle, options.sounds)))


def _labels(path: Path) -> tuple[str, ...]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CallcountError(f"cannot read --labels {path}: {error}.", "Check the path.") from error
    return tuple(line.strip() for line in lines if line.strip())


def _sounds(bundle: Bundle, paths: tuple[Path, ...]) -> list[FloatArray]:
    rate_hz = bundle.spec.sample_rate_hz
    found = [_beginning(one.path, rate_hz) for one in find_recordings(paths)] if paths else []
    return [sound for sound in found if len(sound)]


def _beginning(path: str, sample_rate_hz: int) -> FloatArray:
    """The first ``LONGEST_SOUND_S`` of a file."""
    wanted = int(LONGEST_SOUND_S * sample_rate_hz)
    got: list[FloatArray] = [np.zeros(0, dtype=np.float32)]
    try:
        with MonoStream(path, sample_rate_hz) as stream:
            for block in stream:
                got.append(block)
                if sum(map(len, got)) >= wanted:
                    break
    except AudioError as error:
        raise CallcountError(f"{path} cannot be read as sound: {error}.") from error
    return np.concatenate(got)[:wanted]


def _tell(output: Path, facts: dict[str, Any]) -> None:
    parity = facts["parity"]
    named = ", ".join(name for name in facts["files"] if "/" not in name)
    size_kb = sum(one["bytes"] for one in facts["files"].values()) / 1000
    stdout().print(
        f"{facts['target']} of {escape(facts['bundle']['name'])}: {escape(named)} "
        f"({size_kb:,.0f} kB) -> {escape(str(output))}"
    )
    stdout().print(
        f"Largest difference of a score to {parity['against']}: "
        f"{parity['largest_difference']:.2g} on {parity['n_sounds']} sounds "
        f"(at most {parity['tolerance']:g})"
    )
