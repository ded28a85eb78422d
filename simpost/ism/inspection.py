"""What a snapshot holds and what would be derived from it, in seconds and without loading cells."""

from __future__ import annotations

from typing import Any

import numpy as np

from simpost.config.models import IsmConfig
from simpost.ism.recipes import choose_recipes
from simpost.snapshots.protocol import Snapshot


def inspect_snapshot(snapshot: Snapshot, options: IsmConfig | None = None) -> dict[str, Any]:
    """Report on an opened snapshot as plain values (JSON-ready).

    Keys: path, code, redshift, scale_factor, time_Myr, box_size_kpc, box_size_comoving_Mpc,
    cosmology, counts, photon_groups, read, derived, missing, notes, haloes (None without a
    catalogue; masses in Msun, positions in proper kpc from the corner of the box).
    """
    info = snapshot.info
    recipes = choose_recipes(info, options or IsmConfig())
    derived = {
        name: origin.removeprefix("derived: ")
        for name, origin in recipes.origins.items()
        if not origin.startswith("read: ") and name not in info.fields_read["gas"]
    }
    return {
        "path": str(info.path),
        "code": info.code,
        "redshift": info.redshift,
        "scale_factor": info.scale_factor,
        "time_Myr": info.time,
        "box_size_kpc": info.box_size,
        "box_size_comoving_Mpc": info.box_size / info.scale_factor / 1e3,
        "cosmology": {
            "H0": info.cosmology.h0,
            "Omega_m": info.cosmology.omega_m,
            "Omega_Lambda": info.cosmology.omega_lambda,
            "Omega_b": info.cosmology.omega_b,
        },
        "files": len(info.files),
        "counts": info.counts,
        "effective_equation_of_state": info.effective_equation_of_state,
        "photon_groups": _groups(snapshot),
        "read": info.fields_read,
        "derived": derived,
        "missing": list(recipes.missing),
        "notes": list(info.notes),
        "haloes": _haloes(snapshot),
    }


def _groups(snapshot: Snapshot) -> list[dict[str, float | None]] | None:
    groups = snapshot.info.photon_groups
    if groups is None:
        return None
    return [
        {"low_eV": low, "high_eV": high if np.isfinite(high) else None, "mean_eV": mean}
        for low, high, mean in zip(groups.low, groups.high, groups.mean_energy, strict=True)
    ]


def _haloes(snapshot: Snapshot) -> dict[str, Any] | None:
    catalogue = snapshot.haloes()
    if catalogue is None:
        return None
    order = np.argsort(-catalogue.m_200c, kind="stable")[:5]
    return {
        "catalogue": str(catalogue.source),
        "count": len(catalogue.mass),
        "largest": [
            {
                "row": int(row),
                "M_200c": float(catalogue.m_200c[row]),
                "R_200c_kpc": float(catalogue.r_200c[row]),
                "position_kpc": [float(x) for x in catalogue.position[row]],
            }
            for row in order
            if catalogue.m_200c[row] > 0
        ],
    }
