"""Settings of front ends: samples to features. One class a kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from counter.config import Settings

# What a network is given: bands (or coefficients) along time, one vector, or the samples.
BANDS, VECTOR, SAMPLES = "bands along time", "one vector", "samples"
# What follows from the calls where it is not given, or given as this word.
AUTO = "auto"
FITTED = ("sample_rate_hz", "window_samples", "hop_samples", "low_hz", "high_hz", "n_bands")
# Step from spectrum to spectrum for which times of laid and invented sounds are given.
USUAL_STEP_S = 0.032
# Neighbouring bands that a texture's modulation and correlation are taken of as one.
TEXTURE_POOLED = 4


def without_auto(data: Any, names: Sequence[str]) -> Any:
    """Settings as they are given, without those of some names that are ``AUTO``."""
    if not isinstance(data, Mapping):
        return data
    return {key: value for key, value in data.items() if key not in names or value != AUTO}


class FrontEndSettings(Settings):
    """What every front end has: a rate, a band to listen in, and spectra."""

    shape: ClassVar[str] = BANDS
    kind: str = Field(description="which front end")
    sample_rate_hz: int = Field(8000, ge=1000, le=384000, description="rate the model listens at")
    window_samples: int = Field(512, ge=16, le=65536, description="length of a spectrum")
    hop_samples: int = Field(256, ge=8, le=65536, description="step from spectrum to spectrum")
    low_hz: float = Field(200.0, ge=0, description="lower end of the band")
    high_hz: float = Field(3000.0, gt=0, description="upper end of the band")

    @model_validator(mode="before")
    @classmethod
    def _left_open(cls, data: Any) -> Any:
        return without_auto(data, FITTED)

    @property
    def is_open(self) -> bool:
        """Whether a part of it was given, and the rest follows from the calls."""
        return False

    @model_validator(mode="after")
    def _consistent(self) -> FrontEndSettings:
        if self.is_open:
            return self  # what is given is judged with what follows
        if self.high_hz <= self.low_hz:
            raise ValueError(f"high_hz {self.high_hz} is not above low_hz {self.low_hz}")
        if self.high_hz > self.sample_rate_hz / 2:
            raise ValueError(
                f"high_hz {self.high_hz} is above half of sample_rate_hz {self.sample_rate_hz}"
            )
        if self.window_samples % (2 * self.hop_samples):
            raise ValueError(
                f"window_samples {self.window_samples} is no even multiple of "
                f"hop_samples {self.hop_samples}"
            )
        return self

    @property
    def gives(self) -> str:
        """``BANDS``, ``VECTOR`` or ``SAMPLES``."""
        return self.shape

    @property
    def step_samples(self) -> int:
        """What a window is a whole number of."""
        return 1 if self.gives == SAMPLES else self.hop_samples

    @property
    def time_scale(self) -> float:
        """How many times as long as usual a step lasts, and all that is laid or invented for it."""
        return self.hop_samples / self.sample_rate_hz / USUAL_STEP_S

    def describe(self) -> str:
        """What it makes, for the model card."""
        return f"{self.kind} of spectra of {self.window_samples} samples"


class BandSettings(FrontEndSettings):
    """Samples to log power in bands."""

    kind: Literal["mel", "spectrogram"] = Field(description="scale of the bands")
    n_bands: int = Field(48, ge=8, le=512, description="number of bands")

    @property
    def is_open(self) -> bool:
        """Whether a part of it was given, and the rest follows from the calls."""
        return "high_hz" in self.model_fields_set and "sample_rate_hz" not in self.model_fields_set

    @model_validator(mode="after")
    def _holds_the_bands(self) -> BandSettings:
        if self.is_open:
            return self
        bin_hz = self.sample_rate_hz / self.window_samples
        if (self.high_hz - self.low_hz) / bin_hz < self.n_bands:
            raise ValueError(
                f"n_bands {self.n_bands} is more than the spectrum's bins between low_hz and "
                f"high_hz; lower n_bands or raise window_samples"
            )
        return self

    def describe(self) -> str:
        """What it makes, for the model card."""
        return f"{self.n_bands} bands"


class WaveformSettings(FrontEndSettings):
    """Samples as they are; spectra serve to measure how loud calls are, and in which band."""

    shape: ClassVar[str] = SAMPLES
    kind: Literal["waveform"] = Field(description="the samples themselves")

    def describe(self) -> str:
        """What it makes, for the model card."""
        return "the samples themselves"


class MfccSettings(FrontEndSettings):
    """Samples to mel-frequency cepstral coefficients, as librosa has them."""

    kind: Literal["mfcc"] = Field(description="cepstral coefficients")
    n_bands: int = Field(128, ge=8, le=512, description="number of mel bands under them")
    n_coefficients: int = Field(20, ge=2, le=512, description="number of coefficients")
    mean: bool = Field(False, description="one vector a window, the mean over its frames")

    @model_validator(mode="after")
    def _fewer_than_bands(self) -> MfccSettings:
        if self.n_coefficients > self.n_bands:
            raise ValueError(
                f"n_coefficients {self.n_coefficients} is more than n_bands {self.n_bands}"
            )
        return self

    @property
    def gives(self) -> str:
        """``VECTOR`` with ``mean``, else ``BANDS``."""
        return VECTOR if self.mean else BANDS

    def describe(self) -> str:
        """What it makes, for the model card."""
        return f"{'mean of ' if self.mean else ''}{self.n_coefficients} coefficients"


class TextureSettings(FrontEndSettings):
    """Samples to one vector: how mel bands stand, move, beat and go together."""

    shape: ClassVar[str] = VECTOR
    kind: Literal["texture"] = Field(description="statistics of mel bands")
    n_bands: int = Field(64, ge=8, le=512, description="number of mel bands")

    @model_validator(mode="after")
    def _pooled(self) -> TextureSettings:
        if self.n_bands % TEXTURE_POOLED:
            raise ValueError(f"n_bands {self.n_bands} is no multiple of {TEXTURE_POOLED}")
        self.bands()
        return self

    def bands(self) -> BandSettings:
        """What the statistics are taken of."""
        return BandSettings(kind="mel", **self.model_dump(exclude={"kind"}))

    def describe(self) -> str:
        """What it makes, for the model card."""
        return f"texture of {self.n_bands} bands"


class SpectrumMeanSettings(FrontEndSettings):
    """Samples to one spectrum: the mean over time of its absolute values, scaled to 0 to 1."""

    shape: ClassVar[str] = VECTOR
    kind: Literal["stft-mean"] = Field(description="mean of the absolute spectra")
    reduce_noise: bool = Field(False, description="gate what is steady, before the mean")
    trim_db: float | None = Field(
        None, gt=0, le=120, description="leave out ends fainter than the loudest by more than this"
    )

    def describe(self) -> str:
        """What it makes, for the model card."""
        return f"mean of {self.window_samples // 2 + 1} bins"


class PretrainedSettings(FrontEndSettings):
    """Samples to the embedding of a network on disk; see docs/how-to/transfer.md.

    Band and spectra serve to measure how loud calls are.
    """

    shape: ClassVar[str] = VECTOR
    kind: Literal["pretrained"] = Field(description="embeddings of a network on disk")
    path: str = Field(description="folder of a SavedModel, or a .tflite file; it stays as it is")
    signature: str = Field("serving_default", description="which of a SavedModel's functions")
    output: str | None = Field(None, description="name of its output that is the embedding")
    peak: float | None = Field(
        None, gt=0, le=1, description="what the loudest sample of each window is scaled to"
    )

    @property
    def is_litert(self) -> bool:
        """Whether it is a LiteRT file, and no SavedModel."""
        return self.path.endswith(".tflite")

    @property
    def step_samples(self) -> int:
        """1: the network's own window may be of any length."""
        return 1

    def describe(self) -> str:
        """What it makes, for the model card."""
        return f"embeddings by {PurePath(self.path).name}"


FrontEnd = Annotated[
    BandSettings
    | WaveformSettings
    | MfccSettings
    | SpectrumMeanSettings
    | TextureSettings
    | PretrainedSettings,
    Field(discriminator="kind"),
]
