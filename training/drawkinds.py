"""Settings of how training windows are drawn; ``pipeline`` and ``crops`` draw them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from counter.config import Settings


class AugmentSettings(Settings):
    """How a training window is made of clips."""

    kind: Literal["laid"] = Field("laid", description="clips laid over backgrounds")
    snr_low_db: float = Field(-5.0, ge=-40, le=60, description="lowest call over background")
    snr_high_db: float = Field(20.0, ge=-40, le=60, description="highest call over background")
    gain_low_db: float = Field(-20.0, ge=-80, le=40, description="lowest gain of a window")
    gain_high_db: float = Field(10.0, ge=-80, le=40, description="highest gain of a window")
    stretch: float = Field(0.08, ge=0, lt=0.5, description="most a clip is sped up or down")
    equaliser_db: float = Field(
        6.0, ge=0, le=40, description="most that a band is raised or lowered"
    )
    smear_share: float = Field(
        0.15, ge=0, le=1, description="share of windows in which neighbouring bands run together"
    )
    invented_sounds: int = Field(
        400, ge=0, le=100000, description="sounds that are no call, made up to be laid as well"
    )
    mask_frames: int = Field(8, ge=0, description="longest mask in time")
    mask_bands: int = Field(6, ge=0, description="widest mask in frequency")

    @model_validator(mode="after")
    def _ordered(self) -> AugmentSettings:
        if self.snr_high_db < self.snr_low_db:
            raise ValueError("snr_high_db is below snr_low_db")
        if self.gain_high_db < self.gain_low_db:
            raise ValueError("gain_high_db is below gain_low_db")
        return self


class CropSettings(Settings):
    """How a training window is cut out of one clip."""

    kind: Literal["crops"] = Field("crops", description="windows cut out of clips")
    gain_low_db: float = Field(-10.0, ge=-80, le=40, description="lowest gain of a window")
    gain_high_db: float = Field(10.0, ge=-80, le=40, description="highest gain of a window")
    background_share: float = Field(
        0.5, ge=0, le=1, description="share of windows with background, where there is any, added"
    )
    snr_low_db: float = Field(0.0, ge=-40, le=60, description="lowest window over background")
    snr_high_db: float = Field(30.0, ge=-40, le=60, description="highest window over background")
    mix_share: float = Field(
        0.0, ge=0, le=1, description="share of windows mixed with another, labels as well (mixup)"
    )
    mask_frames: int = Field(0, ge=0, description="longest mask in time, of bands along time")
    mask_bands: int = Field(0, ge=0, description="widest mask in frequency, of bands along time")
    audiomentations: tuple[dict[str, Any], ...] = Field(
        (), description="transforms of that library, each a name and its own settings"
    )

    @model_validator(mode="after")
    def _ordered(self) -> CropSettings:
        if self.snr_high_db < self.snr_low_db:
            raise ValueError("snr_high_db is below snr_low_db")
        if self.gain_high_db < self.gain_low_db:
            raise ValueError("gain_high_db is below gain_low_db")
        for one in self.audiomentations:
            if not isinstance(one.get("name"), str):
                raise ValueError("each of audiomentations needs a name, such as {name: Gain}")
        return self


Augment = Annotated[AugmentSettings | CropSettings, Field(discriminator="kind")]
