"""What a reader takes off the pictures of a cube is what the cube holds."""

import dataclasses

import made_up
import numpy as np
import pytest

from simpost.core.errors import InputError
from simpost.figures.cube import channel_figure, channel_maps, moment_figure, moment_panel
from simpost.maps.moments import moments
from simpost.products.product import ProductMap

PNG = b"\x89PNG\r\n\x1a\n"
LINE = made_up.LINE


def with_cube(values, velocity):
    product = made_up.disc_galaxy(pixels=values.shape[1])
    cube = ProductMap(values, "Lsun*s/km/kpc**2", 1e-15, {})
    seen = dataclasses.replace(product.views["z"], cubes={LINE: cube}, velocity=velocity)
    return dataclasses.replace(product, views={"z": seen})


@pytest.fixture
def product():
    """A disc turning about the image's vertical: its right side recedes."""
    velocity = 20.0 * np.arange(40) - 390.0
    places = (np.arange(30) + 0.5) / 30 * 5.0 - 2.5
    x, y = np.meshgrid(places, places)
    light = 1e8 * np.exp(-np.hypot(x, y) / 0.2)
    mean = 150.0 * np.tanh(x / 0.5)
    line = np.exp(-((velocity[:, None, None] - mean) ** 2) / (2 * 30.0**2))
    return with_cube(light * line, velocity)


def images(axis):
    return axis.get_images()[0]


def test_moments_are_drawn_as_they_are(product):
    figure = moment_figure(product, "z", LINE)
    figure.canvas.draw()
    brightness, velocity, dispersion, *_ = figure.axes
    seen = product.views["z"]
    expected = moments(seen.cubes[LINE].values, seen.velocity)
    image = images(brightness)
    assert image.origin == "lower" and image.get_extent() == [-2.5, 2.5, -2.5, 2.5]
    np.testing.assert_array_equal(image.get_array(), expected.brightness)
    lit = expected.brightness >= image.get_clim()[0]
    assert 0 < lit.sum() < lit.size
    for axis, values in ((velocity, expected.velocity), (dispersion, expected.dispersion)):
        shown = images(axis).get_array()
        np.testing.assert_array_equal(~np.ma.getmaskarray(shown), lit)
        np.testing.assert_array_equal(shown.compressed(), values[lit])
    low, high = images(velocity).get_clim()
    assert low == -high
    # receding, on the right, is red
    red, _, blue, _ = images(velocity).to_rgba(np.array([[high]]))[0, 0]
    assert red > blue


def test_spectrum_and_slice_show_the_light(product):
    figure = moment_figure(product, "z", LINE)
    figure.canvas.draw()
    curve, slit = figure.axes[3:5]
    seen = product.views["z"]
    (steps,) = [patch for patch in curve.patches if hasattr(patch, "get_data")]
    light = seen.cubes[LINE].values.sum(axis=(1, 2)) * seen.attributes["pixel"] ** 2
    np.testing.assert_allclose(steps.get_data().values, light)
    np.testing.assert_allclose(steps.get_data().edges, 20.0 * np.arange(41) - 400.0)
    total = f"{light.sum() * 20.0:.2e}".split("e")[0]
    assert any(total in text.get_text() for text in curve.texts)
    left, right, bottom, top = images(slit).get_extent()
    assert left == pytest.approx(-2.5, abs=0.2) and right == pytest.approx(2.5, abs=0.2)
    shown = np.ma.filled(images(slit).get_array(), 0.0)
    at = bottom + (np.argmax(shown.sum(axis=1)) + 0.5) * 20.0
    assert at in seen.velocity and top > 150.0
    assert "slit at 0°" in slit.get_xlabel() or "slit at -0°" in slit.get_xlabel()
    half = shown.shape[1] // 2  # the right side recedes
    places = np.arange(shown.shape[0])
    assert np.average(places, weights=shown[:, half:].sum(1)) > np.average(
        places, weights=shown[:, :half].sum(1)
    )


def test_channel_maps_show_every_channel_with_light(product):
    figure = channel_figure(product, "z", LINE)
    figure.canvas.draw()
    shown = [axis for axis in figure.axes if axis.get_images()]
    assert 4 <= len(shown) <= 16
    labels = [float(axis.texts[0].get_text().split()[0]) for axis in shown]
    assert labels == sorted(labels)
    step = labels[1] - labels[0]
    assert f"channels of {step:g} km/s" in figure.get_suptitle()
    seen = product.views["z"]
    factor = round(step / 20.0)
    for axis, at in zip(shown, labels, strict=True):
        near = np.abs(seen.velocity - at) < 0.5 * step
        assert near.sum() == factor
        expected = seen.cubes[LINE].values[near].mean(axis=0)
        array = images(axis).get_array()
        np.testing.assert_allclose(array.compressed(), expected[~np.ma.getmaskarray(array)], rtol=1e-12)
    total = sum(np.ma.filled(images(axis).get_array(), 0.0).sum() for axis in shown) * factor
    assert total == pytest.approx(seen.cubes[LINE].values.sum(), rel=5e-3)
    limits = {images(axis).get_clim() for axis in shown}
    assert len(limits) == 1


def test_a_dark_cube_and_a_narrow_one_are_drawn(tmp_path):
    dark = with_cube(np.zeros((8, 20, 20)), np.arange(8) * 10.0)
    values = np.zeros((8, 20, 20))
    values[3, 10, 10] = 1.0
    for name, product in (("dark", dark), ("narrow", with_cube(values, np.arange(8) * 10.0))):
        for draw in (moment_panel, channel_maps):
            path = tmp_path / f"{name}-{draw.__name__}.png"
            draw(product, "z", LINE, path)
            assert path.read_bytes().startswith(PNG)
    texts = [text.get_text() for axis in moment_figure(dark, "z", LINE).axes for text in axis.texts]
    assert texts.count("no light in this cube") == 3


def test_missing_cube_is_one_line(product, tmp_path):
    for draw in (moment_panel, channel_maps):
        with pytest.raises(InputError, match="no cube 'CII'"):
            draw(product, "z", "CII", tmp_path / "p.png")
    assert not list(tmp_path.iterdir())
