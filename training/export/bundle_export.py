"""Export a bundle for another use: smaller, for TensorFlow, for a phone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from counter import __version__
from counter.bundle import MODEL_FILE, Bundle, write_bundle
from counter.config import read_yaml
from counter.errors import BundleError, CallcountError
from counter.records import FloatArray
from counter.storage.atomic import check_replaceable, new_folder
from counter.storage.file_names import safe_name
from training.export.phone_export import (
    LABELS_FILE,
    PhoneFacts,
    labels_text,
    phone_graph,
    with_metadata,
)
from training.models.litert_graph import Graph, to_float16
from training.models.litert_run import (
    SAVED_FILE,
    Score,
    clip_score,
    each_clip,
    on_whole_sounds,
    runner,
    saved_model_runner,
    scorer,
    unpacked,
)
from training.settings.train_settings import TrainSettings

# Largest difference of a score that comes of reckoning in another order.
ROUNDING = 1e-3


@dataclass(frozen=True)
class Request:
    """What is asked of an export beside its target."""

    # Length of the clips that a phone's model takes, seconds; ``None`` for the training's.
    window_s: float | None = None
    # What the user takes the labels to be, in order; ``None`` where nothing was said.
    labels: tuple[str, ...] | None = None
    # Sounds at the bundle's rate, (n_samples,) each, to prove parity on beside the made ones.
    sounds: tuple[FloatArray, ...] = ()


@dataclass(frozen=True)
class Made:
    """What a target makes of a bundle."""

    files: Mapping[str, bytes]  # by path in the folder
    score: Score  # what was made, on a sound
    reference: Score  # what it was made from; their results have one shape
    source: str  # the bundle's file that it was made from
    tolerance: float  # largest difference of a score that is allowed
    facts: Mapping[str, Any] = field(default_factory=dict)  # what else is to be known of it


Maker = Callable[[Bundle, Request], Made]


CONFIG_FILE = "config.yaml"


def config_of(bundle: Bundle) -> Path | None:
    """The settings of the run that a bundle stands in the folder of; ``None`` elsewhere."""
    path = bundle.path.parent / CONFIG_FILE
    return path if path.is_file() else None


def trained_window_s(bundle: Bundle) -> float:
    """Length of the windows that a bundle was trained on, seconds.

    Raises
    ------
    CallcountError
        Neither the bundle nor its run's folder says.
    """
    window_s = bundle.spec.provenance.get("window_s")
    config = config_of(bundle)
    if window_s is None and config is not None:
        window_s = read_yaml(config).get("fit", {}).get("window_s")
    if not isinstance(window_s, int | float):
        raise CallcountError(
            f"bundle {bundle.path} does not say how long the windows were that it was trained on.",
            "Give --window SECONDS.",
        )
    return float(window_s)


def moved(settings: TrainSettings, folder: Path) -> TrainSettings:
    """The settings with the paths of clips taken from another folder than the present one."""

    def there(path: str) -> str:
        return str(folder / path)

    clips = settings.clips
    changes: dict[str, object] = {
        "labels": {name: tuple(map(there, paths)) for name, paths in clips.labels.items()},
        "background": tuple(map(there, clips.background)),
        "reviewed": tuple(map(there, clips.reviewed)),
    }
    for key in ("annotations", "recordings"):
        if (path := getattr(clips, key)) is not None:
            changes[key] = there(path)
    return settings.model_copy(update={"clips": clips.model_copy(update=changes)})


DURATION_S = 8.0
LOUDNESS_STEP_S = 0.1
N_PARTIALS = 5


def proof_sounds(sample_rate_hz: int, low_hz: float, high_hz: float) -> list[FloatArray]:
    """Silence, noises, sweeps and harmonic sounds in a model's band, faint to full scale.

    ``DURATION_S`` seconds each, (n_samples,); the same at every call.
    """
    rng = np.random.default_rng(0)
    n = int(DURATION_S * sample_rate_hz)
    t = np.arange(n) / sample_rate_hz
    steps = int(np.ceil(DURATION_S / LOUDNESS_STEP_S))
    level = np.interp(t, np.arange(steps) * LOUDNESS_STEP_S, 10 ** rng.uniform(-3, 0, steps))
    white = rng.normal(0, 0.2, n)
    hz = low_hz + (high_hz - low_hz) * (0.5 - 0.5 * np.cos(2 * np.pi * t / DURATION_S))
    sweep = np.sin(2 * np.pi * np.cumsum(hz) / sample_rate_hz)
    pitch_hz = low_hz + (high_hz - low_hz) / (2 * N_PARTIALS)
    partials = sum(np.sin(2 * np.pi * k * pitch_hz * t) / k for k in range(1, N_PARTIALS + 1))
    beats = np.maximum(0, np.sin(2 * np.pi * t / 2.0)) * partials / N_PARTIALS
    click = np.zeros(n)
    click[:: sample_rate_hz // 2] = 1.0
    sounds = [np.zeros(n), white * 1e-4, white, white * level, np.diff(white * level, prepend=0)]
    sounds += [sweep * 0.9, sweep * level + white * 0.01]
    sounds += [beats + white * 0.003, beats * 0.02, click]
    return [np.clip(sound, -1, 1).astype(np.float32) for sound in sounds]


FACTS_FILE = "export.json"
FLOAT32_FILE, INT8_FILE = "model-float32.tflite", "model-int8.tflite"
# Largest difference of a score that is no mistake, beside rounding. Weights of half precision are
# good to 1 in 2000, which moves clips' scores by that much; int8 is judged by its counts.
HALVED, QUANTISED = 0.005, 0.5


def export_bundle(bundle: Bundle, target: str, output: Path, request: Request) -> dict[str, Any]:
    """Make a target of a bundle, prove that it scores alike, and write its folder in one move.

    ``target`` is one of ``TARGETS``; the folder is free, or an export made earlier. Returns what
    its ``export.json`` holds.

    Raises
    ------
    CallcountError
        The bundle cannot be had so, its labels are others than those asked for, it scores
        otherwise than what it was made from, or something is in the way; nothing is written.
    """
    check_replaceable(output, FACTS_FILE)
    _check_labels(bundle, request.labels)
    made = TARGETS[target](bundle, request)
    facts = {
        "target": target,
        "callcount": __version__,
        "bundle": {"name": bundle.spec.name, "sha256": bundle.sha256},
        "labels": list(bundle.spec.labels),
        "sample_rate_hz": bundle.spec.sample_rate_hz,
        **made.facts,
        "parity": _parity(made, bundle, request, target),
        "files": {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in made.files.items()
        },
    }
    text = json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    _write(bundle, target, output, {**made.files, FACTS_FILE: text.encode()})
    return facts


def _check_labels(bundle: Bundle, labels: tuple[str, ...] | None) -> None:
    own = bundle.spec.labels
    if labels is None or labels == own:
        return
    raise CallcountError(
        f"--labels says {', '.join(labels) or 'nothing'}, but the scores of bundle "
        f"{bundle.spec.name} are of {', '.join(own)}, in this order.",
        "Correct the file, or leave out --labels.",
    )


def _parity(made: Made, bundle: Bundle, request: Request, target: str) -> dict[str, Any]:
    """The largest difference of a score on made sounds and those given.

    Raises
    ------
    CallcountError
        It is beyond the tolerance.
    """
    spec = bundle.spec
    sounds = [*proof_sounds(spec.sample_rate_hz, spec.low_hz, spec.high_hz), *request.sounds]
    largest = max(float(np.abs(made.score(x) - made.reference(x)).max()) for x in sounds)
    if not largest <= made.tolerance:
        raise CallcountError(
            f"{target} of bundle {spec.name} differs from {made.source} by {largest:.3g} "
            f"in a score (at most {made.tolerance:g} is allowed); nothing was written."
        )
    return {
        "against": made.source,
        "largest_difference": float(f"{largest:.3g}"),
        "tolerance": made.tolerance,
        "n_sounds": len(sounds),
    }


def _write(bundle: Bundle, target: str, output: Path, files: Mapping[str, bytes]) -> None:
    if MODEL_FILE in files:  # a bundle again, which scans
        spec = bundle.spec.for_another()
        spec["provenance"] = {**spec["provenance"], "exported_as": target}
        write_bundle(output, spec, files)
        return
    with new_folder(output, FACTS_FILE) as folder:
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)


def float32_model(bundle: Bundle) -> tuple[str, bytes]:
    """Name and content of the bundle's LiteRT file that is not quantised.

    Raises
    ------
    BundleError
        The bundle holds a quantised one alone.
    """
    for name in (FLOAT32_FILE, MODEL_FILE):
        content = bundle.companion(name)
        if content is not None and not Graph(content, name).has_integers():
            return name, content
    raise BundleError(
        f"bundle {bundle.path} holds no {FLOAT32_FILE}, and its {MODEL_FILE} is int8.",
        "Take the folder that training left, or train again.",
    )


def int8_model(bundle: Bundle) -> tuple[str, bytes] | None:
    """Name and content of the bundle's quantised LiteRT file; ``None`` where it has none."""
    for name in (INT8_FILE, MODEL_FILE):
        content = bundle.companion(name)
        if content is not None and Graph(content, name).has_integers():
            return name, content
    return None


def _scorer(bundle: Bundle, content: bytes) -> Score:
    return scorer(content, bundle.spec.frame_samples, bundle.spec.window_samples)


def _android(bundle: Bundle, request: Request) -> Made:
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
    name = safe_name(spec.name)
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


def _float16(bundle: Bundle, request: Request) -> Made:
    source, content = float32_model(bundle)
    half = to_float16(content, source)
    score, reference = _scorer(bundle, half), _scorer(bundle, content)
    return Made({MODEL_FILE: half}, score, reference, source, HALVED)


def _int8(bundle: Bundle, request: Request) -> Made:
    found = int8_model(bundle)
    if found is None:
        differs = bundle.spec.provenance.get("parity", {}).get("int8")
        why = f"; int8 scored otherwise by {differs:.2g} in training" if differs else ""
        raise BundleError(
            f"bundle {bundle.path} holds no int8 model{why}.", "Export it --to tflite-float16."
        )
    source, content = float32_model(bundle)
    score, reference = _scorer(bundle, found[1]), _scorer(bundle, content)
    return Made({MODEL_FILE: found[1]}, score, reference, source, QUANTISED)


def _saved_model(bundle: Bundle, request: Request) -> Made:
    kept = bundle.companion(SAVED_FILE)
    if kept is None:
        raise BundleError(
            f"bundle {bundle.path} holds no {SAVED_FILE}: it was trained before bundles kept one, "
            "or copied without.",
            "Take the folder that training left, or train again.",
        )
    files = unpacked(kept, SAVED_FILE)
    source, content = float32_model(bundle)
    run, spec = saved_model_runner(files), bundle.spec
    score = on_whole_sounds(run, spec.frame_samples, spec.window_samples)
    return Made(files, score, _scorer(bundle, content), source, ROUNDING)


TARGETS: dict[str, Maker] = {
    "android": _android,
    "tflite-int8": _int8,
    "tflite-float16": _float16,
    "saved-model": _saved_model,
}
