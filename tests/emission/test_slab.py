"""The built-in slab: every process in its limits, the thermal balance, and profiles that make sense.

The printed numbers are in `tests/reference/test_science_c.py`, a slow twin of the whole model in
`test_slab_twin.py`.
"""

import math

import numpy as np
import pytest

from simpost.core import constants as c
from simpost.core.errors import InputError
from simpost.emission import slab_kernels as kernels
from simpost.emission import two_level as tl
from simpost.emission.lines import CII, OI_63
from simpost.emission.slab import ionisation_parameter, ionised_column, slab_model, solve_slab


def close(value: float, rel: float):
    """Within a relative tolerance; pytest's own absolute one of 1e-12 would pass any CGS emissivity."""
    return pytest.approx(value, rel=rel, abs=0.0)


COSMIC_RAYS = 2e-16  # 1/s


def conditions(n=1e3, z=1.0, g0=1e2, depth=1e18, width=1e17, h2=0.0, carbon=0.0, oxygen=0.0, cplus=0.0):
    return kernels.local_conditions(n, z, g0, depth, width, h2, carbon, oxygen, cplus)


def gas(**changes):
    """Neutral, unlit, metal-free gas of 1e3 cm^-3, but for `changes`."""
    nothing = {
        "n": 1e3,
        "z": 0.0,
        "x2": 0.0,
        "x_hi": 1.0,
        "fuv": 0.0,
        "carbon_rate": 510.0 * COSMIC_RAYS,
        "co_per_cplus": 0.0,
        "cii_escape": 1.0,
        "oxygen_column": 0.0,
    }
    return kernels.Local(**(nothing | changes))


def ions(x_e=1e-4, x_cplus=0.0, x_c=0.0, x_hplus=0.0):
    return kernels.Ions(x_e, x_cplus, x_c, x_hplus)


# Molecular hydrogen


def test_molecules_are_in_balance():
    local = conditions(depth=2e21, width=1e20, h2=1e20)
    lyman_werner = 1e2 * math.exp(-3.74 * 2e21 / 1.87e21)
    loss = kernels._h2_dissociation(local.x2, 1e20, 1e20, lyman_werner) * local.x2
    assert loss == close(3e-17 * 1e3 * (1.0 - 2.0 * local.x2), rel=1e-6)


def test_molecules_at_the_face_and_in_the_dark():
    # unshielded: formation over free dissociation, proportional to n and Z
    free = 5.6e-11 / 1.71 * 1e4
    assert conditions(10.0, 0.5, 1e4, 1e10, 1e10).x2 == close(3e-17 * 0.5 * 10.0 / free, rel=2e-4)
    # no light: only cosmic rays destroy
    formation = 3e-17 * 0.1 * 50.0
    assert conditions(50.0, 0.1, 0.0).x2 == close(formation / (2.0 * formation + 2.5 * COSMIC_RAYS), rel=1e-9)


def test_molecules_shield_themselves():
    def shield(column):
        rate = kernels._h2_dissociation(0.25, column, 0.0, 1e6)
        return (rate - 2.5 * COSMIC_RAYS) / (5.6e-11 / 1.71 * 1e6)

    assert shield(0.0) == pytest.approx(1.0, abs=1e-4)
    assert shield(1e16) == close(0.965 / (23.0 / 3.0) ** 2 + 0.035 / math.sqrt(21.0) * 0.996112, rel=1e-6)
    # deep: the damping wings, then their overlap
    for column in (1e19, 1e21):
        y = column / 5e14
        wings = 0.035 / math.sqrt(y) * math.exp(-8.5e-4 * math.sqrt(y))
        assert shield(column) == close(wings, rel=1e-3)
    # the cell's own molecules count by half
    assert kernels._h2_dissociation(0.5, 0.0, 4e18, 1.0) == kernels._h2_dissociation(0.5, 1e18, 0.0, 1.0)


# Dust


def test_dust_attenuates():
    for z, depth in ((1.0, 1.87e21), (0.1, 1.87e22)):  # A_V = 1
        shaded = conditions(z=z, depth=depth)
        assert shaded.fuv / 1e2 == close(math.exp(-1.8), rel=1e-12)
        # the harder field, by the ionisation of carbon where neither carbon nor molecules shield
        lit = conditions(z=z, g0=1e9, depth=depth, width=1e10)
        assert lit.carbon_rate / (3.5e-10 / 1.71 * 1e9) == close(math.exp(-3.74), rel=1e-6)
    # the same as 2e-21 cm^2 per H
    cross_section = 3.74 * kernels.A_V_PER_COLUMN
    assert cross_section == close(2e-21, rel=1e-12)


# Carbon


def test_carbon_ionisation():
    assert conditions(g0=0.0).carbon_rate == close(510.0 * COSMIC_RAYS, rel=1e-12)
    bare, behind_carbon = (conditions(g0=1e9, width=1e10, carbon=n).carbon_rate for n in (0.0, 1e17))
    assert behind_carbon / bare == close(math.exp(-1.6), rel=1e-9)
    behind_molecules = conditions(g0=1e9, width=1e10, h2=1e22).carbon_rate
    assert behind_molecules / bare == close(math.exp(-2.8) / 3.8, rel=1e-6)


def test_carbon_monoxide():
    dark = conditions(1e4, 1.0, 0.0)
    formation = 5e-10 * 4.9e-4 * dark.x2 * 1e4  # of CO, per CH
    assert dark.co_per_cplus == close(
        5e-16 * dark.x2 * 1e4 / (10.0 * COSMIC_RAYS) / (1.0 + 10.0 * COSMIC_RAYS / formation), rel=1e-9
    )
    # in full light CH is destroyed first: quadratic in n_H2, inverse square of the field
    lit = conditions(1e3, 0.2, 1e6)
    n_h2, chi = lit.x2 * 1e3, 1e6 * math.exp(-3.74 * 0.2 * 1e18 / 1.87e21) / 1.71
    assert lit.co_per_cplus == close(
        5e-16 * 5e-10 * 4.9e-4 * 0.2 * n_h2**2 / (5e-10 * 2e-10 * chi**2), rel=1e-4
    )


def test_states_of_carbon_add_up():
    lit = kernels.charge_balance(50.0, conditions(1e3, 1.0, 1e2))
    assert lit.x_cplus == close(c.CARBON_SOLAR, rel=0.01)
    local = conditions(1e3, 1.0, 1e2, 5e21, 1e20, 1e21, 1e17)
    found = kernels.charge_balance(50.0, local)
    assert found.x_cplus * (1.0 + local.co_per_cplus) + found.x_c == close(c.CARBON_SOLAR, rel=1e-12)


def carbon_recombination(t):
    """Badnell's fits: radiative, and dielectronic through three levels."""
    g = 0.7849 + 0.1597 * math.exp(-49550.0 / t)
    al, be = math.sqrt(t / 6.67e-3), math.sqrt(t / 1.943e6)
    radiative = 2.995e-9 / (al * (1.0 + al) ** (1.0 - g) * (1.0 + be) ** (1.0 + g))
    levels = ((6.346e-9, 12.17), (9.793e-9, 73.8), (1.634e-6, 15230.0))
    return radiative, t**-1.5 * sum(a * math.exp(-energy / t) for a, energy in levels)


def test_carbon_recombination():
    for t in (15.0, 100.0, 1e3, 1.6e4):
        assert kernels._carbon_recombination(t) == close(sum(carbon_recombination(t)), rel=1e-12)
    # the radiative part against another fit, Pequignot, Petitjean & Boisson 1991
    for t in (500.0, 1000.0):
        t4 = t / 1e4
        radiative = kernels._carbon_recombination(t) - carbon_recombination(t)[1]
        assert radiative == close(5.068e-13 * t4**-0.6192 / (1.0 - 0.0815 * t4**1.291), rel=0.08)


CARBON_ON_GRAINS = (45.58, 6.089e-3, 1.128, 433.1, 4.845e-2, 0.8120, 1.333e-4)
HYDROGEN_ON_GRAINS = (12.25, 8.074e-6, 1.378, 508.7, 1.586e-2, 0.4723, 1.102e-5)


def grain_recombination(t, charge, c0, c1, c2, c3, c4, c5, c6):
    """Weingartner & Draine 2001b, eq. 8, at solar metallicity; `charge` is G T^0.5/n_e."""
    inner = 1.0 + c3 * t**c4 * charge ** (-c5 - c6 * math.log(t))
    return 1e-14 * c0 / (1.0 + c1 * charge**c2 * inner)


def test_grain_recombination():
    """Neutral grains take every ion; charged ones fewer and fewer; proportional to the dust."""

    def rate(charge, z=1.0):
        return kernels._grain_recombination(z, math.log(charge), math.log(1e2), *CARBON_ON_GRAINS)

    assert rate(1e-12) == close(45.58e-14, rel=0.02)
    assert rate(1e3, 0.1) == close(0.1 * rate(1e3), rel=1e-12)
    falling = [rate(charge) for charge in (1e-4, 1.0, 1e2, 1e4)]
    assert (np.diff(falling) < 0.0).all()
    # strong field: the temperature no longer matters
    assert rate(1e8) == close(45.58e-14 / (6.089e-3 * 1e8**1.128), rel=0.01)


@pytest.mark.parametrize(
    ("t", "fuv", "floored"), [(50.0, 0.0, True), (50.0, 1.0, False), (8e3, 1e3, False), (1e2, 1e4, False)]
)
def test_ions_recombine_with_electrons_and_on_grains(t, fuv, floored):
    local = gas(z=1.0, fuv=fuv, carbon_rate=1e-11)
    found = kernels.charge_balance(t, local)
    n_e = found.x_e * local.n
    charge = 1e-4 if floored else fuv * math.sqrt(t) / n_e
    on_grains = grain_recombination(t, charge, *CARBON_ON_GRAINS)
    gained = sum(carbon_recombination(t)) * n_e + on_grains * local.n
    assert found.x_c / found.x_cplus == close(gained / 1e-11, rel=1e-9)
    on_grains = grain_recombination(t, charge, *HYDROGEN_ON_GRAINS)
    case_b = 2.54e-13 * (t / 1e4) ** (-0.8163 - 0.0208 * math.log(t / 1e4))
    impact = 5.85e-11 * math.sqrt(t) * math.exp(-157809.1 / t) if t > 3e3 else 0.0
    made = COSMIC_RAYS + impact * n_e
    assert found.x_hplus == close(made / (case_b * n_e + on_grains * local.n), rel=1e-9)


# Hydrogen ions and electrons


def test_cosmic_rays_ionise_hydrogen():
    # x_e^2 n a_B = zeta without metals
    found = kernels.charge_balance(1e2, gas(n=1e2))
    case_b = 2.54e-13 * 0.01 ** (-0.8163 - 0.0208 * math.log(0.01))
    assert found.x_hplus == close(math.sqrt(COSMIC_RAYS / (case_b * 1e2)), rel=1e-9)
    assert found.x_e == close(found.x_hplus, rel=1e-9)
    # molecules are ionised as often as pairs of atoms are not
    molecular = kernels.charge_balance(1e2, gas(n=1e2, x2=0.5, x_hi=1e-10))
    assert molecular.x_hplus == close(found.x_hplus * math.sqrt(0.5), rel=1e-9)


def test_collisions_ionise_hydrogen_above_3000_kelvin():
    t = 1.4e4
    found = kernels.charge_balance(t, gas(n=1e6))
    impact = 5.85e-11 * math.sqrt(t) * math.exp(-157809.1 / t)
    case_b = 2.54e-13 * 1.4 ** (-0.8163 - 0.0208 * math.log(1.4))
    assert found.x_hplus == close(impact / case_b, rel=1e-3)
    assert kernels.charge_balance(2e4, gas(n=1e6)).x_hplus == 0.99999


def test_grains_neutralise_hydrogen():
    """Dense and dark: recombination on dust outruns that with electrons, x_H+ = zeta/(a_gr n)."""
    found = kernels.charge_balance(50.0, gas(n=1e6, z=1.0))
    on_grains = grain_recombination(50.0, 1e-4, *HYDROGEN_ON_GRAINS)
    assert found.x_hplus == close(COSMIC_RAYS / (on_grains * 1e6), rel=0.01)


def test_carbon_brings_the_electrons_of_lit_gas():
    found = kernels.charge_balance(50.0, conditions(1e4, 1.0, 1e3))
    assert found.x_e == close(c.CARBON_SOLAR, rel=0.02)


@pytest.mark.parametrize("n", [1e-6, 1e-2, 1e3, 1e9])
@pytest.mark.parametrize("z", [1e-8, 0.1, 20.0])
@pytest.mark.parametrize("g0", [0.0, 1e2, 1e9])
def test_charges_balance_everywhere(n, z, g0):
    for depth in (1e16, 1e21, 1e24):
        local = conditions(n, z, g0, depth, 0.05 * depth, 0.3 * depth)
        for t in (10.0, 300.0, 2e4):
            found = kernels.charge_balance(t, local)
            assert found.x_cplus + found.x_hplus == close(found.x_e, rel=1e-11)


# Heating


def test_photoelectric_heating():
    def efficiency(t, psi):
        local = gas(z=0.3, fuv=10.0)
        x_e = 10.0 * math.sqrt(t) / (0.5 * psi * local.n)
        with_dust, without = (kernels.heating(t, gas(z=z, fuv=10.0), ions(x_e)) for z in (0.3, 0.0))
        return (with_dust - without) / (1.3e-24 * 10.0 * 0.3)

    assert efficiency(1e2, 1e-6) == close(4.87e-2 + 3.65e-2 * 0.01**0.7, rel=1e-4)  # neutral grains
    assert efficiency(1e4, 1e-6) == close(4.87e-2 + 3.65e-2, rel=1e-4)
    assert efficiency(1e2, 1e9) == close(4.87e-2 / (4e-3 * 1e9**0.73), rel=3e-3)  # charged
    assert efficiency(1e4, 1e4) == close(4.87e-2 / (1.0 + 4e-3 * 1e4**0.73) + 3.65e-2 / 3.0, rel=1e-9)
    assert kernels.heating(1e2, gas(z=1.0), ions()) == kernels.heating(1e2, gas(), ions())  # no light


def test_cosmic_ray_heating():
    """6.5 eV per ionisation of neutral gas, up to 32.9 eV for an electron in a plasma (Draine 2011)."""
    assert kernels.heating(1e2, gas(), ions(1e-12)) == close(COSMIC_RAYS * 6.5 * c.EV, rel=1e-4)
    assert kernels.heating(1e2, gas(), ions(0.07)) == close(
        COSMIC_RAYS * (6.5 + 26.4 * math.sqrt(0.5)) * c.EV, rel=1e-9
    )
    assert kernels.heating(1e2, gas(), ions(1e9)) == close(COSMIC_RAYS * 32.9 * c.EV, rel=1e-9)


def test_carbon_ionisation_heats():
    extra = kernels.heating(1e2, gas(carbon_rate=1e-9), ions(x_c=1e-4)) - kernels.heating(1e2, gas(), ions())
    assert extra == close(1e-4 * 1e-9 * c.EV, rel=1e-9)


# Cooling


def test_lyman_alpha_cooling():
    for t in (8e3, 2e4):
        found = kernels.cooling(t, gas(), ions(0.1, x_hplus=0.1))
        assert found == close(7.3e-19 * 0.1 * 1e3 * 0.9 * math.exp(-118400.0 / t), rel=1e-9)
    assert kernels.cooling(1e2, gas(), ions(0.1)) == pytest.approx(0.0, abs=1e-200)


def test_carbon_cooling_is_the_two_level_ion():
    for t, x2 in ((30.0, 0.45), (300.0, 0.01)):
        local = gas(x2=x2, x_hi=1.0 - 2.0 * x2)
        found = kernels.cooling(t, local, ions(1e-4, 1e-4))
        rate = tl.deexcitation_rate(t, 0.1, 1e3 * local.x_hi, 1e3 * x2)
        assert found == close(1e-4 * float(tl.net_power(t, rate)), rel=1e-9)


def test_oxygen_cooling_in_its_limits():
    def power(local, t=200.0):
        with_oxygen = kernels.line_powers(t, local, ions())
        return with_oxygen[1], with_oxygen[2]

    x_o, t2 = c.OXYGEN_SOLAR, 2.0
    # few collisions: every excitation to 3P1 is a photon of 63 um
    excite = 3.57e-10 * t2 ** (0.419 - 0.003 * math.log(t2)) * 0.6 * math.exp(-227.712 / 200.0)
    excite_2 = 3.19e-10 * t2 ** (0.369 - 0.006 * math.log(t2)) * 0.2 * math.exp(-326.569 / 200.0)
    thin, rest = power(gas(n=1e-2, z=1.0))
    assert thin == close(x_o * 1e-2 * (excite + excite_2) * c.K_B * 227.712, rel=1e-3)
    assert rest == close(x_o * 1e-2 * excite_2 * c.K_B * (326.569 - 227.712), rel=1e-3)
    # many: Boltzmann
    shares = np.array([5.0, 3.0, 1.0]) * np.exp(-np.array([0.0, 227.712, 326.569]) / 200.0)
    _, middle, upper = shares / shares.sum()
    dense, rest = power(gas(n=1e11, z=1.0))
    assert dense == close(x_o * middle * 8.91e-5 * c.K_B * 227.712, rel=1e-4)
    transitions = 1.75e-5 * (326.569 - 227.712) + 1.34e-10 * 326.569
    assert rest == close(x_o * upper * c.K_B * transitions, rel=1e-4)
    # behind much oxygen 63 um escapes as 1/(3 tau)
    tau = kernels.OI_OPACITY * 1e21 * shares[0] / shares.sum()
    thick, _ = power(gas(n=1e11, z=1.0, oxygen_column=1e21))
    assert tau > 100.0
    assert thick / dense == close(1.0 / (3.0 * tau), rel=1e-4)


def _without_lines(t, local, state):
    return kernels.cooling(t, local, state) - sum(kernels.line_powers(t, local, state)[:3])


def test_grain_recombination_cooling():
    t, n_e = 6e3, 30.0  # thin gas, where the contact of gas and grains does not matter
    local = gas(n=1e2, z=0.5, fuv=5e4, x_hi=0.0)
    psi = 5e4 * math.sqrt(t) / (0.5 * n_e)
    contact = 3.8e-33 * 1e2 * math.sqrt(t) * t * 0.5
    expected = 4.65e-30 * t**0.94 * psi ** (0.74 / t**0.068) * 0.5 * n_e * 0.5
    assert contact < 0.01 * expected
    assert _without_lines(t, local, ions(0.3)) == close(expected, rel=0.01)


def test_gas_and_grains_exchange_heat():
    dust = 16.4 * (1e3 / 1.71) ** (1.0 / 6.0)

    def contact(t, **changes):
        # nearly without electrons, so that nothing recombines on grains
        return _without_lines(t, gas(**({"n": 1e7, "z": 1.0, "fuv": 1e3} | changes)), ions(1e-30))

    at_100 = 3.8e-33 * 1e7 * 10.0 * (1e2 - dust) * (1.0 - 0.8 * math.exp(-0.75))
    assert contact(1e2) == close(at_100, rel=1e-6)
    assert contact(0.5 * dust) < 0.0 < contact(2.0 * dust)
    assert contact(dust) == pytest.approx(0.0, abs=1e-8 * at_100)
    assert contact(1e2, z=0.1) == close(0.1 * at_100, rel=1e-6)
    # dust in the dark stays at the temperature of G0/1.71 = 1e-8
    dark = at_100 / (1e2 - dust) * (1e2 - 16.4 * 1e-8 ** (1.0 / 6.0))
    assert contact(1e2, fuv=0.0) == close(dark, rel=1e-6)


# Escape of line photons


def test_escape_probability():
    assert kernels.escape_probability(0.0) == 1.0
    assert kernels.escape_probability(1e-3) == close(1.0 - 1.5e-3 + 1.5e-6, rel=1e-8)
    assert kernels.escape_probability(0.5) == close((1.0 - math.exp(-1.5)) / 1.5, rel=1e-14)
    assert kernels.escape_probability(1e3) == close(1.0 / 3e3, rel=1e-12)
    below, above = (kernels.escape_probability(1e-6 * x) for x in (0.999999, 1.000001))
    assert below == close(above, rel=1e-10)


@pytest.mark.parametrize(
    ("opacity", "a_ul", "wavelength", "weights"),
    [(kernels.CII_OPACITY, 2.29e-6, 157.7409e-4, 2.0), (kernels.OI_OPACITY, 8.91e-5, 63.1837e-4, 0.6)],
)
def test_line_centre_opacity(opacity, a_ul, wavelength, weights):
    """The integrated cross-section over the Doppler profile of b = 2 km/s."""
    integrated = weights * a_ul * wavelength**2 / (8.0 * math.pi)  # cm^2 Hz
    width_hz = 2e5 / wavelength
    assert opacity == close(integrated / (math.sqrt(math.pi) * width_hz), rel=1e-6)


def test_trapped_carbon_photons_lower_the_critical_density():
    local = conditions(cplus=5e18)
    tau = kernels.CII_OPACITY * 5e18
    assert local.cii_escape == close((1.0 - math.exp(-3.0 * tau)) / (3.0 * tau), rel=1e-12)
    b = local.cii_escape
    power, _, _, rate = kernels.line_powers(1e2, local, ions(1e-4, 1e-4))
    # the two-level ion with A b at density n is the one with A at n/b, dimmed by b
    assert power == close(1e-4 * b * float(tl.net_power(1e2, rate / b)), rel=1e-9)


def test_kernel_rate_is_the_public_rate():
    for t in (15.0, 100.0, 9e3):
        expected = tl.deexcitation_rate(t, 0.3, 20.0, 5.0)
        assert kernels.cii_collision_rate(t, 0.3, 20.0, 5.0) == close(float(expected), rel=1e-12)
        upper = kernels.cii_upper_fraction(t, expected, 1.0)
        assert upper == close(float(tl.excited_fraction(t, expected)), rel=1e-12)


# Thermal balance


def excess(t, local):
    state = kernels.charge_balance(t, local)
    return kernels.cooling(t, local, state) - kernels.heating(t, local, state)


@pytest.mark.parametrize("n", [1e-2, 1.0, 1e2, 1e4, 1e6])
@pytest.mark.parametrize("z", [0.01, 1.0])
def test_temperature_is_the_coldest_stable_one(n, z):
    """Heating wins everywhere below; a little above cooling does; at the temperature neither."""
    for g0, depth in ((0.1, 1e17), (1e2, 1e17), (1e4, 1e21), (1.0, 1e22)):
        local = conditions(n, z, g0, depth, 0.1 * depth)
        t = kernels.equilibrium_temperature(local)
        if t == 10.0:
            assert excess(t, local) >= 0.0
            continue
        scale = kernels.heating(t, local, kernels.charge_balance(t, local))
        assert abs(excess(t, local)) < 1e-9 * scale
        assert excess(1.001 * t, local) > 0.0
        assert all(excess(colder, local) < 0.0 for colder in np.geomspace(10.0, 0.999 * t, 200))


def test_the_lower_of_two_stable_temperatures():
    local = conditions(0.1, 1.0, 1e2, 1e17, 1e16)
    log_t = np.linspace(1.0, math.log10(2e4), 2000)
    sign = np.sign([excess(10.0**x, local) for x in log_t])
    crossings = log_t[1:][(sign[:-1] < 0.0) & (sign[1:] > 0.0)]
    assert crossings.size == 2
    found = kernels.equilibrium_temperature(local)
    assert math.log10(found) == pytest.approx(crossings[0], abs=2.0 * (log_t[1] - log_t[0]))


def test_temperature_stays_in_its_range():
    # cosmic rays cannot keep dense dark gas above 10 K; nothing cools a field without metals to cool by
    assert kernels.equilibrium_temperature(conditions(1e6, 3.0, 1.0, 1e23, 1e22)) == 10.0
    hot = gas(n=1e-6)
    assert excess(2e4, hot) < 0.0
    assert kernels.equilibrium_temperature(hot) == 2e4


@pytest.mark.parametrize("n", [1e2, 1e4])
def test_face_temperature_follows_the_field(n):
    log_ratio = np.arange(-3.0, 5.1, 0.5)
    face = np.array([slab_model(n, 1.0, n * 10.0**x, False).temperature[0] for x in log_ratio])
    rising = face[log_ratio <= 2.0]
    assert (rising[1:] >= 0.98 * rising[:-1]).all()
    assert rising[-1] > 2.0 * rising[0]
    # charged grains: the field heats less and less, and in the end the gas cools again
    assert face[-1] < 0.9 * face.max()
    assert log_ratio[face.argmax()] >= 2.0


# Profiles


@pytest.mark.parametrize("ionising", [False, True])
@pytest.mark.parametrize("n", [1e-6, 1e-2, 1e2, 1e6, 1e9])
@pytest.mark.parametrize("z", [1e-8, 1e-2, 1.0, 20.0])
def test_cumulative_quantities_only_grow(n, z, ionising):
    columns = np.logspace(16.0, 24.0, 65)
    for g0 in (0.0, 0.1, 1e2, 1e5):
        model = solve_slab(n, z, g0, ionising, columns)
        for values in (*model.flux.values(), model.n_cplus):
            assert np.isfinite(values).all()
            assert (np.diff(values) >= 0.0).all()
        assert (model.n_cplus <= c.CARBON_SOLAR * z * model.column * (1.0 + 1e-9)).all()
        ceiling = c.CII_PHOTON_ERG * c.CII_A_UL * 2.0 / 3.0
        assert (model.flux[CII] <= ceiling * model.n_cplus * (1.0 + 1e-9)).all()
        assert ((model.temperature >= 10.0) & (model.temperature <= 2.0e4)).all()
        assert ((model.x2 >= 0.0) & (model.x2 <= 0.5)).all()


def test_thin_slab_is_linear_in_its_column():
    model = slab_model(1e2, 1e-2, 1e2, False)
    thin = model.column <= 1e20
    for values in (model.flux[CII], model.flux[OI_63], model.n_cplus):
        per_nucleus = values[thin] / model.column[thin]
        np.testing.assert_allclose(per_nucleus, per_nucleus[0], rtol=0.01)


def test_layer_of_ionised_carbon():
    """C+ ends where the field is weak: how much deeper for ten times the field.

    Ionisation goes as G0 exp(-3.74 A_V). Against recombination that does not change the layer grows by
    ln 10/3.74 of A_V; on grains charged by G0 exp(-1.8 A_V), which take ions at most inversely to it, by
    at most 2 ln 10/(3.74 + 1.8).
    """
    per_magnitude = c.CARBON_SOLAR * 1.87e21 * math.log(10.0)
    total = [slab_model(1e3, 1.0, g0, False).n_cplus[-1] for g0 in (1e2, 1e3, 1e4)]
    assert (np.diff(total) > per_magnitude / 3.74).all()
    assert (np.diff(total) < per_magnitude * 2.0 / (3.74 + 1.8)).all()
    # at a tenth of the metals the layer holds about as much carbon
    dusty, poor = (slab_model(1e3, z, 1e3, False).n_cplus[-1] for z in (1.0, 0.1))
    assert poor == close(dusty, rel=0.4)


def test_dense_thin_gas_is_thermal():
    model = slab_model(1e7, 1.0, 1e3, False)
    k = np.searchsorted(model.column, 1e18)
    boltzmann = 2.0 * math.exp(-c.CII_T_STAR / model.t_cii[k])
    thermal = c.CII_PHOTON_ERG * c.CII_A_UL * boltzmann / (1.0 + boltzmann)
    assert model.flux[CII][k] / model.n_cplus[k] == close(thermal, rel=5e-3)


def test_emission_is_linear_in_metals_at_vanishing_metallicity():
    # cosmic rays and Lyman alpha set T there, so T does not move and F follows the carbon
    low, lower = (slab_model(1e-2, z, 1.0, False) for z in (1e-6, 1e-7))
    assert low.temperature[0] == close(lower.temperature[0], rel=1e-3)
    assert low.flux[CII][0] / lower.flux[CII][0] == close(10.0, rel=5e-3)


def test_ionised_layer_emits_as_a_two_level_ion():
    """Electrons at 1e4 K; C+ shares the carbon with C++ as the ionising field commands."""
    for n, g0 in ((1e2, 1e2), (1.0, 1e2)):
        u = 1.6e-3 * g0 * 1e10 / (n * c.C_LIGHT)
        assert ionisation_parameter(n, g0) == close(u, rel=1e-12)
        share = 1.0 / (1.0 + 0.2 * u * c.C_LIGHT * 3e-18 / 6e-12)
        power = float(tl.net_power(1e4, tl.deexcitation_rate(1e4, n, 0.0, 0.0)))
        model = slab_model(n, 0.5, g0, True)
        inside = model.column < ionised_column(n, 0.5, g0)
        assert inside[100]
        np.testing.assert_allclose(
            model.flux[CII][inside], c.CARBON_SOLAR * 0.5 * share * power * model.column[inside], rtol=1e-9
        )
        assert (model.flux[OI_63][inside] == 0.0).all()
        assert (model.temperature[inside][:-1] == 1e4).all()


def test_column_of_the_ionised_layer():
    # little dust in the way: all ionising photons, 1e23 U (1 - 1/e); much: it grows with the logarithm only
    assert ionised_column(1e3, 1e-6, 1e2) == close(
        1e23 * ionisation_parameter(1e3, 1e2) * (1.0 - 1.0 / math.e), rel=1e-4
    )
    assert ionised_column(1.0, 1.0, 1e9) == close(1.7e21, rel=1e-4)
    assert ionised_column(1.0, 1.0, 0.0) == 0.0


def test_ionised_layer_leaves_the_rest_of_the_slab():
    """Deep in, the layer has changed the sums by what it emits itself, not the gas behind it."""
    plain, ionised = (slab_model(1e3, 1.0, 1e2, ionising, 1601) for ionising in (False, True))
    deep = plain.column > 1e20
    np.testing.assert_allclose(ionised.temperature[deep], plain.temperature[deep], rtol=0.02)
    front = ionised_column(1e3, 1.0, 1e2)
    layer = ionised.flux[CII][ionised.column < front][-1]
    added = ionised.flux[CII][-1] - plain.flux[CII][-1]
    assert 0.5 * layer < added < layer


def test_converges_with_the_number_of_depths():
    coarse, fine = (slab_model(1e3, 1.0, 1e2, False, k) for k in (401, 1601))
    np.testing.assert_allclose(coarse.flux[CII][150:], fine.flux[CII][600::4], rtol=0.01)


def test_weighted_means_of_a_uniform_slab():
    model = slab_model(0.1, 0.3, 1.0, False)
    k = np.searchsorted(model.column, 1e20)
    assert model.t_cii[k] == close(model.temperature[k], rel=2e-3)
    # the C+ power at the weighted T and C is the emission itself
    power = tl.net_power(model.t_cii[k], 0.1 * model.c_cii[k])
    assert model.flux[CII][k] / model.n_cplus[k] == close(float(power), rel=2e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1.0, 1.0, 1.0, False), "n_H"),
        ((1.0, 0.0, 1.0, False), "z_solar"),
        ((1.0, 1.0, float("nan"), False), "g0"),
        ((1.0, 1.0, 1.0, False, 100), "n_columns"),
    ],
)
def test_wrong_input(arguments, message):
    with pytest.raises(InputError, match=message):
        slab_model(*arguments)
