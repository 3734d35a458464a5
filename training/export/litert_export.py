"""Export a trained model to LiteRT, float32 and int8; parity with Keras proven."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from counter.errors import CallcountError
from counter.quiet import quiet_stderr
from counter.records import FloatArray
from training.fit.fit_by_kind import Model
from training.fit.fitting import Trained
from training.fit.window_fitting import TrainedWindows
from training.models.front_ends import LogBands
from training.models.litert_run import packed, scorer
from training.models.pretrained import joined, scaling
from training.models.window_front_ends import window_front_end
from training.settings.front_end_settings import PretrainedSettings
from training.settings.train_settings import of_kind

# Largest difference of a frame's score between Keras and LiteRT: what float32's rounding explains;
# int8 is judged by its counts, and a difference beyond this says that the export itself is broken.
TOLERANCES = {"float32": 1e-3, "int8": 0.5}
# Operations of the front end and of nothing else: quantised, quiet frames would be ruined.
FRONT_END_OPS = ["FULLY_CONNECTED", "BATCH_MATMUL", "MUL", "SQUARE", "LOG", "ADD", "SUB", "PAD"]
FRONT_END_OPS += ["REVERSE_V2"]  # of the samples themselves
FRONT_END_OPS += ["PADV2", "RESHAPE", "SLICE", "STRIDED_SLICE", "CONCATENATION", "LOGISTIC"]
# Those of front ends that look at windows, and what makes scores of a network's logits.
WINDOW_OPS = ["MAXIMUM", "MINIMUM", "REDUCE_MAX", "REDUCE_MIN", "MEAN", "SUM", "SQRT", "DIV"]
WINDOW_OPS += ["GREATER", "GREATER_EQUAL", "CAST", "SOFTMAX"]
WINDOW_OPS += ["ABS", "EXP", "GATHER", "TOPK_V2", "TRANSPOSE"]  # of a sound's texture
# Sounds by which int8's ranges are set, and their gains: what is louder than all of them is cut,
# and a network's scores then come out lower.
N_CALIBRATION, CALIBRATION_DB = 256, (-20.0, 10.0)


@dataclass(frozen=True)
class ExportedForm:
    """A LiteRT model with its parity."""

    variant: str  # ``float32`` or ``int8``
    content: bytes
    # Largest difference of a frame score to Keras over all clips compared.
    largest_difference: float
    tolerance: float  # what it had to stay within
    n_clips: int

    @property
    def is_within(self) -> bool:
        """Whether the difference stays within the tolerance."""
        return self.largest_difference <= self.tolerance


@dataclass(frozen=True)
class ExportedForms:
    """What a bundle can hold of a model."""

    # Float32 first; int8 may lie outside its tolerance and is then not to be used.
    variants: tuple[ExportedForm, ...]
    # A SavedModel as a zip file; ``None`` where a part of the model is a LiteRT file, of which
    # TensorFlow makes none.
    saved: bytes | None


def export(
    trained: Model, clips: Sequence[FloatArray], calibration: Sequence[FloatArray]
) -> ExportedForms:
    """Convert to float32, and what has weights to int8; compare each with Keras on every clip.

    ``clips`` are those of validation, (n_samples,) each; by ``calibration`` int8's ranges are set.

    Raises
    ------
    CallcountError
        float32 differs from Keras by more than its tolerance.
    """
    n_samples = trained.window_samples or 32 * trained.frame_samples
    sounds = _at_all_levels(calibration, n_samples)
    ops = FRONT_END_OPS if trained.window_samples is None else FRONT_END_OPS + WINDOW_OPS
    saved = None
    if _of_litert(trained):
        contents = {"float32": float32_file(trained)}
    else:
        # TensorFlow may hold a file for a while, which Windows then does not remove.
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, quiet_stderr():
            full_model(trained).export(folder, verbose=False)
            saved, contents = packed(Path(folder)), {"float32": _convert(folder)}
            if _has_int8(trained):
                contents["int8"] = _convert_int8(folder, sounds, ops)
    reference = [(clip, trained.scores(clip)) for clip in clips]
    checked = (_checked(*one, trained, reference) for one in contents.items())
    return ExportedForms(tuple(checked), saved)


def _at_all_levels(sounds: Sequence[FloatArray], n_samples: int) -> list[FloatArray]:
    """``N_CALIBRATION`` sounds, evenly of those given, as loud and as soft as recordings may be."""
    rng = np.random.default_rng(0)
    chosen = np.linspace(0, len(sounds) - 1, N_CALIBRATION, dtype=np.int64)
    gains = 10.0 ** (rng.uniform(*CALIBRATION_DB, len(chosen)) / 20.0)
    return [
        np.resize(sounds[at], n_samples).astype(np.float32) * np.float32(gain)
        for at, gain in zip(chosen, gains, strict=True)
    ]


def _of_litert(trained: Model) -> bool:
    """Whether its front end is a LiteRT file, which is no part of a graph of TensorFlow."""
    front_end = trained.front_end
    return isinstance(front_end, PretrainedSettings) and front_end.is_litert


def _has_int8(trained: Model) -> bool:
    """A forest has no weights to be made smaller; a network from elsewhere stays as it is."""
    is_own = not isinstance(trained.front_end, PretrainedSettings)
    return is_own and bool(trained.network.trainable_weights)


def full_model(trained: Model) -> Any:
    """Samples -> scores, front end included.

    (1, n_samples) -> (1, n_frames, n_labels), or of a model with windows (n_windows,
    window_samples) -> (n_windows, n_labels).
    """
    n_samples = trained.window_samples
    shape = (1, None) if n_samples is None else (None, n_samples)
    samples = keras.Input(batch_shape=shape, name="samples")
    if isinstance(trained, Trained):
        features = LogBands(trained.front_end.model_dump())(samples)
        return keras.Model(samples, keras.ops.sigmoid(trained.network(features)))
    features = window_front_end(trained.front_end)(samples)
    return keras.Model(samples, trained.network(features))


def float32_file(trained: Model) -> bytes:
    """The LiteRT file in float32 alone."""
    front_end = trained.front_end
    if not isinstance(trained, TrainedWindows) or not _of_litert(trained):
        return _converted(full_model(trained))
    settings, n_samples = of_kind(front_end, PretrainedSettings), trained.window_samples
    before, behind = _converted(scaling(settings, n_samples)), _converted(trained.network)
    return joined(settings, n_samples, before=before, behind=behind)


def _converted(model: Any) -> bytes:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, quiet_stderr():
        model.export(folder, verbose=False)
        return _convert(folder)


def _convert(saved: str) -> bytes:
    content: bytes = tf.lite.TFLiteConverter.from_saved_model(saved).convert()
    return content


def _convert_int8(saved: str, sounds: Sequence[FloatArray], float_ops: Sequence[str]) -> bytes:
    def dataset() -> Iterator[list[FloatArray]]:
        for sound in sounds:
            yield [sound[None]]

    converter = tf.lite.TFLiteConverter.from_saved_model(saved)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = dataset
    options = tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=list(float_ops))
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter, debug_dataset=dataset, debug_options=options
    )
    content: bytes = debugger.get_nondebug_quantized_model()
    return content


def _checked(
    variant: str, content: bytes, trained: Model, reference: Sequence[tuple[FloatArray, FloatArray]]
) -> ExportedForm:
    """A variant compared with what the trained model says of each sound."""
    score = scorer(content, trained.frame_samples, trained.window_samples)
    largest = max(float(np.abs(score(clip) - scores).max()) for clip, scores in reference)
    exported = ExportedForm(variant, content, largest, TOLERANCES[variant], len(reference))
    if variant == "float32" and not exported.is_within:
        raise CallcountError(
            f"the float32 export differs from the trained model by {largest:.2g} "
            f"(at most {exported.tolerance:.2g} is rounding); no bundle was written."
        )
    return exported
