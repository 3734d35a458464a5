"""callcount: count animal calls in long recordings.

What is in ``__all__`` is the public Python API and stays; everything else may move.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from counter.api import estimate, evaluate, load_bundle, scan_folder, scan_recording
    from counter.bundle import Bundle
    from counter.errors import CallcountError
    from counter.estimation.corrected_counts import EstimateReport
    from counter.evaluation.evaluation import Evaluation
    from counter.records import Event, FileResult, Origin, Recording
    from counter.scanning.run import ScanObserver, ScanRun
    from counter.tables.results import Results, read_results

    __version__: str

__all__ = [
    "Bundle",
    "CallcountError",
    "EstimateReport",
    "Evaluation",
    "Event",
    "FileResult",
    "Origin",
    "Recording",
    "Results",
    "ScanObserver",
    "ScanRun",
    "estimate",
    "evaluate",
    "load_bundle",
    "read_results",
    "scan_folder",
    "scan_recording",
]
# Where each name is; loaded when it is asked for, so that the command line starts at once.
_MODULES = {
    "counter.api": ("estimate", "evaluate", "load_bundle", "scan_folder", "scan_recording"),
    "counter.bundle": ("Bundle",),
    "counter.errors": ("CallcountError",),
    "counter.estimation.corrected_counts": ("EstimateReport",),
    "counter.evaluation.evaluation": ("Evaluation",),
    "counter.records": ("Event", "FileResult", "Origin", "Recording"),
    "counter.scanning.run": ("ScanObserver", "ScanRun"),
    "counter.tables.results": ("Results", "read_results"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a name of the API, or look the version up."""
    if name in _MODULE_OF:
        return getattr(import_module(_MODULE_OF[name]), name)
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("callcount")
    except PackageNotFoundError:  # a source tree that was never installed
        return "0.0.0"


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
