"""One reviewer's session: what is shown and sent, the answers, and the pace."""

from __future__ import annotations

import itertools
import secrets
import statistics
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from counter.records import Origin
from counter.report.event_media import Cutting, data_uri
from counter.review.answers import COUNTED, NO, OTHER, UNSURE, YES, Judgement, Store
from counter.review.item_media import SHOWN_REACH, Band, ReadyMedia, band_of
from counter.review.questions import STRETCH, Item, Items, Walk, Wish, line_up, own_answers
from counter.timestamps import later

BACK = "back"
# Cut ahead of the person; begun anew when fewer of the next ones are on their way.
_AHEAD = 12
_RENEW_EVERY = 4
# A longer pause is a pause; so many answers make a pace.
_PAUSE_S, _PACE_OF = 120.0, 5
# Never the same for two sessions, nor after the server was started anew.
_SHOWN = itertools.count(secrets.randbits(40))
# Of a name or a label.
MOST_LETTERS = 60
_MOST_CALLS = 9999


@dataclass(frozen=True)
class ReviewTask:
    """What is asked, what is ready to be shown, and what was answered.

    Attributes
    ----------
    items : Items
        All questions.
    media : ReadyMedia
        Their pictures and sounds.
    store : Store
        The answers.
    labels : tuple of str
        Labels that a call may be of.
    is_free : bool
        Whether a call may be answered to be of another label than these.
    bands : mapping of str to (low_hz, high_hz)
        Band that each label was listened for in.
    origins : mapping of str to Origin
        When and where each recording was made.
    """

    items: Items
    media: ReadyMedia
    store: Store
    labels: tuple[str, ...]
    is_free: bool
    bands: Mapping[str, Band]
    origins: Mapping[str, Origin]


@dataclass
class ReviewSession:
    """A person's place in the queue; changed by each answer, by one thread at a time.

    Attributes
    ----------
    task : ReviewTask
        What is reviewed.
    reviewer : str
        Who answers.
    wish : Wish
        What is shown.
    shown : int
        Another number each time something else is shown; an answer says to which it belongs.
    lock : Lock
        Held by whoever uses the session.
    """

    task: ReviewTask
    reviewer: str
    wish: Wish
    shown: int = field(default_factory=lambda: next(_SHOWN))
    lock: threading.Lock = field(default_factory=threading.Lock)
    _times_s: deque[float] = field(default_factory=lambda: deque(maxlen=30))

    def __post_init__(self) -> None:
        task = self.task
        self.own = own_answers(task.items, task.store.newest(task.items.kind), self.reviewer)
        self.walk = Walk(line_up(task.items, self.own, self.wish))

    def take(self, given: Mapping[str, Any] | None) -> None:
        """Store what the page sent about what is shown, and go on; anything else is passed over.

        Raises
        ------
        OutputError
            It cannot be stored; what is shown stays.
        """
        row = self.walk.row
        if not given or given.get("seq") != self.shown:
            return
        if given.get("verdict") == BACK:
            self.walk.back()
        elif row is not None and (judgement := self._judgement(given)) is not None:
            self.task.store.add(self.task.items.item(row).key, judgement, self.reviewer)
            self.own[row] = judgement
            self.walk.answered()
            self._times_s.append(time.monotonic())
        else:
            return
        self.shown = next(_SHOWN)

    def _judgement(self, given: Mapping[str, Any]) -> Judgement | None:
        """The judgement in a message; None where it is no answer to this kind of question."""
        verdict = given.get("verdict")
        if verdict == UNSURE:
            return Judgement(UNSURE)
        if self.task.items.kind == STRETCH:
            calls = given.get("calls")
            is_count = type(calls) is int and 0 <= calls <= _MOST_CALLS
            return Judgement(COUNTED, calls=calls) if verdict == COUNTED and is_count else None
        if verdict == OTHER:
            label = " ".join(str(given.get("other", "")).split())[:MOST_LETTERS]
            is_known = label in self.task.labels
            return Judgement(OTHER, label) if label and (is_known or self.task.is_free) else None
        return Judgement(verdict) if verdict in (YES, NO) else None

    @property
    def next_row(self) -> int | None:
        """What is shown after an answer; None at the end, or where it is not ready yet."""
        row = next(iter(self.walk.ahead(1)), None)
        return row if row is not None and self.task.media.ready(row) is not None else None

    @property
    def left_s(self) -> float | None:
        """Seconds that the rest will take at the present pace; None before there is one."""
        times_s = list(self._times_s)
        steps_s = [b - a for a, b in zip(times_s, times_s[1:], strict=False) if b - a < _PAUSE_S]
        if len(steps_s) < _PACE_OF:
            return None
        return statistics.median(steps_s) * self.walk.n_left

    @property
    def progress(self) -> str:
        """How far the person is: ``6 of 7 answered, 1 left here, about 2 min``."""
        n_items, n_done = len(self.task.items), len(self.own)
        text = f"{n_done} of {n_items} answered, {self.walk.n_left} left here"
        if (left_s := self.left_s) is None:
            return text
        minutes = max(1, round(left_s / 60))
        return f"{text}, about " + (f"{minutes} min" if minutes < 90 else f"{minutes / 60:.0f} h")

    def message(self) -> dict[str, Any]:
        """All that the page shows now, as JSON values; the next item is being cut meanwhile.

        Returns
        -------
        dict
            ``seq`` is ``shown``; ``item`` and ``next`` are what ``item_message`` gives, or None;
            ``end`` says why there is no item.
        """
        row = self.walk.row
        # another session may have wished for something else in between
        if self.walk.at % _RENEW_EVERY == 0 or self.next_row is None:
            self.task.media.prepare(self.walk.ahead(_AHEAD))
        item = None if row is None else self.item_message(row)
        following = None if row is None else self.next_row
        n_items = len(self.task.items)
        return {
            "seq": self.shown,
            "item": item,
            "next": None if following is None else self.item_message(following),
            "progress": self.progress,
            "share": len(self.own) / n_items if n_items else 0.0,
            "end": "Nothing is left here." if len(self.walk.rows) else "Nothing to show here.",
        }

    def item_message(self, row: int) -> dict[str, Any]:
        """An item as ``answer.js`` takes it.

        Returns
        -------
        dict
            JSON values. Times are seconds from the recording's start, ``sound_s`` those of the
            sound as it plays; picture and sound are data URIs. Where there is nothing to see and
            hear, ``missing`` says why.
        """
        task = self.task
        item, cutting = task.items.item(row), task.media.get(row)
        own, label = self.own.get(row), item.key.label
        is_count = item.key.kind == STRETCH
        question = f"Is what sounds between the two lines the call of {label}?"
        if is_count:
            question = f"How many calls of {label} have their middle between the two lines?"
        asked = {
            "row": row,
            "answered": own.text if own else "",
            "question": question,
            "facts": _facts(item, cutting, task.origins),
            "is_count": is_count,
            "others": [other for other in task.labels if other != label],
            "is_free": task.is_free,
        }
        if isinstance(cutting, str):
            return {**asked, "missing": cutting}
        shown_hz = SHOWN_REACH * band_of(item, task.bands)[1]
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
        "picture": data_uri("image/webp", cutting.picture),
        "sound": data_uri("audio/mpeg", cutting.sound),
    }


def _facts(item: Item, cutting: Cutting | str, origins: Mapping[str, Origin]) -> list[str]:
    facts = [item.key.recording, f"{item.start_s:.1f} to {item.end_s:.1f} s"]
    start = origins.get(item.key.recording, Origin()).start
    if start is not None:
        moment = later(start, item.start_s).replace(microsecond=0)
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
