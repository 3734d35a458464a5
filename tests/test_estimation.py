"""Corrected counts: unbiased, exact where all is checked, and with an interval that holds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.coverage import SCENARIOS, check, make_season
from counter.errors import CallcountError
from counter.estimation.estimators import (
    Checks,
    Population,
    call_density,
    checked_strata,
    estimate_total,
    score_bins,
    strata_without_checks,
)
from counter.estimation.interval import poisson_limits, t_quantile
from counter.estimation.sampling import allocate, cells, draw_sample, inclusion_probabilities
from counter.estimation.stretches import cut, strata_codes
from counter.records import Event


def event(start_s, end_s, score=0.9, label="bird"):
    return Event(label, start_s, end_s, (start_s + end_s) / 2, score)


def season(model_count, stratum=None):
    counts = np.array(model_count, np.float64)
    codes = np.zeros(len(counts)) if stratum is None else np.array(stratum)
    return Population(counts, codes.astype(np.int64))


def checks(index, inclusion, true_calls):
    return Checks(
        np.array(index, np.int64), np.array(inclusion, float), np.array(true_calls, float)
    )


counts_of_both = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 2)), min_size=1, max_size=40
)


def drawn(known, n_checks, seed, calls):
    sample = draw_sample(known.model_count, known.stratum, n_checks, seed=seed)
    return Checks(sample.index, sample.inclusion, np.asarray(calls, float)[sample.index])


class TestStretches:
    def test_equal_parts_hold_every_event_by_its_middle(self):
        heard = ("a.wav", 25.0, (event(7.0, 9.0), event(8.0, 9.0, 0.7), event(24.0, 25.4)))
        found = cut([heard, ("silent.wav", 4.0, ()), ("empty.wav", 0.0, ())], "bird")
        assert found.recording == ("a.wav",) * 3 + ("silent.wav",)
        np.testing.assert_allclose(found.start_s, [0, 25 / 3, 50 / 3, 0])
        np.testing.assert_allclose(found.end_s, [25 / 3, 50 / 3, 25, 4])
        assert found.model_count.tolist() == [1, 1, 1, 0]
        assert found.score.tolist() == [0.9, 0.7, 0.9, 0]

    def test_other_labels_do_not_count(self):
        found = cut([("a.wav", 5.0, (event(1, 2, label="frog"), event(2, 3)))], "bird")
        assert found.model_count.tolist() == [1]

    def test_no_recording_has_no_stretch(self):
        assert len(cut([], "bird")) == 0

    def test_strata_are_numbered_by_name(self):
        found = cut([("b", 5.0, ()), ("a", 5.0, ())], "bird")
        names, codes = strata_codes(found, {"a": "east", "b": "west"})
        assert names == ("east", "west")
        assert codes.tolist() == [1, 0]


class TestSample:
    def test_half_is_drawn_where_nothing_was_found(self):
        known = season([1] * 50 + [0] * 500)
        sample = draw_sample(known.model_count, known.stratum, 40, seed=1)
        assert (known.model_count[sample.index] > 0).sum() == 20

    def test_what_one_half_lacks_the_other_gets(self):
        known = season([1] * 5 + [0] * 500)
        sample = draw_sample(known.model_count, known.stratum, 40, seed=1)
        assert (known.model_count[sample.index] > 0).sum() == 5
        assert len(sample.index) == 40

    @given(counts_of_both, st.integers(6, 60), st.integers(0, 99))
    def test_each_is_drawn_once_with_a_chance_above_0(self, rows, n_checks, seed):
        _, counted, stratum = np.array(rows).T
        sample = draw_sample(counted.astype(float), stratum, n_checks, seed=seed)
        assert len(set(sample.index.tolist())) == len(sample.index) == min(n_checks, len(rows))
        assert ((sample.inclusion > 0) & (sample.inclusion <= 1)).all()

    def test_chances_are_what_they_are_said_to_be(self):
        counted = np.array([1.0, 2, 3, 6, 0, 0, 0, 0, 0])
        stratum = np.zeros(9, np.int64)
        n_draws, times, chance = 4000, np.zeros(9), np.zeros(9)
        for seed in range(n_draws):
            sample = draw_sample(counted, stratum, 4, seed=seed)
            times[sample.index] += 1
            chance[sample.index] = sample.inclusion
        np.testing.assert_allclose(chance, [1 / 6, 2 / 6, 3 / 6, 1, 0.4, 0.4, 0.4, 0.4, 0.4])
        error = np.sqrt(chance * (1 - chance) / n_draws)
        assert (np.abs(times / n_draws - chance) <= 5 * error).all()

    def test_the_first_rows_are_a_mixture(self):
        known = season([1] * 50 + [0] * 50)
        sample = draw_sample(known.model_count, known.stratum, 60, seed=3)
        assert 5 < (known.model_count[sample.index[:30]] > 0).sum() < 25

    def test_equal_seeds_draw_equal_samples(self):
        known = season([1, 0, 2, 0, 0, 1, 0, 3])
        one, same, other = (
            draw_sample(known.model_count, known.stratum, 4, seed=seed).index.tolist()
            for seed in (1, 1, 2)
        )
        assert one == same
        assert one != other

    def test_more_cells_than_checks_are_refused(self):
        known = season([1, 0] * 5, np.repeat(range(5), 2))
        with pytest.raises(CallcountError, match="9 checks are too few for 10 cells"):
            draw_sample(known.model_count, known.stratum, 9, seed=0)

    def test_nothing_to_check_is_refused(self):
        with pytest.raises(CallcountError, match="nothing to check"):
            allocate(np.zeros(0, np.int64), np.zeros(0), 3)

    def test_chances_above_1_are_certain_and_the_rest_is_shared_again(self):
        found = inclusion_probabilities(np.array([1.0, 1, 2, 8]), 2)
        np.testing.assert_allclose(found, [0.25, 0.25, 0.5, 1])


class TestEstimate:
    def test_worked_by_hand(self):
        # Counted 2 and 4, checked with chances 1/3 and 2/3, 3 calls in each:
        # 6 + (3 - 2) * 3 - (4 - 3) * 1.5; and of 3 quiet ones 2 with 2/3, 0 and 1 calls: + 1.5.
        known = season([2, 0, 4, 0, 0])
        told = estimate_total(
            known, checks([0, 2, 1, 3], [1 / 3, 2 / 3, 2 / 3, 2 / 3], [3, 3, 0, 1])
        )
        assert told.difference.value == pytest.approx(6 + 3 - 1.5 + 1.5)
        assert told.horvitz_thompson.value == pytest.approx(9 + 4.5 + 1.5)
        assert (told.seen_calls, told.model_calls) == (7, 6)
        assert told.share_verified == pytest.approx(4 / 5)
        assert told.correction == pytest.approx(9 / 6)

    def test_standard_error_with_equal_chances_is_the_textbooks(self):
        calls = np.array([0, 1, 0, 3, 2.0])
        told = estimate_total(season([0] * 20), checks(range(5), [0.25] * 5, calls))
        assert told.difference.value == pytest.approx(24)
        assert told.standard_error == pytest.approx(20 * np.sqrt(0.75 * calls.var(ddof=1) / 5))

    @given(counts_of_both)
    def test_all_checked_is_the_exact_total_without_width(self, rows):
        calls, counted, stratum = np.array(rows).T
        known = season(counted, stratum)
        told = estimate_total(known, drawn(known, max(6, len(rows)), 0, calls))
        for interval in (told.difference, told.horvitz_thompson):
            np.testing.assert_allclose((interval.low, interval.high), calls.sum(), atol=1e-9)
        assert told.checks_to_halve == 0 or told.difference.width < 1e-6

    @given(counts_of_both, st.integers(6, 30), st.integers(0, 20), st.randoms())
    def test_order_does_not_matter_and_the_interval_holds_its_value(
        self, rows, n_checks, seed, random
    ):
        calls, counted, stratum = np.array(rows).T
        known = season(counted, stratum)
        sample = drawn(known, n_checks, seed, calls)
        order = list(range(len(sample.index)))
        random.shuffle(order)
        turned = checks(sample.index[order], sample.inclusion[order], sample.true_calls[order])
        one, other = estimate_total(known, sample), estimate_total(known, turned)
        for a, b in (
            (one.difference, other.difference),
            (one.horvitz_thompson, other.horvitz_thompson),
        ):
            np.testing.assert_allclose(
                (a.value, a.low, a.high), (b.value, b.low, b.high), 1e-6, 1e-6
            )
            assert a.low <= a.value <= a.high
        assert one.difference.low >= min(one.seen_calls, one.difference.value)

    @given(counts_of_both, st.integers(6, 30), st.integers(2, 9))
    def test_estimates_scale_with_the_counts(self, rows, n_checks, factor):
        calls, counted, stratum = np.array(rows).T
        known = season(counted, stratum)
        sample = drawn(known, n_checks, 0, calls)
        more = checks(sample.index, sample.inclusion, sample.true_calls * factor)
        one, other = (
            estimate_total(known, sample),
            estimate_total(season(counted * factor, stratum), more),
        )
        assert other.difference.value == pytest.approx(factor * one.difference.value)
        assert other.standard_error == pytest.approx(factor * one.standard_error)

    @pytest.mark.parametrize("name", ["biased by site", "mostly false alarms", "small season"])
    def test_unbiased_whatever_the_model_is_worth(self, name):
        scenario = next(one for one in SCENARIOS if one.name == name)
        made = make_season(scenario, np.random.default_rng(7))
        told = [check(made, 60, seed) for seed in range(300)]
        for kind in ("difference", "horvitz_thompson"):
            values = np.array([getattr(one, kind).value for one in told])
            error = values.std(ddof=1) / np.sqrt(len(values))
            assert abs(values.mean() - made.calls.sum()) <= 4 * error

    def test_a_part_is_unbiased_too(self):
        scenario = next(one for one in SCENARIOS if one.name == "biased by site")
        made = make_season(scenario, np.random.default_rng(7))
        inside = np.arange(len(made.calls)) % 3 == 0  # cuts across the strata
        values = np.array(
            [
                estimate_total(
                    made.known, drawn(made.known, 100, seed, made.calls), inside
                ).difference.value
                for seed in range(300)
            ]
        )
        error = values.std(ddof=1) / np.sqrt(len(values))
        assert abs(values.mean() - made.calls[inside].sum()) <= 4 * error

    def test_the_parts_add_up(self):
        scenario = next(one for one in SCENARIOS if one.name == "biased by site")
        made = make_season(scenario, np.random.default_rng(3))
        sample = drawn(made.known, 100, 0, made.calls)
        parts = [
            estimate_total(made.known, sample, made.known.stratum == site) for site in range(5)
        ]
        whole = estimate_total(made.known, sample)
        total = sum(part.difference.value for part in parts)
        assert total == pytest.approx(whole.difference.value)
        assert whole.difference.width < sum(part.difference.width for part in parts)

    @pytest.mark.parametrize("name", ["rare calls, poor model", "few checks", "small season"])
    def test_the_interval_holds_the_truth_where_a_normal_one_may_not(self, name):
        scenario = next(one for one in SCENARIOS if one.name == name)
        held = []
        for seed in range(200):
            made = make_season(scenario, np.random.default_rng([5, seed]))
            told = check(made, scenario.n_checks, seed).difference
            held.append(told.low - 1e-6 <= made.calls.sum() <= told.high + 1e-6)
        assert np.mean(held) >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 200)

    def test_no_missed_call_among_the_checks_does_not_mean_none(self):
        told = estimate_total(season([0] * 1000), checks(range(50), [0.05] * 50, [0] * 50))
        assert told.difference.value == told.difference.low == 0
        assert 19 < told.difference.high < 60  # 20 unchecked for each one; exact: 3.7 of them
        assert told.is_too_wide
        assert told.correction is None

    def test_checks_to_halve_halve_the_interval(self):
        scenario = next(one for one in SCENARIOS if one.name == "common calls, poor model")
        made = make_season(scenario, np.random.default_rng(1))
        widths = np.array([check(made, 100, seed).difference.width for seed in range(40)])
        more = check(made, 100, 0).checks_to_halve
        to_float16 = [check(made, 100 + more, seed).difference.width for seed in range(40)]
        assert np.mean(to_float16) == pytest.approx(widths.mean() / 2, rel=0.1)


class TestHalfFilled:
    def test_estimates_from_what_is_there(self):
        scenario = next(one for one in SCENARIOS if one.name == "common calls, poor model")
        made = make_season(scenario, np.random.default_rng(2))
        values = []
        for seed in range(300):
            sample = drawn(made.known, 100, seed, made.calls)
            sample.true_calls[60:] = np.nan
            told = estimate_total(made.known, sample)
            assert told.n_checked == 60
            values.append(told.difference.value)
        error = np.std(values, ddof=1) / np.sqrt(len(values))
        assert abs(np.mean(values) - made.calls.sum()) <= 4 * error

    def test_without_a_check_of_one_half_nothing_can_be_said(self):
        known = season([1, 2, 0, 0])
        assert estimate_total(known, checks([0, 2], [0.5, 0.5], [1, np.nan])) is None
        assert estimate_total(known, checks([0, 2], [0.5, 0.5], [np.nan, 0])) is None

    def test_strata_without_any_check_are_named(self):
        known = season([1, 0, 1, 0], [0, 0, 1, 1])
        given_checks = checks([0, 1, 2], [1, 1, 1], [1, 0, np.nan])
        assert strata_without_checks(known, given_checks, ("east", "west")) == ["west"]
        inside = checked_strata(known, given_checks)
        assert inside.tolist() == [True, True, False, False]
        assert estimate_total(known, given_checks, inside).difference.value == 1


class TestLimits:
    @pytest.mark.parametrize(
        ("count", "low", "high"),
        # Jeffreys' 95 % interval of a Poisson count: quantiles of gamma(count + 1/2)
        [(1, 0.108, 4.674), (4, 1.350, 9.511), (20, 12.596, 30.197), (100, 81.747, 121.0)],
    )
    def test_equal_weights_give_jeffreys_interval(self, count, low, high):
        found = poisson_limits(count, count, 1.0)
        assert found == pytest.approx((low, high), rel=0.02, abs=0.03)

    @pytest.mark.parametrize(
        ("means", "least", "average"),
        [(np.arange(0.01, 2.4, 0.01), 0.91, 0.974), (np.arange(3, 12, 0.02), 0.91, 0.948)],
    )
    def test_coverage_of_poisson_counts(self, means, least, average):
        counts = np.arange(60)
        low, high = np.array([poisson_limits(n, n, 1.0) for n in counts.tolist()]).T
        logarithms = np.cumsum(np.log(np.maximum(counts, 1)))
        chance = np.exp(counts * np.log(means)[:, None] - means[:, None] - logarithms)
        is_above = means[:, None] > high
        covered = (chance * ((low <= means[:, None]) & ~is_above)).sum(axis=1)
        assert covered.min() >= least
        assert covered.mean() == pytest.approx(average, abs=0.001)
        assert is_above.any() == (means[-1] > 2.4)

    def test_everything_seen_has_no_width(self):
        assert poisson_limits(7.0, 0.0, 0.0) == (7.0, 7.0)

    @given(st.integers(0, 10**4), st.floats(0, 1.5), st.integers(0, 10**3))
    def test_limits_enclose_the_value(self, value, spread, weight):
        # a sum of counts varies by little more than itself squared: one count alone does so
        low, high = poisson_limits(value, spread * value * value, weight)
        assert 0 <= low <= value <= high

    @pytest.mark.parametrize(("freedom", "quantile"), [(3, 3.182), (10, 2.228), (30, 2.042)])
    def test_t_quantile(self, freedom, quantile):
        assert t_quantile(freedom) == pytest.approx(quantile, rel=0.008)
        assert t_quantile(np.inf) == pytest.approx(1.95996, abs=1e-4)


class TestDensity:
    def test_worked_by_hand(self):
        # Lower half of 8 windows without a call, a quarter with half, an eighth and an eighth with.
        scores = np.array([0.1, 0.15, 0.2, 0.25, 0.5, 0.6, 0.8, 0.9])
        assert score_bins(scores).tolist() == [0, 0, 0, 0, 1, 1, 2, 3]
        index = np.array([0, 1, 4, 5, 6, 7])
        told = call_density(scores, index, np.array([0, 0, 1, 0, 1, 1], bool), np.ones(6))
        assert told.value == pytest.approx(0.25 * 0.5 + 0.125 + 0.125)
        assert 0 <= told.low < told.value < told.high <= 1

    def test_unequal_chances_are_weighed_out(self):
        scores = np.full(4, 0.5)
        told = call_density(scores, np.array([0, 1]), np.array([True, False]), np.array([3.0, 1]))
        assert told.value == pytest.approx(0.75)

    def test_bins_without_checks_take_their_neighbours_share(self):
        scores = np.linspace(0.01, 0.99, 16)
        told = call_density(scores, np.array([0]), np.array([True]), np.ones(1))
        assert told.value == 1

    def test_no_check_has_no_answer(self):
        none = np.zeros(0)
        assert call_density(np.ones(3), none.astype(int), none.astype(bool), none) is None

    def test_many_checks_find_the_share(self):
        rng = np.random.default_rng(0)
        scores = rng.random(4000)
        has_call = rng.random(4000) < scores**2
        index = rng.permutation(4000)[:400]
        told = call_density(scores, index, has_call[index], np.ones(400))
        assert told.low <= has_call.mean() <= told.high
        assert told.width < 0.12


def test_cells_part_strata_and_detections():
    assert cells(np.array([0.0, 2, 0, 1]), np.array([0, 0, 1, 1])).tolist() == [0, 1, 2, 3]
