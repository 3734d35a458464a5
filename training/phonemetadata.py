"""TFLite Model Metadata: what Google's own readers want to be told inside a ``.tflite`` file.

Of its schema (``metadata_schema.fbs`` of TensorFlow and MediaPipe, version 1.3.0 for sound) the few
tables that an audio classifier needs, written by ``flatbuffers``, which LiteRT brings. The library
for it, tflite-support, ended with Python 3.11 and wants numpy below 2 and protobuf 3; MediaPipe's
copy has no writer for sound and brings OpenCV.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from training.litertgraph import Graph

LABELS_FILE = "labels.txt"
BUFFER_NAME, IDENTIFIER, PARSER_VERSION = "TFLITE_METADATA", b"M001", "1.3.0"
# Members of the schema's union and enumeration.
AUDIO_PROPERTIES, AXIS_LABELS = 4, 2
# One moment for all that is packed, so that equal models are equal files.
MOMENT = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class PhoneFacts:
    """What the metadata says.

    Attributes
    ----------
    name : str
        Of the model.
    description : str
        What it hears, in a sentence.
    version : str
        When it was trained.
    sample_rate_hz : int
        Rate of the mono samples that it takes.
    labels : tuple of str
        In the order of the scores.
    """

    name: str
    description: str
    version: str
    sample_rate_hz: int
    labels: tuple[str, ...]


def with_metadata(graph: Graph, facts: PhoneFacts) -> bytes:
    """The graph's file with metadata inside and its labels packed behind."""
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(_metadata(facts), dtype=np.uint8)
    graph.model.buffers.append(buffer)
    entry.name, entry.buffer = BUFFER_NAME, len(graph.model.buffers) - 1
    graph.model.metadata = [*(graph.model.metadata or []), entry]
    packed = io.BytesIO()
    packed.write(graph.content())
    # Stored as it is: readers map the labels straight out of the file.
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(LABELS_FILE, MOMENT), labels_text(facts.labels))
    return packed.getvalue()


def labels_text(labels: Sequence[str]) -> str:
    """One label a line, in the order of the scores."""
    return "".join(f"{label}\n" for label in labels)


class _Tables(flatbuffers.Builder):
    """A builder that takes the values of a table by their slot, in the schema's order."""

    def table(
        self,
        n_slots: int,
        offsets: Mapping[int, int],
        *,
        numbers: Mapping[int, int] | None = None,
        bytes_: Mapping[int, int] | None = None,
    ) -> int:
        self.StartObject(n_slots)
        for slot, offset in offsets.items():
            self.PrependUOffsetTRelativeSlot(slot, offset, 0)
        for slot, number in (numbers or {}).items():
            self.PrependUint32Slot(slot, number, 0)
        for slot, number in (bytes_ or {}).items():
            self.PrependUint8Slot(slot, number, 0)
        return int(self.EndObject())

    def several(self, offsets: Sequence[int]) -> int:
        self.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.PrependUOffsetTRelative(offset)
        return int(self.EndVector())


def _metadata(facts: PhoneFacts) -> bytes:
    """The table ``ModelMetadata`` and all under it."""
    one = _Tables(1024)
    text = one.CreateString
    audio = one.table(2, {}, numbers={0: facts.sample_rate_hz, 1: 1})
    content = one.table(3, {1: audio}, bytes_={0: AUDIO_PROPERTIES})
    about = text("mono samples between -1 and 1")
    taken = one.table(7, {0: text("samples"), 1: about, 3: content})
    told = {0: text(LABELS_FILE), 1: text("one label a line, in the order of scores")}
    files = one.several([one.table(5, told, bytes_={2: AXIS_LABELS})])
    about = text("a score from 0 to 1 a label")
    given = one.table(7, {0: text("scores"), 1: about, 6: files})
    graph = one.table(10, {2: one.several([taken]), 3: one.several([given])})
    of_model = {0: text(facts.name), 1: text(facts.description), 2: text(facts.version)}
    of_model |= {3: one.several([graph]), 7: text(PARSER_VERSION)}
    one.Finish(one.table(8, of_model), file_identifier=IDENTIFIER)
    return bytes(one.Output())
