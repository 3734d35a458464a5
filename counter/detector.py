"""Samples -> frame scores, chunk by chunk with context, so that chunk size never shows."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue

import numpy as np

from counter.bundle import Bundle
from counter.errors import BundleError
from counter.quiet import quiet_stderr
from counter.records import FloatArray
from counter.timebase import Timebase

# Long enough that context costs little, short enough that a chunk's features stay in the cache.
CHUNK_S = 32.0
# Models of short calls give many frames a second; more of them at once would not stay in the cache.
MOST_CHUNK_FRAMES = 512
# The end of a recording is scored in the smallest of these parts of a chunk that holds it: a
# recording of a second must not cost as much as one of 32.
PARTS = (16, 4, 1)
# Windows are scored so many at once as hold this many samples: more would not stay in the cache.
MAX_BATCH_SAMPLES = 1 << 20
# Chunks of one recording waiting to be scored; bounds memory when decoding is the faster.
MAX_WAITING = 8


def frames_at_once(timebase: Timebase, chunk_s: float = CHUNK_S) -> int:
    """Frames of a chunk of so many seconds, at least 1 and at most ``MOST_CHUNK_FRAMES``."""
    return max(1, min(timebase.frames(chunk_s), MOST_CHUNK_FRAMES))


class Detector:
    """Scores recordings with one bundle, on a number of threads, >= 1; a context manager.

    No interpreter is used by two threads at once. A recording is scored through its own
    ``Scoring``; several may be open at once. ``chunk_s``, > 0, are scored at once, which does not
    change scores beyond rounding (1e-5). ``model`` is the LiteRT file, where the bundle's folder is
    on another machine.
    """

    def __init__(
        self,
        bundle: Bundle,
        n_threads: int = 1,
        *,
        chunk_s: float = CHUNK_S,
        model: bytes | None = None,
    ) -> None:
        spec = bundle.spec
        self.bundle = bundle
        self.chunk_frames = frames_at_once(spec.timebase, chunk_s)
        self.context_samples = spec.context_samples
        self.chunk_samples = self.chunk_frames * spec.frame_samples
        self._model = bundle.model_path.read_bytes() if model is None else model
        self._idle: dict[int, SimpleQueue[_Runner]] = {
            max(1, self.chunk_frames // part): SimpleQueue() for part in PARTS
        }
        # The first one shows before the work whether the model loads; LiteRT greets on stderr.
        with quiet_stderr():
            first = _Runner(self._model, bundle, self.chunk_frames)
        self._idle[self.chunk_frames].put(first)
        self._pool = ThreadPoolExecutor(n_threads, thread_name_prefix="score")

    def __enter__(self) -> Detector:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def scores(self, samples: FloatArray) -> FloatArray:
        """Frame scores of a whole sound, shape (n_frames, n_labels); none for no samples."""
        scoring = Scoring(self)
        scoring.push(samples)
        return scoring.finish()

    def fitting(self, n_samples: int) -> int:
        """Frames of the smallest chunk that holds so many samples, the largest for more."""
        wanted = self.bundle.spec.timebase.n_frames(n_samples)
        return min((size for size in self._idle if size >= wanted), default=self.chunk_frames)

    def submit(self, chunk: FloatArray, n_frames: int) -> Future[FloatArray]:
        """Score a chunk of so many frames, one of ``fitting``, with its context on the pool."""
        return self._pool.submit(self._score, chunk, n_frames)

    def _score(self, chunk: FloatArray, n_frames: int) -> FloatArray:
        try:
            runner = self._idle[n_frames].get_nowait()
        except Empty:
            runner = _Runner(self._model, self.bundle, n_frames)
        scores = runner.scores(chunk, n_frames)
        self._idle[n_frames].put(runner)
        return scores


class _Runner:
    """An interpreter of the model, for chunks of one number of frames."""

    def __init__(self, model: bytes, bundle: Bundle, n_frames: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._spec = spec = bundle.spec
        if spec.window_samples is None:
            shape = (1, n_frames * spec.frame_samples + 2 * spec.context_samples)
        else:
            n_windows = max(1, min(n_frames, MAX_BATCH_SAMPLES // spec.window_samples))
            shape = (n_windows, spec.window_samples)
        try:
            self._interpreter = Interpreter(model_content=model, num_threads=1)
            taken = self._interpreter.get_input_details()[0]
            self._input = taken["index"]
            if taken["shape_signature"][0] == 1:  # a network from elsewhere may take one at a time
                shape = (1, shape[1])
            self._interpreter.resize_tensor_input(self._input, shape)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            why = " ".join(str(error).split())
            raise BundleError(f"{bundle.model_path} does not load in LiteRT: {why}.") from error
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._n_rows = shape[0]

    def scores(self, chunk: FloatArray, n_frames: int) -> FloatArray:
        """Scores of a chunk with its context, shape (n_frames, n_labels).

        A model that takes windows is given so many of them at once.
        """
        spec = self._spec
        if spec.window_samples is None:
            return self._run(chunk[None])[0][spec.context_frames : spec.context_frames + n_frames]
        windows = windows_in(chunk, spec.window_samples, spec.frame_samples)[:n_frames]
        scores = []
        for start in range(0, n_frames, self._n_rows):
            batch = windows[start : start + self._n_rows]
            n_missing = self._n_rows - len(batch)
            scores.append(self._run(np.pad(batch, ((0, n_missing), (0, 0))))[: len(batch)])
        return np.concatenate(scores)

    def _run(self, samples: FloatArray) -> FloatArray:
        self._interpreter.set_tensor(self._input, samples)
        self._interpreter.invoke()
        scores: FloatArray = self._interpreter.get_tensor(self._output)
        return scores


def windows_in(samples: FloatArray, window_samples: int, hop_samples: int) -> FloatArray:
    """All whole windows of a sound, a view of shape (n_windows, window_samples).

    The sound, float32 of shape (n_samples,), holds one at least; they begin ``hop_samples`` apart.
    """
    return np.lib.stride_tricks.sliding_window_view(samples, window_samples)[::hop_samples]


class Scoring:
    """The scores of one recording, as its samples arrive.

    Chunk ``k`` stands for the frames ``[k * n, (k + 1) * n)`` counted from the recording's start,
    whatever the blocks, and the last one for what is left; each is scored with ``context_samples``
    on either side. Beyond its ends a recording goes on as its own mirror image, which is no onset
    as silence would be.

    Of a stretch of a recording that ``is_continued`` the first ``context_samples`` lie before it;
    ``n_own``, a whole number of chunks, are its samples, and what follows lies behind it.
    """

    def __init__(
        self, detector: Detector, *, is_continued: bool = False, n_own: int | None = None
    ) -> None:
        self._detector = detector
        self._n_before = detector.context_samples if is_continued else 0
        self._n_own = n_own
        self._held = np.zeros(0, dtype=np.float32)
        self._is_begun = is_continued
        self._n_samples = 0
        self._waiting: deque[Future[FloatArray]] = deque()
        self._scored: list[FloatArray] = []
        self._n_taken = 0

    def push(self, samples: FloatArray) -> None:
        """Take the next samples, shape (n_samples,), any number."""
        self._n_samples += len(samples)
        self._held = np.concatenate([self._held, samples]) if len(self._held) else samples
        context, chunk = self._detector.context_samples, self._detector.chunk_samples
        if not self._is_begun:
            if len(self._held) < context + 1:
                return
            self._begin()
        start, span = 0, chunk + 2 * context
        while len(self._held) - start >= span:
            self._submit(self._held[start : start + span], self._detector.chunk_frames)
            start += chunk
        self._held = self._held[start:]

    def take(self) -> FloatArray:
        """The scores of all chunks that were full, each once, shape (n_frames, n_labels)."""
        while self._waiting:
            self._collect()
        nothing = np.zeros((0, len(self._detector.bundle.spec.labels)), dtype=np.float32)
        taken = np.concatenate([nothing, *self._scored])
        self._scored = []
        self._n_taken += len(taken)
        return taken

    def finish(self) -> FloatArray:
        """Score what is left; all scores not taken, shape (n_frames, n_labels), float32."""
        spec = self._detector.bundle.spec
        own = self._n_samples - self._n_before
        n_behind = max(0, own - self._n_own) if self._n_own is not None else 0
        if own <= 0:
            return np.zeros((0, len(spec.labels)), dtype=np.float32)
        if not self._is_begun:
            self._begin()
        context = self._detector.context_samples
        rest = np.pad(self._held, (0, context - n_behind), mode="symmetric")
        while len(rest) > 2 * context:
            n_frames = self._detector.fitting(len(rest) - 2 * context)
            span = n_frames * spec.frame_samples + 2 * context
            self._submit(np.pad(rest[:span], (0, max(0, span - len(rest)))), n_frames)
            rest = rest[span - 2 * context :]
        n_left = spec.timebase.n_frames(own - n_behind) - self._n_taken
        return self.take()[:n_left]

    def _begin(self) -> None:
        self._is_begun = True
        self._held = np.pad(self._held, (self._detector.context_samples, 0), mode="symmetric")

    def _submit(self, chunk: FloatArray, n_frames: int) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._collect()
        self._waiting.append(self._detector.submit(chunk, n_frames))

    def _collect(self) -> None:
        self._scored.append(self._waiting.popleft().result())
