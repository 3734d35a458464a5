"""A bundle's LiteRT model -> one that scores a clip of fixed length at once, as phones want it."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from counter.errors import BundleError
from training.litertgraph import Graph

# What may stand between the last layer and the scores without changing their order in memory.
SHAPING = {"RESHAPE", "SQUEEZE", "EXPAND_DIMS"}


def phone_graph(graph: Graph, n_samples: int, n_labels: int, *, has_frames: bool) -> None:
    """Make a graph take (1, n_samples) and give (1, n_labels), as ``Trained.clip_score`` does.

    Parameters
    ----------
    graph : Graph
        Samples to scores; it is changed.
    n_samples : int
        Samples of a clip, a whole number of frames.
    n_labels : int
        Number of labels.
    has_frames : bool
        Whether there is a score a frame, which are then pooled: the log-mean-exp of their logits,
        through a sigmoid. A model of windows gives one score a window as it is.

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
