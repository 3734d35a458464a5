"""Run LiteRT files and SavedModels on whole sounds; windows and scores of clips."""

from __future__ import annotations

import io
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from counter.detector import windows_in
from counter.errors import BundleError
from counter.quiet import quiet_stderr
from counter.records import FloatArray
from training.settings.network_settings import WindowShape


def frame_windows(samples: FloatArray, shape: WindowShape) -> FloatArray:
    """The window around each frame of a sound, (n_frames, window_samples), mirrored at its ends."""
    n_frames = max(1, -(-len(samples) // shape.hop_samples))
    behind = n_frames * shape.hop_samples - len(samples) + shape.context_samples
    padded = np.pad(samples, (shape.context_samples, behind), mode="symmetric")
    return windows_in(padded, shape.window_samples, shape.hop_samples)


def clip_windows(samples: FloatArray, shape: WindowShape) -> FloatArray:
    """Windows inside a clip, the last at its end, (n_windows, window_samples).

    One at least: a shorter clip stands in its middle, mirrored at its ends.
    """
    missing = shape.window_samples - len(samples)
    if missing > 0:
        samples = np.pad(samples, (missing // 2, missing - missing // 2), mode="symmetric")
    inside = windows_in(samples, shape.window_samples, shape.hop_samples)
    if (len(samples) - shape.window_samples) % shape.hop_samples:
        inside = np.concatenate([inside, samples[None, -shape.window_samples :]])
    return inside


# Windows scored at once; bounds memory.
BATCH = 64
# Processor time for which a model scores at least, so that one figure of speed is like the next.
TIMED_S = 0.5
Score = Callable[[FloatArray], FloatArray]


def scorer(content: bytes, frame_samples: int, window_samples: int | None = None) -> Score:
    """A function from a whole sound to frame scores (n_frames, n_labels), by a LiteRT file.

    Parameters
    ----------
    frame_samples : int
        Samples that a score stands for.
    window_samples : int or None
        Of a model that takes windows; they are cut as scanning cuts them. ``None``: the model
        takes the sound, silence filling the last frame.
    """
    run = runner(content, window_samples or frame_samples)
    return on_whole_sounds(run, frame_samples, window_samples)


def runner(content: bytes, n_samples: int) -> Score:
    """A function from the own input of a LiteRT file to its scores; see ``on_whole_sounds``.

    ``n_samples`` is a length of input that it takes.
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


# A sound is scored in parts of so many frames, each with so many to either side, more than a score
# depends on: all of a long one at once fills the memory.
PART_FRAMES, AROUND_FRAMES = 2048, 64


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
        parts = []
        for first in range(0, n_frames, PART_FRAMES):
            last, begin = min(first + PART_FRAMES, n_frames), max(0, first - AROUND_FRAMES)
            end = min(last + AROUND_FRAMES, n_frames)
            scores = run(padded[None, begin * frame_samples : end * frame_samples])[0]
            parts.append(scores[first - begin : last - begin])
        return np.concatenate(parts)

    return in_one


def times_real_time(score: Score, sound: FloatArray, sample_rate_hz: int) -> float:
    """Seconds of sound, not empty, that are scored in a second of one processor, of all threads."""
    score(sound)  # the first time, memory is laid out
    begun_s, n = time.process_time(), 0
    while (spent_s := time.process_time() - begun_s) < TIMED_S:
        score(sound)
        n += 1
    return n * len(sound) / sample_rate_hz / spent_s


SAVED_FILE = "saved-model.zip"


def packed(folder: Path) -> bytes:
    """A folder's files as one zip file."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(one for one in folder.rglob("*") if one.is_file()):
            archive.write(path, path.relative_to(folder))
    return content.getvalue()


def unpacked(content: bytes, name: str) -> dict[str, bytes]:
    """The files in it by their path.

    Raises
    ------
    BundleError
        It is no zip file, or one of its paths leads out of its folder.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = {one: archive.read(one) for one in archive.namelist()}
    except zipfile.BadZipFile as error:
        raise BundleError(f"{name} is no zip file: {error}.", "Check the file.") from error
    paths = [PureWindowsPath(one) for one in files]  # which knows both kinds of stroke
    if any(one.anchor or ".." in one.parts for one in paths):
        raise BundleError(f"{name} holds paths that lead out of its folder.", "Check the file.")
    return files


def saved_model_runner(files: Mapping[str, bytes]) -> Score:
    """A function from the model's own input to its scores, as ``runner`` gives one."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch, quiet_stderr():
        for name, content in files.items():
            path = Path(scratch) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        model: Any = tf.saved_model.load(scratch)
    signature = model.signatures["serving_default"]
    (argument,) = signature.structured_input_signature[1]

    def run(samples: FloatArray) -> FloatArray:
        (scores,) = signature(**{argument: tf.constant(samples)}).values()
        result: FloatArray = scores.numpy()
        return result

    return run


# Scores nearer to 0 or 1 have no logit to be pooled.
LEAST_SCORE = 1e-6


def clip_score(scores: FloatArray, *, is_exclusive: bool) -> FloatArray:
    """Score of a clip per label, of the scores of its frames or windows.

    Parameters
    ----------
    scores : array of float32, shape (n_frames, n_labels)
        At least one frame, 0 to 1.
    is_exclusive : bool
        Whether one class sounds at a time: then the mean is taken. Of independent labels, the
        log-mean-exp of the logits through a sigmoid: the mean odds as a score.

    Returns
    -------
    array of float32, shape (n_labels,)
    """
    if is_exclusive:
        return np.asarray(scores.mean(axis=0, dtype=np.float64), dtype=np.float32)
    kept = np.clip(scores.astype(np.float64), LEAST_SCORE, 1 - LEAST_SCORE)
    odds = (kept / (1 - kept)).mean(axis=0)
    return np.asarray(odds / (1 + odds), dtype=np.float32)


def each_clip(score: Score, n_samples: int) -> Score:
    """A function from a sound to the scores of its clips of so many samples, one after another.

    Silence fills the last one; the result has shape (n_clips, n_labels).
    """

    def scores(samples: FloatArray) -> FloatArray:
        n_clips = max(1, -(-len(samples) // n_samples))
        padded = np.zeros(n_clips * n_samples, dtype=np.float32)
        padded[: len(samples)] = samples
        return np.stack([score(clip) for clip in padded.reshape(n_clips, n_samples)])

    return scores
