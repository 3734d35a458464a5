"""What is known of one model when all of it is trained: the record that reports are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from training.clips import ClipSet, Split
from training.crossfit import CrossFit
from training.difference import Change, changes, hear
from training.export import Exported, Exports
from training.fitting import Model
from training.settings import FrontEndSettings


@dataclass(frozen=True)
class ModelRun:
    """One model, trained, cross-fitted and exported.

    Attributes
    ----------
    name : str
    front_end : FrontEndSettings
    clips : ClipSet
        All clips at the model's rate.
    split : Split
    cross_fit : CrossFit
    trained : Model
        The final model.
    is_mean : bool
        Whether that is the mean of the folds' models; else it was trained on the training sources.
    exports : Exports
    chosen : Exported
        What the bundle holds.
    export_costs : mapping from variant to cost on made recordings of validation sources
    """

    name: str
    front_end: FrontEndSettings
    clips: ClipSet
    split: Split
    cross_fit: CrossFit
    trained: Model
    is_mean: bool
    exports: Exports
    chosen: Exported
    export_costs: Mapping[str, float]

    def changes(self) -> tuple[Change, ...]:
        """What reviewed clips changed; clips kept for testing are scored by the final model."""
        heard = self.cross_fit.heard
        heard += hear(self.trained.scores, self.clips.subset(self.split.test))
        learned = dict(zip(self.clips.labels, self.cross_fit.learned, strict=True))
        return changes(heard, learned, self.cross_fit.timebase)
