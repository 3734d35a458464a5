"""What ``--sample-format`` can be, without what reading it needs."""

from __future__ import annotations

# Names as ffmpeg has them -> bytes of a sample.
SAMPLE_FORMATS = {"u8": 1, "s16le": 2, "s24le": 3, "s32le": 4, "f32le": 4, "f64le": 8}
