"""A float32 LiteRT model with its network's weights kept in half precision.

As TensorFlow's own converter does it, but from the LiteRT file: a float16 constant, and a
DEQUANTIZE that LiteRT runs once, when the model is loaded; all is reckoned in float32 as before.
The front end's matrices stay as they are: rounded, a loud sound leaks into all bands at -70 dB,
which moved scores by 0.04.
"""

from __future__ import annotations

import numpy as np

from counter.errors import BundleError
from training.litertgraph import Graph

# Operators whose second input is weights: nearly all of a model's size.
WEIGHED = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL"}
# Operators that make a spectrum; what stands before the last of them is the front end.
OF_SPECTRA = {"SQUARE", "SQRT", "LOG"}
# Beyond this a number is infinite in half precision.
LARGEST = 65504.0


def halved(content: bytes, name: str) -> bytes:
    """The file with its network's weights in half the room.

    Raises
    ------
    BundleError
        It is no LiteRT file, or has no float32 weights that could be halved.
    """
    graph = Graph(content, name)
    kinds = [graph.kind(one) for one in graph.operators]
    first = max((n + 1 for n, kind in enumerate(kinds) if kind in OF_SPECTRA), default=0)
    network = zip(kinds[first:], graph.operators[first:], strict=True)
    weights = [int(one.inputs[1]) for kind, one in network if kind in WEIGHED]
    wide: dict[int, int] = {}
    for tensor in dict.fromkeys(weights):
        values = graph.values(tensor)
        if values is not None and np.abs(values).max() <= LARGEST:
            shape = tuple(int(n) for n in graph.tensor(tensor).shape)
            half = graph.constant(values.reshape(shape).astype(np.float16), f"half_{tensor}")
            wide[tensor] = graph.put("DEQUANTIZE", [half], shape=shape, at=len(wide))
            graph.forget(tensor)
    if not wide:
        raise BundleError(f"{name} has no float32 weights that could be halved.")
    for one in graph.operators[len(wide) :]:
        one.inputs = [wide.get(int(index), int(index)) for index in one.inputs]
    return graph.content()
