"""The SavedModel that a bundle keeps as one zip file: packed, unpacked, run by TensorFlow."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from counter.errors import BundleError
from counter.quiet import quiet_stderr
from counter.records import FloatArray
from training.litertrun import Score

SAVED_FILE = "saved-model.zip"


def packed(folder: Path) -> bytes:
    """A folder's files as one zip file."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(one for one in folder.rglob("*") if one.is_file()):
            archive.write(path, path.relative_to(folder))
    return content.getvalue()


def unpacked(content: bytes, name: str) -> dict[str, bytes]:
    """The files in it by their path.

    Raises
    ------
    BundleError
        It is no zip file, or one of its paths leads out of its folder.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = {one: archive.read(one) for one in archive.namelist()}
    except zipfile.BadZipFile as error:
        raise BundleError(f"{name} is no zip file: {error}.", "Check the file.") from error
    paths = [PurePosixPath(one) for one in files]
    if any(one.is_absolute() or ".." in one.parts for one in paths):
        raise BundleError(f"{name} holds paths that lead out of its folder.", "Check the file.")
    return files


def saved_model_runner(files: Mapping[str, bytes]) -> Score:
    """A function from the model's own input to its scores, as ``litertrun.runner`` gives one."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as scratch, quiet_stderr():
        for name, content in files.items():
            path = Path(scratch) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        model: Any = tf.saved_model.load(scratch)
    signature = model.signatures["serving_default"]
    (argument,) = signature.structured_input_signature[1]

    def run(samples: FloatArray) -> FloatArray:
        (scores,) = signature(**{argument: tf.constant(samples)}).values()
        result: FloatArray = scores.numpy()
        return result

    return run
