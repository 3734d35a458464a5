"""Kept scores: what comes back, and what a scan leaves."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest
from audio_files import write
from bundles import MODEL_RATE_HZ, calls
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from counter.cli.main import run
from counter.errors import CallcountError, OutputError
from counter.events.decoding import decode
from counter.tables.scores import logits_of, read_scores, write_scores

AWKWARD = ["plain.wav", "sub/with, comma.wav", "запись/録音.flac", "two\nlines.wav", "../x"]
SPEC = SimpleNamespace(labels=("a", "b"), sample_rate_hz=8000, frame_samples=1024)
BUNDLE = SimpleNamespace(spec=SPEC, sha256="abc")


def kept(path, scores):
    with write_scores(path, BUNDLE) as add:
        for name, values in scores.items():
            add(name, logits_of(values))
    return read_scores(path)


def made(n_frames, seed=0):
    return np.random.default_rng(seed).random((n_frames, 2), dtype=np.float32)


@given(arrays(np.float32, (20, 2), elements=st.floats(0, 1, width=32)))
def test_a_score_comes_back_nearly_as_it_was(tmp_path_factory, scores):
    path = tmp_path_factory.mktemp("scores") / "scores.npz"
    ((name, found),) = kept(path, {"a.wav": scores}).each(["a.wav"])
    assert name == "a.wav"
    assert found.dtype == np.float32
    assert np.abs(found - scores).max() < 0.0003


def test_names_order_labels_and_frames_are_kept(tmp_path):
    scores = {name: made(number, number) for number, name in enumerate(AWKWARD)}
    found = kept(tmp_path / "scores.npz", scores)
    assert found.labels == ("a", "b")
    assert found.bundle_hash == "abc"
    assert found.timebase.frame_s == 0.128
    backwards = AWKWARD[::-1]
    for name, (other, values) in zip(backwards, found.each(backwards), strict=True):
        assert other == name
        assert values.shape == scores[name].shape
        assert values == pytest.approx(scores[name], abs=0.0003)


def test_numpy_reads_the_file(tmp_path):
    scores = made(5)
    kept(tmp_path / "scores.npz", {"x.wav": scores})
    with np.load(tmp_path / "scores.npz") as file:
        assert file["recordings"].tolist() == ["x.wav"]
        assert file["labels"].tolist() == ["a", "b"]
        assert int(file["hop_samples"]) / int(file["sample_rate_hz"]) == 0.128
        assert 1 / (1 + np.exp(-file["000000"].astype(float))) == pytest.approx(scores, abs=0.0003)


def test_an_hour_takes_about_60_kb_a_label(tmp_path):
    n_frames = int(3600 / 0.128)
    kept(tmp_path / "scores.npz", {"hour.wav": made(n_frames)})
    assert (tmp_path / "scores.npz").stat().st_size < 2 * 60_000


def test_nothing_scanned_is_a_file_without_scores(tmp_path):
    assert dict(kept(tmp_path / "scores.npz", {}).members) == {}


def test_a_scan_that_breaks_leaves_no_scores(tmp_path):
    with pytest.raises(IndexError), write_scores(tmp_path / "scores.npz", BUNDLE) as add:
        add("a.wav", [made(3)][1])
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written_it_says_so(tmp_path):
    with pytest.raises(OutputError), write_scores(tmp_path / "gone" / "scores.npz", BUNDLE):
        pass


def test_what_holds_no_scores_is_told_in_one_line(tmp_path):
    path = tmp_path / "scores.npz"
    with pytest.raises(CallcountError, match="holds no scores"):
        read_scores(path)
    np.savez(path, x=1)
    with pytest.raises(CallcountError, match="holds no scores kept by callcount"):
        read_scores(path)
    found = kept(path, {"a.wav": made(3)})
    with pytest.raises(CallcountError, match=r"no scores of b\.wav"):
        list(found.each(["b.wav"]))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(CallcountError, match="cannot read"):
        list(found.each(["a.wav"]))


@pytest.fixture
def season(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "season").mkdir()
    for name, starts_s in (("one.wav", (2.0, 5.0)), ("two.wav", ())):
        write(tmp_path / "season" / name, calls(8.0, starts_s), MODEL_RATE_HZ, subtype="PCM_16")
    return tmp_path / "season"


def scan(season, bundle, *flags):
    return run(["scan", str(season), "--no-plots", "--model", str(bundle.path), *flags])


def test_a_scan_keeps_scores_that_give_its_events_again(season, tone_bundle):
    (season / "bad.wav").write_text("no sound")
    assert scan(season, tone_bundle, "--keep-scores") == 1
    found = read_scores(season.parent / "results" / "scores.npz")
    assert sorted(found.members) == ["one.wav", "two.wav"]
    assert found.bundle_hash == tone_bundle.sha256
    spec = tone_bundle.spec
    with (season.parent / "results" / "events.csv").open(newline="") as file:
        counted = [(row["recording"], row["start_s"], row["end_s"]) for row in csv.DictReader(file)]
    again = [
        (name, f"{event.start_s:.3f}", f"{event.end_s:.3f}")
        for name, scores in found.each(["one.wav", "two.wav"])
        for event in decode(scores, spec.labels, spec.rules, spec.timebase, 8.0)
    ]
    assert again == counted
    assert len(again) == 2


def test_scores_are_kept_only_when_asked_for_and_old_ones_go(season, tone_bundle):
    path = season.parent / "results" / "scores.npz"
    assert scan(season, tone_bundle) == 0
    assert not path.exists()
    assert scan(season, tone_bundle, "--keep-scores") == 0
    assert path.exists()
    assert scan(season, tone_bundle) == 0
    assert not path.exists()


def test_a_config_file_can_ask_for_scores(season, tone_bundle):
    (season.parent / "scan.yaml").write_text("keep_scores: true\n")
    assert scan(season, tone_bundle, "--config", "scan.yaml") == 0
    assert (season.parent / "results" / "scores.npz").exists()


def test_a_file_of_that_name_that_callcount_did_not_make_is_a_clash(season, tone_bundle, capsys):
    path = season.parent / "results" / "scores.npz"
    path.parent.mkdir()
    path.write_text("mine")
    assert scan(season, tone_bundle) == 2
    assert "scores.npz exists and was not made by callcount" in capsys.readouterr().err
    assert path.read_text() == "mine"
