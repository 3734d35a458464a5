"""Figures of scored clips and their spread over sources, against hand and scikit-learn."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_data import ALL_POSITIVE, EMPTY, ODD, ONE_CLIP, clips, random_clips
from scipy.integrate import trapezoid
from sklearn.metrics import average_precision_score, roc_auc_score

from counter.errors import CallcountError
from training.validation.clip_metrics import (
    classification_report,
    precision_recall_curve,
    roc_curve,
    spread_over_sources,
)

# --- figures per label ---


def test_the_figures_are_those_worked_out_by_hand():
    # Above 0.5: two of three calls and one of three backgrounds. Pairs in order: 8 of 9.
    report = classification_report(clips([0.9, 0.8, 0.3, 0.6, 0.2, 0.1], [1, 1, 1, 0, 0, 0]), [0.5])
    figures = report["labels"]["a"]
    assert figures["precision"] == pytest.approx(2 / 3, abs=1e-6)
    assert figures["recall"] == pytest.approx(2 / 3, abs=1e-6)
    assert figures["f1"] == pytest.approx(2 / 3, abs=1e-6)
    assert figures["accuracy"] == pytest.approx(4 / 6, abs=1e-6)
    assert figures["roc_auc"] == pytest.approx(8 / 9, abs=1e-6)
    assert figures["average_precision"] == pytest.approx((1 + 1 + 3 / 4) / 3, abs=1e-6)
    assert figures["support"] == 3
    assert report["confusion"] == {"classes": ["a", "background"], "counts": [[2, 1], [1, 2]]}


def test_each_label_is_judged_at_its_own_threshold():
    both = clips([[0.6, 0.6], [0.6, 0.6]], [[1, 1], [0, 0]])
    labels = classification_report(both, [0.5, 0.7])["labels"]
    assert (labels["a"]["recall"], labels["b"]["recall"]) == (1.0, 0.0)
    assert (labels["a"]["precision"], labels["b"]["precision"]) == (0.5, None)


def test_a_score_equal_to_the_threshold_counts_though_scores_are_single_precision():
    assert classification_report(clips([0.7, 0.1], [1, 0]), [0.7])["labels"]["a"]["recall"] == 1


def test_confusion_takes_the_highest_label_over_its_threshold():
    scores = [[0.9, 0.8], [0.4, 0.8], [0.9, 0.95], [0.4, 0.3], [0.6, 0.1]]
    truth = [[1, 0], [1, 0], [1, 1], [0, 1], [0, 0]]
    counts = classification_report(clips(scores, truth), [0.5, 0.5])["confusion"]["counts"]
    # rows a, b, background; the clip of both labels counts as the one that was predicted
    assert counts == [[1, 1, 0], [0, 1, 1], [1, 0, 0]]


def test_a_label_under_its_own_threshold_loses_to_a_lower_score_over_its_own():
    counts = classification_report(clips([[0.8, 0.4]], [[0, 1]]), [0.9, 0.3])["confusion"]["counts"]
    assert counts == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_areas_agree_with_scikit_learn():
    made = random_clips()
    for i, label in enumerate(made.labels):
        figures = classification_report(made, [0.5, 0.5])["labels"][label]
        truth, scores = made.truth[:, i], made.scores[:, i]
        assert figures["roc_auc"] == pytest.approx(roc_auc_score(truth, scores), abs=1e-6)
        expected = average_precision_score(truth, scores)
        assert figures["average_precision"] == pytest.approx(expected, abs=1e-6)
        curve = roc_curve(made, i)
        assert trapezoid(curve.y, curve.x) == pytest.approx(curve.area)


def test_curves_start_and_end_where_they_must():
    made = random_clips()
    roc, precision_recall = roc_curve(made, 0), precision_recall_curve(made, 0)
    assert (roc.x[0], roc.y[0], roc.x[-1], roc.y[-1]) == (0, 0, 1, 1)
    assert (precision_recall.x[0], precision_recall.x[-1]) == (0, 1)
    assert precision_recall.y[-1] == pytest.approx(made.truth[:, 0].mean())


@pytest.mark.parametrize("tiny", [EMPTY, ALL_POSITIVE, ONE_CLIP])
def test_one_class_or_no_clip_gives_null_and_no_warning(tiny):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = classification_report(tiny, [0.5])
        spread = spread_over_sources(tiny, [0.5])
    assert report["labels"]["a"]["roc_auc"] is None
    assert report["labels"]["a"]["average_precision"] is None
    assert spread["roc_auc"] == {"value": None, "low": None, "high": None}
    assert np.isnan(roc_curve(tiny, 0).area)
    assert roc_curve(tiny, 0).x.size == precision_recall_curve(tiny, 0).x.size == 0
    json.dumps([report, spread], allow_nan=False)


def test_figures_of_no_clips_are_null_rather_than_zero():
    report = classification_report(EMPTY, [0.5])
    assert (report["clips"], report["sources"], report["accuracy"]) == (0, 0, None)
    spread = spread_over_sources(EMPTY, [0.5])
    assert (spread["sources"], spread["median_accuracy"], spread["worst"]) == ([], None, [])


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from([0, 0.25, 0.5, 0.75, 1]), st.booleans()), max_size=12),
    st.sampled_from([0.25, 0.5, 0.9]),
)
def test_confusion_and_figures_tell_the_same_story(rows, threshold):
    made = clips([score for score, _ in rows], [held for _, held in rows])
    report = classification_report(made, [threshold])
    (hit, missed), (false, quiet) = report["confusion"]["counts"]
    figures = report["labels"]["a"]
    assert hit + missed == figures["support"] == sum(held for _, held in rows)
    assert hit + missed + false + quiet == len(rows)
    if rows:
        assert figures["accuracy"] == pytest.approx((hit + quiet) / len(rows), abs=1e-6)
    if hit + false:
        assert figures["precision"] == pytest.approx(hit / (hit + false), abs=1e-6)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -0.1, 1.1])
def test_a_score_that_is_no_score_names_the_clip_and_what_to_do(score):
    with pytest.raises(CallcountError, match=r"clip clip-1\.wav .* 'a'.*lower the learning rate"):
        clips([0.5, score], [1, 0])


@pytest.mark.parametrize("labels", [(), ("a", "a"), ("a", "background")])
def test_labels_must_be_distinct_and_not_background(labels):
    with pytest.raises(ValueError, match="distinct"):
        replace(ONE_CLIP, labels=labels)


def test_lengths_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="scores, truth, sources"):
        replace(ONE_CLIP, sources=("s", "t"))
    with pytest.raises(ValueError, match="threshold"):
        classification_report(ONE_CLIP, [0.5, 0.5])


# --- spread over sources ---


def test_each_source_has_its_own_accuracy_and_the_worst_come_first():
    scores = [0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.9]
    made = clips(scores, [1, 1, 1, 1, 0, 0, 0], ["p", "p", "q", "q", "r", "r", "s"])
    spread = spread_over_sources(made, [0.5])
    assert [(row["source"], row["clips"], row["accuracy"]) for row in spread["sources"]] == [
        ("p", 2, 1.0),
        ("q", 2, 0.5),
        ("r", 2, 1.0),
        ("s", 1, 0.0),
    ]
    assert spread["worst"] == ["s", "q"]
    assert (spread["median_accuracy"], spread["min_accuracy"]) == (0.75, 0.0)
    assert spread["accuracy"]["value"] == pytest.approx(5 / 7, abs=1e-6)


def test_intervals_are_those_of_resampling_whole_sources_with_scikit_learn():
    made = random_clips(n=80, n_sources=6)
    spread = spread_over_sources(made, [0.5, 0.5], n_resamples=3000, seed=1)
    members = [np.flatnonzero(np.array(made.sources) == s) for s in sorted(set(made.sources))]
    rng, areas, shares = np.random.default_rng(2), [], []
    right = ((made.scores >= 0.5) == made.truth).all(axis=1)
    for _ in range(500):
        drawn = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        areas.append(roc_auc_score(made.truth[drawn], made.scores[drawn]))
        shares.append(right[drawn].mean())
    for key, expected in (("roc_auc", areas), ("accuracy", shares)):
        interval = spread[key]
        found = (interval["low"], interval["high"])
        assert found == pytest.approx(np.percentile(expected, (2.5, 97.5)), abs=0.025)
        assert interval["low"] < interval["value"] < interval["high"]


def test_ties_count_half_in_the_interval_as_in_the_area():
    tied = clips([0.5] * 8, [1, 1, 1, 0, 0, 0, 1, 0], list("pqrstupq"))
    area = spread_over_sources(tied, [0.5])["roc_auc"]
    assert area == {"value": 0.5, "low": 0.5, "high": 0.5}


def test_the_same_seed_gives_the_same_intervals_and_another_seed_others():
    made = random_clips()
    first, again = (spread_over_sources(made, [0.5, 0.5], seed=3) for _ in range(2))
    assert first == again
    assert spread_over_sources(made, [0.5, 0.5], seed=4)["roc_auc"] != first["roc_auc"]


def test_many_clips_of_few_sources_do_not_narrow_the_interval():
    made = random_clips(n=60, n_sources=6)
    many = clips(
        np.tile(made.scores, (20, 1)), np.tile(made.truth, (20, 1)), made.sources * 20, made.labels
    )
    few, copied = (spread_over_sources(c, [0.5, 0.5])["accuracy"] for c in (made, many))
    assert copied == pytest.approx(few)


def test_too_few_sources_give_no_interval():
    one_source = clips([0.9, 0.1], [1, 0], ["s", "s"])
    spread = spread_over_sources(one_source, [0.5])
    assert spread["accuracy"] == {"value": 1.0, "low": None, "high": None}
    one_positive_source = clips([0.9, 0.1, 0.2], [1, 0, 0], ["p", "q", "r"])
    spread = spread_over_sources(one_positive_source, [0.5])
    assert spread["roc_auc"] == {"value": 1.0, "low": None, "high": None}
    assert spread["accuracy"]["low"] == 1.0


def test_sources_may_have_names_that_are_no_text():
    spread = spread_over_sources(clips([0.1, 0.9], [1, 0], [ODD, ODD]), [0.5])
    assert spread["worst"] == [ODD]
