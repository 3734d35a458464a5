"""How far two colours stand apart, as WCAG 2 reckons it."""

import numpy as np


def contrast(one, other):
    """Contrast of two colours, each red, green and blue of 0 to 255: 1 (none) to 21."""
    dark, light = sorted(_luminance(colour) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour):
    rgb = np.array(colour) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
