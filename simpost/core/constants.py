"""Physical constants in CGS, for use inside the physics only.

Values are CODATA 2018 and IAU 2015; `M_H` is the mass of the hydrogen atom, not of the proton.
Surfaces between rooms carry the internal units of `simpost.core.units`.
"""

C_LIGHT = 2.99792458e10  # cm/s, exact
H_PLANCK = 6.62607015e-27  # erg s, exact
K_B = 1.380649e-16  # erg/K, exact
EV = 1.602176634e-12  # erg, exact
M_H = 1.6735328e-24  # g, hydrogen atom
G_NEWTON = 6.67430e-8  # cm^3/g/s^2, CODATA 2018
M_SUN = 1.98840987e33  # g, IAU GM_sun / G
L_SUN = 3.828e33  # erg/s, IAU 2015 nominal
PC = 3.0856775814913673e18  # cm
KPC = 1e3 * PC  # cm
YEAR = 3.15576e7  # s, Julian
MYR = 1e6 * YEAR  # s
KM = 1e5  # cm
T_CMB0 = 2.7255  # K, Fixsen 2009

HABING_FLUX = 1.6e-3  # erg/s/cm^2 between 6.0 and 13.6 eV (Habing 1968)
HABING_BAND_EV = (6.0, 13.6)
DRAINE_IN_HABING = 1.71  # Draine 1978 field in Habing units

# Solar scale of Asplund et al. 2009, as in Vallini+2025.
Z_SUN = 0.0134  # metal mass fraction; yt's own "Zsun" is 0.01295 and is never used
CARBON_SOLAR = 2.69e-4  # C/H by number
OXYGEN_SOLAR = 4.90e-4  # O/H by number
X_HYDROGEN = 0.76  # hydrogen mass fraction where a snapshot does not state its own

# [CII] 158 um, Nussbaumer & Storey 1981 and NIST.
CII_WAVELENGTH_UM = 157.7409
CII_FREQUENCY_HZ = 1900.5369e9
CII_PHOTON_ERG = H_PLANCK * CII_FREQUENCY_HZ
CII_T_STAR = CII_PHOTON_ERG / K_B  # K
CII_A_UL = 2.29e-6  # 1/s
CII_G_RATIO = 2.0  # g_u / g_l
