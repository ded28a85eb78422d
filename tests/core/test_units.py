import pytest

from simpost.core import constants as c
from simpost.core.units import G_INTERNAL, HYDROGEN_PER_MSUN, MASS_DENSITY_CGS, quantity


@pytest.mark.parametrize(
    ("unit", "target", "expected"),
    [
        ("Msun/kpc**2", "g/cm**2", 2.08835737e-10),
        ("Lsun", "erg/s", 3.828e33),
        ("Msun", "g", c.M_SUN),
        ("kpc", "cm", c.KPC),
        ("Myr", "s", c.MYR),
        ("Msun/kpc**3", "g/cm**3", MASS_DENSITY_CGS),
        ("cm**-2", "kpc**-2", c.KPC**2),
    ],
)
def test_units_at_the_door_are_our_constants(unit, target, expected):
    assert float(quantity(1.0, unit).to_value(target)) == pytest.approx(expected, rel=1e-8, abs=0.0)


def test_conversions_printed_in_the_specification():
    # 1e22 H/cm^2 in Msun/kpc^2 of hydrogen; erg/s/cm^2 in Lsun/kpc^2; erg/s per H in Lsun/Msun
    assert pytest.approx(8.013632e7, rel=1e-6) == 1e22 * c.KPC**2 / HYDROGEN_PER_MSUN
    assert pytest.approx(2.48730568e9, rel=1e-8) == c.KPC**2 / c.L_SUN
    assert pytest.approx(3.103843e23, rel=1e-6) == HYDROGEN_PER_MSUN / c.L_SUN
    # circular velocity of 1e10 Msun at 1 kpc: 207.4 km/s
    assert pytest.approx(207.38, rel=1e-4) == (G_INTERNAL * 1e10) ** 0.5
