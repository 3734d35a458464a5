"""What all tests share: quiet libraries, and property tests that judge what holds, not how fast."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# For the simulations of ``benchmarks``; last, so that what was installed is what is tested.
sys.path.append(str(Path(__file__).resolve().parents[1]))

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")

# Machines differ in speed, so no deadline; on CI the same examples each time.
settings.register_profile("callcount", deadline=None)
settings.register_profile("ci", parent=settings.get_profile("callcount"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "callcount")


@pytest.fixture(scope="session")
def tone_bundle(tmp_path_factory):
    """A bundle that counts tones of ``bundles.TONE_HZ``, label ``tone``."""
    import bundles

    return bundles.tone_bundle(tmp_path_factory.mktemp("tone") / "made", {"tone": bundles.TONE_HZ})


@pytest.fixture(scope="session")
def made_network(tmp_path_factory):
    """An untrained network of the real kind with its bundle and exports."""
    import bundles

    return bundles.made_network(tmp_path_factory.mktemp("network") / "made")


@pytest.fixture(scope="session")
def windowed_network(tmp_path_factory):
    """An untrained network that scores windows, with its bundle and exports."""
    import bundles

    return bundles.windowed_network(tmp_path_factory.mktemp("windows") / "made")


@pytest.fixture(scope="module", params=["made_network", "windowed_network"])
def either_network(request):
    """One and the other: nothing of which it is shows in how sound arrives or is cut up."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def visit_of():
    """A function that serves the pages of an app while the test runs, and gives who asks them."""
    from contextlib import ExitStack

    pytest.importorskip("uvicorn", reason="callcount[review] is not installed")
    from visitors import visited

    with ExitStack() as open_ones:
        yield lambda app: open_ones.enter_context(visited(app))


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window."""
    from browsers import chromium

    with chromium() as started:
        yield started
