"""Photon groups of the two families of codes, filled from the analytic radiation field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simpost.core import constants as c
from simpost.snapshots.synthetic.galaxy import AnalyticGalaxy, Array


@dataclass(frozen=True)
class PhotonGroups:
    """Bands [eV] of a radiation-hydrodynamics run; an infinite upper edge means no limit.

    `habing_share` is the share of G0's energy in each group, `ionising_share` the share of the
    ionising photons; `habing_overlap` is the part of a group's energy inside 6-13.6 eV, taken flat.
    """

    name: tuple[str, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    mean_energy: tuple[float, ...]
    habing_share: tuple[float, ...]
    ionising_share: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.name)

    def habing_overlap(self) -> Array:
        """Share of every group's energy inside the Habing band, shape (groups,)."""
        low, high = c.HABING_BAND_EV
        lower, upper = np.array(self.lower), np.array(self.upper)
        inside = np.minimum(upper, high) - np.maximum(lower, low)
        return np.where(np.isfinite(upper), np.clip(inside, 0.0, None) / (upper - lower), 0.0)

    def photon_flux(self, galaxy: AnalyticGalaxy, positions: Array) -> Array:
        """Physical photon flux c_r N of every group [1/s/cm^2], shape (n, groups).

        Sum over groups of f_g e_g F_g is exactly G0 x 1.6e-3 erg/s/cm^2, that of the ionising groups
        is the galaxy's ionising flux. Groups below 6 eV get 1e9 photons per Habing: they never count.
        """
        habing, ionising = galaxy.habing(positions), galaxy.ionising_flux(positions)
        flux = np.empty((len(habing), len(self)))
        for group, overlap in enumerate(self.habing_overlap()):
            if self.habing_share[group] > 0.0:
                energy = overlap * self.mean_energy[group] * c.EV
                flux[:, group] = self.habing_share[group] * habing * c.HABING_FLUX / energy
            elif self.ionising_share[group] > 0.0:
                flux[:, group] = self.ionising_share[group] * ionising
            else:
                flux[:, group] = 1e9 * habing
        return flux


# Bands of Vallini+2025 (SERRA); mean energies of a real RAMSES-RT run with stellar spectra at z = 10.
SERRA_GROUPS = PhotonGroups(
    name=("FUV", "LW", "HI", "HeI", "HeII"),
    lower=(6.0, 11.2, 13.6, 24.59, 54.42),
    upper=(11.2, 13.6, 24.59, 54.42, np.inf),
    mean_energy=(8.482, 12.23, 18.08, 33.03, 56.37),
    habing_share=(0.8, 0.2, 0.0, 0.0, 0.0),
    ionising_share=(0.0, 0.0, 0.7, 0.25, 0.05),
)

# Bands of Shen+2025 (THESAN-ZOOM); mean energies are our choice, stated in the file's attributes.
THESAN_ZOOM_GROUPS = PhotonGroups(
    name=("IR", "optical", "FUV", "LW", "HI", "HeI", "HeII"),
    lower=(0.1, 1.0, 5.8, 11.2, 13.6, 24.6, 54.4),
    upper=(1.0, 5.8, 11.2, 13.6, 24.6, 54.4, np.inf),
    mean_energy=(0.5, 3.2, 8.4, 12.3, 18.2, 31.9, 59.9),
    habing_share=(0.0, 0.0, 0.8, 0.2, 0.0, 0.0, 0.0),
    ionising_share=(0.0, 0.0, 0.0, 0.0, 0.7, 0.25, 0.05),
)
