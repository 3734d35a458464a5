"""Where recordings are scanned, as the user says it."""

from __future__ import annotations

_LOCAL = "local"
_MOST_WORKERS = 1024


def parse_cluster(text: str) -> str | int:
    """An address as it is, or the number of workers of ``local:N``.

    Raises
    ------
    ValueError
        It is neither.
    """
    kind, _, rest = text.partition(":")
    if kind == _LOCAL:
        if not rest.isdecimal() or not 1 <= int(rest) <= _MOST_WORKERS:
            raise ValueError(f"{text!r} names no number of workers, as local:4 does")
        return int(rest)
    if not rest.startswith("//") or len(rest) < 3:
        raise ValueError(f"{text!r} is no address such as tcp://scheduler:8786, nor local:4")
    return text
