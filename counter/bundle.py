"""A model on disk: one folder with ``model.tflite`` and ``bundle.yaml``, which says all else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import Field, model_validator

from counter.config import Settings, read_yaml, validate
from counter.errors import BundleError
from counter.events.rules import EventRules
from counter.storage.atomic import check_replaceable, new_folder
from counter.timebase import Timebase

FORMAT = 1
SPEC_FILE = "bundle.yaml"
MODEL_FILE = "model.tflite"
# In the folder of a training run: which of its bundles is the better one.
DEFAULT_FILE = "default.yaml"
RETRAIN = "Train it again with `callcount train`, or name another with --model."


class Calibration(Settings):
    """P(event is a call | score): knots, with straight lines over the score's logit between.

    Beyond the first and the last knot a probability stays as it is there.
    """

    method: Literal["platt", "isotonic"] = Field(description="how it was fitted")
    scores: tuple[float, ...] = Field(min_length=1, description="knots, 0 to 1, rising")
    probabilities: tuple[float, ...] = Field(description="at each knot, 0 to 1, never falling")

    @model_validator(mode="after")
    def _consistent(self) -> Calibration:
        if len(self.scores) != len(self.probabilities):
            raise ValueError(f"{len(self.scores)} scores but {len(self.probabilities)} values")
        for name, values in (("scores", self.scores), ("probabilities", self.probabilities)):
            if [0.0, *values, 1.0] != sorted([0.0, *values, 1.0]):
                raise ValueError(f"{name} do not rise from 0 to 1")
        return self

    def probability(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities of scores, both 0 to 1; never falling as the score rises."""
        knots = np.asarray(self.scores, np.float64)
        return np.interp(logits(scores), logits(knots), self.probabilities)


class BundleSpec(Settings):
    """What ``bundle.yaml`` holds."""

    format: int = Field(FORMAT, ge=1, le=FORMAT, description="version of this layout")
    name: str = Field(min_length=1, description="name of the model")
    trained_at: str = Field(description="when it was trained, ISO 8601, UTC")
    labels: tuple[str, ...] = Field(min_length=1, description="labels, in the order of scores")
    sample_rate_hz: int = Field(ge=1000, le=384000, description="rate of the samples it takes")
    frame_samples: int = Field(ge=1, description="samples a score stands for")
    context_frames: int = Field(ge=0, description="frames on either side that a score depends on")
    window_samples: int | None = Field(
        None, ge=1, description="samples of a window; none where a model takes sound of any length"
    )
    low_hz: float = Field(ge=0, description="lower end of its band")
    high_hz: float = Field(gt=0, description="upper end of its band")
    model_sha256: str = Field(description="hash of model.tflite")
    files_sha256: dict[str, str] = Field({}, description="of the files that came with it")
    rules: dict[str, EventRules] = Field(description="event rules of each label")
    calibration: dict[str, Calibration] = Field({}, description="of each label that has one")
    provenance: dict[str, Any] = Field({}, description="how it was trained and the rules learned")

    @model_validator(mode="after")
    def _consistent(self) -> BundleSpec:
        if self.high_hz <= self.low_hz:
            raise ValueError(f"high_hz {self.high_hz} is not above low_hz {self.low_hz}")
        if sorted(self.rules) != sorted(self.labels):
            raise ValueError(f"rules for {sorted(self.rules)} but labels {sorted(self.labels)}")
        if unknown := sorted(set(self.calibration) - set(self.labels)):
            raise ValueError(f"calibration for {unknown} but labels {sorted(self.labels)}")
        beyond = -1 if self.window_samples is None else self.window_samples - self.frame_samples
        if self.window_samples is not None and (beyond < 0 or beyond % 2):
            raise ValueError(
                f"window_samples {self.window_samples} is not frame_samples "
                f"{self.frame_samples} and as much on either side"
            )
        return self

    def for_another(self) -> dict[str, Any]:
        """What a bundle made of this one says too: all but what ``write_bundle`` finds itself."""
        return self.model_dump(mode="json", exclude={"format", "model_sha256"})

    @property
    def context_samples(self) -> int:
        """Samples on either side of a frame that its score depends on."""
        if self.window_samples is None:
            return self.context_frames * self.frame_samples
        return (self.window_samples - self.frame_samples) // 2

    @property
    def timebase(self) -> Timebase:
        """Rate and frame of the scores."""
        return Timebase(self.sample_rate_hz, self.frame_samples)


@dataclass(frozen=True)
class Bundle:
    """A model on disk, read and verified: its labels, event rules and band.

    Attributes
    ----------
    path : Path
        Its folder.
    spec : BundleSpec
        What it says about itself.
    sha256 : str
        Hash of both files together: equal hashes count equally.
    """

    path: Path
    spec: BundleSpec
    sha256: str

    @property
    def model_path(self) -> Path:
        """The LiteRT file."""
        return self.path / MODEL_FILE

    def companion(self, name: str) -> bytes | None:
        """A file that stands beside the two of the bundle; ``None`` where it is not there.

        Raises
        ------
        BundleError
            It cannot be read, or is not the one that came with the bundle.
        """
        path = self.path / name
        if not path.is_file():
            return None
        content = _read_model(path)
        wanted = self.spec.files_sha256.get(name)
        if wanted is not None and hashlib.sha256(content).hexdigest() != wanted:
            raise BundleError(f"{path} is not the file that was trained.", RETRAIN)
        return content


def read_bundle(path: Path) -> Bundle:
    """Read and verify a bundle, or the default one of a training run's folder.

    Raises
    ------
    BundleError
        The folder or one of its files is missing, unreadable, of a newer format, or changed.
    ConfigError
        ``bundle.yaml`` is not what it should be.
    """
    folder = _resolve(path)
    data = read_yaml(folder / SPEC_FILE)
    if isinstance(data.get("format"), int) and data["format"] > FORMAT:
        raise BundleError(
            f"bundle {folder} has format {data['format']}, this callcount reads up to {FORMAT}.",
            "Update callcount.",
        )
    spec = validate(BundleSpec, data, str(folder / SPEC_FILE))
    model = _read_model(folder / MODEL_FILE)
    if hashlib.sha256(model).hexdigest() != spec.model_sha256:
        raise BundleError(f"{folder / MODEL_FILE} is not the file that was trained.", RETRAIN)
    digest = hashlib.sha256((folder / SPEC_FILE).read_bytes() + model).hexdigest()
    return Bundle(folder, spec, digest)


def _read_model(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"cannot read {path}: {error}.", "Check the file.") from error


def _resolve(path: Path) -> Path:
    if not path.is_dir():
        raise BundleError(f"no bundle at {path}: no such folder.", RETRAIN)
    if (path / DEFAULT_FILE).is_file():
        name = read_yaml(path / DEFAULT_FILE).get("model")
        if not isinstance(name, str) or not (path / name).is_dir():
            raise BundleError(f"{path / DEFAULT_FILE} names no model beside it.", RETRAIN)
        path = path / name
    missing = [name for name in (SPEC_FILE, MODEL_FILE) if not (path / name).is_file()]
    if missing:
        raise BundleError(f"{path} is no bundle: {' and '.join(missing)} missing.", RETRAIN)
    return path


def write_bundle(path: Path, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> Bundle:
    """Write a bundle in one move, replacing an earlier one of that path.

    ``spec`` is a ``BundleSpec`` without ``format`` and hashes; ``files`` are ``model.tflite`` and
    what else is to stand beside it, by name.

    Raises
    ------
    OutputError
        ``path`` is there and no bundle, or cannot be made.
    """
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    hashes = {"model_sha256": digests.pop(MODEL_FILE), "files_sha256": digests}
    check_replaceable(path, SPEC_FILE)
    full = validate(BundleSpec, {**spec, **hashes}, f"bundle {path}")
    with new_folder(path, SPEC_FILE) as made:
        for name, data in files.items():
            (made / name).write_bytes(data)
        text = yaml.safe_dump(full.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        (made / SPEC_FILE).write_text(text, encoding="utf-8", newline="\n")
    return read_bundle(path)


def shipped_path() -> Path:
    """Folder of the bundle that comes with callcount (label capuchinbird).

    Raises
    ------
    BundleError
        This installation holds none.
    """
    here = Path(__file__).resolve()
    for folder in (here.parent / "shipped", here.parents[1] / "artifacts" / "capuchinbird"):
        if (folder / DEFAULT_FILE).is_file():
            return folder
    raise BundleError("this installation holds no model.", RETRAIN)


def choose_bundle(given: Path | None, artifacts: Path) -> tuple[Bundle, str]:
    """The bundle to scan with, and in a few words why that one.

    The one given; else the one trained last under ``artifacts``; else the one that ships.
    """
    if given is not None:
        return read_bundle(given), "given with --model"
    trained = [read_bundle(found.parent) for found in sorted(artifacts.glob(f"*/{DEFAULT_FILE}"))]
    if trained:
        return max(trained, key=lambda one: one.spec.trained_at), f"trained last in {artifacts}"
    return read_bundle(shipped_path()), "ships with callcount"


_LEAST_SCORE = 1e-9


def logits(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """``log(s / (1 - s))`` of scores 0 to 1; the ends are finite (about 20.7)."""
    inner = np.clip(scores, _LEAST_SCORE, 1 - _LEAST_SCORE)
    return np.log(inner) - np.log1p(-inner)
