"""Events for other programs: one small writer a format, in a table by name.

The columns are the programs' own:

- Raven Pro. Opened as a *sound selection table*, it takes the sound from ``Begin Path`` and the
  place from ``File Offset (s)``; opened as a plain selection table, it counts ``Begin Time (s)``
  through all sounds that are open, one after the other. So both hold.
- Kaleidoscope: ``INDIR``, ``FOLDER`` and ``IN FILE`` together are the recording, ``OFFSET`` and
  ``DURATION`` the place; in ``MANUAL ID`` a person says what it is.
- BirdNET-Analyzer's CSV of several recordings. It parts a label into a scientific and a common
  name; here both are the label.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from counter.calltables import RAVEN_NAME
from counter.output.audacity import AudacityLabels
from counter.output.eventrows import EventRow
from counter.output.parquet import Parquet
from counter.output.writers import PROBABILITY, Cell, EventFormat, JsonLines, Table
from counter.remote.urls import absolute


def _path(row: EventRow) -> str:
    return absolute(row.source.path)


def _file(row: EventRow) -> str:
    return os.path.basename(row.source.path)


def _root_and_folder(row: EventRow) -> tuple[str, str]:
    """The folder that was scanned and the one below it; all in the first where names differ."""
    folder = os.path.dirname(_path(row))
    below = os.path.dirname(row.recording).replace("/", os.sep)
    if below and folder.endswith(os.sep + below):
        return folder.removesuffix(os.sep + below) or os.sep, below
    return folder, ""


def _through_all(row: EventRow, time_s: float) -> str:
    """A time counted through all recordings; in whole milliseconds, so that lengths stay."""
    return f"{(round(row.before_s * 1000) + round(time_s * 1000)) / 1000:.3f}"


def _text(column: str) -> Cell:
    return lambda row: row.text(column)


_RAVEN: dict[str, Cell] = {
    "Selection": lambda row: row.number,
    "View": lambda row: "Spectrogram 1",
    "Channel": lambda row: 1,
    "Begin Time (s)": lambda row: _through_all(row, row.start_s),
    "End Time (s)": lambda row: _through_all(row, row.end_s),
    "Low Freq (Hz)": _text("low_hz"),
    "High Freq (Hz)": _text("high_hz"),
    "Begin File": _file,
    "Begin Path": _path,
    "File Offset (s)": _text("start_s"),
    "Annotation": _text("label"),
    "Score": _text("score"),
    PROBABILITY: _text("probability"),
    RAVEN_NAME: _text("recording"),
}
_KALEIDOSCOPE: dict[str, Cell] = {
    "INDIR": lambda row: _root_and_folder(row)[0],
    "FOLDER": lambda row: _root_and_folder(row)[1],
    "IN FILE": _file,
    "OFFSET": _text("start_s"),
    "DURATION": lambda row: f"{row.end_s - row.start_s:.3f}",
    "TOP1MATCH": _text("label"),
    "Score": _text("score"),
    PROBABILITY: _text("probability"),
    "MANUAL ID": lambda row: "",
}
_BIRDNET: dict[str, Cell] = {
    "Start (s)": _text("start_s"),
    "End (s)": _text("end_s"),
    "Scientific name": _text("label"),
    "Common name": _text("label"),
    "Confidence": _text("score"),
    "File": _path,
}


def raven_table(path: str) -> Table:
    """A Raven selection table of this name."""
    return Table(path, _RAVEN, delimiter="\t")


FORMATS: Mapping[str, EventFormat] = {
    "parquet": Parquet("events.parquet"),
    "jsonl": JsonLines("events.jsonl"),
    "raven": raven_table("events.raven.txt"),
    "audacity": AudacityLabels("audacity"),
    "kaleidoscope": Table("events.kaleidoscope.csv", _KALEIDOSCOPE),
    "birdnet": Table("events.birdnet.csv", _BIRDNET),
}
