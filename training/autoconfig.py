"""Automatic configuration: settings resolved from defaults, marked calls, YAML and inputs.

Band, rate, steps and windows follow from annotated calls, unless a config says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counter.audio.stream import probe
from counter.config import read_yaml, suggest, validate, with_overrides
from counter.errors import AudioError, ConfigError
from counter.records import FloatArray
from counter.storage.file_names import safe_name
from training.data.annotated_clips import AnnotatedCalls, Span, annotated_calls, cut_out
from training.settings.front_end_settings import BandSettings
from training.settings.train_settings import TrainSettings

RATES_HZ = (2000, 4000, 8000, 16000, 24000, 32000, 48000, 96000, 192000, 256000, 384000)
# So much of every recording is looked at.
MOST_CALLS, MOST_BACKGROUND_S = 40, 60.0
SPECTRUM_S, SILENCE_POWER = 0.064, 1e-12
LOWEST_HZ, BANDS_PER_OCTAVE = 40.0, 6
# A call whose loudest band holds less than this many times the background's power is not heard.
LEAST_RATIO = 4.0
# Nor is a band with less than this share of the call's loudest: where MP3 leaves no background at
# all, the faintest overtone stands out.
LEAST_SHARE = 0.01
# Left out at either end: this share of what stands out of a call, and of all calls.
ODD_SHARE, ODD_CALLS = 0.05, 0.1
# The band is wider than the calls by this factor on either side.
ROOM = 1.15
# What a recording holds of its own Nyquist frequency, above which filters have done their work.
HIGHEST_SHARE = 0.9
# A score stands for at most this share of a short call, and for so many seconds.
FRAME_SHARE, FRAME_S = 1 / 6, (0.008, 0.128)
HOPS_PER_FRAME, LEAST_HOP = 4, 8
LEAST_BINS = 24
# A training window is this much longer than a long call, and a number of frames within these.
WINDOW_ROOM, WINDOW_FRAMES = 1.3, (32, 128)
SHORT_CALL, LONG_CALL = 0.1, 0.95


@dataclass(frozen=True)
class CallFacts:
    """What annotated calls are like."""

    n_calls: int  # calls that stand out of the background
    low_hz: float  # the band that they stand out in
    high_hz: float
    short_s: float  # length of a short call
    long_s: float  # and of a long one


def fit_to_calls(settings: TrainSettings) -> tuple[TrainSettings, CallFacts | None]:
    """Settings with front ends and training windows fitted to the annotated calls.

    Whatever of ``models`` and ``fit.window_s`` was given is left as it is; without
    ``clips.annotations``, or with a network of windows, all is.

    Returns
    -------
    settings : TrainSettings
    facts : CallFacts or None
        What they were fitted to; ``None`` where all is left as it is, as when no call stands out.

    Raises
    ------
    CallcountError
        Annotations that cannot be used.
    """
    has_models = "models" in settings.model_fields_set
    has_window = "window_s" in settings.fit.model_fields_set
    if settings.clips.annotations is None or settings.has_windows:
        return settings, None
    if has_models and has_window:
        return settings, None
    facts = call_facts(annotated_calls(settings.clips), tuple(settings.clips.labels))
    if facts is None:
        return settings, None
    models, fit = settings.models, settings.fit
    if not has_models:
        models = {name: front_end_for(facts, one.kind) for name, one in models.items()}
    if not has_window:
        frames_s = [HOPS_PER_FRAME * x.hop_samples / x.sample_rate_hz for x in models.values()]
        fit = fit.model_copy(update={"window_s": window_s_for(facts, min(frames_s))})
    return settings.model_copy(update={"models": models, "fit": fit}), facts


def front_end_for(facts: CallFacts, kind: str) -> BandSettings:
    """A front end that hears the band of the calls, at the lowest rate that holds it."""
    wanted_hz = 2 * facts.high_hz / HIGHEST_SHARE
    rate_hz = next((rate for rate in RATES_HZ if rate >= wanted_hz), RATES_HZ[-1])
    high_hz = min(facts.high_hz, HIGHEST_SHARE * rate_hz / 2)
    frame_s = float(np.clip(FRAME_SHARE * facts.short_s, *FRAME_S))
    hop = 2 ** int(np.log2(max(frame_s * rate_hz / HOPS_PER_FRAME, LEAST_HOP)) + 1e-9)
    width_hz = high_hz - facts.low_hz
    window = 2 * hop
    while width_hz * window / rate_hz < LEAST_BINS:
        window *= 2
    defaults = BandSettings(kind=kind)
    return BandSettings(
        kind=kind,
        sample_rate_hz=rate_hz,
        window_samples=window,
        hop_samples=hop,
        low_hz=facts.low_hz,
        high_hz=high_hz,
        n_bands=min(defaults.n_bands, int(width_hz * window / rate_hz)),
    )


def window_s_for(facts: CallFacts, frame_s: float) -> float:
    """Length of a training window: a long call with room, in whole frames."""
    n_frames = np.clip(np.ceil(WINDOW_ROOM * facts.long_s / frame_s), *WINDOW_FRAMES)
    return float(n_frames * frame_s)


def call_facts(annotated: AnnotatedCalls, labels: Sequence[str]) -> CallFacts | None:
    """Measure the annotated calls of some labels (none named: all) against their backgrounds.

    For each call, how many decibels it stands over its recording's background, in bands of a sixth
    of an octave. What is above half of its highest such figure is the call; its band holds all of
    that but ``ODD_SHARE`` at either end. The band of all calls leaves out ``ODD_CALLS`` of them at
    either end.

    Returns
    -------
    CallFacts or None
        ``None`` where no call stands out, or no recording has background beside its calls.
    """
    lengths_s: list[float] = []
    bands_hz: list[Span] = []
    for name, calls in annotated.calls.items():
        wanted = [one for one in calls if not (labels and one.label) or one.label in labels]
        spans = [(one.start_s, one.end_s) for one in wanted]
        lengths_s += [end_s - start_s for start_s, end_s in spans]
        try:
            bands_hz += _bands_hz(annotated, name, spans)
        except AudioError:
            continue  # named, and counted with what failed, when clips are cut
    if not bands_hz:
        return None
    low_hz, high_hz = np.array(bands_hz).T
    return CallFacts(
        n_calls=len(bands_hz),
        low_hz=_rounded(float(np.quantile(low_hz, ODD_CALLS)) / ROOM),
        high_hz=_rounded(float(np.quantile(high_hz, 1 - ODD_CALLS)) * ROOM),
        short_s=float(np.quantile(lengths_s, SHORT_CALL)),
        long_s=float(np.quantile(lengths_s, LONG_CALL)),
    )


def _rounded(hz: float) -> float:
    """To two digits: more would pretend that the band is known better."""
    return float(f"{hz:.2g}")


def _bands_hz(annotated: AnnotatedCalls, name: str, spans: Sequence[Span]) -> list[Span]:
    """The band of every call of one recording that stands out of its background."""
    kept = np.linspace(0, len(spans), min(len(spans), MOST_CALLS), endpoint=False).astype(int)
    calls = [spans[index] for index in kept]
    rest = annotated.background_spans(name, MOST_BACKGROUND_S)
    if not calls or not rest:
        return []
    rate_hz = probe(annotated.paths[name]).sample_rate_hz
    cut = cut_out(annotated.paths[name], [*calls, *rest], rate_hz)
    powers = [_band_powers(one, rate_hz) for one in cut if len(one)]
    background = np.median(powers[len(calls) :], axis=0)
    bands_hz = (_standing_out(one, background, rate_hz) for one in powers[: len(calls)])
    return [one for one in bands_hz if one is not None]


def _edges_hz(sample_rate_hz: int) -> NDArray[np.float64]:
    """Edges of the bands, shape (n_bands + 1,)."""
    octaves = np.log2(HIGHEST_SHARE * sample_rate_hz / 2 / LOWEST_HZ)
    edges_hz: NDArray[np.float64] = LOWEST_HZ * 2 ** np.linspace(
        0, octaves, int(octaves * BANDS_PER_OCTAVE) + 1
    )
    return edges_hz


def _band_powers(samples: FloatArray, sample_rate_hz: int) -> NDArray[np.float64]:
    """Mean power of a sound in each band, shape (n_bands,); above 0."""
    size = int(SPECTRUM_S * sample_rate_hz)
    padded = np.pad(samples, (0, max(0, size - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[:: size // 2]
    power = (np.abs(np.fft.rfft(frames * np.hanning(size))) ** 2).mean(axis=0)
    # A band may be narrower than a bin: the power up to each edge is read between bins.
    up_to = np.concatenate([[0], np.cumsum(power)])
    places = _edges_hz(sample_rate_hz) * size / sample_rate_hz + 0.5
    bands: NDArray[np.float64] = np.diff(np.interp(places, np.arange(len(up_to)), up_to))
    return bands + SILENCE_POWER


def _standing_out(
    call: NDArray[np.float64], background: NDArray[np.float64], sample_rate_hz: int
) -> Span | None:
    """Lowest and highest frequency of what stands out; ``None`` where nothing does."""
    excess = call - background
    level = np.where(excess >= LEAST_SHARE * excess.max(), np.log(call / background), 0)
    if level.max() < np.log(LEAST_RATIO):
        return None
    over = np.maximum(level - level.max() / 2, 0)
    share = np.cumsum(over) / over.sum()
    edges_hz = _edges_hz(sample_rate_hz)
    low = int(np.searchsorted(share, ODD_SHARE))
    high = int(np.searchsorted(share, 1 - ODD_SHARE))
    return float(edges_hz[low]), float(edges_hz[high + 1])


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
    """Settings of a training: defaults < fitted to annotated calls < YAML < inputs.

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
        Annotations that cannot be used.
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
    settings, facts = fit_to_calls(validate(TrainSettings, data, where))
    if not inputs.assignments:
        return settings, facts
    # Set on what is resolved, so that one setting of a model leaves its others as they are.
    changed = with_overrides(settings.model_dump(mode="json"), list(inputs.assignments))
    return validate(TrainSettings, changed, "--set"), facts


def _chosen(data: dict[str, Any]) -> dict[str, Any]:
    """What differs from the defaults: the rest of the file that spells them out is no choice."""
    defaults = TrainSettings().model_dump(mode="json")
    chosen = {key: value for key, value in data.items() if value != defaults.get(key)}
    for key in ("clips", "fit"):
        if isinstance(chosen.get(key), dict):
            pairs = chosen[key].items()
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
