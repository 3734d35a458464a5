"""Remote file systems by fsspec: how they are made, and what their errors mean."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from counter.errors import CallcountError
from counter.storage.urls import scheme_of, shown

T = TypeVar("T")
# The bytes themselves: of what a server packs on the way, parts would be parts of the packed.
_PLAIN = {"Accept-Encoding": "identity"}


async def begin(system: Any, url: str, n_bytes: int) -> tuple[dict[str, Any], bytes | None]:
    """The first bytes of a file of the web, and what its server says of it, in one request.

    Returns
    -------
    info : dict
        As of other file systems: ``name``, ``type``, ``size`` (-1 where unknown), and
        ``Last-Modified`` where it is told.
    first : bytes or None
        At most ``n_bytes``; None where the server gives whole files alone, or not their size.

    Raises
    ------
    aiohttp.ClientError
        The server cannot be reached or refuses.
    """
    session = await system.set_session()
    headers = {**system.kwargs.get("headers", {}), **_PLAIN, "Range": f"bytes=0-{n_bytes - 1}"}
    options = {**system.kwargs, "headers": headers}
    async with session.get(system.encode_url(url), **options) as answer:
        info = {"name": url, "type": "file", "size": -1}
        if "Last-Modified" in answer.headers:
            info["Last-Modified"] = answer.headers["Last-Modified"]
        if answer.status == 416:  # there is no first byte
            return {**info, "size": 0}, b""
        answer.raise_for_status()
        if answer.status != 206:
            return {**info, "size": int(answer.headers.get("Content-Length", -1))}, None
        size = answer.headers.get("Content-Range", "").rpartition("/")[2]
        if not size.isdigit():
            return info, None
        return {**info, "size": int(size)}, await answer.read()


WAITS_S = (0.5, 1.0, 2.0)  # before the second try, and so on
READ_S = 30  # without a sign of life
_CONNECT_S = 10
_PACKAGES = {"gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs"}
# Errors that are no OSError, by the modules that have them.
_ERRORS = {
    "aiohttp": ("ClientError",),
    "botocore.exceptions": ("BotoCoreError", "ClientError", "HTTPClientError"),
    "gcsfs.retry": ("HttpError",),
    "google.auth.exceptions": ("GoogleAuthError",),
    "paramiko": ("SSHException",),
}


def connect(url: str, **own: Any) -> tuple[Any, str]:
    """The file system of a URL, and the path in it; ``own`` are further options for it.

    One that waits for each answer (SFTP) has a connection of its own, since others of this thread
    may be broken or busy; ``hang_up`` closes it.

    Raises
    ------
    CallcountError
        A package is missing, or no file system has such a scheme.
    """
    with _knowing(url):
        from fsspec.core import url_to_fs

        anew = {} if is_asynchronous(url) else {"skip_instance_cache": True}
        system, path = url_to_fs(url, **_options(scheme_of(url)), **anew, **own)
        return system, path or "/"


def hang_up(system: Any) -> None:
    """Close the connection of a file system that has one of its own."""
    if hasattr(system, "client") and hasattr(system.client, "close"):
        system.client.close()


class RemoteVisit:
    """A file system asked from this thread alone: afterwards nothing of it is left.

    fsspec otherwise keeps a thread for its event loop, and a process with threads cannot fork
    safely. A context manager.

    Attributes
    ----------
    path : str
        The URL's path in the file system.
    is_asynchronous : bool
        As the function of that name says.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self.is_asynchronous = is_asynchronous(url)
        self._loop: asyncio.AbstractEventLoop | None = None

    def __enter__(self) -> RemoteVisit:
        if not self.is_asynchronous:
            self._system, self.path = connect(self._url)
            return self
        self._loop = asyncio.new_event_loop()
        own = {"asynchronous": True, "loop": self._loop, "skip_instance_cache": True}
        self._system, self.path = connect(self._url, **own)
        return self

    def __exit__(self, *error: object) -> None:
        if self._loop is None:
            hang_up(self._system)
            return
        try:
            self._loop.run_until_complete(self._leave())
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    async def _leave(self) -> None:
        session = await self._system.set_session()
        await session.close()

    def ask(self, what: str, *given: Any, **options: Any) -> Any:
        """The answer of one of the file system's methods: ``info``, ``ls``, ``find`` ..."""
        if self._loop is None:
            return getattr(self._system, what)(*given, **options)
        return self._loop.run_until_complete(getattr(self._system, f"_{what}")(*given, **options))

    def look(self) -> dict[str, Any]:
        """Size and time of a file of the web, by its first byte, as a server may refuse HEAD."""
        assert self._loop is not None, "the web is asynchronous"
        return self._loop.run_until_complete(begin(self._system, self.path, 1))[0]


def is_asynchronous(url: str) -> bool:
    """Whether the file system of a URL can be asked for several things at once; as ``connect``."""
    with _knowing(url):
        import fsspec

        return bool(fsspec.get_filesystem_class(scheme_of(url)).async_impl)


@contextmanager
def _knowing(url: str) -> Iterator[None]:
    scheme = scheme_of(url)
    try:
        yield
    except ImportError as error:
        package = _PACKAGES.get(scheme, "'callcount[cloud]'")
        raise CallcountError(
            f"{shown(url)} needs a package that is missing ({reason(error)}).",
            f"pip install {package}",
        ) from error
    except ValueError as error:
        raise CallcountError(
            f"{shown(url)} cannot be used: {reason(error)}.",
            "Give s3://bucket/folder, gs://, https:// or sftp://, or a path on this machine.",
        ) from error


def _options(scheme: str) -> dict[str, Any]:
    """Time limits, and whom to trust; what the user's fsspec settings name goes before."""
    from fsspec.config import conf

    if scheme in ("http", "https"):
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=READ_S)
        options: dict[str, Any] = {"client_kwargs": {"timeout": timeout, "trust_env": True}}
    elif scheme in ("s3", "s3a"):
        limits = {"connect_timeout": _CONNECT_S, "read_timeout": READ_S}
        options = {"config_kwargs": {**limits, "retries": {"total_max_attempts": 1}}}
    elif scheme in ("sftp", "ssh"):
        options = {"host_key_policy": _known_hosts_alone(), "timeout": _CONNECT_S}
    else:
        options = {}
    own = conf.get(scheme, {})
    return {key: value for key, value in options.items() if key not in own}


def _known_hosts_alone() -> Any:
    """Trust the hosts of ~/.ssh/known_hosts; fsspec would trust any that answers."""
    import paramiko

    class KnownHosts(paramiko.MissingHostKeyPolicy):
        def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
            file = os.path.expanduser("~/.ssh/known_hosts")
            known = paramiko.HostKeys(file if os.path.exists(file) else None)
            if not known.check(hostname, key):
                raise paramiko.SSHException(
                    f"{hostname} is not in {file} with this key; connect once by ssh and look"
                )

    return KnownHosts


def network_errors() -> tuple[type[BaseException], ...]:
    """What the file systems that are loaded raise where a network or a server fails."""
    found: list[type[BaseException]] = [OSError, EOFError, asyncio.TimeoutError]
    for module, names in _ERRORS.items():
        if module in sys.modules:
            found.extend(getattr(sys.modules[module], name) for name in names)
    return tuple(found)


def is_final(error: BaseException) -> bool:
    """Whether trying again would be of no use."""
    status = getattr(error, "status", 0)
    is_refused = isinstance(status, int) and 400 <= status < 500 and status not in (408, 429)
    return is_refused or isinstance(error, FileNotFoundError | PermissionError)


def tried(work: Callable[[], T], *, mend: Callable[[], None] = lambda: None) -> T:
    """What work gives, done again where the network stumbles; ``mend`` is done before each try."""
    for wait_s in WAITS_S:
        try:
            return work()
        except network_errors() as error:
            mend()
            if is_final(error):
                raise
            time.sleep(wait_s)
    return work()


async def tried_async(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What a coroutine gives, made anew where the network stumbles."""
    for wait_s in WAITS_S:
        try:
            return await make()
        except network_errors() as error:
            if is_final(error):
                raise
            await asyncio.sleep(wait_s)
    return await make()


def reason(error: BaseException) -> str:
    """Why, in one line that ends in no full stop."""
    if isinstance(error, FileNotFoundError) or getattr(error, "status", 0) == 404:
        return "it does not exist"
    if getattr(error, "status", 0) == 416:
        return "it is shorter than it was: it has changed"
    if isinstance(error, PermissionError) or getattr(error, "status", 0) in (401, 403):
        return f"access was refused ({_text(error)})"
    return _text(error)


def _text(error: BaseException) -> str:
    status = getattr(error, "status", 0)
    plain = getattr(error, "strerror", None) or str(error)
    text = f"status {status} {getattr(error, 'message', '')}" if status else plain
    return " ".join(text.split()).rstrip(".") or type(error).__name__


@contextmanager
def refusing(url: str) -> Iterator[None]:
    """Make what goes wrong at a path that the user gave one line, and the end of the command."""
    try:
        yield
    except network_errors() as error:
        if isinstance(error, CallcountError):
            raise
        fix = "Check the path." if is_final(error) else "Check the address and the network."
        if isinstance(error, PermissionError) or "redential" in str(error):
            fix = "Check your credentials for it; docs/how-to/cloud.md says where."
        raise CallcountError(f"{shown(url)} cannot be reached: {reason(error)}.", fix) from error
