"""A bundle -> what Google's readers on phones take: clips of one length in, a score a label out."""

from __future__ import annotations

import re

from counter.bundle import MODEL_FILE, Bundle
from counter.errors import BundleError, CallcountError
from counter.records import FloatArray
from training.clipscores import clip_score, each_clip
from training.exportrecords import ROUNDING, Made, Request
from training.litertgraph import Graph
from training.litertrun import runner
from training.origin import trained_window_s
from training.phonegraph import phone_graph
from training.phonemetadata import LABELS_FILE, PhoneFacts, labels_text, with_metadata


def android(bundle: Bundle, request: Request) -> Made:
    """A ``.tflite`` with metadata for MediaPipe's ``AudioClassifier``, and ``labels.txt``.

    Raises
    ------
    CallcountError
        The bundle's model has operators that phones lack, its scores cannot be pooled, or the
        clips' length is not known or too short.
    """
    spec, own = bundle.spec, bundle.model_path.read_bytes()
    graph = Graph(own, MODEL_FILE)
    _check_operators(graph, bundle)
    n_samples = _clip_samples(bundle, request.window_s)
    has_frames = spec.window_samples is None
    phone_graph(graph, n_samples, len(spec.labels), has_frames=has_frames)
    about = f"Scores of {', '.join(spec.labels)} in {n_samples / spec.sample_rate_hz:g} s of sound."
    facts = PhoneFacts(spec.name, about, spec.trained_at, spec.sample_rate_hz, spec.labels)
    content = with_metadata(graph, facts)
    name = re.sub(r"[^\w.-]", "_", spec.name)
    run, run_own = runner(content, n_samples), runner(own, n_samples)

    def reference(clip: FloatArray) -> FloatArray:
        scores = run_own(clip[None])
        return clip_score(scores[0], is_exclusive=False) if has_frames else scores[0]

    return Made(
        {f"{name}.tflite": content, LABELS_FILE: labels_text(spec.labels).encode()},
        each_clip(lambda clip: run(clip[None])[0], n_samples),
        each_clip(reference, n_samples),
        MODEL_FILE,
        ROUNDING,
        {"clip_samples": n_samples, "clip_s": n_samples / spec.sample_rate_hz},
    )


def _check_operators(graph: Graph, bundle: Bundle) -> None:
    """A phone's reader has LiteRT's own operators alone."""
    if others := sorted({name for one in graph.operators if (name := graph.foreign(one))}):
        raise BundleError(
            f"bundle {bundle.path} cannot be had for android: its model needs {', '.join(others)}, "
            "which phones' LiteRT does not have."
        )


def _clip_samples(bundle: Bundle, window_s: float | None) -> int:
    """Samples of the clips that a phone's model takes: a window, or a whole number of frames."""
    spec = bundle.spec
    if spec.window_samples is not None:
        own_s = spec.window_samples / spec.sample_rate_hz
        if window_s is not None and abs(window_s - own_s) * spec.sample_rate_hz >= 1:
            raise CallcountError(
                f"--window {window_s:g} s is not that of bundle {spec.name}, {own_s:g} s.",
                "Leave it out.",
            )
        return spec.window_samples
    if window_s is None:
        window_s = trained_window_s(bundle)
    n_frames = spec.timebase.frames(window_s)
    if n_frames < 1:
        raise CallcountError(
            f"--window {window_s:g} s is less than one score of bundle {spec.name} "
            f"({spec.timebase.frame_s:g} s); give a longer one."
        )
    return n_frames * spec.frame_samples
