"""Upload of results to a URL, once they are whole."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from counter.errors import OutputError
from counter.storage.file_names import check_names
from counter.storage.filesystems import RemoteVisit, network_errors, reason, tried
from counter.storage.urls import name_of, parts_of, scheme_of, shown

_LIST = "files.json"  # in the folder: what was put; nothing else is ever replaced or removed
_MADE_BY = "callcount"
_Digests = dict[str, str]


class Target:
    """Where ``-o s3://bucket/x/y.csv`` goes, and where it is made.

    Raises
    ------
    OutputError
        The URL does not end in ``.csv``, or leads to the web, to which nothing can be written.
    """

    def __init__(self, url: str) -> None:
        if scheme_of(url) in ("http", "https"):
            raise OutputError(f"-o {shown(url)}: a web server takes no files.", "Give s3:// or so.")
        if not url.lower().endswith(".csv"):
            raise OutputError(f"-o {shown(url)} does not end in .csv.", f"Write {shown(url)}.csv.")
        self.url = url
        self.folder = url[: -len(".csv")]  # of all but the table of counts
        key = hashlib.sha256(shown(url).encode("utf-8", "surrogatepass")).hexdigest()[:16]
        # the table of counts on this machine; the journal stays there
        self.staged = cache_folder() / "callcount" / key / name_of(url, len(parts_of(url)) - 1)
        check_names(self.staged)

    @property
    def _list(self) -> str:
        return f"{self.staged.stem}/{_LIST}"

    def check(self) -> None:
        """Make sure, before the work, that what is there may be replaced and can be.

        Raises
        ------
        CallcountError
            The place cannot be written, or something is there that callcount did not put.
        """
        with self._visit(f"It would have been made in {self.staged.parent}."):
            there = self._there()
            if there and self._list not in there:
                raise OutputError(
                    f"{shown(self.url)} or its folder exists and was not put there by callcount.",
                    "Move it away or give another name with -o.",
                )
            self._note(self._noted(there))

    def put(self) -> int:
        """Put all that is new or has changed, the table of counts last; how many files.

        Raises
        ------
        CallcountError
            The place cannot be written; what was made stays in ``staged``.
        """
        made = {name: _digest(file) for name, file in self._files()}
        with self._visit(f"The tables are in {self.staged}."):
            there = self._there()
            noted = self._noted(there)
            self._note({**noted, **made})
            new = [name for name in made if made[name] != noted.get(name) or name not in there]
            for name in sorted(new, key=self._rank):
                self._in_folder(name)
                self._ask("put_file", os.fspath(self.staged.parent / name), self._top + name)
            for name in sorted(set(noted) & set(there) - set(made)):
                self._ask("rm_file", self._top + name)
            self._note(made)
        return len(new)

    def _files(self) -> Iterator[tuple[str, Path]]:
        """What is to be put, by its name beside the table: all but journal and hidden files."""
        yield self.staged.name, self.staged
        folder = self.staged.with_suffix("")
        for file in sorted(folder.rglob("*")):
            name = file.relative_to(self.staged.parent).as_posix()
            is_hidden = file.name.startswith((".", "journal.sqlite"))
            if file.is_file() and not is_hidden:
                yield name, file

    @contextmanager
    def _visit(self, fix: str) -> Iterator[None]:
        """Reach the place; ``fix`` is what there is to do or know where it cannot be."""
        try:
            with RemoteVisit(self.url) as self._visited:
                self._top = self._visited.path.rpartition("/")[0] + "/"
                yield
        except network_errors() as error:
            raise OutputError(f"cannot write {shown(self.url)}: {reason(error)}.", fix) from error

    def _ask(self, what: str, *given: Any, **options: Any) -> Any:
        """An answer, asked for again where the network stumbles."""
        return tried(lambda: self._visited.ask(what, *given, **options))

    def _there(self) -> set[str]:
        """What is at the place already, by its name beside the table."""
        names = set()
        for what in (self.staged.name, self.staged.stem):
            try:
                names.update(self._ask("find", self._top + what))
            except FileNotFoundError:
                continue
        return {name.removeprefix(self._top) for name in names}

    def _noted(self, there: set[str]) -> _Digests:
        """What callcount has put there, with its digest."""
        if self._list not in there:
            return {}
        try:
            noted = json.loads(self._ask("cat_file", self._top + self._list))
            is_own = noted["made_by"] == _MADE_BY
            files = {name: str(digest) for name, digest in noted["files"].items()}
        except (ValueError, TypeError, LookupError, AttributeError):
            is_own, files = False, {}
        if not is_own:
            raise OutputError(
                f"{shown(self.folder)}/{_LIST} exists and was not made by callcount.",
                "Move it away or give another name with -o.",
            )
        stem = f"{self.staged.stem}/"
        return {
            name: digest
            for name, digest in files.items()
            if name == self.staged.name or (name.startswith(stem) and ".." not in name)
        }

    def _note(self, files: _Digests) -> None:
        told = json.dumps({"made_by": _MADE_BY, "files": files}, indent=1, sort_keys=True)
        self._in_folder(self._list)
        self._ask("pipe_file", self._top + self._list, told.encode())

    def _in_folder(self, name: str) -> None:
        """Make the folder of a file, where folders are more than beginnings of names."""
        if not self._visited.is_asynchronous:
            self._ask("makedirs", (self._top + name).rpartition("/")[0], exist_ok=True)

    def _rank(self, name: str) -> tuple[bool, bool, str]:
        """Tables after all else, and that of counts last, so that what it tells of is there."""
        is_table = name.count("/") <= 1 and name.endswith((".csv", ".json"))
        return name == self.staged.name, is_table, name


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        digest = hashlib.sha256()
        while block := opened.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


_CACHES = {"darwin": "Library/Caches", "win32": "AppData/Local"}


def cache_folder(system: str = sys.platform) -> Path:
    """The user's folder for what can be made again."""
    given = os.environ.get("LOCALAPPDATA" if system == "win32" else "XDG_CACHE_HOME")
    return Path(given) if given else Path.home() / _CACHES.get(system, ".cache")
