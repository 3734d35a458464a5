"""Canvas: a palette picture with boxes, lines and text."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from counter.plots import style as chart
from counter.storage.atomic import atomic_write
from counter.storage.png import encode_png

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

N_SHADES = 64  # palette 0..63: quiet to loud
_TEXT = 64  # palette 64..95: white to ink, for smooth letters
_N_TEXT = 32
WHITE, INK = _TEXT, _TEXT + _N_TEXT - 1
GRID, EMPTY, BLACK, SCORE, SCORE_FILL, WARNING = range(96, 102)
_LABELS = 102

_MAGMA = bytes.fromhex(
    "000004 0a0822 1d1147 36106b 51127c 6a1c81 832681 9c2e7f b73779 "
    "d0416f e75263 f56b5c fc8961 fea772 fec488 fde2a3 fcfdbf"
)
_INK_RGB = "#222222"
_PLAIN = ("#d0d0d0", "#ececec", chart.BLACK, chart.BLUE, "#b9d9ea", chart.VERMILION)


def label_ink(number: int) -> int:
    """Palette index of a label, counted from 0; after the last colour the first comes again."""
    return _LABELS + number % len(chart.LABELS)


def text_ink(coverage: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Palette indices of letters on white, from how much they cover a pixel (0 to 255)."""
    return (WHITE + coverage.astype(np.uint16) * _N_TEXT // 256).astype(np.uint8)


@lru_cache(maxsize=1)
def palette() -> NDArray[np.uint8]:
    """Red, green, blue of every index, shape (256, 3); indices without a use are black."""
    table = np.zeros((256, 3))
    anchors = np.frombuffer(_MAGMA, np.uint8).reshape(-1, 3)
    places = np.linspace(0, len(anchors) - 1, N_SHADES)
    for channel in range(3):
        table[:N_SHADES, channel] = np.interp(places, range(len(anchors)), anchors[:, channel])
    ink = _rgb([_INK_RGB])[0]
    table[WHITE : INK + 1] = np.linspace((255.0, 255.0, 255.0), ink, _N_TEXT)
    table[GRID : GRID + len(_PLAIN)] = _rgb(_PLAIN)
    table[_LABELS : _LABELS + len(chart.LABELS)] = _rgb(chart.LABELS)
    return np.rint(table).astype(np.uint8)


def _rgb(colours: Sequence[str]) -> NDArray[np.float64]:
    codes = [bytes.fromhex(colour.removeprefix("#")) for colour in colours]
    return np.array([list(code) for code in codes], np.float64)


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


def printable(text: str) -> str:
    """``text`` with a sign for each character that has no letter."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def fitted(text: str, font: Font, width: int) -> str:
    """``text`` with its middle left out until it fits into ``width`` pixels."""
    text = printable(text)
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
