"""The shipped bundle counts today what it counted when its golden results were made."""

import csv
import importlib.util
from pathlib import Path

import pytest

GOLDEN = Path(__file__).resolve().parent / "golden"
# A processor may round otherwise: a frame of time, a little of the score.
TIME_S, SCORE = 0.15, 0.02


def maker():
    """The script beside the golden results."""
    spec = importlib.util.spec_from_file_location("golden_make", GOLDEN / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(text):
    return list(csv.DictReader(text.splitlines()))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return tuple(rows(text) for text in maker().scan(tmp_path_factory.mktemp("golden")))


def test_counts_are_the_golden_ones(found):
    assert found[0] == rows((GOLDEN / "counts.csv").read_text(encoding="utf-8"))


def test_events_are_the_golden_ones(found):
    expected = rows((GOLDEN / "events.csv").read_text(encoding="utf-8"))
    assert len(found[1]) == len(expected)
    for event, golden in zip(found[1], expected, strict=True):
        for name in ("start_s", "end_s", "peak_s"):
            assert float(event[name]) == pytest.approx(float(golden[name]), abs=TIME_S)
        assert float(event["score"]) == pytest.approx(float(golden["score"]), abs=SCORE)
        assert (event["recording"], event["label"]) == (golden["recording"], golden["label"])


def test_each_golden_event_is_a_call_that_was_laid_and_none_is_missing(found):
    make = maker()
    for name, calls in (("sparse.wav", make.SPARSE), ("chorus.wav", make.CHORUS)):
        events = [event for event in found[1] if event["recording"] == name]
        assert len(events) == len(calls)
        for event, (start_s, _) in zip(events, calls, strict=True):
            assert start_s < float(event["peak_s"]) < start_s + make.GROWL_S + make.STACK_S
