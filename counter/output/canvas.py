"""A palette picture with boxes, lines and text; what a plot needs and no more.

Importing matplotlib takes as long as scanning some recordings, and one of its figures longer than
scanning one; so the plots of a scan are drawn here, straight into pixels.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from counter.output.paths import atomic_write
from counter.output.png import encode_png
from counter.output.style import BLACK, WHITE, palette, text_ink

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Box:
    """Pixels ``[left, right)`` by ``[top, bottom)``, from the upper left corner."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Pixels down."""
        return self.bottom - self.top


@dataclass(frozen=True)
class Font:
    """Size in pixels and weight of letters."""

    size: int = 18
    bold: bool = False


class Canvas:
    """A picture of palette indices; whatever lies outside of it is not drawn.

    Parameters
    ----------
    pixels : array of uint8, shape (height, width)
        Drawn into in place.
    """

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels

    @classmethod
    def blank(cls, height: int, width: int) -> Canvas:
        """A white picture."""
        return cls(np.full((height, width), WHITE, np.uint8))

    def view(self, box: Box) -> Pixels:
        """The pixels of a box, cut at the picture's edges; drawing into them draws here."""
        left, top = max(box.left, 0), max(box.top, 0)
        return self.pixels[top : max(box.bottom, top), left : max(box.right, left)]

    def fill(self, box: Box, ink: int) -> None:
        """Fill a box."""
        self.view(box)[:] = ink

    def frame(self, box: Box, ink: int, width: int = 1) -> None:
        """Draw the border of a box, inside of it."""
        inner_left, inner_right = box.left + width, box.right - width
        self.fill(Box(box.left, box.top, box.right, box.top + width), ink)
        self.fill(Box(box.left, box.bottom - width, box.right, box.bottom), ink)
        self.fill(Box(box.left, box.top, inner_left, box.bottom), ink)
        self.fill(Box(inner_right, box.top, box.right, box.bottom), ink)

    def outline(self, box: Box, ink: int) -> None:
        """Frame a box 2 pixels wide with a black line around, so that it shows on any ground."""
        self.frame(Box(box.left - 1, box.top - 1, box.right + 1, box.bottom + 1), BLACK)
        self.frame(box, ink, 2)

    def text(self, place: tuple[int, int], text: str, font: Font, *, anchor: float = 0.0) -> None:
        """Write one line of text on white.

        Parameters
        ----------
        place : (int, int)
            ``x`` of the anchor and ``y`` of the upper edge, pixels.
        text : str
            What to write; empty writes nothing.
        font : Font
            Size and weight.
        anchor : float
            Where in the text the anchor is: 0 at its left, 0.5 in the middle, 1 at its right.
        """
        self._stamp(place[0] - round(text_width(text, font) * anchor), place[1], _mask(text, font))

    def text_upwards(self, centre: tuple[int, int], text: str, font: Font) -> None:
        """Write one line of text from below to above, centred at ``(x, y)``."""
        mask = np.rot90(_mask(text, font))
        self._stamp(centre[0] - mask.shape[1] // 2, centre[1] - mask.shape[0] // 2, mask)

    def save(self, path: Path) -> None:
        """Write the picture as PNG.

        Raises
        ------
        OutputError
            The file cannot be written.
        """
        data = encode_png(self.pixels, palette(), path.name)
        with atomic_write(path) as temporary:
            temporary.write_bytes(data)

    def _stamp(self, left: int, top: int, mask: Pixels) -> None:
        height, width = mask.shape
        target = self.view(Box(left, top, left + width, top + height))
        cut_top, cut_left = max(-top, 0), max(-left, 0)
        part = mask[cut_top : cut_top + target.shape[0], cut_left : cut_left + target.shape[1]]
        np.copyto(target, text_ink(part), where=part > 0)


def text_width(text: str, font: Font) -> int:
    """Pixels that a line of text takes across."""
    return _mask(text, font).shape[1]


def fitted(text: str, font: Font, width: int) -> str:
    """``text`` with its middle left out until it fits into ``width`` pixels."""
    text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    if text_width(text, font) <= width:
        return text
    short, long = 0, len(text)
    while short < long:
        middle = (short + long + 1) // 2
        if text_width(_elided(text, middle), font) <= width:
            short = middle
        else:
            long = middle - 1
    return _elided(text, short)


def _elided(text: str, n_kept: int) -> str:
    n_tail = n_kept // 2
    return f"{text[: n_kept - n_tail]}\N{HORIZONTAL ELLIPSIS}{text[len(text) - n_tail :]}"


@lru_cache(maxsize=512)
def _mask(text: str, font: Font) -> Pixels:
    from PIL import Image, ImageDraw

    letters = _letters(font)
    ascent, descent = letters.getmetrics()
    image = Image.new("L", (int(np.ceil(letters.getlength(text))), ascent + descent))
    ImageDraw.Draw(image).text((0, 0), text, fill=255, font=letters)
    return np.asarray(image)


@lru_cache(maxsize=16)
def _letters(font: Font) -> FreeTypeFont:
    from PIL import ImageFont

    # matplotlib's own font, found without paying a quarter of a second for importing it.
    spec = importlib.util.find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("matplotlib, whose font the plots are written in, is missing")
    folder = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
    name = "DejaVuSans-Bold.ttf" if font.bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(folder / name), font.size)
