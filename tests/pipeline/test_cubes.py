"""Cubes of a run: they add up to its maps, are written whole and open elsewhere."""

import numpy as np
import pytest

from simpost.config import resolve
from simpost.pipeline.run import run
from simpost.products import read_product

CII = "CII-158um"


@pytest.fixture(scope="module", params=["sample:ramses-zoom", "sample:arepo-zoom"])
def result(request, tmp_path_factory):
    output = tmp_path_factory.mktemp("cubes") / "out"
    config = resolve(
        {
            "snapshots": [request.param],
            "views": ["z", {"line_of_sight": [1, 2, 3], "name": "oblique"}],
            "maps": {"width": "3 kpc", "pixel": "0.1 kpc", "cube": {"channel": "20 km/s", "channels": 60}},
            "ism": {"assumed_metallicity": 0.1},
            "output": str(output),
        }
    )
    return run(config)


def test_moment_0_is_the_map(result):
    assert not result.failures
    for view in read_product(result.paths[0] / "product.h5").views.values():
        cube, line = view.cubes[CII], view.maps[f"surface_brightness_{CII}"]
        assert cube.attributes["share_outside_band"] < 1e-6
        moment_0 = cube.values.sum(axis=0) * 20.0
        brightest = line.values.max()
        # the light outside the band, below 1e-6 in all, may fall on a single pixel
        assert np.abs(moment_0 - line.values).max() < 1e-5 * brightest
        assert cube.attributes["moment_0_deviation"] < 1e-10
        assert abs(cube.closure) < 1e-6
        assert view.velocity == pytest.approx(np.arange(-590.0, 600.0, 20.0))


def test_mean_velocity_is_that_of_the_galaxy(result):
    """The light of a galaxy moves with it: no sign or frame is mixed up between the views."""
    for view in result.products[0].views.values():
        spectrum = view.cubes[CII].values.sum(axis=(1, 2))
        assert abs(np.average(view.velocity, weights=spectrum)) < 60.0


def test_files_of_every_cube(result):
    for view in ("z", "oblique"):
        for name in (f"cube_{view}_{CII}.fits", f"moments_{view}_{CII}.png", f"channels_{view}_{CII}.png"):
            assert (result.paths[0] / name).stat().st_size > 1000


def test_cube_opens_in_spectral_cube(result):
    spectral_cube = pytest.importorskip("spectral_cube", reason="spectral-cube is not installed")
    cube = spectral_cube.SpectralCube.read(str(result.paths[0] / f"cube_z_{CII}.fits"))
    assert cube.shape == (60, 30, 30)
    velocity = cube.spectral_axis.to_value("km/s")
    assert velocity == pytest.approx(np.arange(-590.0, 600.0, 20.0), abs=1e-6)
    of_product = result.products[0].views["z"].cubes[CII].values
    np.testing.assert_allclose(cube.unmasked_data[:].value, of_product, rtol=1e-12)
