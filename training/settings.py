"""Every setting of training, its default and range; ``configs/default.yaml`` spells them out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from counter.config import Settings

Folders = tuple[str, ...]
# Names a folder: no way out of the folder that it is made in, and not hidden.
FolderName = Annotated[str, Field(pattern=r"^\w[\w.-]*$")]


class FrontEndSettings(Settings):
    """Samples to features."""

    kind: Literal["mel", "spectrogram"] = Field(description="scale of the bands")
    sample_rate_hz: int = Field(8000, ge=1000, le=384000, description="rate the model listens at")
    window_samples: int = Field(512, ge=16, le=65536, description="length of a spectrum")
    hop_samples: int = Field(256, ge=8, le=65536, description="step from spectrum to spectrum")
    low_hz: float = Field(200.0, ge=0, description="lower end of the band")
    high_hz: float = Field(3000.0, gt=0, description="upper end of the band")
    n_bands: int = Field(48, ge=8, le=512, description="number of bands")

    @model_validator(mode="after")
    def _consistent(self) -> FrontEndSettings:
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
        bin_hz = self.sample_rate_hz / self.window_samples
        if (self.high_hz - self.low_hz) / bin_hz < self.n_bands:
            raise ValueError(
                f"n_bands {self.n_bands} is more than the spectrum's bins between low_hz and "
                f"high_hz; lower n_bands or raise window_samples"
            )
        return self


class NetworkSettings(Settings):
    """Features to frame logits."""

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


class AugmentSettings(Settings):
    """How a training window is made of clips."""

    snr_low_db: float = Field(-5.0, ge=-40, le=60, description="lowest call over background")
    snr_high_db: float = Field(20.0, ge=-40, le=60, description="highest call over background")
    gain_low_db: float = Field(-20.0, ge=-80, le=40, description="lowest gain of a window")
    gain_high_db: float = Field(10.0, ge=-80, le=40, description="highest gain of a window")
    stretch: float = Field(0.08, ge=0, lt=0.5, description="most a clip is sped up or down")
    equaliser_db: float = Field(
        6.0, ge=0, le=40, description="most that a band is raised or lowered"
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


class FitSettings(Settings):
    """How long and how hard a network is trained."""

    window_s: float = Field(4.096, gt=0.1, le=60, description="length of a training window")
    epochs: int = Field(16, ge=1, le=10000, description="rounds")
    windows_per_epoch: int = Field(512, ge=8, description="windows a round")
    batch_size: int = Field(32, ge=1, description="windows a step")
    learning_rate: float = Field(0.004, gt=0, le=1, description="highest rate of the cosine")
    weight_decay: float = Field(0.1, ge=0, le=10, description="of AdamW, times the rate")
    label_smoothing: float = Field(
        0.03, ge=0, lt=0.5, description="doubt in every target; keeps scores from saturating"
    )
    call_frames: float = Field(
        0.0, ge=0, le=1, description="how far all of a call is asked for; annotations raise it"
    )

    @property
    def steps_per_epoch(self) -> int:
        """Steps a round."""
        return max(1, self.windows_per_epoch // self.batch_size)

    @property
    def n_steps(self) -> int:
        """Steps of the whole training."""
        return self.steps_per_epoch * self.epochs


class ClipSettings(Settings):
    """Which clips, and how they are grouped and split."""

    annotations: str | None = Field(None, description="table of calls marked in recordings")
    recordings: str | None = Field(
        None, validate_default=True, description="folder of these recordings"
    )
    margin_s: float = Field(
        0.25, ge=0, le=60, description="from a marked call to the background cut beside it"
    )
    background_s: float = Field(
        4.0, ge=1, le=60, description="longest background clip cut from a recording"
    )
    background_per_recording_s: float = Field(
        600.0, ge=1, le=86400, description="most background cut from one recording"
    )
    reviewed: Folders = Field((), description="folders of mined clips whose table is filled in")
    labels: dict[str, Folders] = Field(
        {"capuchinbird": ("data/Parsed_Capuchinbird_Clips",)},
        description="label: folder or folders of its clips",
    )
    background: Folders = Field(
        ("data/Parsed_Not_Capuchinbird_Clips",), description="folder or folders without any label"
    )
    source_pattern: str = Field(
        r"^(?P<source>.+?)(-\d+)?$", description="regular expression on a name without suffix"
    )
    validation_share: float = Field(0.15, gt=0, lt=1, description="share of the sources")
    test_share: float = Field(0.15, ge=0, lt=1, description="share of the sources")
    licence: str = Field("unknown", description="licence of the clips, for the model card")

    @model_validator(mode="before")
    @classmethod
    def _annotations_alone(cls, data: object) -> object:
        """With annotations, clip folders are those that are named: none by default."""
        if isinstance(data, dict) and data.get("annotations") is not None:
            return {"labels": {}, "background": (), **data}
        return data

    @field_validator("recordings")
    @classmethod
    def _together(cls, value: str | None, info: ValidationInfo) -> str | None:
        annotations = info.data.get("annotations")
        if annotations is not None and value is None:
            raise ValueError(f"give the folder of the recordings that {annotations} is about")
        if annotations is None and value is not None:
            raise ValueError("give annotations too: a table of the calls in these recordings")
        return value

    @field_validator("labels")
    @classmethod
    def _some_label(cls, value: dict[str, Folders], info: ValidationInfo) -> dict[str, Folders]:
        if not value and info.data.get("annotations") is None:
            raise ValueError("at least one label is needed")
        return value

    @field_validator("labels", mode="before")
    @classmethod
    def _folders_of_labels(cls, value: object) -> object:
        if isinstance(value, dict):
            return {k: (v,) if isinstance(v, str) else v for k, v in value.items()}
        return value

    @field_validator("background", "reviewed", mode="before")
    @classmethod
    def _folders(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


class RuleSettings(Settings):
    """The made recordings on which the event rules are learned."""

    folds: int = Field(3, ge=2, le=20, description="folds of sources")
    recordings_per_fold: int = Field(30, ge=3, description="made recordings a fold")
    recording_s: float = Field(180.0, gt=1, le=3600, description="length of one")
    snr_low_db: float = Field(0.0, ge=-40, le=60, description="lowest call over background")
    snr_high_db: float = Field(20.0, ge=-40, le=60, description="highest call over background")


class TrainSettings(Settings):
    """All of it."""

    name: FolderName = Field("capuchinbird", description="folder below artifacts")
    seed: int = Field(0, ge=0, lt=2**31, description="seed of everything drawn by chance")
    clips: ClipSettings = ClipSettings()
    models: dict[FolderName, FrontEndSettings] = Field(
        {
            "mel": FrontEndSettings(kind="mel"),
            "spectrogram": FrontEndSettings(kind="spectrogram"),
        },
        min_length=1,
        description="front end of each model",
    )
    network: NetworkSettings = NetworkSettings()
    augment: AugmentSettings = AugmentSettings()
    fit: FitSettings = FitSettings()
    rules: RuleSettings = RuleSettings()
