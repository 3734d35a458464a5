"""``callcount scan``: recordings -> results.csv, events, manifest, plots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from counter.cli.pathtypes import PathOrUrl
from counter.cli.ruleoptions import bundle_options
from counter.cli.tableoption import SPREADSHEET_FLAG, SPREADSHEET_HELP
from counter.output.formatnames import FORMAT_NAMES


@click.command(short_help="Count calls in recordings.")
@click.argument("paths", nargs=-1, required=True, type=PathOrUrl())
@click.option(
    "-o",
    "--output",
    type=PathOrUrl(),
    default=Path("results.csv"),
    show_default=True,
    help="Table of counts; events, manifest and plots go to the folder of the same name. "
    "A URL: made below the cache folder, and put there at the end.",
)
@bundle_options("scan")
@click.option(
    "--timezone",
    metavar="ZONE",
    help="Zone of clocks that name none, and of all times written: Europe/Paris, -04:00. [none]",
)
@click.option(
    "--name-pattern",
    metavar="REGEX",
    help="How the files are named, if not as recorders do: groups date, time, site, device, ...",
)
@click.option(
    "--sites",
    type=click.Path(path_type=Path),
    metavar="FILE.csv",
    help="Table: folder or device, site, latitude, longitude (decimal degrees).",
)
@click.option("--fresh", is_flag=True, default=None, help="Forget what earlier runs have done.")
@click.option("--retry-failed", is_flag=True, default=None, help="Scan again what failed.")
@click.option(
    "--stall",
    "stall_s",
    type=float,
    metavar="SECONDS",
    help="Give up a recording of which nothing is heard for so long. [120]",
)
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Scan on a Dask cluster: tcp://scheduler:8786, or local:4 for workers started here.",
)
@click.option("--jobs", type=int, help="Threads. [default: one per core]")
@click.option("--plots/--no-plots", default=None, help="Draw a plot a recording. [default: plots]")
@click.option(
    "--report",
    is_flag=True,
    default=None,
    help="Make report.html as well: all figures, and events to hear, in one file. See `report`.",
)
@click.option(
    "--keep-scores",
    is_flag=True,
    default=None,
    help="Keep the scores as well (60 kB an hour), so that rules can be judged without a new scan.",
)
@click.option(
    "--format",
    "formats",
    type=click.Choice(FORMAT_NAMES),
    multiple=True,
    help="How to write the events besides events.csv; may be repeated. parquet needs pyarrow.",
)
@click.option("--clips", type=int, metavar="N", help="Cut out N events of each label. [0]")
@click.option(
    "--clips-by",
    type=click.Choice(["score", "random"]),
    help="Those of highest score, or drawn by chance. [score]",
)
@click.option("--clips-seed", type=int, help="Seed of clips drawn by chance. [0]")
@click.option("--clips-margin", "clips_margin_s", type=float, help="Around each event, s. [1]")
@click.option(SPREADSHEET_FLAG, "spreadsheet_safe", default=None, help=SPREADSHEET_HELP)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="YAML file with any of these options; flags win over it.",
)
@click.pass_context
def scan(
    context: click.Context,
    paths: tuple[str | Path, ...],
    output: str | Path,
    config: Path | None,
    **flags: Any,
) -> None:
    """Count calls in PATHS: recordings, or folders searched for recordings; or URLs of either.

    Writes a table with one row per recording (results.csv), and beside it a folder with one row
    per call (events.csv), when and where each recording was made (recordings.csv), sums by site,
    day and hour of day (summary_*.csv), what was done (manifest.json) and plots; and, where asked
    for, the events for other programs (--format) and clips of them (--clips).

    A run that was stopped goes on where it was when the same command is given again: what is done
    stands in a journal beside the tables. Recordings that have changed are scanned again, and all
    of them where the model or the event rules are others.

    When and where comes from --name-pattern, else from the header (GUANO, AudioMoth, BWF), else
    from the usual forms of file names; what none of them tells stays empty.

    Event rules: those of the bundle, then of --config, then of --rules, then the single flags;
    what comes later wins. The manifest says which were used and where they came from.

    Exit code: 0 all scanned, 1 some failed (they have a row that says why), 2 usage or nothing to
    scan, 130 interrupted (what was finished is written).
    """
    from counter.cli.putting import scan_to
    from counter.cli.scanplan import ScanSettings
    from counter.config import read_yaml, validate

    from_file = read_yaml(config) if config is not None else {}
    given = {key: value for key, value in flags.items() if value not in (None, ())}
    settings = validate(ScanSettings, from_file, str(config))
    context.exit(scan_to(paths, output, settings, validate(ScanSettings, given, "the flags")))
