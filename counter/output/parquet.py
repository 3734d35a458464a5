"""Events as Apache Parquet, by pyarrow, which only this format needs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from counter.errors import CallcountError
from counter.output.eventrows import ScanEvents
from counter.output.own import MADE_BY
from counter.output.paths import atomic_write
from counter.output.writers import OneFile

# Rows held in memory at a time; what is read again is read in such groups, too.
_GROUP_ROWS = 1 << 15
_MAGIC = b"PAR1"
_LENGTH_BYTES = 4
_MARK = b"callcount events"


class Parquet(OneFile):
    """The columns of ``events.csv`` with types: text, whole numbers, double precision; or null."""

    def check(self, folder: Path, names: Iterable[str]) -> None:
        """Make sure that pyarrow is there, and no file of somebody else in the way."""
        _pyarrow()
        super().check(folder, names)

    def write(self, folder: Path, events: ScanEvents) -> None:
        """Write the events group by group; the columns alone where there is none."""
        pa = _pyarrow()
        schema = _schema(pa, events.columns)
        rows = iter(events)
        with (
            atomic_write(folder / self.path) as temporary,
            pa.parquet.ParquetWriter(temporary, schema, compression="zstd") as writer,
        ):
            while group := list(islice(rows, _GROUP_ROWS)):
                columns = [[_plain(row.value(name)) for row in group] for name in schema.names]
                writer.write_table(pa.table(columns, schema=schema))

    def is_own(self, file: Path) -> bool:
        """Whether a file is empty or its footer says that callcount wrote it."""
        if not file.is_file():
            return False
        with file.open("rb") as content:
            size = content.seek(0, os.SEEK_END)
            if size == 0:
                return True
            content.seek(max(0, size - _LENGTH_BYTES - len(_MAGIC)))
            tail = content.read()
            footer_bytes = int.from_bytes(tail[:_LENGTH_BYTES], "little") + len(tail)
            if not tail.endswith(_MAGIC) or footer_bytes > size:
                return False
            content.seek(size - footer_bytes)
            return _MARK in content.read()


def _pyarrow() -> Any:
    try:
        import pyarrow as pa
        import pyarrow.parquet
    except ImportError as error:
        raise CallcountError(
            f"events as Parquet need pyarrow: {error}.",
            "Install it with pip install 'callcount[parquet]', or leave out --format parquet.",
        ) from error
    return pa


def _schema(pa: Any, columns: Iterable[str]) -> Any:
    kinds = {"event": pa.int32()}
    kinds |= dict.fromkeys(("recording", "label", "start_time", "site"), pa.string())
    fields = [(name, kinds.get(name, pa.float64())) for name in columns]
    return pa.schema(fields, metadata={MADE_BY: _MARK})


def _plain(value: object) -> object:
    """A name that is no valid text gets escapes, as in the other formats."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
