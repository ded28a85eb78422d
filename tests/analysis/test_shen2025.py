import numpy as np
import pytest
from printed import assert_printed

from simpost.analysis import halo, shen2025
from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError

SHEN = shen2025.cosmology()
# z, H, t_H [Gyr], age [Gyr], R200c [kpc] and V200c [km/s] of 1e10 Msun, t_dyn [Myr]
TABLE = """
3 306.4118 3.191105 2.151853 16.60798 50.8888 319.11053
4 424.6796 2.302424 1.544042 13.36019 56.7380 230.24236
6 699.5407 1.397763 0.933863 9.57881 67.0077 139.77631
8 1018.0833 0.960425 0.640937 7.45873 75.9361 96.04246
10 1374.6998 0.711277 0.474450 6.10541 83.9311 71.12769
12 1765.5913 0.553804 0.369328 5.16726 91.2327 55.38044
14 2187.9376 0.446901 0.298000 4.47882 97.9938 44.69013
"""


@pytest.mark.parametrize("row", TABLE.strip().splitlines())
def test_haloes_of_the_table(row):
    z, expected = row.split(maxsplit=1)
    z = float(z)
    a = 1 / (1 + z)
    values = [
        SHEN.hubble(a), halo.hubble_time(z, SHEN) / 1e3, SHEN.age(a) / 1e3,
        halo.virial_radius(1e10, z, SHEN), halo.virial_velocity(1e10, z, SHEN), halo.dynamical_time(z, SHEN),
    ]  # fmt: skip
    assert_printed(values, expected)


def test_dynamical_time_is_a_tenth_of_the_hubble_time_for_any_mass():
    z = np.array([0.0, 3.0, 6.0, 14.0])
    np.testing.assert_allclose(10 * halo.dynamical_time(z, SHEN), halo.hubble_time(z, SHEN), rtol=1e-14)
    for mass in (1e8, 1e12):
        crossing = halo.crossing_time(mass, halo.virial_radius(mass, z, SHEN))
        np.testing.assert_allclose(crossing, halo.dynamical_time(z, SHEN), rtol=1e-14)


def test_another_overdensity_has_another_crossing_time():
    radius = halo.virial_radius(1e11, 6.0, SHEN)
    assert halo.crossing_time(1e11, 2 * radius) == pytest.approx(2**1.5 * halo.crossing_time(1e11, radius))


def test_baryon_fraction_is_the_exact_ratio():
    assert halo.baryon_fraction(SHEN) == pytest.approx(0.157332, abs=5e-7)
    with pytest.raises(InputError, match="omega_b"):
        halo.baryon_fraction(Cosmology(70.0, 0.3, 0.7))


def test_negative_redshift_is_refused():
    with pytest.raises(InputError, match="redshift"):
        halo.dynamical_time(-0.1, SHEN)


def test_marks_that_the_text_lost_are_unknown():
    targets = shen2025.targets()
    assert len(targets) == 14
    for target in targets.values():
        marks = list(target.variants.values())
        if target.n_variants == 2:
            assert marks == [None] * 3
        else:
            assert sum(marks) == target.n_variants
        assert target.level in shen2025.resolution_levels()
        # names are the mass in dex, cut or rounded to a tenth
        assert float(target.name[1:]) == pytest.approx(np.log10(target.mass), abs=0.06)


def test_masses_of_resolution_levels_fall_by_eight():
    levels = shen2025.resolution_levels()
    for coarse, fine in (("L4", "L8"), ("L8", "L16")):
        assert levels[coarse].dark_matter_mass / levels[fine].dark_matter_mass == pytest.approx(8, rel=5e-3)
        assert levels[coarse].baryon_mass / levels[fine].baryon_mass == pytest.approx(8, rel=5e-3)
        assert levels[coarse].softening == pytest.approx(2 * levels[fine].softening, rel=1e-3)
