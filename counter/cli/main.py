"""The ``callcount`` command: its subcommands, loaded when they are needed, and its exit codes."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper

import click

from counter.errors import CallcountError

INTERRUPTED = 130
# Packages that come with callcount[train].
ONLY_FOR_TRAINING = {"keras", "librosa", "sklearn", "tensorflow", "tensorflow_io"}
# Each is a module of this package, with a command of its name.
COMMANDS = {
    "compare": "Compare training recipes on the same folds of clips.",
    "demo": "Show the main job on made sound.",
    "estimate": "Correct counts by a checked sample, with an interval.",
    "evaluate": "Compare a scan with annotated calls.",
    "export": "Make a phone's model, a smaller one or a SavedModel of a bundle.",
    "info": "Say what a recording or a bundle is.",
    "listen": "Count calls while they are heard.",
    "mine": "Pick the clips most worth a person's ear.",
    "report": "Make one HTML file of a scan, to look and listen.",
    "review": "Check events by eye and ear on a local page.",
    "sample": "Draw stretches of a scan to check by ear.",
    "scan": "Count calls in recordings.",
    "status": "Say how far a scan is.",
    "train": "Train a detector on clips or annotated recordings.",
    "tune": "Choose the event rules on annotated recordings.",
}


class LazyGroup(click.Group):
    """Commands by name, each loaded when it is asked for: a list of all loads none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in alphabetical order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name; ``None`` where there is none."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"counter.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list, from ``COMMANDS`` alone."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="callcount", prog_name="callcount")
def cli() -> None:
    """Count animal calls in long recordings: train on clips, scan recordings, get counts."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 some recordings failed, 2 usage, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a pipe of Windows takes the letters of its region
            stream.reconfigure(errors="backslashreplace")
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
        fix = "Install what training needs: pip install 'callcount[train]'"
        click.echo(f"Error: {error.name} is missing. {fix}", err=True)
        return 2
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted.", err=True)
        return INTERRUPTED
    except OSError as error:
        if not _has_no_reader(error):
            raise
        # The reader went away, as `| head` does; nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _has_no_reader(error: OSError) -> bool:
    """Whether what is printed goes nowhere; Windows tells that as it does an invalid argument."""
    if error.errno != errno.EINVAL:
        return isinstance(error, BrokenPipeError)
    try:
        sys.stdout.flush()
    except OSError as again:
        return again.errno == errno.EINVAL
    return False


if __name__ == "__main__":
    main()
