"""What the page is sent of one item: all of it as data, in one message."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from counter.moments import later
from counter.report.media import Cutting
from counter.report.season import Place
from counter.review.cutting import SHOWN_REACH, band_of
from counter.review.queue import STRETCH, Item
from counter.review.visit import Visit


def message(visit: Visit, row: int, places: Mapping[str, Place]) -> dict[str, Any]:
    """An item as ``answer.js`` takes it.

    Returns
    -------
    dict
        JSON values. Times are seconds from the recording's start, ``sound_s`` those of the sound
        as it plays; picture and sound are data URIs. Where there is nothing to see and hear,
        ``missing`` says why.
    """
    bench = visit.bench
    item, cutting = bench.items.item(row), bench.shelf.get(row)
    said, label = visit.own.get(row), item.key.label
    is_count = item.key.kind == STRETCH
    question = f"Is what sounds between the two lines the call of {label}?"
    if is_count:
        question = f"How many calls of {label} have their middle between the two lines?"
    asked = {
        "row": row,
        "said": said.text if said else "",
        "question": question,
        "facts": _facts(item, cutting, places),
        "is_count": is_count,
        "others": [other for other in bench.labels if other != label],
        "is_free": bench.is_free,
    }
    if isinstance(cutting, str):
        return {**asked, "missing": cutting}
    shown_hz = SHOWN_REACH * band_of(item, bench.bands)[1]
    return {**asked, "missing": "", "shown_hz": shown_hz, **_media(item, cutting)}


def _media(item: Item, cutting: Cutting) -> dict[str, Any]:
    """Picture and sound, and where in them what is."""
    zero_s = item.cut.start_s if item.cut else 0.0
    start_s, end_s = cutting.start_s + zero_s, cutting.end_s + zero_s
    return {
        "start_s": start_s,
        "end_s": end_s,
        "mark_s": [item.start_s, min(item.end_s, end_s)],
        "sound_s": (end_s - start_s) * cutting.slowed,
        "freq_max_hz": cutting.freq_max_hz,
        "picture": _uri("image/webp", cutting.picture),
        "sound": _uri("audio/mpeg", cutting.sound),
    }


def _facts(item: Item, cutting: Cutting | str, places: Mapping[str, Place]) -> list[str]:
    facts = [item.key.recording, f"{item.start_s:.1f} to {item.end_s:.1f} s"]
    place = places.get(item.key.recording)
    if place is not None and place.origin.start is not None:
        moment = later(place.origin.start, item.start_s).replace(microsecond=0)
        facts.append(moment.isoformat(sep=" "))
    if item.site:
        facts.append(item.site)
    if item.score is not None:
        facts.append(f"score {item.score:.3f}")
    if isinstance(cutting, str):
        return facts
    if cutting.slowed > 1:
        facts.append(f"played {cutting.slowed} times slower")
    quiet, loud = cutting.contrast.ends
    facts.append(f"dark {quiet} dB, bright {loud} dB")
    return facts


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
