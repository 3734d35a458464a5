"""The pages of ``callcount review``; Streamlit runs this file anew for whatever is pressed."""

from __future__ import annotations


def main() -> None:
    """Show the page that is asked for, to those who may see it."""
    import streamlit as st

    from counter.review import overview, page
    from counter.review.desk import the_desk
    from counter.review.gate import is_let_in

    desk = the_desk()
    st.set_page_config(page_title=f"callcount: {desk.title}", layout="wide")
    # so that all of an item fits on a small laptop
    st.html("<style>[data-testid=stMainBlockContainer] { padding-top: 4rem }</style>")
    if not is_let_in(desk):
        return

    def review() -> None:
        page.show(desk)

    def look() -> None:
        overview.show(desk.material)

    pages = [
        st.Page(review, title="Review", url_path="review", default=True),
        st.Page(look, title="Overview", url_path="overview"),
    ]
    st.navigation(pages, position="top").run()


if __name__ == "__main__":
    main()
