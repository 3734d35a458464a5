"""The overview page: what was counted."""

from __future__ import annotations

from counter.review.material import Material


def show(material: Material) -> None:
    """Show the counts of every recording; a name is text, whatever it holds.

    Parameters
    ----------
    material : Material
        The scan.
    """
    import pandas as pd
    import streamlit as st

    rows = material.results.recordings
    table = pd.DataFrame(
        {
            "recording": [one.name for one in rows],
            "calls": pd.array([one.calls for one in rows], dtype="Int64"),
            "scanned (s)": [one.scanned_s for one in rows],
            "status": [one.status for one in rows],
        }
    )
    st.subheader("Counts by recording")
    st.dataframe(table, hide_index=True)
