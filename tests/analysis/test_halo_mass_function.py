"""Halo mass functions against printed values, a second library, and their own integrals."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest
from pytest import approx
from scipy.integrate import quad
from scipy.optimize import brentq

from simpost.analysis import halo_mass_function as module
from simpost.analysis import shen2025
from simpost.analysis.halo_mass_function import MODEL_NAMES, HaloMassFunction, halo_mass_function
from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError

PLANCK = shen2025.cosmology()

# log M = 9, 10, 11, 12; Mpc^-3 dex^-1
PRINTED = {
    ("behroozi13", 6): (1.3904, 9.0857e-2, 3.0872e-3, 2.1729e-5),
    ("tinker08", 6): (1.2596, 7.9016e-2, 2.5296e-3, 1.6329e-5),
    ("sheth99", 6): (1.6552, 1.1034e-1, 4.1296e-3, 3.9542e-5),
    ("behroozi13", 12): (6.0546e-2, 5.2423e-4, 3.9581e-7, 1.0705e-12),
    ("tinker08", 12): (5.5163e-2, 4.5222e-4, 3.1300e-7, 7.378e-13),
    ("sheth99", 12): (1.2176e-1, 1.4539e-3, 2.1430e-6, 2.589e-11),
    ("behroozi13", 14): (1.2506e-2, 4.1868e-5, 5.3111e-9, 3.638e-16),
}
CHECKED = [100, 200, 300, 400]


@pytest.mark.parametrize(("model", "redshift"), PRINTED)
def test_printed_values(model, redshift):
    function = halo_mass_function(redshift, PLANCK, model=model)
    assert function.log_mass[CHECKED] == approx([9, 10, 11, 12])
    assert function.abundance[CHECKED] == approx(PRINTED[model, redshift], rel=2e-4, abs=0.0)


def test_radiation_raises_the_growth():
    for redshift, lowered, tolerance in ((12, (0.015, 0.025, 0.043, 0.078), 5e-4), (6, (0, 0, 0, 0), 4e-3)):
        with_it = halo_mass_function(redshift, PLANCK)
        without = halo_mass_function(redshift, PLANCK, relativistic_species=False)
        assert with_it.relativistic_species and not without.relativistic_species
        ratio = without.abundance[CHECKED] / with_it.abundance[CHECKED]
        assert 1.0 - ratio == approx(lowered, abs=tolerance)
        assert np.all(ratio < 1.0)


def test_correction_multiplies_the_cumulative_function(monkeypatch):
    # n(>M) of an analytic Tinker function, n = 10^-(M-9), is 10^-(M-9)/ln10 up to its upper end
    monkeypatch.setattr(module, "_colossus_abundance", lambda log_mass, *_: 10.0 ** -(log_mass - 9.0))
    redshift, a = 9.0, 0.1
    corrected = halo_mass_function(redshift, PLANCK, step=0.05)

    def cumulative(log_mass):
        tinker = (10.0 ** -(log_mass - 9.0) - 10.0**-9) / np.log(10.0)
        theta = (
            0.144
            / (1 + np.exp(14.79 * (a - 0.213)))
            * (10**log_mass / 10**11.5) ** (0.5 / (1 + np.exp(6.5 * a)))
        )
        return 10**theta * tinker

    for i in (10, 50, 90):
        here, h = corrected.log_mass[i], 1e-4
        slope = -(cumulative(here + h) - cumulative(here - h)) / (2 * h)
        assert corrected.abundance[i] == approx(slope, rel=1e-6, abs=0.0)


def test_grid_does_not_change_the_values():
    coarse = halo_mass_function(12, PLANCK, log_mass_min=9.0, log_mass_max=12.0, step=0.5)
    fine = halo_mass_function(12, PLANCK, log_mass_min=8.0, log_mass_max=12.0, step=0.001)
    assert coarse.log_mass == approx([9, 9.5, 10, 10.5, 11, 11.5, 12])
    assert coarse.abundance == approx(
        np.interp(coarse.log_mass, fine.log_mass, fine.abundance), rel=1e-6, abs=0.0
    )


def test_evolution_follows_an_own_growth_integral():
    """sigma(M) D(z), with sigma from two redshifts, predicts a third."""

    def growth(z):
        return (
            PLANCK.expansion(1 / (1 + z))
            * quad(lambda x: (1 + x) / PLANCK.expansion(1 / (1 + x)) ** 3, z, np.inf)[0]
        )

    def sheth(nu):
        nu2 = 0.707 * nu**2
        return (1 + nu2**-0.3) * np.sqrt(nu2) * np.exp(-nu2 / 2)

    functions = [
        halo_mass_function(z, PLANCK, model="sheth99", relativistic_species=False).abundance[200]
        for z in (6, 12)
    ]
    ratio = growth(12) / growth(6)
    nu6 = brentq(lambda nu: sheth(nu / ratio) / sheth(nu) - functions[1] / functions[0], 1.0, 5.0)
    third = halo_mass_function(9, PLANCK, model="sheth99", relativistic_species=False).abundance[200]
    predicted = functions[0] * sheth(nu6 * growth(6) / growth(9)) / sheth(nu6)
    assert third == approx(predicted, rel=2e-3, abs=0.0)


def test_hmf_agrees():
    hmf = pytest.importorskip("hmf", reason="hmf, the second library, is not installed")
    for redshift in (6, 12):
        other = hmf.MassFunction(
            z=redshift,
            Mmin=7.5,
            Mmax=13,
            hmf_model="Behroozi",
            mdef_model="SOVirial",
            transfer_model="EH",
            sigma_8=0.8159,
            n=0.9667,
            cosmo_params={"H0": 67.74, "Om0": 0.3089, "Ob0": 0.0486},
        )
        h = 0.6774
        theirs = np.interp([9, 10, 11], np.log10(other.m / h), np.log10(other.dndlog10m * h**3))
        # the virial overdensity, 178, is extrapolated there; ours is 200 times the mean
        ours = halo_mass_function(redshift, PLANCK, relativistic_species=False).abundance[CHECKED[:3]]
        assert theirs == approx(np.log10(ours), abs=np.log10(1.06))


def test_colossus_is_left_as_it_was(tmp_path, monkeypatch):
    from colossus.cosmology import cosmology

    monkeypatch.setenv("HOME", str(tmp_path))
    theirs = cosmology.setCosmology("planck18", persistence="")
    halo_mass_function(7.0, PLANCK, sigma_8=0.81234)
    assert cosmology.getCurrent() is theirs
    with pytest.raises(InputError):  # also after an error inside
        halo_mass_function(7.0, Cosmology(70.0, 0.3, 0.8, 0.05), model="tinker08")
    assert cosmology.getCurrent() is theirs
    cosmology.setCurrent(None)
    halo_mass_function(7.0, PLANCK)
    assert cosmology.current_cosmo is None
    assert list(tmp_path.iterdir()) == []


def test_what_was_used_is_kept():
    function = halo_mass_function(6.0, PLANCK, model="tinker08")
    assert (function.mass_definition, function.redshift, function.cosmology) == ("200c", 6.0, PLANCK)
    assert (function.sigma_8, function.spectral_index) == (0.8159, 0.9667)
    assert function.library.startswith("colossus 1")
    tables = shen2025.tables()["cosmology"]
    assert (tables["sigma8"], tables["n_s"]) == (function.sigma_8, function.spectral_index)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"model": "behrozi13"}, "behroozi13"),
        ({"redshift": -1.0}, "redshift"),
        ({"redshift": float("nan")}, "redshift"),
        ({"redshift": 50.0}, "30"),
        ({"log_mass_min": 12.0, "log_mass_max": 11.0}, "masses"),
        ({"log_mass_max": 20.0}, "masses"),
        ({"step": 0.0}, "step"),
        ({"step": float("nan")}, "step"),
        ({"sigma_8": 0.0}, "sigma_8"),
        ({"cosmology": Cosmology(67.74, 0.3089, 0.6911)}, "Omega_b"),
        ({"cosmology": Cosmology(70.0, 0.3, 0.8, 0.05), "model": "tinker08", "redshift": 2.0}, "Delta_m"),
    ],
)
def test_bad_input(arguments, named):
    with pytest.raises(InputError, match=named) as error:
        halo_mass_function(**{"redshift": 6.0, "cosmology": PLANCK, **arguments})
    assert "\n" not in str(error.value)


def test_missing_library_is_named(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(module, "version", missing)
    for model in MODEL_NAMES:
        with pytest.raises(InputError, match="pip install colossus"):
            halo_mass_function(6.0, PLANCK, model=model)


@pytest.mark.parametrize(
    ("log_mass", "abundance"),
    [
        ([9.0, 8.0], [1.0, 1.0]),
        ([9.0], [1.0]),
        ([8.0, 9.0], [1.0]),
        ([8.0, 9.0], [1.0, -1.0]),
        ([8.0, np.nan], [1, 1]),
    ],
)
def test_table_of_ones_own_is_checked(log_mass, abundance):
    with pytest.raises(InputError):
        HaloMassFunction(np.array(log_mass), np.array(abundance), 6.0, PLANCK)
