"""Event rules alone, as YAML: what ``scan --rules`` reads and ``tune`` writes.

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

from counter.config import EventRules, read_yaml, suggest
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
        said = ["bundle"]
        changed = _all_changed(rules, self.config, "--config", said)
        if self.file is not None:
            changed = with_rules(self.file, changed)
            said.append(f"--rules {os.path.abspath(self.file)}")
        return _all_changed(changed, self.flags, "flags", said), said


def _all_changed(
    rules: Mapping[str, EventRules], given: Mapping[str, float], where: str, said: list[str]
) -> dict[str, EventRules]:
    if given:
        said.append(f"{where}: {', '.join(sorted(given))}")
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
