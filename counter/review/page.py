"""The review page: one item after the other, and what to see of them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from counter.errors import CallcountError
from counter.review.agreement import agreements
from counter.review.desk import Bench, Desk
from counter.review.message import message
from counter.review.queue import ALL, AS_WRITTEN, EVENT, OPEN, ORDERS, Wish, verdicts_of
from counter.review.visit import MOST_LETTERS, Visit

_HERE = Path(__file__).parent
_VISIT, _ANSWER, _TROUBLE = "visit", "item", "trouble"


def show(desk: Desk) -> None:
    """Show the item that is next for this person, and take the answer."""
    import streamlit as st

    bench = desk.bench
    with st.sidebar:
        reviewer = st.text_input("Your name", value=desk.reviewer, max_chars=MOST_LETTERS).strip()
        wish = _wish(bench)
        _show_agreement(bench)
    if not reviewer:
        st.info("Write your name on the left: it is stored with each answer.")
        return
    visit = st.session_state.get(_VISIT)
    if visit is None or (visit.reviewer, visit.wish) != (reviewer, wish):
        visit = st.session_state[_VISIT] = Visit(bench, reviewer, wish)
    # an answer runs this part alone anew
    st.fragment(_show_item)(desk, visit)


def _wish(bench: Bench) -> Wish:
    """What the person wants to see; only what there is to choose from is asked."""
    import streamlit as st

    items = bench.items
    sites = st.multiselect("Sites", items.sites) if len(items.sites) > 1 else []
    labels = st.multiselect("Labels", items.labels) if len(items.labels) > 1 else []
    answer = st.selectbox("Show", [OPEN, ALL, *verdicts_of(items.kind)])
    scores, order = (0.0, 1.0), AS_WRITTEN
    if items.kind == EVENT:
        scores = st.slider("Scores", 0.0, 1.0, (0.0, 1.0), step=0.01)
        order = st.selectbox("Order", ORDERS)
    return Wish(tuple(sites), tuple(labels), scores, answer, order)


def _show_agreement(bench: Bench) -> None:
    """Two persons compared; reckoned only when it is opened."""
    import streamlit as st

    if st.toggle("Compare reviewers"):
        found = agreements(bench.store.newest(bench.items.kind))
        if found:
            st.dataframe([one.cells for one in found], hide_index=True)
        else:
            st.markdown("No two persons have answered the same yet.")


def _show_item(desk: Desk, visit: Visit) -> None:
    import streamlit as st

    row = visit.walk.row
    _show_progress(visit)
    if row is None:
        st.success("Nothing is left here." if visit.walk.rows.size else "Nothing to show here.")
        if visit.walk.rows.size and st.button("Back"):
            visit.walk.back()
            st.rerun(scope="fragment")
        return
    visit.make_ready()
    places, next_row = desk.material.places, visit.next_row
    told = {
        "seq": visit.shown,
        "item": message(visit, row, places),
        "next": None if next_row is None else message(visit, next_row, places),
    }

    def take() -> None:
        try:
            visit.take(st.session_state[_ANSWER].get("answer"))
        except CallcountError as error:
            st.session_state[_TROUBLE] = str(error)

    if trouble := st.session_state.pop(_TROUBLE, ""):
        st.error("This answer was not stored.")
        st.text(trouble)
    _component()(key=_ANSWER, data=told, on_answer_change=take)


def _show_progress(visit: Visit) -> None:
    import streamlit as st

    n_items, n_done = len(visit.bench.items), len(visit.own)
    text = f"{n_done} of {n_items} answered, {visit.walk.n_left} left here"
    if (left_s := visit.left_s) is not None:
        minutes = max(1, round(left_s / 60))
        text += f", about {minutes} min" if minutes < 90 else f", about {minutes / 60:.0f} h"
    st.progress(n_done / n_items if n_items else 0.0, text=text)


@lru_cache(maxsize=1)
def _component() -> Any:
    """What shows an item: our own, since Streamlit has no keys, cursor or zoom."""
    import streamlit as st

    kinds = ("html", "css", "js")
    parts = {kind: (_HERE / f"answer.{kind}").read_text(encoding="utf-8") for kind in kinds}
    return st.components.v2.component("callcount_item", **parts)
