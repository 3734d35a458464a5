"""callcount: count animal calls in long recordings."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("callcount")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0.0.0"
