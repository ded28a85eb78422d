import numpy as np
import pytest
from test_turbulence import refined_grid

from simpost.core.errors import InputError
from simpost.ism import flags
from simpost.ism.octree import LeafIndex


def test_host_leaf_across_a_level_jump():
    corner, level, width, centre = refined_grid()
    rng = np.random.default_rng(0)
    stars = centre + rng.uniform(-0.499, 0.499, centre.shape) * width[:, None]
    index = LeafIndex(corner, level, 3)
    assert np.array_equal(flags.host_leaf(index, stars), np.arange(len(level)))
    assert flags.host_leaf(index, [[8.5, 1.0, 1.0]])[0] == -1


def test_host_generator_is_the_nearest():
    rng = np.random.default_rng(1)
    generators, stars = rng.normal(size=(100, 3)), rng.normal(size=(40, 3))
    nearest = np.linalg.norm(stars[:, None] - generators, axis=2).argmin(axis=1)
    assert np.array_equal(flags.host_generator(generators, stars), nearest)


def test_young_star_flag():
    host = np.array([0, 0, 2, 3, -1])
    flag = flags.has_young_star(host, [5.0, 50.0, 10.0, 9.99, 1.0], 5)
    assert flag.tolist() == [True, False, False, True, False]
    assert flags.has_young_star(host, [5.0, 50.0, 10.0, 9.99, 1.0], 5, 20.0).tolist()[2]
    assert not flags.has_young_star(np.zeros(0, dtype=int), [], 3).any()


def test_resolved_hii():
    x_hii, flux = np.array([0.5, 0.9, 0.49]), np.array([1.0, 0.0, 1.0])
    assert flags.is_resolved_hii(x_hii, flux).tolist() == [True, False, False]
    lit = flags.is_resolved_hii_without_rt(
        [0.9] * 4 + [0.1], [1e4, 4e4, 1e4, 2.9e4, 1e4], [5, 5, 0.1, 0.2, 5], 0.1
    )
    assert lit.tolist() == [True, False, False, True, False]


def test_variant_and_hot():
    resolved, young = np.array([True, False, False]), np.array([False, True, False])
    assert flags.uses_ionising_variant(resolved, young).tolist() == [True, True, False]
    assert flags.is_hot([4e4, 5e4, 5.1e4]).tolist() == [False, False, True]


def test_bad_input():
    with pytest.raises(InputError, match="no cell"):
        flags.host_generator(np.zeros((0, 3)), np.zeros((1, 3)))
    with pytest.raises(InputError, match="star age"):
        flags.has_young_star(np.array([0]), [1.0, 2.0], 1)
