"""The emission lines simpost knows, by label."""

from __future__ import annotations

from typing import NamedTuple

from simpost.core.constants import C_LIGHT, CII_FREQUENCY_HZ, CII_WAVELENGTH_UM
from simpost.core.errors import InputError, nearest_name


class Line(NamedTuple):
    """A line: rest wavelength in vacuum [um] and rest frequency [GHz]."""

    label: str
    wavelength_um: float
    frequency_ghz: float


CII = "CII-158um"
OI_63 = "OI-63um"

# 12C16O J = 1-0 to 8-7 [GHz], Cologne Database for Molecular Spectroscopy
_CO_GHZ = (
    115.2712018, 230.5380000, 345.7959899, 461.0407682,
    576.2679305, 691.4730763, 806.6518060, 921.7997000,
)  # fmt: skip
_C_UM_GHZ = C_LIGHT / 1e5  # wavelength [um] times frequency [GHz]

# NIST Atomic Spectra Database; [CII] Nussbaumer & Storey 1981
LINES = {
    line.label: line
    for line in (
        Line(CII, CII_WAVELENGTH_UM, CII_FREQUENCY_HZ / 1e9),
        Line(OI_63, 63.1837, 4744.777),
        Line("OI-145um", 145.5254, 2060.069),
        Line("NII-122um", 121.898, 2459.380),
        Line("NII-205um", 205.178, 1461.134),
        Line("OIII-88um", 88.356, 3393.006),
        Line("OIII-52um", 51.814, 5785.880),
        Line("CI-609um", 609.135, 492.1607),
        Line("CI-370um", 370.415, 809.3420),
        Line("SiII-35um", 34.815, 8611.0),
        *(Line(f"CO-{j}-{j - 1}", _C_UM_GHZ / ghz, ghz) for j, ghz in enumerate(_CO_GHZ, start=1)),
    )
}


def line_named(label: str) -> Line:
    """Return the line with this label.

    Raises
    ------
    InputError
        No line has this label.
    """
    if label not in LINES:
        raise InputError("line", repr(label), "a known line", nearest_name(label, list(LINES)))
    return LINES[label]
