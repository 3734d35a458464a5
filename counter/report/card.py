"""The model's card as HTML that holds nothing but text, tables and lists."""

from __future__ import annotations

from markdown_it import MarkdownIt

_SHIFT, _LOWEST = 2, 6


def card_html(markdown: str) -> str:
    """HTML of a card, its headings two steps lower; tags in it are text, pictures are left out.

    Parameters
    ----------
    markdown : str
        CommonMark with tables; may come from anybody, since bundles are passed on.
    """
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    tokens = reader.parse(markdown)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1:]) + _SHIFT, _LOWEST)}"
    html: str = reader.renderer.render(tokens, reader.options, {})
    return html
