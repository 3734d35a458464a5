"""Settings of networks: features to scores. One class a kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from counter.config import Settings
from counter.timebase import Timebase
from training.settings.front_end_settings import BANDS, SAMPLES, VECTOR, FrontEndSettings


class NetworkSettings(Settings):
    """Features to frame logits."""

    takes: ClassVar[str] = BANDS
    kind: Literal["conv"] = Field("conv", description="fully convolutional in time")
    channels: tuple[int, ...] = Field((16, 32, 48), description="filters of each block")
    head_channels: int = Field(64, ge=4, le=1024, description="filters of the last layers")
    norm_momentum: float = Field(
        0.9, ge=0, lt=1, description="of the normalisation's averages; higher for long trainings"
    )
    dropout: float = Field(0.2, ge=0, lt=1, description="share dropped before the last layer")

    @field_validator("channels")
    @classmethod
    def _three_blocks(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not 2 <= len(value) <= 5 or min(value) < 1:
            raise ValueError("2 to 5 positive numbers are needed")
        return value


class WindowNetworkSettings(Settings):
    """What every network has that scores one window at a time."""

    takes: ClassVar[str] = BANDS
    kind: str = Field(description="which network")
    window_s: float = Field(2.0, gt=0.01, le=60, description="length of a window")
    hop_s: float = Field(
        0.5, gt=0.001, le=60, description="step from window to window when scanning: of one score"
    )

    @model_validator(mode="after")
    def _hop_within_window(self) -> WindowNetworkSettings:
        if self.hop_s > self.window_s:
            raise ValueError(
                f"hop_s {self.hop_s} is above window_s {self.window_s}: sound between two windows "
                "would not be heard"
            )
        return self


class LayeredSettings(WindowNetworkSettings):
    """What every network of layers has."""

    l2: float = Field(0.0, ge=0, le=1, description="penalty on the squares of the weights")
    dropout: float = Field(0.3, ge=0, lt=1, description="share dropped before a dense layer")


def _some(value: tuple[int, ...]) -> tuple[int, ...]:
    if not 1 <= len(value) <= 8 or min(value) < 1:
        raise ValueError("1 to 8 positive numbers are needed")
    return value


Sizes = Annotated[tuple[int, ...], AfterValidator(_some)]


class ConvolvedSettings(LayeredSettings):
    """What every network has that convolves before its dense layers."""

    channels: Sizes = Field((16, 32, 64, 64), description="filters of each layer")
    units: Sizes = Field((64,), description="units of each dense layer")


class WaveformCnnSettings(ConvolvedSettings):
    """Samples to scores: convolutions over time."""

    takes: ClassVar[str] = SAMPLES
    kind: Literal["waveform-cnn"] = Field(description="1-D convolutions on the samples")


class Cnn2dSettings(ConvolvedSettings):
    """Bands along time to scores: convolutions over both."""

    kind: Literal["cnn-2d"] = Field(description="2-D convolutions on bands along time")


class MfccConvSettings(ConvolvedSettings):
    """Coefficients along time to scores: convolutions over both, each normalised and pooled."""

    kind: Literal["mfcc-conv"] = Field(description="three 2-D convolutions on coefficients")
    channels: Sizes = Field((32, 32, 32), description="filters of each layer")


class DenseSettings(LayeredSettings):
    """One vector to scores: dense layers with dropout."""

    takes: ClassVar[str] = VECTOR
    kind: Literal["dense"] = Field(description="dense layers on one vector")
    units: Sizes = Field((256, 256, 128, 128), description="units of each layer")


class EstimatorSettings(WindowNetworkSettings):
    """What every model has that scikit-learn fits, on windows as they stand in the clips."""

    takes: ClassVar[str] = VECTOR


class ForestSettings(EstimatorSettings):
    """One vector to scores: a random forest."""

    kind: Literal["forest"] = Field(description="random forest on one vector")
    n_trees: int = Field(200, ge=1, le=2000, description="number of trees")
    leaf_windows: int = Field(1, ge=1, le=1000, description="fewest training windows in a leaf")


class NeighboursSettings(EstimatorSettings):
    """One vector to scores: the nearest training windows."""

    kind: Literal["neighbours"] = Field(description="nearest training windows of one vector")
    n_neighbours: int = Field(5, ge=1, le=1000, description="how many of the nearest are asked")
    scaled: bool = Field(False, description="each value by its deviation, before it is compared")


class KernelSettings(EstimatorSettings):
    """One vector to scores: kernel ridge regression, a smooth vote of all training windows."""

    kind: Literal["kernel"] = Field(description="smooth vote of all training windows")
    sharpness: float = Field(
        0.3, gt=0, le=100, description="how fast a vote fades with the mean square difference"
    )
    penalty: float = Field(0.1, gt=0, le=1000, description="on the squares of the votes")


Estimator = ForestSettings | NeighboursSettings | KernelSettings
WindowNetwork = WaveformCnnSettings | Cnn2dSettings | MfccConvSettings | DenseSettings
Network = Annotated[NetworkSettings | WindowNetwork | Estimator, Field(discriminator="kind")]


@dataclass(frozen=True)
class WindowShape:
    """A window and a hop in samples; their difference is even, so that a frame has a middle."""

    window_samples: int
    hop_samples: int  # ``0 < hop_samples <= window_samples``

    @classmethod
    def of(cls, front_end: FrontEndSettings, network: WindowNetworkSettings) -> WindowShape:
        """The nearest whole number of the front end's hops, and a hop that fits it."""
        step = front_end.step_samples
        timebase = Timebase(front_end.sample_rate_hz, step)
        window = step * max(1, timebase.frames(network.window_s))
        hop = min(max(1, timebase.samples(network.hop_s)), window)
        return cls(window, hop + (window - hop) % 2)

    @property
    def context_samples(self) -> int:
        """Samples of a window on either side of the frame that it scores."""
        return (self.window_samples - self.hop_samples) // 2
