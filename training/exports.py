"""A bundle -> a file for another use: smaller, for TensorFlow, for a phone; parity is proven."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from counter import __version__
from counter.bundle import MODEL_FILE, Bundle, write_bundle
from counter.errors import BundleError, CallcountError
from counter.folders import check_replaceable, new_folder
from counter.records import FloatArray
from training.exportrecords import ROUNDING, Made, Maker, Request
from training.halved import halved
from training.litertgraph import Graph
from training.litertrun import Score, on_whole_sounds, scorer
from training.phones import android
from training.proofsounds import proof_sounds
from training.savedmodel import SAVED_FILE, saved_model_runner, unpacked

FACTS_FILE = "export.json"
FLOAT32_FILE, INT8_FILE = "model-float32.tflite", "model-int8.tflite"
# Largest difference of a score that is no mistake, beside rounding. Weights of half precision are
# good to 1 in 2000, which moves clips' scores by that much; int8 is judged by its counts.
HALVED, QUANTISED = 0.005, 0.5


def export_bundle(bundle: Bundle, target: str, output: Path, request: Request) -> dict[str, Any]:
    """Make a target of a bundle, prove that it scores alike, and write its folder in one move.

    Parameters
    ----------
    bundle : Bundle
        What is exported.
    target : str
        One of ``TARGETS``.
    output : Path
        The folder: free, or an export made earlier.
    request : Request
        What else was asked.

    Returns
    -------
    dict
        What ``export.json`` holds.

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
        "files": {name: _told(content) for name, content in made.files.items()},
    }
    _write(bundle, target, output, {**made.files, FACTS_FILE: _json(facts)})
    return facts


def _told(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _json(facts: Mapping[str, Any]) -> bytes:
    return (json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


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
    largest = max(_difference(made, sound) for sound in sounds)
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


def _difference(made: Made, sound: FloatArray) -> float:
    return float(np.abs(made.score(sound) - made.reference(sound)).max())


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


def _float16(bundle: Bundle, request: Request) -> Made:
    source, content = float32_model(bundle)
    half = halved(content, source)
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
    "android": android,
    "tflite-int8": _int8,
    "tflite-float16": _float16,
    "saved-model": _saved_model,
}
