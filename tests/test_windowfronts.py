"""Front ends of windows: librosa's figures, and nothing of a window but itself."""

import librosa
import numpy as np
import pytest

from training.settings.front_end_settings import (
    BandSettings,
    MfccSettings,
    SpectrumMeanSettings,
    WaveformSettings,
)
from training.settings.network_settings import WindowShape

RATE_HZ = 16000
TOLERANCE = 1e-3
BAND = {"sample_rate_hz": RATE_HZ, "low_hz": 0, "high_hz": RATE_HZ / 2}
MEAN = {"kind": "stft-mean", **BAND}
MFCCS = {
    "short": {"window_samples": 512, "hop_samples": 128, "n_bands": 40, "n_coefficients": 13},
    "long": {"window_samples": 2048, "hop_samples": 512, "n_coefficients": 50},
    "in a band": {"n_bands": 24, "n_coefficients": 24, "low_hz": 100, "high_hz": 4000},
}
FRONT_ENDS = {
    "mel": BandSettings(kind="mel", **{**BAND, "low_hz": 50}),
    "spectrogram": BandSettings(kind="spectrogram", **BAND),
    "waveform": WaveformSettings(kind="waveform", **BAND),
    "mfcc": MfccSettings(kind="mfcc", **BAND),
    "mean of mfcc": MfccSettings(kind="mfcc", mean=True, **BAND),
    "stft-mean": SpectrumMeanSettings(**MEAN),
    "gated": SpectrumMeanSettings(reduce_noise=True, trim_db=20, **MEAN),
}


def features(settings, windows):
    from training.models.window_front_ends import window_front_end

    return np.asarray(window_front_end(settings)(windows))


def sounds(n_samples=8000):
    """Noise that grows, a tone in the middle of faint noise, a click, and silence."""
    rng = np.random.default_rng(3)
    t = np.arange(n_samples) / RATE_HZ
    grows = rng.normal(0, 0.1, n_samples) * np.linspace(0, 1, n_samples)
    tone = rng.normal(0, 0.005, n_samples)
    middle = slice(n_samples // 4, n_samples // 2)
    tone[middle] += 0.3 * np.sin(2 * np.pi * 1000 * t[middle])
    click = rng.normal(0, 1e-4, n_samples)
    click[n_samples // 3] = 0.9
    return np.stack([grows, tone, click, np.zeros(n_samples)]).astype(np.float32)


@pytest.mark.parametrize("n_samples", [300, 4000, 8000])
@pytest.mark.parametrize("name", MFCCS)
def test_coefficients_are_librosas(name, n_samples):
    settings = MfccSettings(kind="mfcc", **{**BAND, **MFCCS[name]})
    windows = sounds(n_samples)
    for window, found in zip(windows, features(settings, windows), strict=True):
        wanted = librosa.feature.mfcc(
            y=window,
            sr=RATE_HZ,
            n_mfcc=settings.n_coefficients,
            n_fft=settings.window_samples,
            hop_length=settings.hop_samples,
            n_mels=settings.n_bands,
            fmin=settings.low_hz,
            fmax=settings.high_hz,
        ).T
        np.testing.assert_allclose(found, wanted, rtol=0, atol=TOLERANCE * np.abs(wanted).max())


def test_the_mean_of_coefficients_is_that_of_their_frames():
    whole = features(FRONT_ENDS["mfcc"], sounds())
    mean = features(FRONT_ENDS["mean of mfcc"], sounds())
    np.testing.assert_allclose(mean, whole.mean(axis=1), rtol=1e-4, atol=1e-3)


def scaled(spectrum):
    return (spectrum - spectrum.min()) / max(np.ptp(spectrum), 1e-10)


def librosa_mean(sound):
    return scaled(np.abs(librosa.stft(sound, n_fft=512, hop_length=256)).mean(axis=1))


def test_the_mean_spectrum_is_librosas():
    windows = sounds()
    for window, found in zip(windows, features(FRONT_ENDS["stft-mean"], windows), strict=True):
        assert found.shape == (257,)
        np.testing.assert_allclose(found, librosa_mean(window), rtol=0, atol=TOLERANCE)


def test_faint_ends_are_left_out_as_librosa_leaves_them_out():
    settings = SpectrumMeanSettings(trim_db=20, **MEAN)
    tone = sounds(32000)[1]
    kept, span = librosa.effects.trim(tone, top_db=20, frame_length=512, hop_length=256)
    assert len(kept) < len(tone) / 2
    (found,) = features(settings, tone[None])
    # Frames over the edges of what is kept are cut there, and here whole.
    np.testing.assert_allclose(found, librosa_mean(kept), rtol=0, atol=0.02)
    inner = slice(span[0] // 256 + 2, span[1] // 256 - 1)
    spectra = np.abs(librosa.stft(tone, n_fft=512, hop_length=256))
    mean = scaled(spectra[:, inner].mean(axis=1))
    np.testing.assert_allclose(found, mean, rtol=0, atol=0.02)


def test_noise_is_gated_as_noisereduce_gates_it():
    noisereduce = pytest.importorskip("noisereduce", reason="compared with that library")
    rng = np.random.default_rng(1)
    tone = sounds(32000)[1] + rng.normal(0, 0.02, 32000).astype(np.float32)
    reduced = noisereduce.reduce_noise(
        y=tone, sr=RATE_HZ, stationary=True, n_fft=512, hop_length=256, n_jobs=1
    )
    settings = SpectrumMeanSettings(reduce_noise=True, **MEAN)
    (found,) = features(settings, tone[None])
    (plain,) = features(FRONT_ENDS["stft-mean"], tone[None])
    wanted = librosa_mean(reduced)
    # Turned back into sound and transformed again, masks are smeared;
    # see training.models.window_front_ends.
    np.testing.assert_allclose(found, wanted, rtol=0, atol=0.05)
    assert np.corrcoef(found, wanted)[0, 1] > 0.999
    assert np.abs(found - wanted).mean() < 0.3 * np.abs(plain - wanted).mean()


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_a_window_knows_of_no_other(name):
    windows = sounds(FRONT_ENDS[name].hop_samples * 31)
    together = features(FRONT_ENDS[name], windows)
    assert np.isfinite(together).all()
    step = np.finfo(
        np.float32
    ).eps  # of sums near -500: TensorFlow 2.21 orders those of a batch anew
    for window, found in zip(windows, together, strict=True):
        alone = features(FRONT_ENDS[name], window[None])[0]
        np.testing.assert_allclose(alone, found, rtol=step, atol=1e-4)


@pytest.mark.parametrize("name", ["mel", "spectrogram"])
def test_bands_of_a_window_are_those_of_a_sound_that_begins_with_it(name):
    from training.models.front_ends import LogBands

    windows = sounds(256 * 31)
    whole = LogBands(FRONT_ENDS[name].model_dump())
    for window, found in zip(windows, features(FRONT_ENDS[name], windows), strict=True):
        np.testing.assert_allclose(found, np.asarray(whole(window[None]))[0], atol=1e-4)


def test_a_waveform_is_passed_through():
    windows = sounds()
    np.testing.assert_array_equal(features(FRONT_ENDS["waveform"], windows)[..., 0], windows)


@pytest.mark.parametrize("gain", [0.1, 10.0])
@pytest.mark.parametrize("name", ["stft-mean", "gated"])
def test_a_spectrum_from_0_to_1_does_not_depend_on_the_level(name, gain):
    windows = sounds()[:2]
    found, louder = (features(FRONT_ENDS[name], x) for x in (windows, np.float32(gain) * windows))
    np.testing.assert_allclose(louder, found, atol=1e-3)
    assert found.min() == 0
    assert found.max() == pytest.approx(1)


def test_windows_are_whole_steps_of_a_front_end_with_a_middle_frame():
    from training.settings.network_settings import Cnn2dSettings

    for window_s, hop_s in ((2.0, 0.5), (0.25, 0.125), (1.0, 0.3333), (0.5, 0.5), (0.3, 0.01)):
        network = Cnn2dSettings(kind="cnn-2d", window_s=window_s, hop_s=hop_s)
        shape = WindowShape.of(FRONT_ENDS["mel"], network)
        assert shape.window_samples % FRONT_ENDS["mel"].hop_samples == 0
        assert shape.window_samples == pytest.approx(window_s * RATE_HZ, abs=128)
        assert shape.hop_samples <= shape.window_samples
        assert shape.hop_samples == pytest.approx(hop_s * RATE_HZ, abs=130)
        assert shape.hop_samples + 2 * shape.context_samples == shape.window_samples
