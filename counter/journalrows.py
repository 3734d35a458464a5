"""One outcome as JSON and back, exactly: for the journal and for what travels between machines."""

from __future__ import annotations

import json
from typing import Any

from counter.records import Event, FileResult, Recording, Tags


def body_of(result: FileResult) -> str:
    """All of an outcome but its recording, origin, picture and scores, as JSON."""
    tags = result.tags
    # Chunks are bytes of unknown encoding: one character a byte.
    chunks = [chunk.decode("latin-1") for chunk in (tags.guano, tags.bwf)]
    data: dict[str, Any] = {
        "status": result.status,
        "message": result.message,
        "duration_s": result.duration_s,
        "scanned_s": result.scanned_s,
        "events": [[e.label, e.start_s, e.end_s, e.peak_s, e.score] for e in result.events],
        "sample_rate_hz": result.sample_rate_hz,
        "channels": result.channels,
        "dead_s": result.dead_s,
        "tags": [tags.comment, tags.artist, *chunks],
    }
    return json.dumps({name: value for name, value in data.items() if value})


def result_of(recording: Recording, body: str) -> FileResult:
    """The outcome that ``body_of`` told."""
    data = json.loads(body)
    comment, artist, guano, bwf = data.pop("tags")
    tags = Tags(comment, artist, guano.encode("latin-1"), bwf.encode("latin-1"))
    events = tuple(Event(*event) for event in data.pop("events", ()))
    dead_s = tuple((start, end) for start, end in data.pop("dead_s", ()))
    return FileResult(recording, events=events, dead_s=dead_s, tags=tags, **data)
