"""Line grids: the packaged one, files there and back, damaged and foreign files."""

import h5py
import numpy as np
import pytest

from simpost.core import constants as c
from simpost.core.errors import InputError
from simpost.emission.build import DEFAULT_AXES, GridAxes, build_slab_grid
from simpost.emission.grid import AXES, LineGrid, load_grid, log_per_nucleus, read_grid, write_grid
from simpost.emission.lines import CII, LINES, OI_63, line_named


def small_grid(**changes):
    axes = [np.array([0.0, 1.0]), np.array([-1.0, 0.0]), np.array([0.0, 1.0, 2.0]), np.array([18.0, 20.0])]
    table = -25.0 + np.arange(24.0).reshape(1, 2, 2, 3, 2) / 10.0
    content = {"variants": ("non_ionising",), "emission": {CII: table}} | changes
    return LineGrid(*axes, **content)


def test_packaged_grid_has_the_axes_of_the_specification(slab_grid):
    assert slab_grid.shape == (2, 17, 8, 12, 65)
    for name, expected in zip(AXES, DEFAULT_AXES, strict=True):
        np.testing.assert_allclose(getattr(slab_grid, name), expected, rtol=0, atol=1e-12)
    assert set(slab_grid.emission) == {CII, OI_63}
    assert not slab_grid.cmb_in_grid
    assert slab_grid.floored_share(CII) == 0.0


def test_no_node_above_the_physical_ceiling(slab_grid):
    ceiling = slab_grid.log_z[:, None, None] + np.log10(
        c.CARBON_SOLAR * c.CII_PHOTON_ERG * c.CII_A_UL * 2.0 / 3.0
    )
    excess = slab_grid.line(CII).astype(float) - ceiling
    assert excess.max() < 0.0
    assert excess.max() > -0.01  # hot dense gas comes close to it


def test_flux_grows_with_column(slab_grid):
    for table in slab_grid.emission.values():
        log_flux = table.astype(float) + slab_grid.log_column
        assert (np.diff(log_flux, axis=-1) > -1e-5).all()


def test_packaged_grid_can_be_made_again(slab_grid):
    pick = (slice(3, 17, 9), slice(1, 8, 5), slice(0, 12, 7))
    axes = GridAxes(
        *(axis[part] for axis, part in zip(DEFAULT_AXES[:3], pick, strict=True)), DEFAULT_AXES.log_column
    )
    again = build_slab_grid(axes, workers=2)
    for label in (CII, OI_63):
        np.testing.assert_allclose(again.line(label), slab_grid.line(label)[:, *pick], rtol=0, atol=5e-6)
    np.testing.assert_allclose(again.t_cii, slab_grid.t_cii[:, *pick], rtol=1e-6)
    np.testing.assert_allclose(again.c_cii, slab_grid.c_cii[:, *pick], rtol=1e-6)
    assert (again.code, again.version, again.made) == (slab_grid.code, slab_grid.version, slab_grid.made)


def test_build_reports_progress_and_refuses_bad_columns():
    axes = GridAxes(np.array([1.0, 2.0]), np.array([-1.0, 0.0]), np.array([0.0, 1.0]), np.array([16.0, 20.0]))
    seen = []
    build_slab_grid(axes, workers=2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i, 16) for i in range(1, 17)]
    with pytest.raises(InputError, match="unequal steps"):
        build_slab_grid(axes._replace(log_column=np.array([16.0, 17.0, 19.0])))
    with pytest.raises(InputError, match="at most 1e17"):
        build_slab_grid(axes._replace(log_column=np.array([19.0, 20.0])))


def test_there_and_back(tmp_path):
    grid = small_grid(t_cii=np.full((1, 2, 2, 3, 2), 50.0), c_cii=np.full((1, 2, 2, 3, 2), 1e-9), code="x")
    write_grid(grid, tmp_path / "g.h5")
    back = read_grid(tmp_path / "g.h5")
    assert back.checksum == grid.checksum
    for name in AXES:
        assert (getattr(back, name) == getattr(grid, name)).all()
    assert (back.line(CII) == grid.line(CII)).all()
    assert (back.t_cii == grid.t_cii).all()
    assert back.policy == grid.policy
    write_grid(back, tmp_path / "h.h5")
    assert (tmp_path / "h.h5").read_bytes() == (tmp_path / "g.h5").read_bytes()
    assert load_grid(tmp_path / "g.h5").checksum == grid.checksum


def test_checksum_sees_every_part():
    table = small_grid().line(CII).copy()
    table[0, 0, 0, 0, 0] += 0.01
    others = [
        small_grid(emission={CII: table}),
        small_grid(cmb_in_grid=True),
        small_grid(variants=("ionising",)),
        small_grid(emission={OI_63: small_grid().line(CII)}),
        small_grid(policy=dict(small_grid().policy) | {"log_n": (0.0, 0.0)}),
    ]
    assert len({grid.checksum for grid in [small_grid(), *others]}) == len(others) + 1


def test_damaged_and_foreign_files(tmp_path):
    path = tmp_path / "g.h5"
    write_grid(small_grid(), path)
    whole = path.read_bytes()
    with h5py.File(path, "r+") as file:
        file[f"lines/{CII}"][0, 0, 0, 0, 0] = -20.0
    with pytest.raises(InputError, match="differs from its checksum"):
        read_grid(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="whole line grid"):
        read_grid(path)
    path.write_text("not HDF5")
    with pytest.raises(InputError, match="whole line grid"):
        read_grid(path)
    path.write_bytes(whole)
    with h5py.File(path, "r+") as file:
        del file["axes/log_z"]
    with pytest.raises(InputError, match="whole line grid"):
        read_grid(path)
    with h5py.File(path, "w") as file:
        file["image"] = [1, 2]
    with pytest.raises(InputError, match="another kind of HDF5"):
        read_grid(path)
    path.write_bytes(whole)
    with h5py.File(path, "r+") as file:
        file.attrs["quantity"] = "I_normal"
    with pytest.raises(InputError, match="F_4pi_j"):
        read_grid(path)
    with pytest.raises(InputError, match="no file"):
        read_grid(tmp_path / "none.h5")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variants": ("ionizing",)}, "variants"),
        ({"emission": {}}, "no line"),
        ({"emission": {CII: np.zeros((1, 2, 2, 2, 2))}}, "shape"),
        ({"emission": {CII: np.full((1, 2, 2, 3, 2), np.nan)}}, "not finite"),
        ({"emission": {"CII-158": np.zeros((1, 2, 2, 3, 2))}}, "did you mean"),
        ({"policy": {"log_n": (0.0, 0.0)}}, "policy"),
    ],
)
def test_wrong_content(changes, message):
    with pytest.raises(InputError, match=message):
        small_grid(**changes)


def test_names():
    with pytest.raises(InputError, match="did you mean 'slab'"):
        load_grid("slap")
    with pytest.raises(InputError, match="did you mean 'CII-158um'"):
        small_grid().line("CII-157um")
    for line in LINES.values():
        assert line.wavelength_um * line.frequency_ghz == pytest.approx(c.C_LIGHT / 1e5, rel=2e-4)
    assert line_named(CII).frequency_ghz == 1900.5369


def test_flux_per_nucleus_floors_zero():
    log_l = log_per_nucleus([[0.0, 1e-5]], [20.0, 21.0])
    np.testing.assert_allclose(log_l, [[-60.0, -26.0]])
