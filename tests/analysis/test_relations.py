"""Reference relations: printed check values, conversions, and numbers nobody has looked up."""

from __future__ import annotations

import numpy as np
import pytest
from pytest import approx

from simpost.analysis.conventions import helium_factor, imf_factor
from simpost.analysis.relations import Relation, points, quantities, relation, relations
from simpost.analysis.turbulent_equilibrium import star_formation_surface_density
from simpost.core.errors import InputError

MISSING = {
    "kdr21_all": ["zero"],
    "kdr21_ms": ["zero"],
    "kdr21_sb": ["zero"],
    "dlrk19": ["zero"],
    "wang22": ["zero"],
    "heiderman10": ["zero_below", "zero_above"],
    "a25_linmix_galaxies": ["zero"],
    "cole25": ["slope", "zero"],
    "khusanova21_ms": ["slope", "zero"],
}


def test_kennicutt98():
    line = relation("k98")
    assert line(100.0) == approx(0.1577, abs=5e-5)
    assert line.in_convention(imf="chabrier")(100.0) == approx(0.0994, abs=5e-5)
    assert line.status == "C" and line.coefficients["slope"].status == "V"
    assert (line.imf, line.helium) == ("salpeter", False)


def test_herrera_camus15_in_solar_luminosities():
    line = relation("hc15")
    assert np.log10(line(1.0)) == approx(-8.4726, abs=5e-5)
    assert np.log10(line(10**7.5)) == approx(0.0024, abs=5e-5)
    assert line(10**7.5) == approx(3.79e-47 * (10**7.5 * 3.828e33) ** 1.13, rel=1e-5)
    assert np.log10(relation("a25_fit")(10**7.5) / line(10**7.5)) == approx(0.30, abs=5e-3)
    assert line.in_range([10**4.39, 10**4.41, 10**6.49, 10**6.51]).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("key", "x", "y"),
    [
        ("daddi10_disk", 100.0, 10 ** (-3.83 + 2.84)),
        ("daddi10_starburst", 100.0, 10 ** (-3.83 + 2.84 + 0.9)),
        ("genzel10", 10.0, 10 ** (-3.48 + 1.17)),
        ("bigiel08", 10.0, 10**-2.1),
        ("leroy13", 2.2, 1e-3),
        ("constant_tdep_100myr", 100.0, 1.0),
        ("constant_tdep_1gyr", 100.0, 0.1),
        ("constant_tdep_10gyr", 100.0, 0.01),
        ("s25_equilibrium_3000", 100.0, 0.195493),
        ("s25_equilibrium_3000", 10.0, 1.95493e-3),
        ("s25_equilibrium_3000", 1000.0, 19.5493),
        ("s25_equilibrium_8000", 100.0, 7.33100e-2),
        ("v25_w", 1e7, 10 ** (-3.542 + 4.933)),
        ("zanella18", 1e9, 31e9),
        ("madden20", 1e6, 10 ** (2.12 + 5.82)),
        ("deloo14_dwarf", 1e6, 10 ** (-6.99 + 5.58)),
        ("deloo14_all", 1e8, 10 ** (-6.99 + 8.08)),
        ("deloo14_all_high_redshift", 1e8, 10 ** (-8.52 + 9.44)),
        ("deloo14_all_dwarfs", 1e8, 10 ** (-5.73 + 6.4)),
        ("deloo14_all_starbursts", 1e8, 10 ** (-7.06 + 8.0)),
        ("a25_fit", 10**7.5, 10**0.30),
        ("s25_ssfr", 5.0, 2.0),
        ("s25_ssfr", 7.0, 3.92),
        ("s25_ssfr", 9.0, 6.48),
        ("s25_ssfr", 11.0, 9.68),
        ("khusanova21_fir_z4", 4.5, 0.13),
        ("khusanova21_fir_z5", 5.5, 0.12),
        ("canonical", 1e9, 3.168e-3),
        ("canonical", 1e10, 1.254e-2),
        ("canonical", 1e11, 4.654e-2),
        ("canonical", 1e12, 0.1),
        ("harikane22", 10**11.5, 0.032),
        ("tacchella18", 7.10e10, 0.26),
    ],
)
def test_published_values(key, x, y):
    assert relation(key)(x) == approx(y, rel=3e-4, abs=0.0)


def test_main_sequence_of_an_age():
    mass, gyr = 1e10, 1.2
    expected = (0.84 - 0.026 * gyr) * 10.0 - (6.51 - 0.11 * gyr)
    assert np.log10(relation("speagle14")(mass, age=1200.0)) == approx(expected)
    with pytest.raises(InputError, match="age"):
        relation("speagle14")(mass)


def test_firebox_bends_softly_between_two_slopes():
    line, step = relation("firebox"), 1e-4

    def slope(log_mass):
        ends = line(10.0 ** np.array([log_mass - step, log_mass + step]))
        return np.log10(ends[1] / ends[0]) / (2 * step)

    assert np.log10(line(10**9.192)) == approx(-2.855)
    assert slope(6.0) == approx(1.321, abs=1e-5)
    assert slope(9.192) == approx(0.5 * (1.321 + 0.371), abs=1e-5)
    assert slope(12.0) == approx(0.371, abs=1e-5)


def test_turbulent_equilibrium_is_the_models_own():
    surface_density = np.array([3.0, 30.0, 3e3])
    for momentum in (3000, 8000):
        line = relation(f"s25_equilibrium_{momentum}")
        assert line(surface_density) == approx(
            star_formation_surface_density(surface_density, momentum), abs=0.0
        )


@pytest.mark.parametrize("key", MISSING)
def test_missing_numbers_are_named_and_can_be_given(key):
    line = relation(key)
    assert line.missing == MISSING[key]
    assert line.status == "?"
    with pytest.raises(InputError, match=f"coefficient {line.missing[0]}.*with_coefficients") as error:
        line(100.0)
    assert "\n" not in str(error.value)
    given = line.with_coefficients(**dict.fromkeys(line.missing, 0.5))
    assert given.missing == [] and given.status == "user"
    assert np.all(given([1.0, 100.0, 1000.0]) > 0)
    assert relation(key).missing == MISSING[key]  # the shipped entry is as it was


def test_every_other_relation_can_be_evaluated():
    assert {key for key, line in relations().items() if line.missing} == set(MISSING)
    for line in relations().values():
        if not line.missing:
            assert np.all(np.isfinite(line([10.0, 100.0, 1e10], age=1000.0)))
            assert line.status in ("V", "C")


def test_user_given_zero_point_is_used():
    line = relation("wang22").with_coefficients(zero=-3.5)
    assert np.log10(line(100.0)) == approx(-3.5 + 2.26)


def test_broken_power_law_changes_at_its_threshold():
    line = relation("heiderman10").with_coefficients(zero_below=-9.0, zero_above=-2.0)
    assert np.log10(line([100.0, 128.9])) == approx(-9.0 + 4.6 * np.log10([100.0, 128.9]))
    assert np.log10(line([129.0, 200.0])) == approx(-2.0 + 1.1 * np.log10([129.0, 200.0]))


# --- conventions ---


def test_helium_shifts_the_abscissa():
    own, with_helium = relation("k98"), relation("k98").in_convention(helium=True)
    # the same gas: 100 Msun/pc^2 of hydrogen is 136 with helium
    assert with_helium(136.0) == approx(float(own(100.0)), rel=1e-12, abs=0.0)
    assert (with_helium.x_factor, with_helium.y_factor) == (1.36, 1.0)
    without = relation("genzel10").in_convention(helium=False)
    assert without(100.0) == approx(float(relation("genzel10")(136.0)), rel=1e-12, abs=0.0)
    # and a gas mass on the ordinate is divided
    assert relation("zanella18").in_convention(helium=False)(1e9) == approx(31e9 / 1.36)
    assert with_helium.in_range([1.36 * 9.9, 1.36 * 10.1]).tolist() == [False, True]


def test_imf_shifts_both_axes_of_the_main_sequence():
    converted = relation("speagle14").in_convention(imf="chabrier")
    assert converted(0.63 / 0.67 * 1e10, age=1000.0) == approx(
        0.63 / 0.67 * relation("speagle14")(1e10, age=1000.0), rel=1e-12, abs=0.0
    )


def test_conversions_and_back_are_the_identity():
    for found in ("salpeter", "kroupa", "chabrier"):
        for wanted in ("salpeter", "kroupa", "chabrier"):
            assert imf_factor(found, wanted) * imf_factor(wanted, found) == approx(1.0, rel=1e-15)
    assert imf_factor("salpeter", "chabrier") == 0.63 and imf_factor("salpeter", "kroupa") == 0.67
    assert helium_factor(False, True) * helium_factor(True, False) == approx(1.0, rel=1e-15)


def test_legend_states_convention_and_factors():
    legend = relation("k98").in_convention(imf="chabrier", helium=True).legend
    assert "Kennicutt 1998" in legend and "salpeter" in legend and "without helium" in legend
    assert "surface_density_gas x 1.36" in legend and "surface_density_sfr x 0.63" in legend
    assert " x " not in relation("k98").in_convention(imf="salpeter", helium=False).legend


def test_relations_that_hold_in_any_convention_are_not_changed():
    line = relation("constant_tdep_1gyr").in_convention(imf="salpeter", helium=True)
    assert (line.x_factor, line.y_factor) == (1.0, 1.0)
    ssfr = relation("s25_ssfr").in_convention(imf="salpeter")  # rate and mass scale alike
    assert (ssfr.x_factor, ssfr.y_factor) == (1.0, 1.0)


def test_unsure_conventions_are_refused():
    for key, arguments in (("dlrk19", {"helium": True}), ("tacchella18", {"imf": "chabrier"})):
        with pytest.raises(InputError, match=f"{key}.*{next(iter(arguments))}"):
            relation(key).in_convention(**arguments)
    relation("dlrk19").in_convention(imf="chabrier")  # its IMF is known
    with pytest.raises(InputError, match="chabrier"):
        relation("k98").in_convention(imf="chabrie")
    with pytest.raises(InputError, match="salpeter"):
        relation("zanella18").in_convention(imf="salpter")  # although nothing scales with it


# --- the file ---


def test_every_entry_states_axes_conventions_and_source():
    for key, line in relations().items():
        assert line.key == key and line.source
        assert {line.x, line.y} <= set(quantities())


def test_points():
    donnan = points("donnan24_z12p5")
    assert donnan.table.shape == (7, 2)
    assert donnan.table[0].tolist() == [-18.25, -3.66] and donnan.table[-1].tolist() == [-21.25, -5.52]
    assert donnan.error_range == (0.2, 0.4)
    for key in (
        "kennicutt_evans12",
        "vallini24",
        "sharon13",
        "cold_gass",
        "phibss1",
        "phibss2",
        "newhorizon",
    ):
        with pytest.raises(InputError, match=key):
            _ = points(key).table


def test_unknown_names_name_the_nearest():
    with pytest.raises(InputError, match="k98"):
        relation("K98")
    with pytest.raises(InputError, match="donnan24"):
        points("donnan24")
    with pytest.raises(InputError, match="slope"):
        relation("k98").coefficient("slop")
    with pytest.raises(InputError, match="slope"):
        relation("k98").with_coefficients(slop=1.0)
    with pytest.raises(InputError, match="finite"):
        relation("k98").with_coefficients(zero=float("nan"))


@pytest.mark.parametrize("x", [0.0, -1.0, np.nan, np.inf, [1.0, 0.0]])
def test_abscissa_must_be_positive(x):
    with pytest.raises(InputError, match="surface_density_gas"):
        relation("k98")(x)


@pytest.mark.parametrize(
    "change",
    [
        {"form": "parabola"},
        {"coefficients": {"slope": {"value": 1.0, "status": "V"}}},
        {"imf": "kroupe"},
        {"extra": 1},
    ],
)
def test_broken_entries_are_refused(change):
    content = {**relation("k98").model_dump(), **change}
    with pytest.raises(ValueError, match=r"parabola|zero|kroup|extra"):
        Relation.model_validate(content)
