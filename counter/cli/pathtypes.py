"""Arguments that are a path of this machine or a URL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from counter.remote.urls import is_url


class PathOrUrl(click.ParamType):
    """A ``Path``; of a URL the text as it is, since a ``Path`` takes two slashes for one."""

    name = "path"

    def convert(self, value: Any, param: Any, ctx: Any) -> str | Path:
        """See the class."""
        text = str(value)
        return text if is_url(text) else Path(text)
