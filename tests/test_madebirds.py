"""The made species, the other species and the places: pitch, harmonics, levels."""

import numpy as np
import pytest
from band_levels import RATE_HZ, in_band_db

from training.demo.clips_and_recordings import SONGS, MadeBird, Soundscape, lay


@pytest.mark.parametrize("snr_db", [-3.0, 8.0, 20.0])
def test_a_sound_is_laid_at_the_level_asked_for(snr_db):
    rng = np.random.default_rng(7)
    for _ in range(4):
        scene = Soundscape.drawn(rng).render(rng, 6 * RATE_HZ, RATE_HZ)
        sound, n_body = MadeBird.drawn(rng).call(rng, RATE_HZ)
        before, body = scene.copy(), slice(3 * RATE_HZ, 3 * RATE_HZ + n_body)
        lay(scene, sound, 3 * RATE_HZ, snr_db=snr_db, rate_hz=RATE_HZ, n_body=n_body)
        added = scene - before
        assert in_band_db(added[body]) - in_band_db(before[body]) == pytest.approx(snr_db, abs=1)
        assert not added[: 3 * RATE_HZ].any()


def test_a_call_is_a_stack_of_harmonics_over_a_rising_growl():
    rng = np.random.default_rng(2)
    for _ in range(5):
        bird = MadeBird.drawn(rng)
        sound, n_body = bird.call(rng, RATE_HZ)
        middle = sound[int(0.5 * n_body) : int(0.65 * n_body)]
        power = np.abs(np.fft.rfft(middle * np.hanning(middle.size))) ** 2
        hz = np.fft.rfftfreq(middle.size, 1 / RATE_HZ)
        near = np.abs(hz / bird.pitch_hz - np.round(hz / bird.pitch_hz)) < 0.22
        assert power[near & (hz > 250) & (hz < 3400)].sum() > 0.95 * power.sum()
        assert 5 <= len(bird.timbre) <= 8
        growl = in_band_db(sound[: int(0.1 * n_body)])
        assert growl < in_band_db(middle) - 3


@pytest.mark.parametrize("name", sorted(SONGS))
def test_other_species_sing_at_their_own_pitch(name):
    rng = np.random.default_rng(4)
    song = SONGS[name]
    for _ in range(5):
        sound = song.sing(rng, RATE_HZ, pitch_hz := rng.uniform(*song.pitch_hz))
        peak_hz = np.argmax(np.abs(np.fft.rfft(sound))) * RATE_HZ / sound.size
        low, high = min(song.sweep[0], 1) * 0.9, max(song.sweep[1], 1) * 1.1
        assert low * pitch_hz < peak_hz < high * pitch_hz


def test_a_background_holds_at_least_the_songs_asked_for():
    quiet = Soundscape(10, -99, -99, 0.0, 3500, 20, (("whistle", 2000.0),), 0.0)
    without = quiet.render(np.random.default_rng(0), 3 * RATE_HZ, RATE_HZ)
    with_song = quiet.render(np.random.default_rng(0), 3 * RATE_HZ, RATE_HZ, fewest_songs=1)
    assert np.abs(with_song - without).max() > 0.1
