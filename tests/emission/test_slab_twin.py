"""A slow twin of the slab kernel: section C.7 of the specification in plain Python, per volume, by bisection."""

import itertools
import math

import numpy as np
import pytest

from simpost.core import constants as c
from simpost.emission import slab_kernels as kernels
from simpost.emission.lines import CII, OI_63
from simpost.emission.slab import solve_slab


def close(value: float, rel: float):
    """Within a relative tolerance; pytest's own absolute one of 1e-12 would pass any CGS emissivity."""
    return pytest.approx(value, rel=rel, abs=0.0)


COSMIC_RAYS = 2e-16


def bisect(function, low, high, steps):
    """Where a function that is negative at `low` and positive at `high` changes sign."""
    for _ in range(steps):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if function(middle) > 0.0 else (middle, high)
    return 0.5 * (low + high)


def escape(tau):
    return -math.expm1(-3.0 * tau) / (3.0 * tau) if tau > 0.0 else 1.0


def line_opacity(a_ul, wavelength_cm, weights):
    """tau per column of ions in the lower level, v_D = 2 km/s."""
    return a_ul * wavelength_cm**3 / (8.0 * math.pi) * weights / (math.sqrt(math.pi) * 2e5)


def h2_fraction(n, z, n_h2_before, width, lyman_werner):
    def excess(x2):
        y = (n_h2_before + 0.5 * x2 * width) / 5e14
        shield = 0.965 / (1.0 + y / 3.0) ** 2 + 0.035 * (1.0 + y) ** -0.5 * math.exp(
            -8.5e-4 * (1.0 + y) ** 0.5
        )
        destruction = 5.6e-11 / 1.71 * lyman_werner * shield + 2.5 * COSMIC_RAYS
        return destruction * x2 - 3e-17 * z * n * (1.0 - 2.0 * x2)

    return bisect(excess, 0.0, 0.5, 60)


def grain_recombination(t, z, p, c0, c1, c2, c3, c4, c5, c6):
    return z * 1e-14 * c0 / (1.0 + c1 * p**c2 * (1.0 + c3 * t**c4 * p ** (-c5 - c6 * math.log(t))))


def carbon_recombination(t):
    al, be = (t / 6.67e-3) ** 0.5, (t / 1.943e6) ** 0.5
    g = 0.7849 + 0.1597 * math.exp(-49550.0 / t)
    radiative = 2.995e-9 / (al * (1.0 + al) ** (1.0 - g) * (1.0 + be) ** (1.0 + g))
    terms = ((6.346e-9, 12.17), (9.793e-9, 73.8), (1.634e-6, 15230.0))
    return radiative + t**-1.5 * sum(a * math.exp(-b / t) for a, b in terms)


def cii_levels(t, n_e, n_hi, n_h2, a):
    """Excited share and de-excitation rate of C+ with Einstein coefficient `a`."""
    molecules = (11.5e-24 + 4.0e-24 * math.exp(-100.0 / t)) / (2.0 * c.CII_PHOTON_ERG)
    down = n_e * 8.7e-8 * (t / 2000.0) ** -0.37 + n_hi * 7.6e-10 * (t / 100.0) ** 0.14 + n_h2 * molecules
    up = 2.0 * down * math.exp(-c.CII_T_STAR / t)
    return up / (up + down + a), down


def oxygen_levels(t, n_hi, n_h2, b):
    """Shares of 3P2, 3P1, 3P0 from the rate matrix."""
    t2 = t / 100.0
    energy, weight = np.array([0.0, 227.712, 326.569]), np.array([5.0, 3.0, 1.0])
    table = {
        (1, 0): (3.57e-10, 0.419, -0.003, 1.49e-10, 0.369, -0.026, 1.37e-10, 0.395, -0.005, 8.91e-5 * b),
        (2, 0): (3.19e-10, 0.369, -0.006, 1.90e-10, 0.203, 0.041, 2.23e-10, 0.237, 0.058, 1.34e-10),
        (2, 1): (4.34e-10, 0.755, -0.160, 2.10e-12, 0.889, 0.043, 3.00e-12, 1.198, 0.525, 1.75e-5),
    }
    matrix = np.zeros((3, 3))
    for (u, d), (h, h1, h2, p, p1, p2, o, o1, o2, a) in table.items():
        k = n_hi * h * t2 ** (h1 + h2 * math.log(t2))
        k += 0.25 * n_h2 * p * t2 ** (p1 + p2 * math.log(t2))
        k += 0.75 * n_h2 * o * t2 ** (o1 + o2 * math.log(t2))
        up = k * weight[u] / weight[d] * math.exp(-(energy[u] - energy[d]) / t)
        matrix[d, u] += k + a
        matrix[u, u] -= k + a
        matrix[u, d] += up
        matrix[d, d] -= up
    matrix[0] = 1.0
    return np.linalg.solve(matrix, [1.0, 0.0, 0.0])


class Cell:
    """One depth cell; every rate and density is per volume."""

    def __init__(self, n, z, g0, midpoint, width, before):
        self.n, self.z, self.before = n, z, before
        a_v = z * midpoint / 1.87e21
        self.g, lyman_werner = g0 * math.exp(-1.8 * a_v), g0 * math.exp(-3.74 * a_v)
        self.x2 = h2_fraction(n, z, before["H2"], width, lyman_werner)
        self.x_hi = max(1.0 - 2.0 * self.x2, 1e-10)
        n_h2 = before["H2"] + 0.5 * self.x2 * width
        shield = math.exp(-1.6e-17 * before["C"]) * math.exp(-2.8e-22 * n_h2) / (1.0 + 2.8e-22 * n_h2)
        self.ionise_c = 3.5e-10 / 1.71 * lyman_werner * shield + 510.0 * COSMIC_RAYS
        break_co = 2e-10 / 1.71 * lyman_werner + 10.0 * COSMIC_RAYS
        break_ch = 5e-10 / 1.71 * lyman_werner + 10.0 * COSMIC_RAYS
        x_o = 4.9e-4 * z
        beta = 5e-10 * x_o / (5e-10 * x_o + break_ch / (self.x2 * n))
        self.co = 5e-16 * self.x2 * n * beta / break_co
        self.b_cii = escape(line_opacity(2.29e-6, c.C_LIGHT / 1900.5369e9, 2.0) * before["C+"])

    def ions(self, t):
        """x_e, x_C+, x_C, x_H+ by bisection in log x_e."""

        def at(x_e):
            n_e = x_e * self.n
            p = max(self.g * t**0.5 / n_e, 1e-4)
            on_grains = grain_recombination(
                t, self.z, p, 45.58, 6.089e-3, 1.128, 433.1, 4.845e-2, 0.8120, 1.333e-4
            )
            c_ratio = (carbon_recombination(t) * n_e + on_grains * self.n) / self.ionise_c
            x_cplus = 2.69e-4 * self.z / (1.0 + c_ratio + self.co)
            on_grains = grain_recombination(
                t, self.z, p, 12.25, 8.074e-6, 1.378, 508.7, 1.586e-2, 0.4723, 1.102e-5
            )
            impact = 5.85e-11 * t**0.5 * math.exp(-157809.1 / t) if t > 3000.0 else 0.0
            case_b = 2.54e-13 * (t / 1e4) ** (-0.8163 - 0.0208 * math.log(t / 1e4))
            x_hplus = COSMIC_RAYS * (self.x_hi + self.x2) + impact * self.x_hi * n_e
            return x_cplus, c_ratio * x_cplus, min(x_hplus / (case_b * n_e + on_grains * self.n), 0.99999)

        def excess(log_x):
            x_cplus, _, x_hplus = at(10.0**log_x)
            return log_x - math.log10(x_cplus + x_hplus)

        x_e = 10.0 ** bisect(excess, -9.0, math.log10(1.3), 60)
        return x_e, *at(x_e)

    def lines(self, t):
        """[CII], [OI] 63 um and other [OI] emission [erg/s/cm^3], excited share and rate C of C+."""
        x_e, x_cplus, _, x_hplus = self.ions(t)
        n_hi, n_h2 = max(self.x_hi - x_hplus, 0.0) * self.n, self.x2 * self.n
        excited, down = cii_levels(t, x_e * self.n, n_hi, n_h2, 2.29e-6 * self.b_cii)
        cii = x_cplus * self.n * c.CII_PHOTON_ERG * 2.29e-6 * self.b_cii * excited
        ground = oxygen_levels(t, n_hi, n_h2, 1.0)[0]
        b = escape(line_opacity(8.91e-5, 63.1837e-4, 0.6) * self.before["O"] * ground)
        _, middle, upper = oxygen_levels(t, n_hi, n_h2, b)
        n_o = 4.9e-4 * self.z * self.n
        oi_63 = n_o * middle * 8.91e-5 * b * c.K_B * 227.712
        others = n_o * upper * c.K_B * (1.75e-5 * (326.569 - 227.712) + 1.34e-10 * 326.569)
        return cii, oi_63, others, excited, down

    def heating(self, t):
        x_e, _, x_c, _ = self.ions(t)
        psi = self.g * t**0.5 / (0.5 * x_e * self.n)
        eps = 4.87e-2 / (1.0 + 4e-3 * psi**0.73) + 3.65e-2 * (t / 1e4) ** 0.7 / (1.0 + 2e-4 * psi)
        cosmic_rays = COSMIC_RAYS * (6.5 + 26.4 * (x_e / (x_e + 0.07)) ** 0.5) * c.EV
        return self.n * (1.3e-24 * eps * self.g * self.z + cosmic_rays + c.EV * x_c * self.ionise_c)

    def cooling(self, t):
        x_e, _, _, x_hplus = self.ions(t)
        n_e = x_e * self.n
        psi = self.g * t**0.5 / (0.5 * n_e)
        dust = 16.4 * max(self.g / 1.71, 1e-8) ** (1.0 / 6.0)
        lyman_alpha = 7.3e-19 * n_e * max(self.x_hi - x_hplus, 0.0) * self.n * math.exp(-118400.0 / t)
        grains = 4.65e-30 * t**0.94 * psi ** (0.74 / t**0.068) * 0.5 * n_e * self.n * self.z
        contact = 3.8e-33 * self.n**2 * t**0.5 * (t - dust) * (1.0 - 0.8 * math.exp(-75.0 / t)) * self.z
        return sum(self.lines(t)[:3]) + lyman_alpha + grains + contact

    def temperature(self):
        """First upward crossing of cooling - heating on 60 steps, then bisection."""

        def excess(log_t):
            return self.cooling(10.0**log_t) - self.heating(10.0**log_t)

        steps = np.linspace(1.0, math.log10(2e4), 61)
        if excess(1.0) >= 0.0:
            return 10.0
        for low, high in itertools.pairwise(steps):
            if excess(high) >= 0.0:
                return 10.0 ** bisect(excess, low, high, 45)
        return 2e4


def ionised_layer(n, z, g0):
    """Column, C+ share and de-excitation rate over density of the layer in front."""
    u = 1.6e-3 * g0 * 1e10 / (n * c.C_LIGHT)
    n_d = 1.7e21 / z
    t = 1e23 * u / n_d
    share = 1.0 / (1.0 + 0.2 * u * c.C_LIGHT * 3e-18 / 6e-12)
    return n_d * math.log((1.0 + t) / (1.0 + t / math.e)), share


def twin(n, z, g0, ionising, columns):
    """Rows as `solve_slab` gives them: F_[CII], F_63, N_C+, T, x2, T_CII, C_CII."""
    n_i, share = ionised_layer(n, z, g0) if ionising else (0.0, 0.0)
    excited, down = cii_levels(1e4, n, 0.0, 0.0, 2.29e-6)
    flux = oxygen = cplus = t_sum = c_sum = previous = 0.0
    before = {"H2": 0.0, "C": 0.0, "O": 0.0, "C+": 0.0}
    rows = []
    for column in columns:
        ionised = max(0.0, min(column, n_i) - previous)
        emitted = 2.69e-4 * z * share * ionised * c.CII_PHOTON_ERG * 2.29e-6 * excited
        flux, cplus = flux + emitted, cplus + 2.69e-4 * z * share * ionised
        t_sum, c_sum = t_sum + emitted * 1e4, c_sum + emitted * down / n
        start, t, x2 = max(previous, n_i), 1e4, 0.0
        previous = column
        if column > start:
            width = column - start
            cell = Cell(n, z, g0, 0.5 * (start + column), width, before)
            t, x2 = cell.temperature(), cell.x2
            _, x_cplus, x_c, _ = cell.ions(t)
            cii, oi_63, _, upper, rate = cell.lines(t)
            emitted = cii / n * width
            flux, oxygen, cplus = flux + emitted, oxygen + oi_63 / n * width, cplus + x_cplus * width
            t_sum, c_sum = t_sum + emitted * t, c_sum + emitted * rate / n
            before["H2"] += x2 * width
            before["C"] += x_c * width
            before["O"] += 4.9e-4 * z * width
            before["C+"] += x_cplus * width * max(0.0, 1.0 - upper - upper / 2.0)
        rows.append((flux, oxygen, cplus, t, x2, t_sum / flux, c_sum / flux))
    return np.array(rows).T


@pytest.mark.parametrize(
    ("n", "z", "g0", "ionising"),
    [
        (1e3, 1.0, 1e2, False),
        (0.1, 0.3, 1.0, True),
        (1e5, 3.0, 1e4, True),
        (30.0, 0.05, 0.3, False),
        (1e4, 0.5, 0.0, False),
    ],
)
def test_profile(n, z, g0, ionising):
    columns = np.logspace(16.0, 23.0, 15)
    model = solve_slab(n, z, g0, ionising, columns)
    found = (
        model.flux[CII],
        model.flux[OI_63],
        model.n_cplus,
        model.temperature,
        model.x2,
        model.t_cii,
        model.c_cii,
    )
    for values, expected in zip(found, twin(n, z, g0, ionising, columns), strict=True):
        np.testing.assert_allclose(values, expected, rtol=2e-6)


@pytest.mark.parametrize(("n", "z", "g0"), [(1.0, 1.0, 1.0), (1e3, 0.3, 1e3), (1e6, 1.0, 10.0)])
@pytest.mark.parametrize("depth", [1e18, 3e21])
def test_thermal_balance_at_every_temperature(n, z, g0, depth):
    """Not only where they balance: heating and cooling over the whole range."""
    before = {"H2": 1e-3 * depth, "C": 1e-6 * depth, "O": 1e-4 * depth, "C+": 1e-4 * depth}
    cell = Cell(n, z, g0, depth, 0.1 * depth, before)
    local = kernels.local_conditions(
        n, z, g0, depth, 0.1 * depth, before["H2"], before["C"], before["O"], before["C+"]
    )
    for t in np.geomspace(10.0, 2e4, 12):
        ions = kernels.charge_balance(t, local)
        assert kernels.heating(t, local, ions) * n == close(cell.heating(t), rel=1e-8)
        assert kernels.cooling(t, local, ions) * n == close(cell.cooling(t), rel=1e-8)
        np.testing.assert_allclose(ions, cell.ions(t), rtol=1e-8)


@pytest.mark.parametrize(
    ("t", "n_hi", "n_h2", "b"), [(30.0, 10.0, 400.0, 1.0), (300.0, 1e5, 1.0, 0.1), (8e3, 0.1, 0.0, 0.7)]
)
def test_oxygen_levels(t, n_hi, n_h2, b):
    np.testing.assert_allclose(
        kernels._oxygen_levels(kernels._oxygen_rates(t, n_hi, n_h2), b),
        oxygen_levels(t, n_hi, n_h2, b),
        rtol=1e-9,
    )
