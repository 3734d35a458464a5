"""A season of short recordings with known calls, and the command that scans it."""

from audio_files import write
from bundles import MODEL_RATE_HZ, calls

from counter.cli.main import run


def write_season(folder, n, place=lambda index: ""):
    """``n`` recordings of 0 to 3 calls, in the folders that ``place`` names, and a broken one."""
    for index in range(n):
        starts_s = [1 + 3 * k for k in range(index % 4)]
        sound = calls(12 + index % 5, starts_s, seed=index)
        path = folder / place(index) / f"{index:02d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, sound, MODEL_RATE_HZ, subtype="PCM_16")
    (folder / "broken.wav").write_text("no sound")
    return folder


def season_scanner(bundle):
    """A function that scans ``./season`` and gives the exit code."""

    def command(*flags, output="r.csv"):
        model = ["--model", str(bundle.path)]
        return run(["scan", "season", "-o", output, *model, *map(str, flags)])

    return command
