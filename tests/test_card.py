"""The model card: what it says, and what it says where nothing was measured."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from report_data import ODD, bare_data, full_data

from training.report.card import (
    CardData,
    ExpectedCounts,
    Parity,
    SplitCount,
    escape,
    model_card,
)
from training.report.training_report import split_reports
from training.validation.clip_metrics import plain_text


def card_data(**changes):
    data = CardData(
        name="capuchinbird-mel",
        description="Log mel and a small network.",
        labels=("bird", "frog"),
        command="callcount train --seed 7",
        seed=7,
        counts=(SplitCount("train", "bird", 110, 23), SplitCount("test", "background", 75, 4)),
        data_licence="CC BY-NC-SA 4.0, xeno-canto's recordists",
        reports=split_reports(full_data()),
        rules={"threshold": 0.5, "gap_s": 0.4},
        rules_how="Fitted on made recordings.",
        expected=ExpectedCounts("Three folds.", 90, 412, 1.5, 0.5, 0.08, 60.0, 0.25),
        parity=(
            Parity("float32", 66, 3e-6, 1e-3, chosen=False),
            Parity("int8", 66, 0.04, 0.1, chosen=True),
        ),
        limits=("Trained on one species.",),
        versions={"tensorflow": "2.16.2"},
    )
    return replace(data, **changes)


def test_the_card_begins_with_what_speaks_against_the_model():
    assert "Before you count" not in model_card(card_data())
    card = model_card(card_data(warnings=("frog: F1 is 0.31. Bring louder calls.",)))
    assert "## Before you count with it\n\n- frog: F1 is 0.31. Bring louder calls." in card
    assert card.index("Before you count") < card.index("## Data")


def test_what_is_expected_is_said_with_what_it_was_measured_on():
    expected = replace(
        card_data().expected, found=400, total_error=(("frog", 0.123), ("owl", None))
    )
    made = model_card(card_data(expected=expected))
    assert "| calls known, events found | 412, 400 |" in made
    assert "| error of a total of frog to expect | 12% |" in made
    assert "| error of a total of owl to expect | - |" in made
    assert "Made recordings are no field recordings" in made
    marked = model_card(card_data(expected=replace(expected, is_on_made=False)))
    assert "no field recordings" not in marked
    assert "what to expect where these were made" in marked


def test_the_card_says_what_was_given():
    card = model_card(card_data())
    for words in (
        "    callcount train --seed 7\n",
        "seed 7",
        "| train: bird | 110 | 23 |",
        "| test: background | 75 | 4 |",
        "CC BY-NC-SA 4.0, xeno-canto's recordists",
        "| threshold | 0.5 |",
        "calls a recording of 60 s) | 0.080 |",
        "0.25 (over 0.50 h without calls)",
        "| int8, chosen | 66 | 0.04 | 0.1 |",
        "| float32 | 66 | 3e-06 | 0.001 |",
        "- Trained on one species.",
        "| tensorflow | 2.16.2 |",
        "no field recordings",
    ):
        assert words in card


def test_the_card_shows_metrics_with_their_spread():
    reports = split_reports(full_data())
    card = model_card(card_data())
    spread = reports["test"]["spread"]["roc_auc"]
    assert f"AUC {spread['value']:.3f} (95 %: {spread['low']:.3f} to {spread['high']:.3f})" in card
    assert f"{reports['test']['labels']['frog']['f1']:.3f}" in card


def test_the_card_says_so_where_nothing_was_measured():
    card = model_card(
        card_data(reports=split_reports(bare_data()), expected=None, parity=(), versions={})
    )
    assert "not defined" in card
    assert "too few sources for an interval" in card
    assert "Not measured: the rules were not fitted" in card
    assert "Not compared" in card
    assert "None" not in card
    assert "nan" not in card


def test_false_events_without_an_hour_of_background_are_not_zero():
    expected = replace(card_data().expected, false_events_per_hour=None, background_hours=0.0)
    assert "| false events an hour without calls | not measured |" in model_card(
        card_data(expected=expected)
    )


def test_odd_names_neither_break_tables_nor_become_markup():
    tables = model_card(
        card_data(counts=(SplitCount("train", ODD, 1, 1),), skipped=(ODD,), labels=(ODD,))
    )
    row = next(line for line in tables.splitlines() if line.startswith("| train: "))
    assert len(re.findall(r"(?<!\\)\|", row)) == 4
    assert r"a\|b\*\_\[x\](y)\<i\>" in row
    assert r"\<i\> \# " in row
    tables.encode()


@given(st.text(st.characters(codec=None), max_size=40))
def test_escaped_text_is_one_line_and_undoes_to_the_plain_text(text):
    escaped = escape(text)
    escaped.encode()
    assert len(escaped.splitlines()) <= 1
    assert re.sub(r"\\(.)", r"\1", escaped) == plain_text(text)
    assert not re.search(r"(?<!\\)(\\\\)*[|*_<`\[]", escaped)
