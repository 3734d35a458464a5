"""LiteRT files run on whole sounds, without TensorFlow."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from counter.quiet import quiet_stderr
from counter.records import FloatArray

Score = Callable[[FloatArray], FloatArray]


def scorer(content: bytes, frame_samples: int) -> Score:
    """A function from a whole sound to frame scores (n_frames, n_labels), by LiteRT."""
    with quiet_stderr():
        interpreter = Interpreter(model_content=content, num_threads=1)
    index = interpreter.get_input_details()[0]["index"]

    def score(samples: FloatArray) -> FloatArray:
        n_frames = max(1, -(-len(samples) // frame_samples))
        padded = np.zeros(n_frames * frame_samples, dtype=np.float32)
        padded[: len(samples)] = samples
        interpreter.resize_tensor_input(index, [1, len(padded)])
        interpreter.allocate_tensors()
        interpreter.set_tensor(index, padded[None])
        interpreter.invoke()
        scores: FloatArray = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        return scores[0]

    return score
