"""The review page."""

from __future__ import annotations

from counter.review.desk import Desk


def show(desk: Desk) -> None:
    """Show the queue."""
    import streamlit as st

    st.write(f"{len(desk.material.results.events.score)} events")
