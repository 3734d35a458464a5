"""Event rules as YAML, and the layers that change a bundle's rules for one scan.

Either one set for all labels, or a set for each label that is named; rules that are not named
stay as they are.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, model_validator

from counter.config import Settings, read_yaml, suggest, validate
from counter.errors import ConfigError

# What ``tune`` calls it, in the folder of a bundle.
RULES_FILE = "rules.yaml"


@dataclass(frozen=True)
class RuleLayers:
    """What changes the rules of a bundle for one scan; what stands later wins.

    Attributes
    ----------
    config : mapping of str to float
        Single rules of ``--config``, for every label.
    file : Path or None
        The file of ``--rules``.
    flags : mapping of str to float
        Single rules of the command line, for every label.
    """

    config: Mapping[str, float]
    file: Path | None
    flags: Mapping[str, float]

    def over(self, rules: Mapping[str, EventRules]) -> tuple[dict[str, EventRules], list[str]]:
        """The rules of each label over those of the bundle, and where they come from.

        Raises
        ------
        ConfigError
            As ``with_rules``, or the single rules do not go together.
        """
        sources = ["bundle"]
        changed = _all_changed(rules, self.config, "--config", sources)
        if self.file is not None:
            changed = with_rules(self.file, changed)
            sources.append(f"--rules {os.path.abspath(self.file)}")
        return _all_changed(changed, self.flags, "flags", sources), sources


def _all_changed(
    rules: Mapping[str, EventRules], given: Mapping[str, float], where: str, sources: list[str]
) -> dict[str, EventRules]:
    if given:
        sources.append(f"{where}: {', '.join(sorted(given))}")
    return {label: own.updated(given, where) if given else own for label, own in rules.items()}


def with_rules(path: Path, rules: Mapping[str, EventRules]) -> dict[str, EventRules]:
    """The rules of each label, changed as a file says.

    Parameters
    ----------
    path : Path
        YAML: ``threshold: 0.6`` and so on, or ``label: {threshold: 0.6}``.
    rules : mapping of str to EventRules
        Rules of all labels of the bundle.

    Raises
    ------
    ConfigError
        The file cannot be read or holds no rule, names a label or rule that there is not, mixes
        both forms, or a value is out of its range.
    """
    if path.is_dir():
        raise ConfigError(f"--rules {path} is a folder.", f"Name a file: {path / RULES_FILE}, say.")
    by_label = _by_label(path, read_yaml(path), list(rules))
    return {
        label: own.updated(by_label[label], f"{path}, rules of {label}")
        if label in by_label
        else own
        for label, own in rules.items()
    }


def _by_label(path: Path, data: Mapping[Any, Any], labels: list[str]) -> dict[str, dict[str, Any]]:
    given = {str(key): value for key, value in data.items()}
    if not given:
        raise ConfigError(f"{path} holds no rules.", "Write such as `threshold: 0.6`.")
    named = [key for key, value in given.items() if isinstance(value, Mapping)]
    if not named:
        for key, value in given.items():
            if key in labels and key not in EventRules.model_fields:
                raise ConfigError(
                    f"{path}: {value!r} is no set of rules for {key}.",
                    f"Write {key}: {{threshold: 0.6}}, say.",
                )
        return {label: given for label in labels}
    if other := [key for key in given if key not in named]:
        raise ConfigError(
            f"{path} mixes rules for all labels ({other[0]}) with rules for one ({named[0]}).",
            "Write one set for all, or a set under each label.",
        )
    if unknown := [label for label in named if label not in labels]:
        near = suggest(unknown[0], labels)
        raise ConfigError(
            f"{path}: the bundle has no label {unknown[0]!r}{near}, only: {', '.join(labels)}."
        )
    return {label: {str(key): one for key, one in given[label].items()} for label in named}


def rules_text(rules: Mapping[str, EventRules]) -> str:
    """Rules of every label as YAML that ``with_rules`` reads."""
    data = {label: one.model_dump(mode="json") for label, one in rules.items()}
    head = "# Event rules by label, for `callcount scan --rules`. Durations in seconds.\n"
    return head + yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


class EventRules(Settings):
    """The rules that turn frame scores into events; see ``events.decoding`` for the order."""

    threshold: float = Field(0.5, gt=0, lt=1, description="score that starts an event")
    release: float = Field(0.5, gt=0, lt=1, description="score above which an event goes on")
    smooth_s: float = Field(0.4, ge=0, le=60, description="length of the moving average")
    gap_s: float = Field(0.4, ge=0, le=600, description="pauses shorter than this are bridged")
    part_s: float = Field(6.0, gt=0, le=3600, description="events longer than this may be parted")
    part_depth: float = Field(
        0.7, ge=0, le=1, description="a valley parts when at most this share of the lower peak"
    )
    min_duration_s: float = Field(0.5, ge=0, le=600, description="shortest event")
    max_duration_s: float = Field(30.0, gt=0, le=86400, description="longest event")

    @model_validator(mode="after")
    def _consistent(self) -> EventRules:
        if self.release > self.threshold:
            raise ValueError(
                f"release {self.release} is above threshold {self.threshold}; lower release"
            )
        if self.min_duration_s > self.max_duration_s:
            raise ValueError(
                f"min_duration_s {self.min_duration_s} is above "
                f"max_duration_s {self.max_duration_s}"
            )
        return self

    def changed(self, **values: float | None) -> EventRules:
        """A copy with the given values; ``None`` leaves one as it is, release follows threshold.

        Raises
        ------
        ConfigError
            A value is out of its range.
        """
        given = {key: value for key, value in values.items() if value is not None}
        return self.updated(given, "the event rules")

    def updated(self, given: Mapping[str, Any], where: str) -> EventRules:
        """A copy with the given values; release follows threshold in the same proportion.

        Parameters
        ----------
        given : mapping
            Rules to change; not checked yet.
        where : str
            Where they stand, for messages.

        Raises
        ------
        ConfigError
            A key is no rule, or a value is out of its range.
        """
        merged = {**self.model_dump(), **given}
        threshold = given.get("threshold")
        if isinstance(threshold, int | float) and "release" not in given:
            merged["release"] = threshold * (self.release / self.threshold)
        return validate(EventRules, merged, where)


# The event rules that may be given one by one.
SINGLE_RULES = ("threshold", "gap_s", "min_duration_s", "max_duration_s")
