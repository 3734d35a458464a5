"""Clips from folders: labelled by folder, grouped by the source that a name tells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from counter.errors import AudioError, CallcountError, ClipError
from counter.files import find_recordings
from training.clipset import BACKGROUND, Broken, Clip, Gathered, read_clip
from training.settings import ClipSettings

DATA_HINT = (
    "Expected: one folder of clips with the call, one without; data/README.md says where the "
    "Capuchinbird clips come from. Or name your own with --positive and --negative."
)


class ClipFolders:
    """The folders of the settings: an origin of clips.

    Parameters
    ----------
    settings : ClipSettings
        Folders of each label and of the background, and the pattern of sources.

    Raises
    ------
    ClipError
        The pattern is no regular expression, or has no group ``source``.
    """

    def __init__(self, settings: ClipSettings) -> None:
        self._settings = settings
        self._pattern = _pattern(settings.source_pattern)
        self.labels = tuple(settings.labels)

    def gather(self, labels: Sequence[str], sample_rate_hz: int) -> Gathered:
        """Decode every clip at one rate.

        Raises
        ------
        ClipError
            A folder is missing or empty, or a name does not match the pattern.
        """
        clips: list[Clip] = []
        broken: list[Broken] = []
        for label, folder in self._folders(labels):
            for path in _files(Path(folder)):
                try:
                    samples = read_clip(path, sample_rate_hz)
                except AudioError as error:
                    broken.append(Broken(str(path), str(error)))
                    continue
                clips.append(Clip(path.name, self._source(path), label, samples))
        return Gathered(tuple(clips), tuple(broken), n_files=len(clips) + len(broken))

    def _folders(self, labels: Sequence[str]) -> list[tuple[int, str]]:
        """Background first, then the labels in their order."""
        of_labels = self._settings.labels
        folders = [(BACKGROUND, folder) for folder in self._settings.background]
        return folders + [(labels.index(name), f) for name in of_labels for f in of_labels[name]]

    def _source(self, path: Path) -> str:
        found = self._pattern.match(path.stem)
        if found is None:
            pattern = self._settings.source_pattern
            raise ClipError(f"clip {path.name} does not match source_pattern {pattern!r}.")
        return found["source"]


def _pattern(text: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise ClipError(f"source_pattern {text!r} is no regular expression: {error}.") from error
    if "source" not in pattern.groupindex:
        raise ClipError(f"source_pattern {text!r} has no group (?P<source>...).")
    return pattern


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ClipError(f"clip folder {folder} does not exist.", DATA_HINT)
    try:
        return [Path(recording.path) for recording in find_recordings([folder])]
    except CallcountError as error:
        raise ClipError(f"clip folder {folder}: {error.what}", DATA_HINT) from error
