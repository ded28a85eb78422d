# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
"""Kernel of the built-in slab model: equilibrium of a constant-density slab, cell by cell in depth.

All quantities are CGS. The physics, its sources and its weak points are described in
`simpost.emission.slab`; symbols follow the cited papers. A constant that changes here or in
`core.constants` needs a cleared numba cache.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from simpost.core import constants as c
from simpost.core.compile import kernel

T_MIN, T_MAX, T_STEPS = 10.0, 2.0e4, 60
IONISED_T = 1.0e4  # K, of the ionised layer
COSMIC_RAY_RATE = 2.0e-16  # 1/s per H nucleus, primary
LINE_WIDTH = 2.0e5  # cm/s, Doppler parameter v_D
A_V_PER_COLUMN = 1.0 / 1.87e21  # mag cm^2 at solar metallicity
SOLAR_DUST_COLUMN = 1.7e21  # cm^-2, N_d of Ferrara+2019 at solar metallicity
PHOTONS_PER_ERG = 1.0e10  # ionising photons per erg of 6-13.6 eV

CII_OPACITY = (
    c.CII_A_UL
    * c.CII_G_RATIO
    * (c.C_LIGHT / c.CII_FREQUENCY_HZ) ** 3
    / (8.0 * math.pi * math.sqrt(math.pi) * LINE_WIDTH)
)
OI_A10, OI_A21, OI_A20 = 8.91e-5, 1.75e-5, 1.34e-10  # 1/s
OI_E1, OI_E2 = 227.712, 326.569  # K
OI_OPACITY = OI_A10 * (63.1837e-4**3) * (3.0 / 5.0) / (8.0 * math.pi * math.sqrt(math.pi) * LINE_WIDTH)


class Local(NamedTuple):
    """What the gas of one depth cell sees, whatever its temperature."""

    n: float  # H nuclei, cm^-3
    z: float  # metallicity, solar
    x2: float  # H2 molecules per H nucleus
    x_hi: float  # atomic hydrogen per H nucleus, before ionisation
    fuv: float  # attenuated field, Habing
    carbon_rate: float  # ionisation rate of C, 1/s
    co_per_cplus: float
    cii_escape: float
    oxygen_column: float  # in front of the cell, cm^-2


class Ions(NamedTuple):
    """Charge balance at one temperature, per H nucleus."""

    x_e: float
    x_cplus: float
    x_c: float
    x_hplus: float


@kernel
def escape_probability(tau):
    """(1 - e^(-3 tau))/(3 tau), one at tau = 0."""
    if tau < 1e-6:
        return 1.0 - 1.5 * tau
    return -math.expm1(-3.0 * tau) / (3.0 * tau)


@kernel
def cii_collision_rate(temperature, n_e, n_hi, n_h2):
    """De-excitation rate C of C+ [1/s], set `goldsmith2012`; densities [cm^-3]."""
    electron = 8.7e-8 * (temperature / 2000.0) ** -0.37
    hydrogen = 7.6e-10 * (temperature / 100.0) ** 0.14
    molecule = (11.5e-24 + 4.0e-24 * math.exp(-100.0 / temperature)) / (c.CII_G_RATIO * c.CII_PHOTON_ERG)
    return n_e * electron + n_hi * hydrogen + n_h2 * molecule


@kernel
def cii_upper_fraction(temperature, collisions, escape):
    """Excited share of C+ where A is lowered to A * escape; no CMB."""
    up = c.CII_G_RATIO * collisions * math.exp(-c.CII_T_STAR / temperature)
    return up / (c.CII_A_UL * escape + collisions + up)


@kernel
def _h2_dissociation(x2, column_before, cell_column, lyman_werner):
    """Photo- and cosmic-ray dissociation rate of H2 [1/s], Draine & Bertoldi 1996 shielding."""
    y = (column_before + 0.5 * x2 * cell_column) / 5e14
    root = math.sqrt(1.0 + y)
    shield = 0.965 / (1.0 + y / 3.0) ** 2 + 0.035 / root * math.exp(-8.5e-4 * root)
    return 5.6e-11 / c.DRAINE_IN_HABING * lyman_werner * shield + 2.5 * COSMIC_RAY_RATE


@kernel
def _molecular_fraction(n, z, column_before, cell_column, lyman_werner):
    """H2 molecules per H nucleus where formation on dust balances dissociation."""
    formation = 3e-17 * z * n
    low, high = 0.0, 0.5
    for _ in range(60):
        x2 = 0.5 * (low + high)
        loss = _h2_dissociation(x2, column_before, cell_column, lyman_werner) * x2
        if formation * (1.0 - 2.0 * x2) > loss:
            low = x2
        else:
            high = x2
    return 0.5 * (low + high)


@kernel
def _grain_recombination(z, log_p, log_t, c0, c1, c2, c3, c4, c5, c6):
    """Recombination coefficient on grains [cm^3/s], Weingartner & Draine 2001b eq. 8."""
    inner = c3 * math.exp(c4 * log_t - (c5 + c6 * log_t) * log_p)
    return z * 1e-14 * c0 / (1.0 + c1 * math.exp(c2 * log_p) * (1.0 + inner))


@kernel
def _carbon_recombination(t):
    """Radiative plus dielectronic recombination of C+ [cm^3/s], Badnell fits."""
    al = math.sqrt(t / 6.67e-3)
    be = math.sqrt(t / 1.943e6)
    g = 0.7849 + 0.1597 * math.exp(-49550.0 / t)
    radiative = 2.995e-9 / (al * (1.0 + al) ** (1.0 - g) * (1.0 + be) ** (1.0 + g))
    dielectronic = 6.346e-9 * math.exp(-12.17 / t) + 9.793e-9 * math.exp(-73.8 / t)
    dielectronic += 1.634e-6 * math.exp(-15230.0 / t)
    return radiative + dielectronic * t**-1.5


@kernel
def _ions_at(x_e, local, t, log_t, carbon_rr, hydrogen_rr, collisional):
    """Ions that an electron fraction `x_e` would leave, at fixed rate coefficients."""
    n_e = x_e * local.n
    log_p = math.log(max(local.fuv * math.sqrt(t) / n_e, 1e-4))
    on_grain = _grain_recombination(
        local.z, log_p, log_t, 45.58, 6.089e-3, 1.128, 433.1, 4.845e-2, 0.8120, 1.333e-4
    )
    h_on_grain = _grain_recombination(
        local.z, log_p, log_t, 12.25, 8.074e-6, 1.378, 508.7, 1.586e-2, 0.4723, 1.102e-5
    )
    c_per_cplus = (carbon_rr * n_e + on_grain * local.n) / local.carbon_rate
    x_cplus = c.CARBON_SOLAR * local.z / (1.0 + c_per_cplus + local.co_per_cplus)
    gain = COSMIC_RAY_RATE * (local.x_hi + local.x2) + collisional * local.x_hi * n_e
    x_hplus = min(gain / (hydrogen_rr * n_e + h_on_grain * local.n), 0.99999)
    return Ions(x_e, x_cplus, c_per_cplus * x_cplus, x_hplus)


@kernel
def charge_balance(t, local):
    """Ions with x_e = x_C+ + x_H+ at temperature `t` [K].

    The root is unique. The search starts from [1e-9, 1.3]; in dark gas of 1e6 cm^-3 and more the root lies
    below, where the false position, a secant there, finds it as well.
    """
    log_t = math.log(t)
    carbon_rr = _carbon_recombination(t)
    t4 = t / 1e4
    hydrogen_rr = 2.54e-13 * t4 ** (-0.8163 - 0.0208 * math.log(t4))
    collisional = 5.85e-11 * math.sqrt(t) * math.exp(-157809.1 / t) if t > 3000.0 else 0.0
    # Illinois' false position in ln x_e on ln((x_C+ + x_H+)/x_e), which falls all the way
    a, b = math.log(1e-9), math.log(1.3)
    ions = _ions_at(1e-9, local, t, log_t, carbon_rr, hydrogen_rr, collisional)
    f_a = math.log(ions.x_cplus + ions.x_hplus) - a
    ions = _ions_at(1.3, local, t, log_t, carbon_rr, hydrogen_rr, collisional)
    f_b = math.log(ions.x_cplus + ions.x_hplus) - b
    for _ in range(60):
        u = (a * f_b - b * f_a) / (f_b - f_a)
        ions = _ions_at(math.exp(u), local, t, log_t, carbon_rr, hydrogen_rr, collisional)
        f = math.log(ions.x_cplus + ions.x_hplus) - u
        if abs(f) < 1e-12 or abs(u - b) < 1e-13:
            break
        if f * f_b < 0.0:
            a, f_a = b, f_b
        else:
            f_a *= 0.5
        b, f_b = u, f
    return ions


@kernel
def _oxygen_rates(t, n_hi, n_h2):
    """Collision rates of O [1/s], down 1-0, 2-0, 2-1 and up 0-1, 0-2, 1-2, after Draine 2011."""
    t2 = t / 100.0
    ln2 = math.log(t2)
    para, ortho = 0.25 * n_h2, 0.75 * n_h2
    k10 = n_hi * 3.57e-10 * t2 ** (0.419 - 0.003 * ln2)
    k10 += para * 1.49e-10 * t2 ** (0.369 - 0.026 * ln2) + ortho * 1.37e-10 * t2 ** (0.395 - 0.005 * ln2)
    k20 = n_hi * 3.19e-10 * t2 ** (0.369 - 0.006 * ln2)
    k20 += para * 1.90e-10 * t2 ** (0.203 + 0.041 * ln2) + ortho * 2.23e-10 * t2 ** (0.237 + 0.058 * ln2)
    k21 = n_hi * 4.34e-10 * t2 ** (0.755 - 0.160 * ln2)
    k21 += para * 2.10e-12 * t2 ** (0.889 + 0.043 * ln2) + ortho * 3.00e-12 * t2 ** (1.198 + 0.525 * ln2)
    r01 = k10 * (3.0 / 5.0) * math.exp(-OI_E1 / t)
    r02 = k20 * (1.0 / 5.0) * math.exp(-OI_E2 / t)
    r12 = k21 * (1.0 / 3.0) * math.exp(-(OI_E2 - OI_E1) / t)
    return k10, k20, k21, r01, r02, r12


@kernel
def _oxygen_levels(rates, escape):
    """Shares of O in 3P2, 3P1, 3P0 where the 63 um A is lowered by `escape`."""
    k10, k20, k21, r01, r02, r12 = rates
    r10, r21, r20 = k10 + OI_A10 * escape, k21 + OI_A21, k20 + OI_A20
    # populations up to a factor: sums over the spanning trees that lead to each level
    f0 = r10 * r20 + r10 * r21 + r12 * r20
    f1 = r01 * r20 + r01 * r21 + r21 * r02
    f2 = r02 * r10 + r02 * r12 + r01 * r12
    total = f0 + f1 + f2
    return f0 / total, f1 / total, f2 / total


@kernel
def line_powers(t, local, ions):
    """Power per H nucleus [erg/s] in [CII] 158 um, [OI] 63 um and the other [OI] lines, and C of [CII]."""
    n_hi = max(local.x_hi - ions.x_hplus, 0.0) * local.n
    n_h2 = local.x2 * local.n
    collisions = cii_collision_rate(t, ions.x_e * local.n, n_hi, n_h2)
    upper = cii_upper_fraction(t, collisions, local.cii_escape)
    cii = ions.x_cplus * c.CII_PHOTON_ERG * c.CII_A_UL * local.cii_escape * upper
    x_o = c.OXYGEN_SOLAR * local.z
    rates = _oxygen_rates(t, n_hi, n_h2)
    ground, _, _ = _oxygen_levels(rates, 1.0)
    escape = escape_probability(OI_OPACITY * local.oxygen_column * ground)
    _, f1, f2 = _oxygen_levels(rates, escape)
    oi_63 = x_o * f1 * OI_A10 * escape * c.K_B * OI_E1
    oi_rest = x_o * f2 * c.K_B * (OI_A21 * (OI_E2 - OI_E1) + OI_A20 * OI_E2)
    return cii, oi_63, oi_rest, collisions


@kernel
def heating(t, local, ions):
    """Photoelectric, cosmic-ray and carbon-ionisation heating per H nucleus [erg/s]."""
    psi = local.fuv * math.sqrt(t) / (0.5 * ions.x_e * local.n)
    efficiency = 4.87e-2 / (1.0 + 4e-3 * psi**0.73) + 3.65e-2 * (t / 1e4) ** 0.7 / (1.0 + 2e-4 * psi)
    photoelectric = 1.3e-24 * efficiency * local.fuv * local.z
    cosmic_rays = COSMIC_RAY_RATE * (6.5 + 26.4 * math.sqrt(ions.x_e / (ions.x_e + 0.07))) * c.EV
    return photoelectric + cosmic_rays + c.EV * ions.x_c * local.carbon_rate


@kernel
def cooling(t, local, ions):
    """Lines, Lyman alpha, grain recombination and gas-grain cooling per H nucleus [erg/s]."""
    n_e = ions.x_e * local.n
    cii, oi_63, oi_rest, _ = line_powers(t, local, ions)
    x_hi = max(local.x_hi - ions.x_hplus, 0.0)
    lyman_alpha = 7.3e-19 * n_e * x_hi * math.exp(-118400.0 / t)
    psi = local.fuv * math.sqrt(t) / (0.5 * n_e)
    grains = 4.65e-30 * t**0.94 * psi ** (0.74 / t**0.068) * 0.5 * n_e * local.z
    t_dust = 16.4 * max(local.fuv / c.DRAINE_IN_HABING, 1e-8) ** (1.0 / 6.0)
    contact = 3.8e-33 * local.n * math.sqrt(t) * (t - t_dust) * (1.0 - 0.8 * math.exp(-75.0 / t)) * local.z
    return cii + oi_63 + oi_rest + lyman_alpha + grains + contact


@kernel
def _imbalance(log_t, local):
    """(cooling - heating)/(|cooling| + heating) at ln T."""
    t = math.exp(log_t)
    ions = charge_balance(t, local)
    loss, gain = cooling(t, local, ions), heating(t, local, ions)
    return (loss - gain) / (abs(loss) + gain)


@kernel
def equilibrium_temperature(local):
    """Coldest stable temperature in [10, 2e4] K, or the limit the gas is driven to."""
    step = math.log(T_MAX / T_MIN) / T_STEPS
    a = math.log(T_MIN)
    f_a = _imbalance(a, local)
    if f_a >= 0.0:
        return T_MIN
    b, f_b = a, f_a
    for j in range(1, T_STEPS + 1):
        a, f_a = b, f_b
        b = math.log(T_MIN) + j * step
        f_b = _imbalance(b, local)
        if f_b >= 0.0:
            break
    if f_b < 0.0:
        return T_MAX
    for _ in range(60):
        u = (a * f_b - b * f_a) / (f_b - f_a)
        f = _imbalance(u, local)
        if abs(f) < 1e-11 or abs(u - b) < 1e-12:
            b = u
            break
        if f * f_b < 0.0:
            a, f_a = b, f_b
        else:
            f_a *= 0.5
        b, f_b = u, f
    return math.exp(b)


@kernel
def local_conditions(n, z, g0, depth, cell_column, h2_column, c_column, o_column, cii_column):
    """`Local` at dust column `depth` behind the given line and shielding columns [cm^-2]."""
    a_v = A_V_PER_COLUMN * z * depth
    lyman_werner = g0 * math.exp(-3.74 * a_v)
    x2 = _molecular_fraction(n, z, h2_column, cell_column, lyman_werner)
    h2 = h2_column + 0.5 * x2 * cell_column
    shield = math.exp(-1.6e-17 * c_column - 2.8e-22 * h2) / (1.0 + 2.8e-22 * h2)
    chi = lyman_werner / c.DRAINE_IN_HABING
    carbon_rate = 3.5e-10 * chi * shield + 510.0 * COSMIC_RAY_RATE
    co_rate = 2e-10 * chi + 10.0 * COSMIC_RAY_RATE
    ch_rate = 5e-10 * chi + 10.0 * COSMIC_RAY_RATE
    burning = 5e-10 * c.OXYGEN_SOLAR * z * x2 * n  # CH + O -> CO, against photodissociation of CH
    co_per_cplus = 5e-16 * n * x2 * burning / (burning + ch_rate) / co_rate
    return Local(
        n,
        z,
        x2,
        max(1.0 - 2.0 * x2, 1e-10),
        g0 * math.exp(-1.8 * a_v),
        carbon_rate,
        co_per_cplus,
        escape_probability(CII_OPACITY * cii_column),
        o_column,
    )


@kernel
def ionised_layer(n, z, g0):
    """Column [cm^-2] of the ionised layer, its C+ share of carbon and its [CII] power per C+ [erg/s]."""
    u = c.HABING_FLUX * g0 * PHOTONS_PER_ERG / (n * c.C_LIGHT)
    dust_column = SOLAR_DUST_COLUMN / z
    t = 1e23 * u / dust_column
    column = dust_column * math.log((1.0 + t) / (1.0 + t / math.e))
    cplus_share = 1.0 / (1.0 + 0.2 * u * c.C_LIGHT * 3e-18 / 6e-12)
    collisions = cii_collision_rate(IONISED_T, n, 0.0, 0.0)
    power = c.CII_PHOTON_ERG * c.CII_A_UL * cii_upper_fraction(IONISED_T, collisions, 1.0)
    return column, cplus_share, power


@kernel
def slab_profile(n, z, g0, ionising, columns, flux_cii, flux_oi, cplus, t_gas, x2, t_cii, c_cii):
    """Fill the depth profile of one slab.

    n [cm^-3], z [solar], g0 [Habing] scalars; ionising bool; columns (K,) ascending [cm^-2].
    Filled, all (K,): cumulative flux_cii, flux_oi [erg/s/cm^2] and cplus [cm^-2]; t_gas [K] and x2 of
    the cell that ends there; cumulative [CII]-weighted means t_cii [K] and c_cii = C/n [cm^3/s].
    """
    n_ionised, cplus_share, ionised_power = 0.0, 0.0, 0.0
    if ionising:
        n_ionised, cplus_share, ionised_power = ionised_layer(n, z, g0)
    ionised_rate = cii_collision_rate(IONISED_T, n, 0.0, 0.0) / n
    sum_cii = sum_oi = sum_cplus = sum_t = sum_rate = 0.0
    h2_column = c_column = o_column = cii_column = 0.0
    previous = 0.0
    for k in range(columns.size):
        start, end = previous, columns[k]
        previous = end
        t_gas[k], x2[k] = IONISED_T, 0.0
        if start < n_ionised:
            cplus_added = c.CARBON_SOLAR * z * cplus_share * (min(end, n_ionised) - start)
            emitted = cplus_added * ionised_power
            sum_cplus += cplus_added
            sum_cii += emitted
            sum_t += emitted * IONISED_T
            sum_rate += emitted * ionised_rate
            start = min(end, n_ionised)
        if end > start:
            dn = end - start
            local = local_conditions(
                n, z, g0, 0.5 * (start + end), dn, h2_column, c_column, o_column, cii_column
            )
            t = equilibrium_temperature(local)
            ions = charge_balance(t, local)
            cii, oi_63, _, collisions = line_powers(t, local, ions)
            sum_cplus += ions.x_cplus * dn
            sum_cii += cii * dn
            sum_oi += oi_63 * dn
            sum_t += cii * dn * t
            sum_rate += cii * dn * collisions / n
            h2_column += local.x2 * dn
            c_column += ions.x_c * dn
            o_column += c.OXYGEN_SOLAR * z * dn
            upper = cii_upper_fraction(t, collisions, local.cii_escape)
            cii_column += ions.x_cplus * dn * max(0.0, 1.0 - upper - upper / c.CII_G_RATIO)
            t_gas[k], x2[k] = t, local.x2
        flux_cii[k], flux_oi[k], cplus[k] = sum_cii, sum_oi, sum_cplus
        t_cii[k], c_cii[k] = sum_t / sum_cii, sum_rate / sum_cii
