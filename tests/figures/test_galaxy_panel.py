"""What a reader takes off the panel is what the maps hold."""

import os
import subprocess
import sys
from pathlib import Path

import made_up
import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.image import AxesImage

from simpost.core.errors import InputError
from simpost.figures.panel import (
    SCALE_BAR,
    _readable,
    _short,
    colour_limits,
    galaxy_figure,
    galaxy_panel,
    round_length,
)

PNG = b"\x89PNG\r\n\x1a\n"
LINE_MAP = "surface_brightness_CII-158um"


@pytest.fixture
def product():
    return made_up.disc_galaxy(pixels=50)


def panels(product):
    figure = galaxy_figure(product, "z")
    figure.canvas.draw()
    return figure, figure.axes[:4]


def labels(axis):
    return [child.get_xlabel() for child in axis.child_axes]


def image_of(axis):
    (image,) = axis.get_images()
    return image


def test_scale_bar_is_as_long_as_it_says(product):
    figure, axes = panels(product)
    (bar,) = [artist for artist in axes[0].patches if artist.get_gid() == SCALE_BAR]
    (text,) = [text.get_text() for text in axes[0].texts]
    frame = axes[0].get_window_extent()
    kpc_per_dot = product.views["z"].attributes["width"] / frame.width
    assert bar.get_window_extent().width * kpc_per_dot == pytest.approx(float(text.split()[0]), rel=1e-6)
    assert frame.width == pytest.approx(frame.height)
    # and in the pixels that are drawn: the bar is the only pure black inside the frame of a bright map
    dots = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    extent = bar.get_window_extent()
    row = dots[dots.shape[0] - int((extent.y0 + extent.y1) / 2), int(frame.x0) + 3 : int(frame.x1) - 3]
    assert abs((row == 0).all(axis=1).sum() - extent.width) <= 2


@pytest.mark.parametrize(
    ("longest", "length"), [(1.25, 1.0), (2.0, 2.0), (0.049, 0.02), (7.0, 5.0), (99.0, 50.0)]
)
def test_round_length(longest, length):
    assert round_length(longest) == pytest.approx(length)


def test_images_stand_as_in_the_maps(product):
    gas = product.views["z"].maps["surface_density_gas"].values
    gas[:] = 0.0
    gas[40, 10] = 1e8  # upper left
    gas[41, 10] = 1e7
    _, axes = panels(product)
    image = image_of(axes[0])
    assert image.origin == "lower" and image.get_extent() == [-2.5, 2.5, -2.5, 2.5]
    assert image.get_array()[40, 10] == 1e8
    assert image.get_array().mask.sum() == gas.size - 2
    at = axes[0].transData.transform(((10.5 / 50 - 0.5) * 5, (40.5 / 50 - 0.5) * 5))
    frame = axes[0].get_window_extent()
    assert at[0] < frame.x0 + frame.width / 2 and at[1] > frame.y0 + frame.height / 2


def test_colour_bars_name_quantity_and_unit_and_match_the_image(product):
    _, axes = panels(product)
    for axis, words in zip(
        axes, (("gas", "kpc"), ("[CII]", "kpc"), ("SFR", "10 Myr", "yr"), ("W_", "gas", "[CII]")), strict=True
    ):
        (label,) = labels(axis)
        assert all(word in label for word in words)
        (frame,) = axis.child_axes
        assert frame.get_xscale() == "log"
        assert frame.get_xlim() == pytest.approx(image_of(axis).get_clim())
        assert [artist for artist in frame.get_children() if isinstance(artist, QuadMesh)]


def test_ratio_panel_shows_gas_over_line(product):
    _, axes = panels(product)
    maps = product.views["z"].maps
    shown = image_of(axes[3]).get_array()
    line = maps[LINE_MAP].values
    lit = line >= colour_limits(line)[0]
    assert 0 < lit.sum() < (line > 0).sum()
    assert np.array_equal(shown.compressed(), maps["surface_density_gas"].values[lit] / line[lit])
    assert np.array_equal(shown.mask, ~lit)


def test_blocks_of_sparse_stars_keep_their_mean():
    values = np.zeros((167, 167))
    draw = np.random.default_rng(2)
    rows, columns = draw.integers(60, 100, (2, 150))
    values[rows, columns] = draw.random(150)
    blocks, side = _readable(values)
    assert side > 1
    assert blocks.sum() * side**2 == pytest.approx(values.sum(), rel=1e-12)
    dense, one = _readable(np.ones((50, 50)))
    assert one == 1 and np.array_equal(dense, np.ones((50, 50)))


def test_binned_stars_lie_where_the_stars_are(product):
    _, axes = panels(product)
    image = image_of(axes[2])
    left, right, bottom, _ = image.get_extent()
    side = (right - left) / image.get_array().shape[1]
    shown = np.ma.filled(image.get_array(), 0.0)
    values = product.views["z"].maps["surface_density_sfr_10"].values
    pixel = 5.0 / len(values)
    for axis in (0, 1):
        centre = np.average(np.arange(len(values)) + 0.5, weights=values.sum(axis=1 - axis)) * pixel - 2.5
        places = (np.arange(shown.shape[axis]) + 0.5) * side + (bottom, left)[axis]
        assert np.average(places, weights=shown.sum(axis=1 - axis)) == pytest.approx(centre, abs=side)


def test_colour_limits():
    values = np.concatenate([np.zeros(100), np.logspace(-3, 9, 10001)])
    low, high = colour_limits(values)
    assert high == pytest.approx(10**8.988, rel=1e-3) and low == pytest.approx(high / 1e4)
    low, high = colour_limits(values, is_ratio=True)
    assert low == pytest.approx(10**-2.988, rel=1e-3) and high == pytest.approx(low * 1e3)
    assert colour_limits(np.array([1.0, 100.0]))[0] == 1.0
    assert colour_limits(np.full((3, 3), 5.0)) == pytest.approx((5 / 10**0.5, 5 * 10**0.5))


@pytest.mark.parametrize(("empty", "shown"), [((), "10 Myr"), (("10",), "30 Myr"), (("10", "30"), "100 Myr")])
def test_star_formation_takes_the_first_window_with_stars(product, empty, shown):
    for window in empty:
        product.views["z"].maps[f"surface_density_sfr_{window}"].values[:] = 0.0
    _, axes = panels(product)
    assert shown in labels(axes[2])[0]


def test_what_is_not_there_is_said(product, tmp_path):
    maps = product.views["z"].maps
    for window in ("10", "30", "100"):
        maps[f"surface_density_sfr_{window}"].values[:] = 0.0
    del maps[LINE_MAP]
    _, axes = panels(product)
    notes = [[text.get_text() for text in axis.texts] for axis in axes[1:]]
    assert notes == [
        ["[CII] was not computed"],
        ["no star formation in this view"],
        ["[CII] was not computed"],
    ]
    assert not any(isinstance(child, AxesImage) for axis in axes[1:] for child in axis.get_children())
    maps["surface_density_gas"].values[:] = 0.0
    galaxy_panel(product, "z", tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes().startswith(PNG)


def test_title_is_taken_literally_and_file_is_whole(tmp_path):
    product = made_up.disc_galaxy(pixels=50, id="a$b$_1")
    galaxy_panel(product, "z", tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes().startswith(PNG)
    assert galaxy_figure(product, "z").subfigs[0].get_suptitle() == "a$b$_1,  z = 6.03,  view z"
    with pytest.raises(InputError, match="no view 'y'"):
        galaxy_panel(product, "y", tmp_path / "q.png")
    assert [path.name for path in tmp_path.iterdir()] == ["p.png"]


def test_home_stays_clean_and_pyplot_unused(tmp_path):
    home, cache = tmp_path / "home", tmp_path / "cache"
    home.mkdir()
    code = (
        "import sys, made_up\n"
        "from simpost.figures.panel import galaxy_panel\n"
        "assert 'matplotlib' not in sys.modules\n"
        "galaxy_panel(made_up.disc_galaxy(pixels=20), 'z', sys.argv[1])\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    here = Path(__file__).parents[1]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("XDG", "MPL"))}
    environment |= {"HOME": str(home), "SIMPOST_CACHE": str(cache)}
    environment["PYTHONPATH"] = os.pathsep.join((str(here / "products"), str(here.parent)))
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "p.png")], env=environment, check=True)
    assert not list(home.iterdir())
    assert (cache / "matplotlib").is_dir()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.2, "0.2"),
        (50.0, "50"),
        (5e4, "50000"),
        (5e5, r"$5\!\times\!10^{5}$"),
        (1e6, "$10^{6}$"),
        (2e-5, r"$2\!\times\!10^{-5}$"),
    ],
)
def test_numbers_on_a_short_colour_bar_are_of_one_kind(value, text):
    assert _short(value) == text
