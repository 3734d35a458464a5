"""Decode files with soundfile, in blocks, left and right added, and nothing else.

    python -m benchmarks.decode --threads 2 FILE...

Prints one line of JSON: ``wall_s`` (without the interpreter's start) and ``audio_s``. The floor
that no scan of these files can go below.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import soundfile

BLOCK_S = 10


def decode(path: Path) -> float:
    """Decode one file and add its first two channels; return its length in seconds."""
    n_samples = 0
    with soundfile.SoundFile(path) as file:
        for block in file.blocks(BLOCK_S * file.samplerate, dtype="float32", always_2d=True):
            mono = block[:, 0] if file.channels == 1 else block[:, 0] + block[:, 1]
            n_samples += len(mono)
        return n_samples / file.samplerate


def main(arguments: Sequence[str] | None = None) -> None:
    """Decode the files given and print the time it took."""
    parser = argparse.ArgumentParser(prog="benchmarks.decode", description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args(arguments)
    started_s = time.perf_counter()
    with ThreadPoolExecutor(given.threads) as threads:
        audio_s = sum(threads.map(decode, given.files))
    print(json.dumps({"wall_s": time.perf_counter() - started_s, "audio_s": audio_s}))


if __name__ == "__main__":
    main()
