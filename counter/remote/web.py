"""What fsspec does not ask of web servers: whether they give parts of files."""

from __future__ import annotations

from typing import Any

# The bytes themselves: of what a server packs on the way, parts would be parts of the packed.
_PLAIN = {"Accept-Encoding": "identity"}


async def begin(system: Any, url: str, n_bytes: int) -> tuple[dict[str, Any], bytes | None]:
    """The first bytes of a file and what its server says of it, in one request.

    Parameters
    ----------
    system : fsspec's HTTPFileSystem
        Of this process.
    url : str
        The file.
    n_bytes : int
        How many bytes at most, > 0.

    Returns
    -------
    info : dict
        As of other file systems: ``name``, ``type``, ``size`` (-1 where unknown), and
        ``Last-Modified`` where it is told.
    first : bytes or None
        None where the server gives whole files alone, or not their size.

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
