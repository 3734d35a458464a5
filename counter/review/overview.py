"""The overview page: what was counted, when and where; and the model, to be tried by visitors."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from counter.errors import CallcountError
from counter.report.charts import label_inks
from counter.report.tables import Table, number
from counter.review.material import Material

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from counter.review.overview_data import Look
    from counter.review.overview_trial import Trial

_ALL_SITES = "all sites"
_TYPES = ["wav", "flac", "mp3", "ogg", "aif", "aiff"]
_MICROPHONE_HZ = 48_000
_MICROPHONE = "microphone"
_TRIED = "tried"


def show(material: Material) -> None:
    """Show the page; names are text, whatever they hold.

    Parameters
    ----------
    material : Material
        The scan.
    """
    import streamlit as st

    counts, trial = st.tabs(["Counts", "Try the model"])
    with counts:
        _show_counts(material)
    with trial:
        _show_trial(material)


def _show_counts(material: Material) -> None:
    import streamlit as st

    try:
        look = _look(material)
    except CallcountError as error:
        _tell(error)
        return
    with st.container(horizontal=True):
        for fact in look.facts:
            st.metric(
                _text(fact.name), fact.value, help=_text(fact.remark) or None, width="content"
            )
    for remark in look.remarks:
        st.info(_text(remark))
    _show_charts(material, look)
    for name in look.tables:
        _show_table(name)


def _look(material: Material) -> Look:
    """The sums, made once for all visitors and all that they press."""
    import streamlit as st

    def sums(_material: Material) -> Look:
        from counter.review.overview_data import look_at

        return look_at(_material)

    made: Look = st.cache_resource(sums, show_spinner="Adding up")(material)
    return made


def _show_charts(material: Material, look: Look) -> None:
    import streamlit as st

    from counter.review import overview_charts as charts

    inks = label_inks(material.results.labels)
    if len(look.hours):
        hours, sites = look.hours, sorted(look.hours["site"].unique())
        if len(sites) > 1:
            site = st.selectbox("Site", [_ALL_SITES, *sites])
            hours = hours if site == _ALL_SITES else hours[hours["site"] == site]
        left, right = st.columns(2)
        left.altair_chart(charts.calls_by_day(hours, inks))
        right.altair_chart(charts.rate_by_hour(hours, inks))
        st.altair_chart(charts.heat_map(hours))
    else:
        st.markdown("No recording has a start time, so there is no chart over days and hours.")
    drawn = [charts.corrected_counts(one) for one in look.estimates]
    for chart in drawn:
        if chart is not None:
            st.altair_chart(chart)
    if len(look.sites):
        st.altair_chart(charts.site_map(look.sites), width="content")
    else:
        st.markdown(r"A map of the sites needs their places: callcount scan \-\-sites.")


def _show_table(table: Table) -> None:
    import streamlit as st

    from counter.review.overview_data import frame_of

    st.subheader(_text(table.title), anchor=False)
    # what has no number is empty, as in the report, not "None"
    st.dataframe(frame_of(table), hide_index=True, placeholder="")
    if table.note:
        st.markdown(_text(table.note))


def _show_trial(material: Material) -> None:
    """Take a recording, and show what the model hears in it."""
    import streamlit as st

    from counter.review.overview_trial import MOST_S

    st.write(
        "A recording of your own, counted with the model and the event rules of this scan. "
        "It is not kept."
    )
    given = st.file_uploader(f"Recording of up to {MOST_S / 60:.0f} min", type=_TYPES)
    spoken = st.audio_input("Or from your microphone", sample_rate=_MICROPHONE_HZ)
    for place, sound in (("given", given), (_MICROPHONE, spoken)):
        if sound is not None:
            _show_tried(material, place, sound)


def _show_tried(material: Material, place: str, sound: UploadedFile) -> None:
    """The result of a recording; the last one of each place is not scanned again."""
    import streamlit as st

    from counter.review.overview_trial import try_recording

    held: dict[str, Any] = st.session_state.setdefault(_TRIED, {})
    name = _MICROPHONE if place == _MICROPHONE else sound.name
    key = (name, hashlib.sha256(sound.getvalue()).hexdigest())
    if place not in held or held[place][0] != key:
        try:
            with st.spinner("Listening"):
                held[place] = (key, try_recording(material.results, name, sound.getvalue()))
        except CallcountError as error:
            held[place] = (key, error)
    found = held[place][1]
    if isinstance(found, CallcountError):
        _tell(found)
    else:
        _show_found(found)
        st.audio(sound, format=sound.type or "audio/wav")


def _show_found(trial: Trial) -> None:
    import pandas as pd
    import streamlit as st

    result = trial.result
    st.metric(_text(f"calls in {result.recording.name}"), number(result.calls()).text)
    if result.message:
        st.warning(_text(result.message))
    st.image(trial.plot)
    if result.events:
        rows = [(one.label, one.start_s, one.end_s, one.score) for one in result.events]
        names = ["label", "start (s)", "end (s)", "score"]
        st.dataframe(pd.DataFrame(rows, columns=names).round(3), hide_index=True)


def _tell(error: CallcountError) -> None:
    import streamlit as st

    st.error(_text(str(error)))


def _text(text: str) -> str:
    """Text that Markdown leaves as it is: else a name could show pictures from elsewhere."""
    return re.sub(r"([^\w\s])", r"\\\1", text)
