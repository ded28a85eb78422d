"""The same maps by swiftsimio's backends."""

import numpy as np
import pytest

from simpost.core.errors import InputError
from simpost.maps.deposit import Depositor
from simpost.maps.view import View


def maps_by(backend, n_pixels=64, r_cell=(-1.6, -1.0), spread=(1.0, 0.3)):
    rng = np.random.default_rng(6)
    # an oblong cloud: a transposed image cannot pass
    position = rng.normal(0.0, 0.25, (60, 3)) * [*spread, 1.0]
    radius = 10 ** rng.uniform(*r_cell, 60)
    depositor = Depositor(View.named("z", 2.0, 8.0, 2.0 / n_pixels), ["mass"], backend=backend)
    depositor.add_cells(position, radius, {"mass": rng.uniform(0.1, 1.0, 60)})
    return depositor.finish()["mass"]


def test_well_resolved_kernels_agree_with_subsampled():
    ours, theirs = maps_by("pixel_integrated"), maps_by("subsampled")
    # its kernels of 4 to 15 pixels are sampled at 32 points across; 7/pi is rounded at 1e-6
    assert np.abs(ours.values - theirs.values).max() < 1e-3 * ours.values.max()
    assert abs(ours.closure) < 1e-6
    assert abs(theirs.closure) < 1e-4
    assert (ours.n_cells, ours.total_outside_fov) == (theirs.n_cells, theirs.total_outside_fov)


def test_histogram_puts_narrow_kernels_where_we_do():
    ours, theirs = (maps_by(backend, 16, (-6.0, -5.0)) for backend in ("pixel_integrated", "histogram"))
    np.testing.assert_allclose(theirs.values, ours.values, rtol=1e-5, atol=1e-5 * ours.values.max())


def test_pixels_a_backend_refuses():
    with pytest.raises(InputError, match=r"'nested'.*50 pixels"):
        maps_by("nested", 50)
