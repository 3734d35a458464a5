"""Who may see the pages: this machine alone, or who has the token."""

from __future__ import annotations

import hmac
import time
from urllib.parse import urlsplit

from counter.review.desk import Desk

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_LET_IN = "let_in"
_WRONG_S = 1.0


def is_let_in(desk: Desk) -> bool:
    """Whether this session may see the pages; asks for the token where one is wanted."""
    import streamlit as st

    if not desk.token:
        # A page of somebody else's, whose name was made to lead to this machine, gets nothing.
        if not is_loopback(st.context.headers.get("Host", "")):
            st.error("This page is for this machine alone: open it as http://127.0.0.1.")
            return False
        return True
    if st.session_state.get(_LET_IN):
        return True
    given = st.text_input("Token", type="password", help="Who started the page has it.")
    if hmac.compare_digest(given.encode(), desk.token.encode()):
        st.session_state[_LET_IN] = True
        st.rerun()
    if given:
        time.sleep(_WRONG_S)
        st.error("That is not the token.")
    return False


def is_loopback(host: str) -> bool:
    """Whether a host, perhaps with its port, is this machine as only it calls itself."""
    try:
        return urlsplit(f"//{host}").hostname in LOOPBACK
    except ValueError:
        return False
