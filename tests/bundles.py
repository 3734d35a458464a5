"""Bundles whose scores are known, and sound that they know.

The tone bundle hears tones: one score per label, high where the band of its pitch stands out of
the others, at any level. It comes out of ``training.export.litert_export`` as a trained one does.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from counter.bundle import MODEL_FILE, Bundle, write_bundle
from training.settings.front_end_settings import BandSettings
from training.settings.network_settings import NetworkSettings

TONE_HZ = 1000.0
MODEL_RATE_HZ = 8000
LABELS_HZ = {"low": TONE_HZ, "high": 2500.0}
FRONT_END = BandSettings(kind="spectrogram", sample_rate_hz=MODEL_RATE_HZ, n_bands=16)
SMALL_NETWORK = NetworkSettings(channels=(4, 4, 4), head_channels=8)
# How a training ends that was too short to be counted with: mostly 1, which says so.
TRAINED = (0, 1)
# Score frames that the tone network looks at, and its context: one more for the first spectra.
TONE_KERNEL = 3
TONE_CONTEXT = 2
RULES = {"threshold": 0.5, "release": 0.4, "smooth_s": 0.3, "gap_s": 0.3, "min_duration_s": 0.4}


def tone_network(labels_hz):
    """Logits from how far one band stands out, over 4 feature frames and then 3 score frames."""
    import keras
    from keras import layers

    from training.models.front_ends import band_centres_hz
    from training.models.networks import POOL

    features = keras.Input((None, FRONT_END.n_bands))
    pooled = layers.AveragePooling1D(POOL)(features)
    conv = layers.Conv1D(len(labels_hz), TONE_KERNEL, padding="same")
    network = keras.Model(features, conv(pooled))
    kernel = np.full((TONE_KERNEL, FRONT_END.n_bands, len(labels_hz)), -1 / FRONT_END.n_bands)
    for label, hz in enumerate(labels_hz.values()):
        kernel[:, np.argmin(np.abs(band_centres_hz(FRONT_END) - hz)), label] += 1
    conv.set_weights([8 * kernel / TONE_KERNEL, np.full(len(labels_hz), -6.0)])
    return network


def random_network(n_labels, seed=5):
    """The network that is trained in earnest, untrained; its scores of ``restless`` vary widely."""
    import keras

    from training.models.front_ends import LogBands
    from training.models.networks import conv_net

    keras.utils.set_random_seed(seed)
    network = conv_net(SMALL_NETWORK, FRONT_END.n_bands, n_labels)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    features = LogBands(FRONT_END.model_dump())(restless(60.032)[None])
    network(features, training=True)
    logits = np.asarray(network(features))[0]
    kernel, bias = network.get_layer("logits").get_weights()
    scale = 1.5 / logits.std(axis=0)
    network.get_layer("logits").set_weights([kernel * scale, (bias - logits.mean(axis=0)) * scale])
    return network


def restless(duration_s, seed=0):
    """Noise whose level and colour change ten times a second, shape (n_samples,)."""
    rng = np.random.default_rng(seed)
    n_samples = int(duration_s * MODEL_RATE_HZ)
    white = rng.normal(0, 0.1, n_samples + 1)
    n_steps = n_samples // (MODEL_RATE_HZ // 10) + 1
    level, colour = np.repeat(rng.random((2, n_steps)), MODEL_RATE_HZ // 10, axis=1)[:, :n_samples]
    return (level * (white[1:] + (2 * colour - 1) * white[:-1])).astype(np.float32)


def random_windows(n_labels, seed=5):
    """A network with windows, untrained; its scores of ``restless`` vary widely."""
    import keras

    from training.fit.window_fitting import TrainedWindows, scoring
    from training.models.litert_run import frame_windows
    from training.models.networks import WINDOW_NETWORKS
    from training.models.window_front_ends import window_front_end
    from training.settings.network_settings import Cnn2dSettings, WindowShape

    keras.utils.set_random_seed(seed)
    settings = Cnn2dSettings(
        kind="cnn-2d", channels=(4, 4), units=(8,), dropout=0, window_s=0.64, hop_s=0.128
    )
    shape = WindowShape.of(FRONT_END, settings)
    features = window_front_end(FRONT_END)(frame_windows(restless(30.08), shape))
    network = WINDOW_NETWORKS["cnn-2d"](settings, features.shape[1:], n_labels + 1)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    network(features, training=True)
    logits = np.asarray(network(features))
    kernel, bias = network.get_layer("logits").get_weights()
    scale = 2.0 / logits.std(axis=0)
    network.get_layer("logits").set_weights([kernel * scale, (bias - logits.mean(axis=0)) * scale])
    scores = scoring(network, n_labels, is_exclusive=True)
    return TrainedWindows(
        ("a", "b")[:n_labels], FRONT_END, scores, shape, is_exclusive=True, has_background=True
    )


def write_exported(path, trained, *, context_frames, **changes):
    """Export a model and write its float32 bundle; the bundle and both exports."""
    from training.export.litert_export import export

    sounds = [restless(duration_s, seed=1) for duration_s in (2.0, 3.1)]
    exported = export(trained, sounds, sounds).variants
    spec = {
        "name": "made",
        "trained_at": "2024-05-01T06:00:00+00:00",
        "labels": trained.labels,
        "sample_rate_hz": MODEL_RATE_HZ,
        "frame_samples": trained.frame_samples,
        "context_frames": context_frames,
        "window_samples": trained.window_samples,
        "low_hz": FRONT_END.low_hz,
        "high_hz": FRONT_END.high_hz,
        "rules": {label: RULES for label in trained.labels},
        **changes,
    }
    return write_bundle(path, spec, {MODEL_FILE: exported[0].content}), exported


def tone_bundle(path, labels_hz):
    """A bundle that hears tones of the given pitches."""
    from training.fit.fitting import Trained

    trained = Trained(tuple(labels_hz), FRONT_END, tone_network(labels_hz))
    return write_exported(path, trained, context_frames=TONE_CONTEXT)[0]


@dataclass(frozen=True)
class MadeNetwork:
    """A Keras model, the bundle made of it, and its exports."""

    trained: Any
    bundle: Bundle
    exports: Any


def made_network(path):
    """A bundle of the network that is trained in earnest, with two labels, untrained."""
    from training.fit.fitting import Trained
    from training.models.networks import context_frames

    labels = ("a", "b")
    trained = Trained(labels, FRONT_END, random_network(len(labels)))
    context = context_frames(SMALL_NETWORK)
    return MadeNetwork(trained, *write_exported(path, trained, context_frames=context))


def windowed_network(path):
    """A bundle of a network with windows and exclusive classes, two labels, untrained."""
    trained = random_windows(2)
    context = -(-trained.shape.context_samples // trained.frame_samples)
    return MadeNetwork(trained, *write_exported(path, trained, context_frames=context))


def calls(duration_s, starts_s, *, rate_hz=MODEL_RATE_HZ, call_s=1.5, hz=TONE_HZ, seed=0):
    """Tones with soft edges at known times over quiet noise, shape (n_samples,)."""
    rng = np.random.default_rng(seed)
    sound = rng.normal(0, 0.003, int(duration_s * rate_hz))
    t = np.arange(int(call_s * rate_hz)) / rate_hz
    tone = 0.3 * np.sin(2 * np.pi * hz * t) * np.minimum(1, np.minimum(t, t[::-1]) / 0.02)
    for start_s in starts_s:
        start = int(start_s * rate_hz)
        part = sound[start : start + len(tone)]
        part += tone[: len(part)]
    return sound.astype(np.float32)
