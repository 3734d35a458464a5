"""Scores made probabilities: the fits, their figures, and the column of events.csv."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from outcomes import rows_of
from written_tables import write_tables

from counter.bundle import Calibration
from counter.config import validate
from counter.errors import CallcountError, ConfigError
from counter.estimation.calibration import (
    ENOUGH_FOR_ISOTONIC,
    Verified,
    cross_fitted,
    fit,
    fit_isotonic,
    fit_platt,
    reliability,
)
from counter.records import OK, Event, FileResult, Recording
from counter.tables.results import read_rows

labelled = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=60)


def made(n, seed=0):
    """Events whose chance of being a call is ``sigmoid(2 logit(score) - 1)``."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0.02, 0.98, n)
    chance = 1 / (1 + np.exp(1) * ((1 - scores) / scores) ** 2)
    return scores, rng.random(n) < chance, chance


def verified(scores, is_call, group=None):
    """Events of weight 1, of one group where none are given."""
    group = np.zeros(len(scores), np.int64) if group is None else group
    return Verified(scores, is_call, np.ones(len(scores)), group)


@pytest.mark.parametrize("method", [fit_platt, fit_isotonic])
def test_finds_the_chance_that_events_were_made_with(method):
    scores, is_call, chance = made(20_000)
    found = method(scores, is_call, np.ones(len(scores))).probability(scores)
    assert np.abs(found - chance).mean() < 0.02


@pytest.mark.parametrize("method", [fit_platt, fit_isotonic])
@given(labelled)
def test_probabilities_rise_with_the_score_from_0_to_1(method, rows):
    scores, is_call = np.array(rows).T
    fitted = method(scores, is_call > 0, np.ones(len(scores)))
    found = fitted.probability(np.linspace(0, 1, 50))
    assert (found >= 0).all()
    assert (found <= 1).all()
    assert (np.diff(found) >= -1e-12).all()


@pytest.mark.parametrize("method", [fit_platt, fit_isotonic])
def test_an_event_of_weight_2_is_two_events(method):
    scores, is_call, _ = made(60)
    weights = np.where(np.arange(60) < 20, 2.0, 1.0)
    twice = np.concatenate([np.arange(60), np.arange(20)])
    one = method(scores, is_call, weights).probability(scores)
    other = method(scores[twice], is_call[twice], np.ones(80)).probability(scores)
    # Platt's targets hold the number of events, which weights leave as it is.
    np.testing.assert_allclose(one, other, atol=0.02 if method is fit_platt else 1e-9)


def test_isotonic_pools_what_falls():
    scores, is_call = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0, 1, 0, 1], bool)
    found = fit_isotonic(scores, is_call, np.ones(4))
    assert found.probability(scores).tolist() == [0, 0.5, 0.5, 1]
    assert found.probability(np.array([0.0, 0.25, 1.0])).tolist() == pytest.approx([0, 0.5, 1])


def test_separable_events_get_a_finite_slope():
    scores, is_call = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 1], bool)
    found = fit_platt(scores, is_call, np.ones(4)).probability(np.array([0.1, 0.5, 0.9]))
    assert 0 < found[0] < found[1] < found[2] < 1


def test_a_score_that_says_the_opposite_says_nothing():
    scores, is_call = np.array([0.1, 0.2, 0.8, 0.9]), np.array([1, 1, 0, 0], bool)
    found = fit_platt(scores, is_call, np.ones(4)).probability(scores)
    np.testing.assert_allclose(found, 0.5)


def test_few_events_are_fitted_by_platt_and_many_by_steps():
    assert fit(verified(*made(100)[:2])).method == "platt"
    assert fit(verified(*made(ENOUGH_FOR_ISOTONIC)[:2])).method == "isotonic"


@pytest.mark.parametrize(("value", "kind"), [(True, "a call"), (False, "a false alarm")])
def test_events_of_one_kind_cannot_be_calibrated(value, kind):
    with pytest.raises(CallcountError, match=f"each of the 3 verified events is {kind}"):
        fit(verified(np.array([0.5, 0.6, 0.7]), np.full(3, value)))


def test_reliability_worked_by_hand():
    found = reliability(np.array([0.12, 0.14, 0.95, 1.0]), np.array([0, 1, 1, 1], bool), np.ones(4))
    assert found.brier == pytest.approx((0.12**2 + 0.86**2 + 0.05**2) / 4)
    assert found.error == pytest.approx((abs(0.13 - 0.5) + abs(0.975 - 1)) / 2)
    assert found.mean_probability == pytest.approx((0.13, 0.975))
    assert found.share_of_calls == (0.5, 1.0)
    assert found.weight == (0.5, 0.5)


def test_left_out_events_are_judged_by_others():
    scores, is_call, _ = made(400)
    group = np.arange(400) // 8
    found = cross_fitted(verified(scores, is_call, group))
    assert reliability(found, is_call, np.ones(400)).error < 0.1
    turned = is_call.copy()
    turned[group == 3] = ~turned[group == 3]
    again = cross_fitted(verified(scores, turned, group))
    np.testing.assert_array_equal(again[group == 3], found[group == 3])
    assert (again[group == 4] != found[group == 4]).any()


@pytest.mark.parametrize(
    ("scores", "probabilities"), [((0.2, 0.1), (0, 1)), ((0.1, 0.2), (0.5, 1.5)), ((0.1,), (0, 1))]
)
def test_a_bundle_refuses_what_is_no_calibration(scores, probabilities):
    data = {"method": "platt", "scores": scores, "probabilities": probabilities}
    with pytest.raises(ConfigError):
        validate(Calibration, data, "bundle.yaml")


class TestColumn:
    BAND = {"a": (0.0, 1000.0), "b": (0.0, 1000.0)}

    def rows(self, path, calibrations):
        events = (Event("a", 1, 2, 1.5, 0.5), Event("b", 3, 4, 3.5, 0.5))
        result = FileResult(Recording("x.wav", "x.wav"), OK, scanned_s=9, events=events)
        paths = write_tables(path, [result], list(self.BAND), self.BAND, calibrations)
        return rows_of(paths.events)

    def test_is_absent_without_calibration(self, tmp_path):
        rows = self.rows(tmp_path / "r.csv", {})
        assert "probability" not in rows[0]

    def test_holds_the_calibrated_score_of_the_labels_that_have_one(self, tmp_path):
        calibration = Calibration(method="platt", scores=(0.1, 0.9), probabilities=(0.2, 0.4))
        rows = self.rows(tmp_path / "r.csv", {"a": calibration})
        assert [row["probability"] for row in rows] == ["0.3000", ""]
        assert [row["score"] for row in rows] == ["0.5000", "0.5000"]
        columns = ["score", "probability", "low_hz", "high_hz", "start_time", "start_utc"]
        assert list(rows[0])[-8:] == [*columns, "start_local", "site"]

    def test_the_table_is_read_as_one_without_it(self, tmp_path):
        self.rows(
            tmp_path / "r.csv",
            {"a": Calibration(method="platt", scores=(0.1,), probabilities=(0.2,))},
        )
        header, rows = read_rows(tmp_path / "r" / "events.csv", ("recording", "label", "score"))
        assert "probability" in header
        assert [row["label"] for row in rows] == ["a", "b"]
