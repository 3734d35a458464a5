"""LiteRT files for phones: clips of one length in, a score a label out, metadata."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from counter.errors import BundleError
from training.models.litert_graph import Graph

# What may stand between the last layer and the scores without changing their order in memory.
SHAPING = {"RESHAPE", "SQUEEZE", "EXPAND_DIMS"}


def phone_graph(graph: Graph, n_samples: int, n_labels: int, *, has_frames: bool) -> None:
    """Change a graph to take (1, n_samples) and give (1, n_labels), as ``Trained.clip_score`` does.

    Where there is a score a frame, ``n_samples`` is a whole number of these, which are pooled: the
    log-mean-exp of their logits, through a sigmoid. A model of windows gives its score as it is.

    Raises
    ------
    BundleError
        The scores of frames are not a sigmoid's.
    """
    graph.fix_input([1, n_samples])
    if not has_frames:
        graph.output = graph.output
        return
    logits = _logits(graph)
    over_time = graph.constant(np.array([1], dtype=np.int32), "time")
    highest = _reduced(graph, "REDUCE_MAX", logits, over_time, n_labels)
    shape = [1, 1, n_labels]
    odds = graph.put("EXP", [graph.put("SUB", [logits, highest], shape=shape)], shape=shape)
    mean = graph.put("LOG", [_reduced(graph, "MEAN", odds, over_time, n_labels)], shape=shape)
    pooled = graph.put("ADD", [mean, highest], shape=shape)
    flat = graph.constant(np.array([1, n_labels], dtype=np.int32), "clip")
    score = graph.put("LOGISTIC", [pooled], shape=shape)
    graph.output = graph.put("RESHAPE", [score, flat], shape=[1, n_labels])


def _reduced(graph: Graph, kind: str, tensor: int, axis: int, n_labels: int) -> int:
    options = schema.ReducerOptionsT()
    options.keepDims = True
    return graph.put(kind, [tensor, axis], shape=[1, 1, n_labels], options=options)


def _logits(graph: Graph) -> int:
    """The output's tensor after its sigmoid was taken out."""
    makers = {int(one.outputs[0]): one for one in graph.operators}
    tensor, passed = graph.output, list[int]()
    while (maker := makers.get(tensor)) is not None and graph.kind(maker) in SHAPING:
        passed.append(tensor)
        tensor = int(maker.inputs[0])
    if maker is None or graph.kind(maker) != "LOGISTIC":
        raise BundleError(
            "this model's frame scores are no sigmoid's, so they cannot be pooled to a clip's.",
            "Export it --to tflite-float16 instead.",
        )
    graph.operators.remove(maker)
    logits = int(maker.inputs[0])
    for one in graph.operators:
        one.inputs = [logits if int(i) == tensor else int(i) for i in one.inputs]
    return graph.output if passed else logits


LABELS_FILE = "labels.txt"
BUFFER_NAME, IDENTIFIER, PARSER_VERSION = "TFLITE_METADATA", b"M001", "1.3.0"
# Members of the schema's union and enumeration.
AUDIO_PROPERTIES, AXIS_LABELS = 4, 2
# One moment for all that is packed, so that equal models are equal files.
MOMENT = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class PhoneFacts:
    """What the metadata says."""

    name: str  # of the model
    description: str  # what it hears, in a sentence
    version: str  # when it was trained
    sample_rate_hz: int  # rate of the mono samples that it takes
    labels: tuple[str, ...]  # in the order of the scores


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
    described = {0: text(LABELS_FILE), 1: text("one label a line, in the order of scores")}
    files = one.several([one.table(5, described, bytes_={2: AXIS_LABELS})])
    about = text("a score from 0 to 1 a label")
    given = one.table(7, {0: text("scores"), 1: about, 6: files})
    graph = one.table(10, {2: one.several([taken]), 3: one.several([given])})
    of_model = {0: text(facts.name), 1: text(facts.description), 2: text(facts.version)}
    of_model |= {3: one.several([graph]), 7: text(PARSER_VERSION)}
    one.Finish(one.table(8, of_model), file_identifier=IDENTIFIER)
    return bytes(one.Output())
