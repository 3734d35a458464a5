"""Write ``configs/default.yaml`` from the defaults and descriptions in ``training/settings/``.

Run after any change of those: ``python tests/write_default_config.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import annotated_types
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from training.settings.front_end_settings import AUTO, FITTED, FrontEndSettings
from training.settings.train_settings import FitSettings, TrainSettings

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "default.yaml"
LINE_LENGTH = 100
INDENT = "  "
HEAD = """\
# Every setting of `callcount train` with its default, as tests/write_default_config.py reads them
# from training/settings/. A config of your own needs only the keys that differ:
#
#     callcount train --config mine.yaml --set fit.epochs=20
#
# Precedence: these defaults < the config < flags. Paths are relative to the working directory.
"""
BOUNDS = (
    (annotated_types.Ge, "ge", "at least"),
    (annotated_types.Gt, "gt", "above"),
    (annotated_types.Le, "le", "at most"),
    (annotated_types.Lt, "lt", "below"),
)


def default_config() -> str:
    """The text of ``configs/default.yaml``."""
    return HEAD + "".join(f"{line}\n" for line in _lines(TrainSettings(), depth=0))


def _lines(settings: BaseModel, *, depth: int) -> Iterator[str]:
    for key, field in type(settings).model_fields.items():
        value = getattr(settings, key)
        named = dict(value) if isinstance(value, Mapping) else {}
        if isinstance(value, BaseModel):
            yield from _section(key, value, comment=_summary(value), depth=depth)
        elif any(isinstance(one, BaseModel) for one in named.values()):
            yield from _section_of_many(key, named, comment=_comment(field), depth=depth)
        else:
            plain = settings.model_dump(mode="json", include={key})
            if isinstance(settings, FrontEndSettings | FitSettings) and key in (
                *FITTED,
                "window_s",
            ):
                plain = {key: AUTO}
            yield from _entry(_yaml(plain), _comment(field), depth=depth)


def _section(key: str, settings: BaseModel, *, comment: str, depth: int) -> Iterator[str]:
    if depth == 0:
        yield ""
    yield from _entry(f"{key}:", comment, depth=depth)
    yield from _lines(settings, depth=depth + 1)


def _section_of_many(
    key: str, named: Mapping[str, BaseModel], *, comment: str, depth: int
) -> Iterator[str]:
    yield ""
    yield from _entry(f"{key}:", comment, depth=depth)
    for name, settings in named.items():
        yield from _section(name, settings, comment="", depth=depth + 1)


def _yaml(pair: Mapping[str, object]) -> str:
    """Innermost lists and mappings on one line, all else a line a key."""
    is_scalar = not any(isinstance(value, list | dict) for value in pair.values())
    style = False if is_scalar else None
    return yaml.safe_dump(dict(pair), default_flow_style=style, width=10_000, allow_unicode=True)


def _entry(text: str, comment: str, *, depth: int) -> Iterator[str]:
    """One key with its comment behind it, or above it where the line would be too long."""
    first, *more = (INDENT * depth + line for line in text.splitlines())
    if not comment:
        yield first
    elif len(first) + len(comment) + 4 <= LINE_LENGTH:
        yield f"{first}  # {comment}"
    else:
        yield f"{INDENT * depth}# {comment}"
        yield first
    yield from more


def _summary(settings: BaseModel) -> str:
    return (type(settings).__doc__ or "").splitlines()[0].removesuffix(".")


def _comment(field: FieldInfo) -> str:
    bounds = [
        f"{word} {getattr(one, name)}"
        for kind, name, word in BOUNDS
        for one in field.metadata
        if isinstance(one, kind)
    ]
    return "; ".join(part for part in (field.description or "", ", ".join(bounds)) if part)


if __name__ == "__main__":
    CONFIG.write_text(default_config(), encoding="utf-8")
