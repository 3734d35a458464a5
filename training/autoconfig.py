"""Automatic configuration: settings resolved from defaults, the calls, YAML and inputs.

Band, rate, steps and windows follow from the calls, unless a config says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from counter.config import read_yaml, suggest, validate, with_overrides
from counter.errors import ConfigError
from counter.storage.file_names import safe_name
from training.call_facts import HIGHEST_SHARE, CallFacts, call_facts, clip_facts
from training.data.annotated_clips import annotated_calls
from training.data.clip_sources import ClipFolders
from training.settings.front_end_settings import (
    FITTED,
    BandSettings,
    FrontEnd,
    FrontEndSettings,
    without_auto,
)
from training.settings.train_settings import ClipSettings, TrainSettings

RATES_HZ = (2000, 4000, 8000, 16000, 24000, 32000, 48000, 96000, 192000, 256000, 384000)
# A score stands for at most this share of a short call, and for so many seconds.
FRAME_SHARE, FRAME_S = 1 / 6, (0.0001, 0.5)
HOPS_PER_FRAME, LEAST_HOP = 4, 8
# Bins that a band must hold; for as many as there are bands, spectra last up to so many hops.
LEAST_BINS, MOST_HOPS = 24, 8
# A training window is this much longer than a long call, and a number of frames within these.
WINDOW_ROOM, WINDOW_FRAMES = 3.0, (48, 160)


def fit_to_calls(settings: TrainSettings) -> tuple[TrainSettings, CallFacts | None]:
    """Settings with front ends and training windows fitted to the calls, marked or in clips.

    What was given of ``models`` and ``fit.window_s`` is left as it is; with a network of windows,
    all is.

    Returns
    -------
    settings : TrainSettings
    facts : CallFacts or None
        What they were fitted to; ``None`` where all is left as it is, as when no call stands out.

    Raises
    ------
    CallcountError
        Annotations or folders of clips that cannot be used.
    """
    facts = None
    if not settings.has_windows and _is_open(settings):
        facts = _facts(settings.clips)
    if facts is None:
        for name, one in settings.models.items():
            validate(type(one), one.model_dump(), f"models.{name}")
        return settings, None
    models = {name: _fitted(one, facts) for name, one in settings.models.items()}
    fit = settings.fit
    if "window_s" not in fit.model_fields_set:
        frames_s = [HOPS_PER_FRAME * x.hop_samples / x.sample_rate_hz for x in models.values()]
        fit = fit.model_copy(update={"window_s": window_s_for(facts, min(frames_s))})
    return settings.model_copy(update={"models": models, "fit": fit}), facts


def _is_open(settings: TrainSettings) -> bool:
    """Whether anything is left to be fitted."""
    given = [one.model_fields_set for one in settings.models.values()]
    are_models_given = "models" in settings.model_fields_set and all({*FITTED} <= x for x in given)
    return not (are_models_given and "window_s" in settings.fit.model_fields_set)


def _facts(clips: ClipSettings) -> CallFacts | None:
    """What the calls are like: the marked ones where there are any, else those in clips."""
    if clips.annotations is not None:
        return call_facts(annotated_calls(clips), tuple(clips.labels))
    return clip_facts(*ClipFolders(clips).paths())


def _fitted(one: FrontEnd, facts: CallFacts) -> FrontEndSettings:
    """A front end fitted to the calls in all that was not given of it."""
    given = {name: getattr(one, name) for name in one.model_fields_set}
    return front_end_for(facts, **given)


def front_end_for(facts: CallFacts, kind: str, **given: Any) -> BandSettings:
    """A front end that hears the band of the calls, at the lowest rate that holds it.

    Settings that are ``given`` stay, and what goes with them follows.

    Raises
    ------
    ConfigError
        What was given does not go together.
    """
    low_hz, high_hz = given.get("low_hz", facts.low_hz), given.get("high_hz", facts.high_hz)
    wanted_hz = 2 * high_hz / HIGHEST_SHARE
    rate_hz = next((rate for rate in RATES_HZ if rate >= wanted_hz), RATES_HZ[-1])
    rate_hz = given.get("sample_rate_hz", rate_hz)
    if "high_hz" not in given:
        high_hz = min(high_hz, HIGHEST_SHARE * rate_hz / 2)
    frame_s = float(np.clip(FRAME_SHARE * facts.short_s, *FRAME_S))
    hop = 2 ** int(np.log2(max(frame_s * rate_hz / HOPS_PER_FRAME, LEAST_HOP)) + 1e-9)
    hop = given.get("hop_samples", hop)
    n_wanted = given.get("n_bands", BandSettings.model_fields["n_bands"].default)
    n_least = n_wanted if "n_bands" in given else LEAST_BINS
    width_hz, window = max(high_hz - low_hz, 1.0), 2 * hop
    while (n_bins := width_hz * window / rate_hz) < n_least or (
        n_bins < n_wanted and window < MOST_HOPS * hop
    ):
        window *= 2
    window = given.get("window_samples", window)
    found = {
        "sample_rate_hz": rate_hz,
        "window_samples": window,
        "hop_samples": hop,
        "low_hz": low_hz,
        "high_hz": high_hz,
        "n_bands": min(n_wanted, max(1, int(width_hz * window / rate_hz))),
    }
    return validate(BandSettings, {**found, **given, "kind": kind}, "models")


def window_s_for(facts: CallFacts, frame_s: float) -> float:
    """Length of a training window: a long call with room, in whole frames."""
    n_frames = np.clip(np.ceil(WINDOW_ROOM * facts.long_s / frame_s), *WINDOW_FRAMES)
    return float(n_frames * frame_s)


DEFAULT_CONFIG = Path("configs/default.yaml")


@dataclass(frozen=True)
class TrainInputs:
    """What a training is given besides a config; flags of ``callcount train``.

    Attributes
    ----------
    positive, negative : tuple of Path
        Folders of clips with the call and without it.
    annotations, recordings : Path or None
        Table of marked calls, and the folder of the recordings that they are in.
    reviewed : tuple of Path
        Folders of mined clips that were filled in.
    label : str or None
        What ``positive`` or ``annotations`` hold, and the name of the run.
    assignments : tuple of str
        Single settings, as ``fit.epochs=30``.
    seed, folds : int or None
        Seed of everything drawn by chance, and folds of sources.
    """

    positive: tuple[Path, ...] = ()
    negative: tuple[Path, ...] = ()
    annotations: Path | None = None
    recordings: Path | None = None
    reviewed: tuple[Path, ...] = ()
    label: str | None = None
    assignments: tuple[str, ...] = ()
    seed: int | None = None
    folds: int | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> TrainInputs:
        """Inputs by name; paths may be text, and one may stand for several.

        Raises
        ------
        ConfigError
            There is no input of a name.
        """
        known = [one.name for one in fields(cls)]
        inputs: dict[str, Any] = {}
        for name, value in given.items():
            if name not in known:
                near = suggest(name, known)
                raise ConfigError(f"train has no input {name!r}{near}, only: {', '.join(known)}.")
            if name in ("positive", "negative", "reviewed"):
                value = tuple(map(Path, [value] if isinstance(value, (str, Path)) else value))
            elif name in ("annotations", "recordings") and value is not None:
                value = Path(value)
            inputs[name] = tuple(value) if name == "assignments" else value
        return cls(**inputs)


def resolve_settings(
    config: Path | None, inputs: TrainInputs
) -> tuple[TrainSettings, CallFacts | None]:
    """Settings of a training: defaults < fitted to the calls < YAML < inputs.

    Without ``config``, what ``configs/default.yaml`` changes of the defaults, where it is there.

    Returns
    -------
    settings : TrainSettings
    facts : CallFacts or None
        What they were fitted to; ``None`` where they were not.

    Raises
    ------
    ConfigError
        A setting is unknown or out of range, or inputs do not go together.
    CallcountError
        Annotations or clips that cannot be used.
    """
    return fitted_settings(given_settings(config, inputs), inputs)


def fitted_settings(
    given: TrainSettings, inputs: TrainInputs
) -> tuple[TrainSettings, CallFacts | None]:
    """Settings fitted to the calls, single ones assigned; as ``resolve_settings`` gives them."""
    settings, facts = fit_to_calls(given)
    # Set on what is resolved, so that one setting of a model leaves its others as they are.
    return _assigned(settings, inputs), facts


def given_settings(config: Path | None, inputs: TrainInputs) -> TrainSettings:
    """Settings as they are given, those left open at their defaults; no sound is read.

    Raises
    ------
    ConfigError
        As ``resolve_settings``, of single settings too, which are not in it yet.
    """
    if config is not None:
        data = read_yaml(config)
    else:
        data = _chosen(read_yaml(DEFAULT_CONFIG)) if DEFAULT_CONFIG.is_file() else {}
    where = str(config or (DEFAULT_CONFIG if data else "the settings"))
    data = _with_inputs(data, inputs)
    name = _run_name(inputs)
    if name is not None and (config is None or "name" not in data):
        data["name"] = name
    given = validate(TrainSettings, data, where)
    _assigned(given, inputs)  # a slip is told before any sound is read
    return given


def _assigned(settings: TrainSettings, inputs: TrainInputs) -> TrainSettings:
    """Settings with the single ones that were assigned."""
    if not inputs.assignments:
        return settings
    changed = with_overrides(settings.model_dump(mode="json"), list(inputs.assignments))
    return validate(TrainSettings, changed, "--set")


def _chosen(data: dict[str, Any]) -> dict[str, Any]:
    """What differs from the defaults: the rest of the file that spells them out is no choice."""
    defaults = TrainSettings().model_dump(mode="json")
    defaults["models"] = {name: {"kind": one["kind"]} for name, one in defaults["models"].items()}
    models = data.get("models")
    if isinstance(models, dict):
        data = {**data, "models": {name: without_auto(models[name], FITTED) for name in models}}
    chosen = {key: value for key, value in data.items() if value != defaults.get(key)}
    for key in ("clips", "fit"):
        if isinstance(chosen.get(key), dict):
            pairs = without_auto(chosen[key], ("window_s",)).items()
            chosen[key] = {name: one for name, one in pairs if one != defaults[key].get(name)}
    return chosen


def _with_inputs(data: dict[str, Any], inputs: TrainInputs) -> dict[str, Any]:
    """A config's settings with those that have inputs of their own."""
    clips = dict(data.get("clips") or {})
    given = {"annotations": inputs.annotations, "recordings": inputs.recordings}
    clips |= {key: str(path) for key, path in given.items() if path is not None}
    if inputs.label is not None and not (inputs.positive or clips.get("annotations")):
        raise ConfigError(
            "--label names what --positive or --annotations holds; give one of them too."
        )
    if inputs.label or inputs.positive:
        name = inputs.label or inputs.positive[0].resolve().name
        clips["labels"] = {name: [str(path) for path in inputs.positive]}
    if inputs.reviewed:
        clips["reviewed"] = [str(path) for path in inputs.reviewed]
    if inputs.negative:
        clips["background"] = [str(path) for path in inputs.negative]
    if clips:
        data["clips"] = clips
    if inputs.seed is not None:
        data["seed"] = inputs.seed
    if inputs.folds is not None:
        data["rules"] = {**(data.get("rules") or {}), "folds": inputs.folds}
    return data


def _run_name(inputs: TrainInputs) -> str | None:
    """The run's name by what is trained on; ``None`` where the inputs say nothing of it."""
    name = inputs.label
    if name is None and inputs.positive:
        name = inputs.positive[0].resolve().name
    elif name is None and inputs.annotations:
        name = inputs.annotations.stem
    return None if name is None else re.sub("^-", "_", safe_name(name))
