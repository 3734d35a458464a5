"""Settings of training, their defaults and ranges; ``configs/default.yaml`` spells them out."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from counter.config import Settings
from counter.storage.file_names import is_device
from training.settings.front_end_settings import (
    BANDS,
    BandSettings,
    FrontEnd,
    MfccSettings,
    without_auto,
)
from training.settings.network_settings import (
    EstimatorSettings,
    Network,
    NetworkSettings,
    WindowNetworkSettings,
    WindowShape,
)


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
        _check_ranges(self)
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
        _check_ranges(self)
        for one in self.audiomentations:
            if not isinstance(one.get("name"), str):
                raise ValueError("each of audiomentations needs a name, such as {name: Gain}")
        return self


def _check_ranges(levels: AugmentSettings | CropSettings) -> None:
    if levels.snr_high_db < levels.snr_low_db:
        raise ValueError("snr_high_db is below snr_low_db")
    if levels.gain_high_db < levels.gain_low_db:
        raise ValueError("gain_high_db is below gain_low_db")


Augment = Annotated[AugmentSettings | CropSettings, Field(discriminator="kind")]


# One folder may stand for several.
Folders = Annotated[
    tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)
]


def _taken_everywhere(name: str) -> str:
    if is_device(name) or name.endswith("."):
        raise ValueError("Windows takes no folder of this name")
    return name


# Names a folder: no way out of the folder that it is made in, not hidden, and one on Windows too.
FolderName = Annotated[str, Field(pattern=r"^\w[\w.-]*$"), AfterValidator(_taken_everywhere)]


class FitSettings(Settings):
    """How long and how hard a network is trained."""

    window_s: float = Field(6.144, gt=0, le=600, description="length of a training window")
    epochs: int = Field(16, ge=1, le=10000, description="rounds")
    windows_per_epoch: int = Field(384, ge=8, description="windows a round")
    batch_size: int = Field(16, ge=1, description="windows a step")
    learning_rate: float = Field(0.004, gt=0, le=1, description="highest rate of the cosine")
    weight_decay: float = Field(0.1, ge=0, le=10, description="of AdamW, times the rate")
    label_smoothing: float = Field(
        0.03, ge=0, lt=0.5, description="doubt in every target; keeps scores from saturating"
    )
    call_frames: float = Field(
        0.5, ge=0, le=1, description="how far all of a call is asked for, not one moment of it"
    )

    @model_validator(mode="before")
    @classmethod
    def _left_open(cls, data: Any) -> Any:
        return without_auto(data, ("window_s",))

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


class RuleSettings(Settings):
    """The made recordings on which the event rules are learned."""

    folds: int = Field(3, ge=2, le=20, description="folds of sources")
    recordings_per_fold: int = Field(30, ge=3, description="made recordings a fold")
    recording_s: float = Field(180.0, gt=1, le=3600, description="length of one")
    snr_low_db: float = Field(0.0, ge=-40, le=60, description="lowest call over background")
    snr_high_db: float = Field(20.0, ge=-40, le=60, description="highest call over background")


K = TypeVar("K", bound=Settings)


def of_kind(value: Settings, kind: type[K]) -> K:
    """The settings as what they are known to be, since ``TrainSettings`` pairs them.

    Raises
    ------
    TypeError
        They are of another kind: a mistake of the caller's.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{type(value).__name__} where {kind.__name__} is needed")
    return value


class TrainSettings(Settings):
    """All of it."""

    name: FolderName = Field("capuchinbird", description="folder below artifacts")
    seed: int = Field(0, ge=0, lt=2**31, description="seed of everything drawn by chance")
    classes: Literal["independent", "exclusive"] = Field(
        "independent", description="whether labels may sound at once, or one at a time"
    )
    clips: ClipSettings = ClipSettings()
    models: dict[FolderName, FrontEnd] = Field(
        {"mel": BandSettings(kind="mel"), "spectrogram": BandSettings(kind="spectrogram")},
        min_length=1,
        description="front end of each model; what is auto follows from the calls",
    )
    network: Network = NetworkSettings()
    augment: Augment = AugmentSettings()
    fit: FitSettings = FitSettings()
    rules: RuleSettings = RuleSettings()

    @property
    def has_windows(self) -> bool:
        """Whether the network scores windows one by one, and is not fully convolutional."""
        return isinstance(self.network, WindowNetworkSettings)

    @model_validator(mode="before")
    @classmethod
    def _kinds_by_default(cls, data: Any) -> Any:
        """A network without a kind is ``conv``; windows are drawn as suits the network."""
        if not isinstance(data, dict):
            return data
        network, augment = data.get("network"), data.get("augment", {})
        if isinstance(network, dict):
            network = {"kind": "conv", **network}
            data = {**data, "network": network}
            if isinstance(augment, dict) and network["kind"] != "conv":
                data["augment"] = {"kind": "crops", **augment}
        if isinstance(data.get("augment"), dict):
            data = {**data, "augment": {"kind": "laid", **data["augment"]}}
        return data

    @model_validator(mode="after")
    def _fitting(self) -> TrainSettings:
        for name, front_end in self.models.items():
            if front_end.gives != self.network.takes:
                raise ValueError(
                    f"network '{self.network.kind}' takes {self.network.takes}, but models.{name} "
                    f"('{front_end.kind}') gives {front_end.gives}"
                )
            if not self.has_windows and not isinstance(front_end, BandSettings):
                raise ValueError(
                    f"network 'conv' takes the kinds mel and spectrogram, not '{front_end.kind}' "
                    f"(models.{name})"
                )
        if self.has_windows != isinstance(self.augment, CropSettings):
            wanted = "crops" if self.has_windows else "laid"
            raise ValueError(f"network '{self.network.kind}' is trained with augment.kind {wanted}")
        self._check_frame_settings()
        self._check_masks()
        if isinstance(self.network, EstimatorSettings) and self.augment != CropSettings():
            raise ValueError(
                f"augment is for networks that are trained in steps; '{self.network.kind}' takes "
                "windows as they stand in the clips"
            )
        if self.classes == "exclusive" and not self.has_windows:
            raise ValueError("classes: exclusive needs a network with windows, such as cnn-2d")
        return self

    def _check_masks(self) -> None:
        """A mask must leave something of a window's bands, where there are any."""
        crops, network = self.augment, self.network
        if not isinstance(crops, CropSettings) or not isinstance(network, WindowNetworkSettings):
            return
        for name, one in self.models.items():
            frames = WindowShape.of(one, network).window_samples // one.hop_samples
            bands = one.n_coefficients if isinstance(one, MfccSettings) else 0
            bands = one.n_bands if isinstance(one, BandSettings) else bands
            sizes = {"mask_frames": frames, "mask_bands": bands}
            for key, size in sizes.items():
                most = size - 1 if one.gives == BANDS else 0
                if getattr(crops, key) > most:
                    raise ValueError(
                        f"augment.{key} {getattr(crops, key)} is above {most}: models.{name} "
                        f"('{one.kind}') gives no more to mask"
                    )

    def _check_frame_settings(self) -> None:
        """What windows do not read must not be changed with them."""
        for name in ("window_s", "call_frames"):
            is_changed = getattr(self.fit, name) != FitSettings.model_fields[name].default
            if self.has_windows and is_changed:
                raise ValueError(
                    f"fit.{name} is for network 'conv'; '{self.network.kind}' has "
                    "network.window_s and is asked for its window as a whole"
                )
