"""``callcount info``: what a recording or a bundle is."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Say what a recording or a bundle is.")
@click.argument("path", type=click.Path(path_type=Path))
def info(path: Path) -> None:
    """Say what PATH is: a recording (format, rate, length) or a bundle (labels, rules, origin)."""
    from counter.audio import probe
    from counter.bundle import read_bundle
    from counter.errors import AudioError, CallcountError

    if not path.exists():
        raise CallcountError(f"{path} does not exist.")
    if path.is_dir():
        import yaml

        bundle = read_bundle(path)
        text = yaml.safe_dump(
            bundle.spec.model_dump(mode="json"), sort_keys=False, allow_unicode=True
        )
        click.echo(f"bundle {bundle.path}\nsha256 {bundle.sha256}\n{text}", nl=False)
        return
    try:
        found = probe(path)
    except AudioError as error:
        raise CallcountError(f"{path} cannot be read as sound: {error}.") from error
    for name, value in (
        ("recording", found.path),
        ("format", f"{found.format} {found.subtype}"),
        ("sample rate", f"{found.sample_rate_hz} Hz"),
        ("channels", found.channels),
        ("duration", f"{found.duration_s:.3f} s ({found.n_samples} samples)"),
    ):
        click.echo(f"{name:12} {value}")
