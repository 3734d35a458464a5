"""LiteRT files run on whole sounds, without TensorFlow."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from counter.quiet import quiet_stderr
from counter.records import FloatArray
from training.netkinds import WindowShape
from training.windows import frame_windows

# Windows scored at once; bounds memory.
BATCH = 64
# Processor time for which a model scores at least, so that one figure of speed is like the next.
TIMED_S = 0.5
Score = Callable[[FloatArray], FloatArray]


def scorer(content: bytes, frame_samples: int, window_samples: int | None = None) -> Score:
    """A function from a whole sound to frame scores (n_frames, n_labels), by LiteRT.

    Parameters
    ----------
    content : bytes
        The LiteRT file.
    frame_samples : int
        Samples that a score stands for.
    window_samples : int or None
        Of a model that takes windows; they are cut as scanning cuts them. ``None``: the model
        takes the sound, silence filling the last frame.
    """
    run = runner(content, window_samples or frame_samples)
    return on_whole_sounds(run, frame_samples, window_samples)


def runner(content: bytes, n_samples: int) -> Score:
    """A function from a model's own input to its scores; see ``on_whole_sounds``.

    Parameters
    ----------
    content : bytes
        The LiteRT file.
    n_samples : int
        A length of input that it takes.
    """
    with quiet_stderr():
        interpreter = Interpreter(model_content=content, num_threads=1)
        index = interpreter.get_input_details()[0]["index"]
        # The first time it says on stderr how it will run; later it is silent.
        takes_one = interpreter.get_input_details()[0]["shape_signature"][0] == 1
        interpreter.resize_tensor_input(index, [1, n_samples])
        interpreter.allocate_tensors()

    def run(samples: FloatArray) -> FloatArray:
        if takes_one and len(samples) > 1:
            return np.concatenate([run(one[None]) for one in samples])
        interpreter.resize_tensor_input(index, samples.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(index, samples)
        interpreter.invoke()
        scores: FloatArray = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        return scores

    return run


def on_whole_sounds(run: Score, frame_samples: int, window_samples: int | None) -> Score:
    """Make a model's own input of a whole sound, and frame scores of what it gives.

    Parameters
    ----------
    run : callable
        Takes (1, n_samples) and gives (1, n_frames, n_labels), or takes (n_windows,
        window_samples) and gives (n_windows, n_labels).
    frame_samples, window_samples
        As for ``scorer``.
    """
    if window_samples is not None:
        shape = WindowShape(window_samples, frame_samples)

        def in_windows(samples: FloatArray) -> FloatArray:
            windows = frame_windows(samples, shape)
            starts = range(0, len(windows), BATCH)
            return np.concatenate([run(windows[one : one + BATCH]) for one in starts])

        return in_windows

    def in_one(samples: FloatArray) -> FloatArray:
        n_frames = max(1, -(-len(samples) // frame_samples))
        padded = np.zeros(n_frames * frame_samples, dtype=np.float32)
        padded[: len(samples)] = samples
        return run(padded[None])[0]

    return in_one


def times_real_time(score: Score, sound: FloatArray, sample_rate_hz: int) -> float:
    """Seconds of sound that are scored in a second of one processor, whatever the threads.

    Parameters
    ----------
    score : callable
        From a whole sound to its scores.
    sound : array of float32, shape (n_samples,)
        Not empty.
    sample_rate_hz : int
        Of the sound.
    """
    score(sound)  # the first time, memory is laid out
    begun_s, n = time.process_time(), 0
    while (spent_s := time.process_time() - begun_s) < TIMED_S:
        score(sound)
        n += 1
    return n * len(sound) / sample_rate_hz / spent_s
