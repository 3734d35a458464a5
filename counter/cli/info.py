"""``callcount info``: what a recording or a bundle is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import yaml

from counter.audio.stream import MonoStream
from counter.bundle import read_bundle
from counter.cli.options import PathOrUrl
from counter.errors import AudioError, CallcountError
from counter.metadata.clock import Clock
from counter.storage.urls import absolute, shown
from counter.timestamps import iso_text


@click.command()
@click.argument("path", type=PathOrUrl())
def info(path: str | Path) -> None:
    """Say what PATH is: a recording (format, rate, length, start, site, device) or a bundle.

    Start, site and device are what header and name tell by themselves, without options of scan.
    """
    if isinstance(path, Path) and not path.exists():
        raise CallcountError(f"{path} does not exist.")
    if isinstance(path, Path) and path.is_dir():
        _tell_bundle(path)
        return
    for name, value in _facts(path):
        click.echo(f"{name:12} {value}")


def _tell_bundle(path: Path) -> None:
    bundle = read_bundle(path)
    text = yaml.safe_dump(bundle.spec.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    click.echo(f"bundle {bundle.path}\nsha256 {bundle.sha256}\n{text}", nl=False)


def _facts(path: str | Path) -> Iterator[tuple[str, object]]:
    try:
        with MonoStream(path, sample_rate_hz=1) as stream:
            found, tags = stream.info, stream.tags()
    except AudioError as error:
        raise CallcountError(f"{shown(str(path))} cannot be read as sound: {error}.") from error
    origin = Clock().origin(absolute(path), tags)
    yield "recording", shown(found.path)
    yield "format", f"{found.format} {found.subtype}"
    yield "sample rate", f"{found.sample_rate_hz} Hz"
    yield "channels", found.channels
    yield "duration", f"{found.duration_s:.3f} s ({found.n_samples} samples)"
    yield "start", iso_text(origin.start) or "not told"
    yield "site", origin.site or "not told"
    yield "device", origin.device or "not told"
    if origin.remark:
        yield "remark", origin.remark
