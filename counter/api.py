"""Python API: what the commands do, without printing; see ``counter`` for its names."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from counter.bundle import Bundle, choose_bundle, read_bundle
from counter.config import n_threads, validate
from counter.detector import Detector
from counter.errors import CallcountError
from counter.estimation.corrected_counts import EstimateReport, correct_counts, read_checks
from counter.evaluation.evaluation import Evaluation, evaluate_scan
from counter.evaluation.truth import read_truth
from counter.events.matching import Criterion
from counter.events.rules import RuleLayers
from counter.metadata.sites import plan_placement
from counter.records import FileResult
from counter.scanning.plan import ScanSettings, plan_scan
from counter.scanning.recording import ScanOrder, scan_file
from counter.scanning.run import ScanObserver, ScanRun
from counter.storage.inputs import find_recordings
from counter.tables.results import Results, read_results

ARTIFACTS = Path("artifacts")


def load_bundle(path: str | Path | None = None) -> Bundle:
    """Load a bundle: a model with its labels, event rules and band.

    Parameters
    ----------
    path : str or Path, optional
        Its folder, or that of a training run. By default the one trained last under
        ``./artifacts``, else the one that ships.

    Raises
    ------
    BundleError
        It is missing, damaged, of a newer format, or was changed.

    Examples
    --------
    >>> import counter
    >>> bundle = counter.load_bundle("bundle")
    >>> bundle.spec.labels
    ('tone',)
    """
    return choose_bundle(None, ARTIFACTS)[0] if path is None else read_bundle(Path(path))


def scan_recording(path: str | Path, bundle: Bundle | None = None, **settings: Any) -> FileResult:
    """Scan one recording: its events, with status, times and effort.

    For many recordings ``scan_folder`` is faster, and survives files that crash their decoder.

    Parameters
    ----------
    path : str or Path
        The file, or a URL.
    bundle : Bundle, optional
        The model; as ``load_bundle`` finds it by default.
    **settings
        As of ``scan_folder``: ``rules``, ``threshold``, ``gap_s``, ``min_duration_s``,
        ``max_duration_s``, ``timezone``, ``name_pattern``, ``sites``, ``jobs``.

    Returns
    -------
    FileResult
        A file that cannot be read has status ``failed`` and a message; no event is an answer.

    Raises
    ------
    CallcountError
        There is no such file, or a setting is wrong.

    Examples
    --------
    >>> import counter
    >>> result = counter.scan_recording("season/a.wav", counter.load_bundle("bundle"))
    >>> result.status, result.calls()
    ('ok', 2)
    >>> [(event.label, round(event.start_s)) for event in result.events]
    [('tone', 2), ('tone', 5)]
    """
    chosen = validate(ScanSettings, settings, "scan_recording")
    used = bundle or load_bundle()
    rules, _ = RuleLayers({}, chosen.rules, chosen.single_rules()).over(used.spec.rules)
    recordings = find_recordings([path])
    if len(recordings) != 1:
        raise CallcountError(f"{path} is a folder.", "Name one recording, or use scan_folder.")
    placement = plan_placement(chosen, recordings)
    order = ScanOrder(used, rules, n_threads(chosen.jobs), scores=chosen.keep_scores)
    with Detector(used, order.n_threads) as detector:
        result = scan_file(recordings[0], detector, order)
    return placement.placed(result)


def scan_folder(
    paths: str | Path | Sequence[str | Path],
    *,
    output: str | Path | None = None,
    config: ScanSettings | None = None,
    observer: ScanObserver | None = None,
    stop: threading.Event | None = None,
    exclude: str | None = None,
    **settings: Any,
) -> ScanRun:
    """Scan recordings, or folders of them: results as they come, then DataFrames.

    Nothing is scanned before the run is iterated over, and nothing is printed.

    Parameters
    ----------
    paths : str, Path or sequence of these
        Files, folders that are searched, and URLs.
    output : str or Path, optional
        Table of counts to write, ending in ``.csv``, with all that ``callcount scan`` writes
        beside it; a scan that was stopped goes on. Without it no file is left.
    config : ScanSettings, optional
        Settings that count less than ``settings``.
    observer : ScanObserver, optional
        Told what goes on; nobody is by default.
    stop : threading.Event, optional
        When set, what is not finished is given up.
    exclude : str, optional
        A folder not to search, besides that of the outputs.
    **settings
        Options of ``callcount scan`` by their names in ``--config``: ``model`` (the bundle's
        folder), ``rules``, ``threshold``, ``timezone``, ``name_pattern``, ``sites``, ``jobs``,
        ``plots``, ``report``, ``keep_scores``, ``formats``, ``clips`` and so on.

    Returns
    -------
    ScanRun
        To be iterated over; then ``results`` has ``counts``, ``events`` and ``effort``.

    Raises
    ------
    CallcountError
        A setting, path or bundle that is wrong, or outputs that clash; before the work.

    Examples
    --------
    >>> import counter
    >>> run = counter.scan_folder("season", model="bundle", jobs=1)
    >>> sorted((result.recording.name, result.calls()) for result in run)
    [('a.wav', 2), ('b.wav', 0)]
    >>> run.results.counts[["recording", "calls", "status"]]
      recording  calls status
    0     a.wav      2     ok
    1     b.wav      0     ok
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    scratch = None
    if output is None:
        scratch = tempfile.TemporaryDirectory(prefix="callcount-")
        output = Path(scratch.name) / "results.csv"
        settings = {"plots": False, **settings}
    chosen = validate(ScanSettings, settings, "the settings")
    plan = plan_scan(given, Path(output), config or ScanSettings(), chosen, exclude=exclude)
    run = ScanRun(plan, observer or ScanObserver(), stop or threading.Event())
    run.scratch = scratch
    return run


def evaluate(
    results: Results | str | Path,
    truth: str | Path,
    *,
    iou: float | None = None,
    collar_s: float | None = None,
    partial: bool = False,
) -> Evaluation:
    """Evaluate a scan: its counts and events compared with the calls that a person marked.

    Parameters
    ----------
    results : Results, str or Path
        The scan, or its table of counts.
    truth : str or Path
        Marked calls: a table (``recording,start_s,end_s[,label]``), Raven's or Audacity's, or a
        folder of the latter two. A scanned recording without a row holds no call.
    iou : float, optional
        Least intersection over union of an event and a call that are paired, above 0 and at most
        1; by default 0.3.
    collar_s : float, optional
        Instead: seconds that starts and ends may differ by, above 0 and at most 3600.
    partial : bool
        Leave out calls of recordings and labels that were not scanned, instead of raising.

    Returns
    -------
    Evaluation
        Precision, recall, F1 and errors of counts with their 95 % intervals as the DataFrame
        ``measures``, calls and events by recording as ``recordings``; and where the scan kept its
        scores, measures against the threshold as ``thresholds``.

    Raises
    ------
    CallcountError
        The truth cannot be read or names what was not scanned, every recording failed, or a
        setting is wrong.

    Examples
    --------
    >>> import counter
    >>> evaluation = counter.evaluate("results.csv", "truth.csv")
    >>> evaluation.recordings[["recording", "true_calls", "counted", "missed", "false"]]
      recording  true_calls  counted  missed  false
    0     a.wav           2        2       0      0
    1     b.wav           0        0       0      0
    >>> float(evaluation.measures.set_index("measure").loc["f1", "value"])
    1.0
    """
    if iou is not None and collar_s is not None:
        raise CallcountError("iou and collar_s exclude each other.", "Give one of them.")
    criterion = Criterion(collar_s=collar_s) if iou is None else Criterion(iou)
    scan = results if isinstance(results, Results) else read_results(results)
    return evaluate_scan(read_truth(scan, Path(truth), partial=partial), criterion)


def estimate(
    results: Results | str | Path,
    sample: str | Path,
    *,
    by: str | None = None,
    recordings: str | Path | None = None,
) -> EstimateReport:
    """Estimate the true number of calls of a scan from a sample that a person checked.

    Parameters
    ----------
    results : Results, str or Path
        The scan, or its table of counts.
    sample : str or Path
        ``sample.csv`` of ``callcount sample``, filled in.
    by : str, optional
        What to estimate apart: ``folder``, ``recording`` or a column of a table.
    recordings : str or Path, optional
        Table with the columns ``recording`` and ``by``; the scan's own by default.

    Returns
    -------
    EstimateReport
        Corrected counts with their 95 % intervals; ``frame`` has them as a DataFrame.

    Raises
    ------
    CallcountError
        The sample is not of this scan, not filled in, or too little was checked.

    Examples
    --------
    >>> import counter
    >>> report = counter.estimate("results.csv", "sample/sample.csv")
    >>> report.overall.difference  # doctest: +SKIP
    Interval(value=152.0, low=141.0, high=166.0)
    """
    scan = results if isinstance(results, Results) else read_results(results)
    table = None if recordings is None else Path(recordings)
    return correct_counts(read_checks(scan, Path(sample)), by=by, recordings=table)
