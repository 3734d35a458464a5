"""File names for the plots of recordings."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable

MAX_NAME_BYTES = 120
_RESERVED = ("overview", "calls_by_day", "calls_by_hour")


def plot_names(names: Iterable[str]) -> dict[str, str]:
    """Give each recording's plot a file name that is safe, bounded and unlike any other.

    ``/`` becomes ``__``; letters and digits of any script, ``.``, ``-`` and ``_`` stay and all
    else becomes ``_``. A name that was cut, or that would equal another on a file system which
    ignores case, gets a digest of the recording's name. The order of ``names`` does not matter.

    Parameters
    ----------
    names : iterable of str
        Names of recordings, each once; empty gives an empty answer.

    Returns
    -------
    dict of str to str
        File name ending in ``.png``, at most ``MAX_NAME_BYTES`` bytes, for each recording.
    """
    stems = {name: _safe(name) for name in names}
    taken = Counter(stem.casefold() for stem in stems.values())
    taken.update(_RESERVED)
    return {name: _file_name(name, stem, taken[stem.casefold()]) for name, stem in stems.items()}


def _safe(name: str) -> str:
    text = unicodedata.normalize("NFC", name).replace("/", "__")
    text = "".join(char if _is_kept(char) else "_" for char in text)
    return "_" + text[1:] if text.startswith(".") else text or "_"


def _is_kept(char: str) -> bool:
    return char in "-_." or unicodedata.category(char)[0] in "LMN"


def _file_name(name: str, stem: str, n_alike: int) -> str:
    room = MAX_NAME_BYTES - len(".png")
    if n_alike == 1 and len(stem.encode()) <= room:
        return f"{stem}.png"
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    short = stem.encode()[: room - len(digest) - 1].decode("utf-8", "ignore")
    return f"{short}-{digest}.png"
