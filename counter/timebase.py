"""Samples, frames and seconds: the only place that rounds.

A score frame ``i`` stands for the samples ``[i * hop, (i + 1) * hop)``; its start is
``i * hop / rate`` seconds and the end of the last frame is clipped to the recording's own end.
"""

from __future__ import annotations

from dataclasses import dataclass


def resampled_length(n_samples: int, from_hz: int, to_hz: int) -> int:
    """Samples that ``n_samples`` at ``from_hz`` last for at ``to_hz``, rounded to the nearest."""
    return (n_samples * to_hz * 2 + from_hz) // (from_hz * 2)


@dataclass(frozen=True)
class Timebase:
    """Sample rate and samples per score frame of one model."""

    sample_rate_hz: int  # samples per second that the model takes, > 0
    hop_samples: int  # samples per score frame, > 0

    @property
    def frame_s(self) -> float:
        """Length of one frame in seconds."""
        return self.hop_samples / self.sample_rate_hz

    def n_frames(self, n_samples: int) -> int:
        """Frames that cover ``n_samples``; a started frame counts, 0 samples are 0 frames."""
        return -(-n_samples // self.hop_samples)

    def frame_start_s(self, frame: int) -> float:
        """Start of a frame in seconds."""
        return frame * self.hop_samples / self.sample_rate_hz

    def frames(self, duration_s: float) -> int:
        """Nearest whole number of frames to a duration in seconds; ties go up."""
        return int(duration_s * self.sample_rate_hz / self.hop_samples + 0.5)

    def samples(self, duration_s: float) -> int:
        """Nearest whole number of samples to a duration in seconds; ties go up."""
        return int(duration_s * self.sample_rate_hz + 0.5)
