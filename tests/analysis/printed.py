"""Numbers as a document prints them: equal to the last digit."""

from decimal import Decimal

import numpy as np


def assert_printed(got, text: str, marks: str = "*"):
    """Every value rounds to the printed one (words separated by blanks; `marks` are cut off)."""
    words = [word.rstrip(marks) for word in text.split()]
    got = np.ravel(got)
    assert got.size == len(words)
    for value, word in zip(got, words, strict=True):
        printed = Decimal(word)
        half_digit = 0.5 * 10.0 ** printed.as_tuple().exponent
        assert abs(float(value) - float(printed)) <= half_digit * (1 + 1e-6), f"{value!r} is not {word}"
