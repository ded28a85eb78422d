import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simpost.core import constants as c
from simpost.core.errors import InputError
from simpost.ism import radiation as rad

SERRA = ([6.0, 11.2, 13.6, 24.59, 54.42], [11.2, 13.6, 24.59, 54.42, 0.0])  # eV


def test_habing_field_of_the_specification():
    flux = np.array([[1e-3 * 0.01 * c.C_LIGHT]])  # N = 1e-3 /cm^3 at c_r = 0.01 c
    field = rad.habing_field(flux, [8.4], [6.0], [11.2], floor=0.0)
    assert field.value[0] == pytest.approx(2.521682e-3, rel=2e-7)
    assert field.floor_share == 0.0


def test_band_overlap():
    np.testing.assert_allclose(rad.habing_share(*SERRA), [1, 1, 0, 0, 0], atol=1e-12)
    # straddling, swallowing, infrared, touching
    share = rad.habing_share([5.0, 4.0, 0.1, 1.0], [7.0, 19.2, 1.0, 6.0])
    np.testing.assert_allclose(share, [0.5, 0.5, 0.0, 0.0], rtol=1e-14)
    assert rad.habing_share([13.6], [np.inf]).tolist() == [0.0]
    with pytest.raises(InputError, match="no upper edge"):
        rad.habing_share([11.2], [0.0])
    with pytest.raises(InputError, match="upper edges above"):
        rad.habing_share([11.2], [6.0])


def test_splitting_a_flat_group_changes_nothing():
    """Energy-flat spectrum: the sum over finer groups is the same field."""
    edges = np.linspace(5.0, 15.0, 41)
    fine = rad.habing_share(edges[:-1], edges[1:])
    assert fine.mean() == pytest.approx(rad.habing_share([5.0], [15.0])[0], rel=1e-12)


def test_floor_is_counted_and_groups_are_needed():
    flux = np.array([[1e3, 0.0], [1e9, 1e9]])
    field = rad.habing_field(flux, [8.4, 20.0], [6.0, 13.6], [13.6, 0.0])
    assert field.at_floor.tolist() == [True, False]
    assert field.value[0] == 0.1
    assert field.floor_share == 0.5
    assert field.value[1] == pytest.approx(1e9 * 8.4 * c.EV / 1.6e-3, rel=1e-12)
    with pytest.raises(InputError, match="stellar_habing_field"):
        rad.habing_field(flux[:, :1], [20.0], [13.6], [0.0])
    with pytest.raises(InputError, match="photon flux"):
        rad.habing_field(flux, [8.4], [6.0], [13.6])


def test_ionisation_parameter():
    ionising = rad.ionising_groups(SERRA[0])
    assert ionising.tolist() == [False, False, True, True, True]
    flux = np.array([[9.0, 9.0, 1.0, 2.0, 3.0]]) * c.C_LIGHT  # photons/cm^3 at full speed
    np.testing.assert_allclose(rad.ionisation_parameter(flux, ionising, [100.0]), [0.06], rtol=1e-14)
    # 1.6e-3 G0 q/(c n): G0 = 1e3, n = 100
    expected = 1.6e-3 * 1e3 * 1e10 / (c.C_LIGHT * 100)
    assert float(rad.ionisation_parameter_from_habing(1e3, 100.0)) == pytest.approx(expected, rel=1e-14)


def test_fuv_light_of_constant_star_formation():
    age = (np.arange(400000) + 0.5) * 100.0 / 400000
    per_rate = rad.fuv_luminosity(age).mean() * 100.0 * 1e6  # erg/s for 1 Msun/yr
    assert per_rate == pytest.approx(2.0835e43, rel=2e-5)
    assert rad.fuv_luminosity([0.0, 4.0, 8.0, 100.0]) / 1.69988e36 == pytest.approx([1, 1, 2**-1.3, 0])


def one_star(distance, cell_size, **options):
    cell = np.array([[distance, 0.0, 0.0]])
    return rad.stellar_habing_field(
        cell, [cell_size], np.zeros((1, 3)), [1e4], [2.0], background=0.0, **options
    )


def test_one_cluster_at_100_pc():
    assert one_star(0.1, 0.001).value[0] == pytest.approx(8.7916, abs=5e-5)  # eps = 10 pc at least
    luminosity = 1e4 * rad.FUV_LUMINOSITY
    unsoftened = luminosity / (4 * np.pi * (0.1 * c.KPC) ** 2) / 1.6e-3
    assert unsoftened == pytest.approx(8.8795, abs=5e-5)
    # the cell at the star sets the softening; a star outside all cells has the least
    softened = one_star(0.1, 0.1, star_host=np.array([0])).value[0]
    assert softened == pytest.approx(unsoftened / 2, rel=1e-12)
    assert one_star(0.1, 0.1, star_host=np.array([-1])).value[0] == pytest.approx(8.7916, abs=5e-5)


def test_shielding_and_cutoff():
    depth = rad.dust_optical_depth(1e22, 0.5)
    assert float(depth) == pytest.approx(1.8 * 5.35e-22 * 0.5e22, rel=1e-12)
    open_field, shielded = one_star(0.1, 0.01), one_star(0.1, 0.01, optical_depth=[float(depth)])
    assert shielded.value[0] == pytest.approx(open_field.value[0] * np.exp(-depth), rel=1e-12)
    dark = one_star(0.1, 0.01, cutoff=0.09)
    assert dark.value[0] == 0.0


def test_no_stars_leave_the_background():
    none = rad.stellar_habing_field(np.zeros((2, 3)), [1.0, 1.0], np.zeros((0, 3)), [], [])
    assert none.value.tolist() == [0.1, 0.1]
    assert none.floor_share == 1.0
    old = rad.stellar_habing_field(np.zeros((2, 3)), [1.0, 1.0], np.zeros((1, 3)), [1e5], [200.0])
    assert old.value.tolist() == [0.1, 0.1]


def direct_sum(cells, stars, luminosity, softening, cutoff=np.inf):
    square = ((cells[:, None] - stars) ** 2).sum(axis=2)
    return np.where(square <= cutoff**2, luminosity / (square + softening**2), 0.0).sum(axis=1)


def clustered(seed, n_stars=3000, n_cells=2000):
    """A thick disc of stars in clusters, cells in and around it, softening from 10 to 200 pc."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(40, 3)) * [2.0, 2.0, 0.3]
    stars = centres[rng.integers(0, 40, n_stars)] + 0.05 * rng.standard_t(2, size=(n_stars, 3))
    cells = np.vstack([rng.normal(size=(n_cells // 2, 3)), stars[: n_cells // 2] + 0.02])
    return cells, stars, rng.lognormal(0, 2, n_stars), 10 ** rng.uniform(-2, -0.7, n_stars)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_tree_agrees_with_the_direct_sum(seed):
    cells, stars, luminosity, softening = clustered(seed)
    exact = direct_sum(cells, stars, luminosity, softening)
    tree = rad._tree_sum(cells, stars, luminosity, softening, 0.5, np.inf)
    error = np.abs(tree / exact - 1)
    assert error.max() < 0.01
    assert np.sqrt(np.mean(error**2)) < 0.001
    star_by_star = rad._tree_sum(cells, stars, luminosity, softening, 0.0, np.inf)
    np.testing.assert_allclose(star_by_star, exact, rtol=1e-12)


def test_tree_with_cutoff_agrees_with_the_direct_sum():
    cells, stars, luminosity, softening = clustered(4)
    exact = direct_sum(cells, stars, luminosity, softening, 1.5)
    tree = rad._tree_sum(cells, stars, luminosity, softening, 0.5, 1.5)
    lit = exact > 0
    assert np.all(tree[~lit] == 0)
    assert np.abs(tree[lit] / exact[lit] - 1).max() < 0.01


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 200), st.integers(0, 2**32 - 1), st.booleans())
def test_trees_of_any_shape_hold_every_star_once(n_stars, seed, in_place):
    """Also with many stars in one place, along a line, or alone."""
    rng = np.random.default_rng(seed)
    stars = rng.normal(size=(n_stars, 3)) * rng.integers(0, 2, 3)
    if in_place:
        stars[: n_stars // 2] = stars[0]
    luminosity, softening = rng.uniform(0.1, 1, n_stars), np.full(n_stars, 0.01)
    far = np.array([[300.0, 0.0, 0.0], [0.0, 0.0, -500.0]])
    tree = rad._tree_sum(far, stars, luminosity, softening, 0.5, np.inf)
    np.testing.assert_allclose(tree, direct_sum(far, stars, luminosity, softening), rtol=1e-4)
    near = stars[: min(5, n_stars)] + 0.3
    exact = direct_sum(near, stars, luminosity, softening)
    star_by_star = rad._tree_sum(near, stars, luminosity, softening, 0.0, np.inf)
    np.testing.assert_allclose(star_by_star, exact, rtol=1e-12)


def test_bad_input():
    with pytest.raises(InputError, match="star age"):
        rad.fuv_luminosity([-1.0])
    with pytest.raises(InputError, match="cell size"):
        one_star(0.1, 0.0)
    with pytest.raises(InputError, match="optical depth"):
        one_star(0.1, 0.1, optical_depth=[1.0, 2.0])
