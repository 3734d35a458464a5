"""YAML in, validated frozen settings out; unknown keys are errors that suggest the near one."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from counter.errors import ConfigError


class Settings(BaseModel):
    """Base of all settings: frozen, unknown keys forbidden, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


S = TypeVar("S", bound=BaseModel)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; an empty file is an empty mapping.

    Raises
    ------
    ConfigError
        The file is missing, not YAML, or not a mapping.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}.", "Check the path.") from error
    except yaml.YAMLError as error:
        where = " ".join(str(error).split())
        raise ConfigError(f"{path} is not valid YAML: {where}.") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path} holds {type(data).__name__}, not settings (key: value).")
    return data


def validate(model: type[S], data: Mapping[str, Any], where: str) -> S:
    """Validate a mapping as settings.

    Raises
    ------
    ConfigError
        One line for the first few problems, each with key and value; unknown keys come with the
        nearest known one.
    """
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        problems = "; ".join(_problem(model, item) for item in error.errors()[:3])
        raise ConfigError(f"{where}: {problems}.") from error


def _problem(model: type[BaseModel], item: Any) -> str:
    location, settings = _walked(model, [str(part) for part in item["loc"]])
    key = ".".join(location) or "settings"
    if item["type"] == "extra_forbidden":
        return f"unknown key '{key}'{suggest(location[-1], list(settings))}"
    if item["type"] == "missing":
        return f"'{key}' is missing"
    if item["type"] == "union_tag_not_found":
        return f"'{key}.kind' is missing"
    if item["type"] == "union_tag_invalid":
        known = str(item["ctx"]["expected_tags"]).replace("'", "").split(", ")
        wrong = item["ctx"]["tag"]
        return f"'{key}.kind' = {wrong!r}: not one of {', '.join(known)}{suggest(wrong, known)}"
    message = item["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    return f"'{key}' = {item['input']!r}: {message}" if location else message


def _walked(model: type[BaseModel], location: list[str]) -> tuple[list[str], Iterable[str]]:
    """The keys of a location as they were written, and the fields that stand beside the last.

    Of settings of several kinds, pydantic puts the kind into the location, which is no key.
    """
    current: Any = model
    fields: Mapping[str, Any] = {}
    keys = []
    for part in location:
        kinds = [one for one in get_args(current) if hasattr(one, "model_fields")]
        if get_origin(current) is dict:
            fields, current = {}, get_args(current)[-1]
        elif kinds:
            current = next((one for one in kinds if _is_kind(one, part)), None)
            continue
        else:
            fields = getattr(current, "model_fields", {})
            field = fields.get(part)
            current = field.annotation if field else None
        if get_origin(current) is Annotated:
            current = get_args(current)[0]
        keys.append(part)
    return keys, fields


def _is_kind(model: type[BaseModel], kind: str) -> bool:
    field = model.model_fields.get("kind")
    return field is not None and kind in get_args(field.annotation)


def suggest(word: str, known: list[str]) -> str:
    """`` (did you mean 'x'?)`` for the nearest of ``known``, else an empty string."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f" (did you mean '{near[0]}'?)" if near else ""


def with_overrides(data: Mapping[str, Any], assignments: list[str]) -> dict[str, Any]:
    """Apply ``key.sub=value`` assignments (values are YAML) to a copy of ``data``.

    Raises
    ------
    ConfigError
        An assignment has no ``=``, or its path leads through something that is no mapping.
    """
    result: dict[str, Any] = yaml.safe_load(yaml.safe_dump(dict(data), sort_keys=False)) or {}
    for assignment in assignments:
        key, sign, value = assignment.partition("=")
        if not sign or not key.strip():
            raise ConfigError(f"--set {assignment!r} is not of the form key=value.")
        node = result
        *parents, last = key.strip().split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise ConfigError(f"--set {assignment!r}: '{parent}' has no keys below it.")
        try:
            node[last] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {assignment!r}: the value is not valid YAML.") from error
    return result


def n_threads(wanted: int | None) -> int:
    """The number wanted, else one per core that this process may use."""
    if wanted is not None:
        return wanted
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
