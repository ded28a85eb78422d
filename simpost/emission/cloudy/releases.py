"""What changes between releases of Cloudy: line labels and the words of a few commands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from simpost.core.errors import InputError
from simpost.emission.lines import LINES, line_named

WAVELENGTH_TOLERANCE = 2e-3  # Cloudy's label of [CII], 157.636m, is 0.07 % from the laboratory's wavelength

_ION = re.compile(r"([A-Z][a-z]?)(IV|I{1,3}|V)$")
_ION_NUMBER = {"I": 1, "II": 2, "III": 3, "IV": 4, "V": 5}
_HEADER = re.compile(r"(\S.*?)\s+(\d+\.?\d*)\s*([Amc]?)(?:\s+(?:air|vacuum))?$", re.IGNORECASE)
_MICRONS = {"a": 1e-4, "": 1e-4, "m": 1.0, "c": 1e4}  # Angstrom, micron, cm


class Release(NamedTuple):
    """Line labels as this release wants them in a deck, and its words for two commands."""

    labels: Mapping[str, str]
    cumulative: str  # `save lines, <cumulative>`: flux from the face to each zone
    levels: str  # `<levels> h-like levels small`


# Four digits up to release 13, six from 17 on; wavelengths in air. [CI] of releases 10 and 13 was not found
# in any deck of theirs and has to be given by the user.
_FOUR_DIGITS = {
    "CII-158um": "C  2 157.6m",
    "OI-63um": "O  1 63.17m",
    "OI-145um": "O  1 145.5m",
    "NII-122um": "N  2 121.7m",
    "NII-205um": "N  2 205.4m",
    "OIII-88um": "O  3 88.33m",
    "OIII-52um": "O  3 51.80m",
    "SiII-35um": "Si 2 34.81m",
    "CO-1-0": "CO   2600m",
    "CO-2-1": "CO   1300m",
    "CO-3-2": "CO   866.7m",
    "CO-4-3": "CO   650.1m",
    "CO-5-4": "CO   520.1m",
    "CO-6-5": "CO   433.4m",
    "CO-7-6": "CO   371.5m",
}
_SIX_DIGITS = {
    "CII-158um": "C  2 157.636m",
    "OI-63um": "O  1 63.1679m",
    "OI-145um": "O  1 145.495m",
    "NII-122um": "N  2 121.767m",
    "NII-205um": "N  2 205.244m",
    "OIII-88um": "O  3 88.3323m",
    "OIII-52um": "O  3 51.8004m",
    "CI-609um": "C  1 609.590m",
    "CI-370um": "C  1 370.269m",
    "SiII-35um": "Si 2 34.8046m",
    "CO-1-0": "CO   2600.05m",
    "CO-2-1": "CO   1300.05m",
    "CO-3-2": "CO   866.727m",
    "CO-4-3": "CO   650.074m",
    "CO-5-4": "CO   520.089m",
    "CO-6-5": "CO   433.438m",
    "CO-7-6": "CO   371.549m",
}
_NITROGEN_22 = {"NII-122um": "N  2 121.769m", "NII-205um": "N  2 205.283m"}

_OLD = Release(_FOUR_DIGITS, "cumulative", "atom")
_SINCE_22 = Release(_SIX_DIGITS | _NITROGEN_22, "zone cumulative", "database")
RELEASES = {
    "10": _OLD,
    "13": _OLD,
    "17": Release(_SIX_DIGITS, "zone cumulative", "database"),
    "22": _SINCE_22,
    "23": _SINCE_22,
    "25": _SINCE_22,
}


def cloudy_label(line: str, release: str, labels: Mapping[str, str]) -> str:
    """The label of a line in a deck for `release`; `labels` are the user's own and go first.

    Raises
    ------
    InputError
        The line is unknown to simpost, or its label in this release is.
    """
    line_named(line)
    known = RELEASES[release].labels
    label = labels.get(line) or known.get(line)
    if label is None:
        expected = f"a line whose label in Cloudy {release} is known"
        raise InputError("lines", line, expected, f"give its label under `labels`: {line}")
    return label


def species_of(line: str) -> str:
    """`C 2` of `CII-158um`, `CO` of `CO-1-0`: the species as Cloudy writes it, upper case, single blanks."""
    species = line.split("-", 1)[0]
    ion = _ION.match(species)
    if ion is None:
        return species.upper()
    return f"{ion[1].upper()} {_ION_NUMBER[ion[2]]}"


def find_column(line: str, headers: Iterable[str]) -> str:
    """The header whose species is that of `line` and whose wavelength is within 0.2 % of its own.

    Raises
    ------
    InputError
        No header or more than one fits.
    """
    species, wavelength = species_of(line), LINES[line].wavelength_um
    found = [header for header in headers if _fits(header, species, wavelength)]
    if len(found) != 1:
        text = f"{len(found)} columns ({', '.join(found)})" if found else "no column"
        raise InputError(line, text, f"one column of {species} at {wavelength:g} um")
    return found[0]


def _fits(header: str, species: str, wavelength: float) -> bool:
    match = _HEADER.match(header.strip())
    if match is None or " ".join(match[1].upper().split()) != species:
        return False
    return abs(float(match[2]) * _MICRONS[match[3].lower()] / wavelength - 1.0) <= WAVELENGTH_TOLERANCE
