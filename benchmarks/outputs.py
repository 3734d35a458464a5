"""Outputs of every command, kept, so that two versions can be compared byte for byte.

python -m benchmarks.outputs keep before/ --command /path/to/another/bin/callcount
python -m benchmarks.outputs keep after/
python -m benchmarks.outputs compare before/ after/
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import soundfile as sf

from benchmarks.common import FOREST, FOREST_TRUTH

CHECKOUT = Path(__file__).resolve().parents[1]
# One place for all versions, since paths stand in outputs.
WORK = Path(tempfile.gettempdir()) / "callcount-outputs"
# Name and arguments of each run, in order; a name alone is what a person does between two.
STEPS = r"""
help: --help
help-train: train --help
help-compare: compare --help
help-export: export --help
help-scan: scan --help
help-listen: listen --help
help-status: status --help
help-evaluate: evaluate --help
help-tune: tune --help
help-sample: sample --help
help-estimate: estimate --help
help-mine: mine --help
help-report: report --help
help-review: review --help
help-demo: demo --help
help-info: info --help
demo: demo
bring
forest: scan FOREST --model model/capuchinbird -o forest.csv OPTIONS
forest-again: scan FOREST --model model/capuchinbird -o forest.csv OPTIONS
status: status forest.csv
evaluate: evaluate forest.csv --truth TRUTH -o evaluation
evaluate-demo: evaluate data/demo/results.csv --truth data/demo/truth.csv --calibrate demo-probable
tune: tune forest.csv --truth TRUTH -o tuned --calibrate
sample: sample forest.csv -n 40 -o sample
check-sample
estimate: estimate forest.csv sample/sample.csv --calibrate estimated
scan-probable: scan FOREST -o probable.csv --model estimated --no-plots --rules tuned/rules.yaml
report: report forest.csv -o report.html
shipped: scan RECORDINGS -o shipped.csv --sites sites.csv --timezone Europe/Paris
mine: mine RECORDINGS --model data/demo/artifacts/demobird -n 12 -o mined
check-mined
train-reviewed: train CLIPS --reviewed mined -o reviewed SMALL
train-annotated: train --annotations data/demo/truth.csv --recordings RECORDINGS -o annotated SMALL
train-windows: train --config recipe.yaml CLIPS -o windows --set fit.epochs=3
scan-windows: scan RECORDINGS -o windows.csv --model windows/demobird
compare: compare knn.yaml texture.yaml --clips clips --cv 2 -o compared
export-android: export data/demo/artifacts/demobird --to android -o export-android
export-int8: export data/demo/artifacts/demobird --to tflite-int8 -o export-int8
export-float16: export data/demo/artifacts/demobird --to tflite-float16 -o export-float16
export-saved-model: export data/demo/artifacts/demobird --to saved-model -o export-saved-model
export-compare: export data/demo/artifacts/demobird --compare -o export-compare
info: info FOREST/recording_00.mp3
info-bundle: info data/demo/artifacts/demobird
review-compare: review data/demo/results.csv --compare
answer
review-agreement: review data/demo/results.csv --compare
review-export: review data/demo/results.csv --export checked
listen: listen --input sound.wav --model data/demo/artifacts/demobird -o listened.csv --clips live
wrong-folder: scan no-such-folder
wrong-flag: scan data/demo --thresold 0.4
"""
WORDS = {
    "FOREST": f"'{FOREST}'",
    "TRUTH": f"'{FOREST_TRUTH}'",
    "RECORDINGS": "'data/demo/Forest Recordings'",
    "CLIPS": "--positive data/demo/Parsed_Demobird_Clips "
    "--negative data/demo/Parsed_Not_Demobird_Clips",
    "SMALL": "--label demobird --set fit.epochs=4 --set fit.windows_per_epoch=64 "
    "--set rules.recordings_per_fold=6",
    "OPTIONS": "--keep-scores --clips 3 --report --timezone America/Manaus "
    r"--name-pattern 'recording_(?P<site>\d\d)' --format parquet --format jsonl --format raven "
    "--format audacity --format kaleidoscope --format birdnet",
}
_KNN = """
name: knn
classes: exclusive
clips: {labels: {a: [x]}, background: [y]}
models:
  mfcc: {kind: mfcc, sample_rate_hz: 8000, window_samples: 512, hop_samples: 256, low_hz: 100,
         high_hz: 4000, n_bands: 40, n_coefficients: 20, mean: true}
network: {kind: neighbours, window_s: 1.0, hop_s: 0.5, n_neighbours: 5}
"""
_TEXTURE = """
name: texture
classes: exclusive
clips: {labels: {a: [x]}, background: [y]}
models:
  texture: {kind: texture, sample_rate_hz: 8000, window_samples: 400, hop_samples: 200, low_hz: 40,
            high_hz: 4000, n_bands: 32}
network: {kind: kernel, window_s: 1.0, hop_s: 0.5, sharpness: 0.3, penalty: 0.1}
"""
_RECIPE = """
name: demobird
classes: exclusive
clips:
  labels: {demobird: [data/demo/Parsed_Demobird_Clips]}
  background: [data/demo/Parsed_Not_Demobird_Clips]
models:
  mel: {kind: mel, sample_rate_hz: 8000, window_samples: 512, hop_samples: 256, low_hz: 100,
        high_hz: 3900, n_bands: 32}
network: {kind: cnn-2d, window_s: 1.0, hop_s: 0.5, channels: [8, 16], units: [16]}
augment: {mask_frames: 8, mask_bands: 4}
fit: {epochs: 3, windows_per_epoch: 128}
rules: {recordings_per_fold: 6}
"""


def bring() -> None:
    """What a person brings beside the demo's files."""
    Path("sites.csv").write_text("folder,site,latitude,longitude\n.,Ridge,-3.2511,-60.0423\n")
    for name, text in (("knn", _KNN), ("texture", _TEXTURE), ("recipe", _RECIPE)):
        Path(f"{name}.yaml").write_text(text)
    for name, folder in (("demobird", "Demobird"), ("background", "Not_Demobird")):
        shutil.copytree(f"data/demo/Parsed_{folder}_Clips", f"clips/{name}")
    samples, rate_hz = sf.read(sorted(Path("data/demo/Forest Recordings").iterdir())[0])
    sf.write("sound.wav", samples, rate_hz)


def fill(table: str, column: str, answers: tuple[str, ...]) -> None:
    """Fill a column of a table in, as a person would."""
    with open(table, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        row[column] = answers[number % len(answers)]
    with open(table, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


_ANSWERS = """
PRAGMA application_id = 1667461681;
CREATE TABLE answers (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL, recording TEXT NOT NULL, label TEXT NOT NULL,
    start_ms INTEGER NOT NULL, end_ms INTEGER NOT NULL,
    reviewer TEXT NOT NULL, answered_at TEXT NOT NULL,
    verdict TEXT NOT NULL, other_label TEXT NOT NULL, calls INTEGER
);
"""


def answer() -> None:
    """Answers of two persons about the first events, as the page stores them."""
    with open("data/demo/results/events.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:20]
    with sqlite3.connect("data/demo/results/review.sqlite") as store:
        store.executescript(_ANSWERS)
        for n, row in enumerate(rows):
            times = [round(float(row[name]) * 1000) for name in ("start_s", "end_s")]
            what = ("event", row["recording"], row["label"], *times)
            when = f"2026-01-02T03:04:{n:02}.000+00:00"
            for who, verdict in (
                ("ann", "yes" if n % 4 else "no"),
                ("bob", "yes" if n % 5 else "unsure"),
            ):
                store.execute(
                    "INSERT INTO answers VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, '', NULL)",
                    (*what, who, when, verdict),
                )


BY_HAND: dict[str, Callable[[], None]] = {
    "bring": bring,
    "check-sample": lambda: fill("sample/sample.csv", "true_calls", ("0", "1", "2")),
    "check-mined": lambda: fill("mined/mine.csv", "label", ("demobird", "none", "unsure")),
    "answer": answer,
}


def keep(folder: Path, command: str) -> None:
    """Run every command, and keep what each printed and all that is there in the end."""
    if folder.exists():
        sys.exit(f"{folder} is there already")
    folder = folder.resolve()
    program = shutil.which(command)
    if program is None:
        sys.exit(f"no command {command}")
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir()
    os.chdir(WORK)
    shutil.copytree(CHECKOUT / "artifacts" / "capuchinbird", "model/capuchinbird")
    environment = os.environ | {"COLUMNS": "100", "TF_CPP_MIN_LOG_LEVEL": "3", "MPLBACKEND": "Agg"}
    for step in STEPS.strip().splitlines():
        name, _, words = step.partition(": ")
        if not words:
            BY_HAND[name]()
            continue
        for word, value in WORDS.items():
            words = re.sub(rf"\b{word}\b", lambda _, value=value: value, words)
        done = subprocess.run(
            [program, *shlex.split(words)], capture_output=True, env=environment, check=False
        )
        printed = folder / "printed" / name
        printed.mkdir(parents=True)
        (printed / "stdout").write_bytes(done.stdout)
        (printed / "stderr").write_bytes(done.stderr)
        (printed / "code").write_text(str(done.returncode))
        print(f"{done.returncode} {name}", flush=True)
    shutil.copytree(WORK, folder / "files")


def compare(before: Path, after: Path) -> int:
    """Print which kept files differ; how many."""
    kept = (before, after)
    names = {p.relative_to(d).as_posix() for d in kept for p in d.rglob("*") if p.is_file()}
    n_different = 0
    for name in sorted(names):
        a, b = before / name, after / name
        if not (a.exists() and b.exists()):
            print(f"{'only before' if a.exists() else 'only after'}: {name}")
        elif outcome(a) != outcome(b):
            print(f"differs: {name}")
        else:
            continue
        n_different += 1
    print(f"{len(names)} files, {n_different} differ")
    return n_different


# What is of one run and not of its outcome: times, durations, versions, where the package lies.
_OF_THE_RUN = {
    *("started", "written", "created", "date"),
    *("wall_s", "times_real_time", "seconds", "train_seconds", "train_cpu_s", "cpu_s"),
    *("callcount", "version", "versions"),
}
_BINARY = {".png", ".flac", ".tflite", ".npz", ".sqlite", ".parquet", ".index"}
_TEXTS = [
    (rb"[\w./-]*/(counter/shipped|artifacts/capuchinbird)", b"SHIPPED"),
    (rb"\d{4}-\d\d-\d\d[T ][\d:]{5,8}(\.\d+)?(Z|\+00:00| UTC)?", b"TIME"),
    (rb"\b[0-9a-f]{64}\b", b"HASH"),
    (rb"(demobird-(mel|spectrogram)),? \(?[0-9a-f]{8}\b", rb"\1 HASH"),
    (rb"[\d,.]+ s for [\d.]+ h of sound", b"TOOK"),
    (rb"[\d,.]+ ?(times|x)?( as fast as)? real time", b"SPEED"),
    (rb"\d+ recordings a minute", b"RATE"),
    (rb"in [\d.]+ s \(", b"in T ("),
]


def outcome(path: Path) -> bytes:
    """The content of a file without what is of the run alone.

    Empty for what holds times throughout: the journal, of which all else is made, and the files of
    a SavedModel, whose LiteRT file is compared.
    """
    is_model = path.suffix in (".zip", ".pb") or path.parent.name == "variables"
    if is_model or path.name in ("journal.sqlite", "compare.png"):
        return b""
    data = path.read_bytes()
    if path.suffix in _BINARY:
        return data
    if path.suffix == ".json":
        data = json.dumps(_without_run(json.loads(data)), indent=0).encode()
    for pattern, text in _TEXTS:
        data = re.sub(pattern, text, data)
    return data


def _without_run(value: object) -> object:
    if isinstance(value, dict):
        return {k: _without_run(v) for k, v in value.items() if k not in _OF_THE_RUN}
    return [_without_run(one) for one in value] if isinstance(value, list) else value


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    actions = parser.add_subparsers(dest="action", required=True)
    keeping = actions.add_parser("keep")
    keeping.add_argument("folder", type=Path)
    keeping.add_argument("--command", default="callcount")
    comparing = actions.add_parser("compare")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    given = parser.parse_args()
    if given.action == "compare":
        sys.exit(compare(given.before, given.after) > 0)
    keep(given.folder, given.command)


if __name__ == "__main__":
    main()
