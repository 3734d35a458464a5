"""Settings: defaults, precedence, and what a wrong one is told."""

import re
from importlib import util
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from counter.config import read_yaml, validate, with_overrides
from counter.errors import ConfigError
from counter.events.rules import EventRules
from training.settings.front_end_settings import AUTO, FITTED
from training.settings.train_settings import TrainSettings

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "configs" / "default.yaml"
GENERATOR = Path(__file__).with_name("write_default_config.py")
REMEDY = f"run: python tests/{GENERATOR.name}"
UNIT = st.floats(0.01, 0.99)


def told(data, *assignments, model=TrainSettings, where="mine.yaml"):
    """What the user is told about wrong settings; one line, and exit code 2."""
    with pytest.raises(ConfigError) as caught:
        validate(model, with_overrides(data, list(assignments)), where)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


def settled(data, *assignments):
    return validate(TrainSettings, with_overrides(data, list(assignments)), "mine.yaml")


def test_the_default_config_spells_out_every_default():
    every = TrainSettings().model_dump(mode="json")
    for one in every["models"].values():
        one.update(dict.fromkeys(FITTED, AUTO))
    every["fit"]["window_s"] = AUTO
    assert read_yaml(CONFIG) == every, REMEDY


def test_the_default_config_is_as_its_generator_writes_it():
    spec = util.spec_from_file_location(GENERATOR.stem, GENERATOR)
    generator = util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    assert CONFIG.read_text(encoding="utf-8") == generator.default_config(), REMEDY


def test_the_default_config_gives_the_defaults_back():
    assert validate(TrainSettings, read_yaml(CONFIG), str(CONFIG)) == TrainSettings()


def test_every_default_lies_in_its_own_range():
    assert settled(TrainSettings().model_dump(mode="json")) == TrainSettings()


@pytest.mark.parametrize(
    ("data", "wrong", "near"),
    [
        ({"sed": 1}, "sed", "seed"),
        ({"fit": {"epoch": 3}}, "fit.epoch", "epochs"),
        ({"clips": {"source_patern": "x"}}, "clips.source_patern", "source_pattern"),
        ({"augment": {"snr_low": -5}}, "augment.snr_low", "snr_low_db"),
    ],
)
def test_an_unknown_key_is_an_error_that_suggests_the_near_one(data, wrong, near):
    assert f"unknown key '{wrong}' (did you mean '{near}'?)" in told(data)
    assert told(data).startswith("mine.yaml: ")


def test_an_unknown_key_like_no_other_is_named_without_a_suggestion():
    message = told({"zzzzzz": 1})
    assert "unknown key 'zzzzzz'" in message
    assert "did you mean" not in message


def test_set_leaves_labels_in_their_order():
    labels = {"water": ["w"], "alarm": ["a"]}
    settings = settled({"clips": {"labels": labels}}, "fit.epochs=3")
    assert list(settings.clips.labels) == ["water", "alarm"]


def test_set_is_judged_as_a_config_is():
    assert told({}, "fit.epoch=3") == told({"fit": {"epoch": 3}})
    assert told({}, "fit.epochs=0") == told({"fit": {"epochs": 0}})


@pytest.mark.parametrize(
    ("assignment", "key"),
    [
        ("fit.epochs=0", "fit.epochs"),
        ("fit.epochs=many", "fit.epochs"),
        ("fit.epochs=2.5", "fit.epochs"),
        ("fit.learning_rate=-0.1", "fit.learning_rate"),
        ("fit.learning_rate=.nan", "fit.learning_rate"),
        ("clips.validation_share=1", "clips.validation_share"),
        ("seed=-1", "seed"),
        ("name=a/b", "name"),
        ("name=aux", "name"),
        ("name=wren.", "name"),
        ("network.dropout=.inf", "network.dropout"),
    ],
)
def test_a_value_out_of_range_or_of_another_type_is_named(assignment, key):
    value = yaml.safe_load(assignment.partition("=")[2])
    assert f"'{key}' = {value!r}: " in told({}, assignment)


def test_values_that_contradict_each_other_are_named():
    message = told({}, "augment.snr_low_db=10", "augment.snr_high_db=0")
    assert "snr_high_db" in message
    assert "snr_low_db" in message
    front_end = {"kind": "mel", "sample_rate_hz": 8000, "low_hz": 200, "high_hz": 5000}
    message = told({"models": {"mel": front_end}})
    assert "high_hz" in message
    assert "sample_rate_hz" in message


def test_several_problems_are_told_at_once():
    message = told({"sed": 1, "fit": {"epochs": 0}})
    assert "'sed'" in message
    assert "'fit.epochs'" in message


def test_flags_win_over_the_config_and_the_config_over_the_defaults():
    default = TrainSettings()
    config = {"seed": 7, "fit": {"epochs": 3}}
    from_config = settled(config)
    assert (from_config.seed, from_config.fit.epochs) == (7, 3)
    both = settled(config, "fit.epochs=4")
    assert (both.seed, both.fit.epochs) == (7, 4)
    assert both.fit.batch_size == default.fit.batch_size
    assert both.augment == default.augment
    assert settled(config, "fit.epochs=4", "fit.epochs=5").fit.epochs == 5


def test_a_folder_may_stand_alone_or_in_a_list():
    one = settled({"clips": {"labels": {"frog": "a"}, "background": "b"}})
    many = settled({"clips": {"labels": {"frog": ["a"]}, "background": ["b"]}})
    assert one == many
    assert one.clips.labels == {"frog": ("a",)}


def test_settings_do_not_change_once_made():
    with pytest.raises(ValueError, match="frozen"):
        TrainSettings().seed = 3


def test_overrides_leave_the_mapping_given_as_it_is():
    data = {"fit": {"epochs": 3}}
    assert with_overrides(data, ["fit.epochs=4"]) == {"fit": {"epochs": 4}}
    assert data == {"fit": {"epochs": 3}}


def test_overrides_make_what_is_missing_on_the_way():
    assert with_overrides({}, ["a.b.c=1"]) == {"a": {"b": {"c": 1}}}
    assert with_overrides({}, []) == {}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("0.5", 0.5),
        ("true", True),
        ("", None),
        ("[1, 2]", [1, 2]),
        ("{x: [a b]}", {"x": ["a b"]}),
        ("a=b", "a=b"),
    ],
)
def test_values_of_overrides_are_yaml(text, value):
    assert with_overrides({}, [f"key={text}"]) == {"key": value}


@pytest.mark.parametrize(
    ("assignment", "why"),
    [
        ("epochs", "not of the form key=value"),
        ("=3", "not of the form key=value"),
        (" =3", "not of the form key=value"),
        ("seed.low=3", "'seed' has no keys below it"),
        ("seed=[1", "not valid YAML"),
    ],
)
def test_an_override_that_cannot_be_read_is_quoted(assignment, why):
    with pytest.raises(ConfigError, match=re.escape(why)) as caught:
        with_overrides({"seed": 1}, [assignment])
    assert repr(assignment) in str(caught.value)


def test_an_empty_config_has_no_settings(tmp_path):
    (tmp_path / "mine.yaml").write_text("# nothing yet\n")
    assert read_yaml(tmp_path / "mine.yaml") == {}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"fit: {epochs: 3", "is not valid YAML"),
        (b"fit:\n\tepochs: 3", "is not valid YAML"),
        (b"fit: 1\n  epochs: 3", "is not valid YAML"),
        (b"!!python/object/apply:os.getcwd []", "is not valid YAML"),
        (b"- 1\n- 2\n", "holds list, not settings"),
        (b"just words", "holds str, not settings"),
        (b"\xff\xfe\xfa", "cannot read"),
    ],
)
def test_a_config_that_is_no_config_is_named_in_one_line(tmp_path, content, why):
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=re.escape(why)) as caught:
        read_yaml(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_config_that_cannot_be_read_is_named(tmp_path, name):
    with pytest.raises(ConfigError, match="cannot read"):
        read_yaml(tmp_path / name)


def test_changed_rules_differ_where_they_were_changed_alone():
    rules = EventRules()
    changed = rules.changed(gap_s=2.0, min_duration_s=None)
    assert changed == EventRules(**{**rules.model_dump(), "gap_s": 2.0})
    assert rules == EventRules()


def test_changing_nothing_changes_nothing():
    rules = EventRules(threshold=0.6, release=0.3)
    assert rules.changed() == rules
    assert rules.changed(threshold=None, gap_s=None) == rules


@given(before=UNIT, share=st.floats(0.01, 1.0), after=UNIT)
@example(before=0.01, share=1.0, after=0.45)
def test_release_keeps_its_share_of_a_changed_threshold(before, share, after):
    rules = EventRules(threshold=before, release=before * share)
    changed = rules.changed(threshold=after)
    assert changed.threshold == after
    assert changed.release == pytest.approx(after * share)


def test_a_release_that_is_given_stays_as_given():
    rules = EventRules(threshold=0.5, release=0.4)
    assert rules.changed(threshold=0.8, release=0.1).release == 0.1
    assert rules.changed(release=0.1) == EventRules(threshold=0.5, release=0.1)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"threshold": 1.0}, "'threshold' = 1.0"),
        ({"threshold": 0.0}, "'threshold' = 0.0"),
        ({"gap_s": -1.0}, "'gap_s' = -1.0"),
        ({"gap_s": float("nan")}, "'gap_s' = nan"),
        ({"threshold": 0.2, "release": 0.3}, "release 0.3 is above threshold 0.2"),
        ({"min_duration_s": 9.0, "max_duration_s": 3.0}, "min_duration_s 9.0 is above"),
        ({"treshold": 0.3}, "unknown key 'treshold' (did you mean 'threshold'?)"),
    ],
)
def test_rules_that_cannot_be_are_refused(values, why):
    with pytest.raises(ConfigError, match=re.escape(why)) as caught:
        EventRules().changed(**values)
    assert str(caught.value).startswith("the event rules: ")


@given(threshold=UNIT, release=UNIT)
def test_release_never_stands_above_threshold(threshold, release):
    data = {"threshold": threshold, "release": release}
    if release > threshold:
        assert "is above threshold" in told(data, model=EventRules)
    else:
        assert validate(EventRules, data, "rules").release == release
