"""The well-known tutorial recipe for this task, rebuilt, to be timed beside callcount.

    python -m benchmarks.tutorial [FILE...] [--threads 2] [--json]

Without files: three of the shared forest recordings. It is the recipe as its followers run it
(N. Renotte's DeepAudioClassification and most public solutions of the challenge): decode whole,
resample to 16 kHz with tensorflow-io, cut into windows of 3 s without overlap, magnitude STFT of
1491 x 257, two convolutions of 16, Flatten, Dense 128: 770 million weights; threshold, merge
neighbours, add up. One dataset and one ``predict`` a recording.

The weights are constants: what they are changes the counts, not the time. Importing TensorFlow,
building the model and one recording run beforehand (tracing) are left out of the times; all that
is done for a recording is in them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.common import forest_recordings, markdown_table

if TYPE_CHECKING:
    import tensorflow as tf

RATE_HZ = 16_000
WINDOW_SAMPLES = 3 * RATE_HZ
THRESHOLD = 0.99
N_RECORDINGS = 3


def load(path: Path) -> tf.Tensor:
    """Decode a file whole, mix its channels to one and resample to 16 kHz; shape (n,)."""
    import tensorflow as tf
    import tensorflow_io as tfio

    if path.suffix.lower() == ".wav":
        sound, rate_hz = tf.audio.decode_wav(tf.io.read_file(str(path)), desired_channels=1)
        mono = tf.squeeze(sound, axis=-1)
    else:
        tensor = tfio.audio.AudioIOTensor(str(path))
        sound, rate_hz = tensor.to_tensor(), tensor.rate
        mono = tf.math.reduce_mean(sound, axis=1)
    rate_hz = tf.cast(rate_hz, tf.int64)
    return tfio.audio.resample(mono, rate_in=rate_hz, rate_out=RATE_HZ)


def spectrogram(windows: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
    """A batch of one window to its magnitude spectrogram, shape (1491, 257, 1)."""
    import tensorflow as tf

    window = windows[0]
    padding = tf.zeros([WINDOW_SAMPLES] - tf.shape(window), dtype=tf.float32)
    magnitude = tf.abs(
        tf.signal.stft(tf.concat([padding, window], 0), frame_length=320, frame_step=32)
    )
    return tf.expand_dims(magnitude, axis=2)


def build() -> tf.keras.Model:
    """The tutorial's network with constant weights, 770,482,865 of them (3 GB)."""
    import tensorflow as tf

    layers = tf.keras.layers
    constant = tf.keras.initializers.Constant(1e-4)
    model = tf.keras.Sequential(
        [
            tf.keras.Input((1491, 257, 1)),
            layers.Conv2D(16, (3, 3), activation="relu", kernel_initializer=constant),
            layers.Conv2D(16, (3, 3), activation="relu", kernel_initializer=constant),
            layers.Flatten(),
            layers.Dense(128, activation="relu", kernel_initializer=constant),
            layers.Dense(1, activation="sigmoid", kernel_initializer=constant),
        ]
    )
    model.compile("Adam", loss="BinaryCrossentropy")
    return model


def count(model: tf.keras.Model, path: Path) -> tuple[float, int]:
    """Count the calls in one file; return its length in seconds and the count."""
    import tensorflow as tf

    sound = load(path)
    windows = tf.keras.utils.timeseries_dataset_from_array(
        sound, sound, sequence_length=WINDOW_SAMPLES, sequence_stride=WINDOW_SAMPLES, batch_size=1
    )
    scores = model.predict(windows.map(spectrogram).batch(64), verbose=0)
    found = [1 if score > THRESHOLD else 0 for score in scores[:, 0]]
    calls = sum(key for key, _ in itertools.groupby(found))
    return sound.shape[0] / RATE_HZ, calls


def measure(files: Sequence[Path], n_threads: int) -> list[dict[str, Any]]:
    """Time the recipe on each file; rows of ``recording``, ``audio_s`` and ``wall_s``."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(n_threads)
    tf.config.threading.set_inter_op_parallelism_threads(n_threads)
    model = build()
    count(model, files[0])
    rows = []
    for path in files:
        started_s = time.perf_counter()
        audio_s, _ = count(model, path)
        wall_s = time.perf_counter() - started_s
        rows.append({"recording": path.name, "audio_s": audio_s, "wall_s": wall_s})
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Time the recipe and print a table, or the same as JSON."""
    parser = argparse.ArgumentParser(prog="benchmarks.tutorial", description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print JSON for another program")
    given = parser.parse_args(arguments)
    rows = measure(given.files or forest_recordings()[::8][:N_RECORDINGS], given.threads)
    audio_s, wall_s = (sum(row[key] for row in rows) for key in ("audio_s", "wall_s"))
    if given.json:
        print(json.dumps({"audio_s": audio_s, "wall_s": wall_s}))
        return
    table = [*rows, {"recording": "all", "audio_s": audio_s, "wall_s": wall_s}]
    print(
        markdown_table(
            ["recording", "sound, s", "wall, s", "times real time"],
            [
                [
                    row["recording"],
                    f"{row['audio_s']:.1f}",
                    f"{row['wall_s']:.2f}",
                    f"{row['audio_s'] / row['wall_s']:.0f}",
                ]
                for row in table
            ],
        )
    )


if __name__ == "__main__":
    main()
