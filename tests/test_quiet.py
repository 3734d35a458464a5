"""What C++ libraries print does not reach tables, and what comes after does."""

import os
from contextlib import ExitStack

import pytest

from counter.quiet import quiet_stderr


def shout(text):
    os.write(2, text.encode())


def test_what_is_written_meanwhile_goes_nowhere(capfd):
    shout("before ")
    with quiet_stderr():
        shout("meanwhile ")
    shout("after")
    assert capfd.readouterr().err == "before after"


def test_calls_that_overlap_are_silent_until_the_last_ends(capfd):
    """As threads do it: the first to begin is the first to end."""
    first, second = ExitStack(), ExitStack()
    first.enter_context(quiet_stderr())
    second.enter_context(quiet_stderr())
    first.close()
    shout("meanwhile ")
    second.close()
    shout("after")
    assert capfd.readouterr().err == "after"


def test_an_error_ends_it(capfd):
    with pytest.raises(ValueError, match="what is wrong"), quiet_stderr():
        raise ValueError("what is wrong")
    shout("after")
    assert capfd.readouterr().err == "after"
