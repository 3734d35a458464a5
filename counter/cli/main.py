"""The ``callcount`` command: its groups, its errors, its exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from counter import __version__
from counter.cli.compare import compare
from counter.cli.demo import demo
from counter.cli.estimate import estimate
from counter.cli.evaluate import evaluate
from counter.cli.export import export
from counter.cli.info import info
from counter.cli.listen import listen
from counter.cli.mine import mine
from counter.cli.report import report
from counter.cli.review import review
from counter.cli.sample import sample
from counter.cli.scan import scan
from counter.cli.status import status
from counter.cli.train import train
from counter.cli.tune import tune
from counter.errors import CallcountError

INTERRUPTED = 130
# Left out of images that scan; see docker/requirements.py.
ONLY_FOR_TRAINING = {"keras", "librosa", "sklearn", "tensorflow", "tensorflow_io"}


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="callcount")
def cli() -> None:
    """Count animal calls in long recordings: train on clips, scan recordings, get counts."""


for command in (
    *(train, compare, export, scan, listen, status, evaluate, tune),
    *(sample, estimate, mine, report, review, demo, info),
):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 some recordings failed, 2 usage, 130 interrupted."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    try:
        code = cli.main(args=arguments, prog_name="callcount", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        error.show()
        return 2
    except CallcountError as error:
        click.echo(f"Error: {error}", err=True)
        return error.exit_code
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ONLY_FOR_TRAINING:
            raise
        told = f"{error.name} is missing: this installation leaves out what training needs."
        click.echo(f"Error: {told} Install it whole: pip install callcount", err=True)
        return 2
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted.", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader went away, as `| head` does; nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    main()
