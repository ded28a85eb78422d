"""Line grids: the packaged one, files there and back, damaged and foreign files."""

import h5py
import numpy as np
import pytest

from simpost.core import constants as c
from simpost.core.errors import InputError
from simpost.emission.axes import REFUSE, Axis, standard_axis
from simpost.emission.build import DEFAULT_AXES, GridAxes, build_slab_grid
from simpost.emission.grid import LineGrid, load_grid, log_per_nucleus, read_grid, write_grid
from simpost.emission.lines import CII, LINES, OI_63, line_named

NODES = {"log_n": [0.0, 1.0], "log_z": [-1.0, 0.0], "log_g0": [0.0, 1.0, 2.0], "log_column": [18.0, 20.0]}


def small_grid(axes=None, **changes):
    axes = {name: standard_axis(name, nodes) for name, nodes in NODES.items()} | (axes or {})
    shape = (1, *(len(axis.nodes) for axis in axes.values()))
    table = -25.0 + np.arange(float(np.prod(shape))).reshape(shape) / 10.0
    content = {"variants": ("non_ionising",), "emission": {CII: table}} | changes
    return LineGrid(axes=axes, **content)


def test_packaged_grid_has_the_axes_of_the_specification(slab_grid):
    assert slab_grid.shape == (2, 17, 8, 12, 65)
    assert list(slab_grid.axes) == list(DEFAULT_AXES._fields)
    for name, expected in DEFAULT_AXES._asdict().items():
        np.testing.assert_allclose(slab_grid.nodes(name), expected, rtol=0, atol=1e-12)
    assert set(slab_grid.emission) == {CII, OI_63}
    assert not slab_grid.cmb_in_grid
    assert slab_grid.floored_share(CII) == 0.0


def test_no_node_above_the_physical_ceiling(slab_grid):
    ceiling = slab_grid.nodes("log_z")[:, None, None] + np.log10(
        slab_grid.abundances["C"] * c.CII_PHOTON_ERG * c.CII_A_UL * 2.0 / 3.0
    )
    excess = slab_grid.line(CII).astype(float) - ceiling
    assert excess.max() < 0.0
    assert excess.max() > -0.01  # hot dense gas comes close to it


def test_flux_grows_with_column(slab_grid):
    for table in slab_grid.emission.values():
        log_flux = table.astype(float) + slab_grid.nodes("log_column")
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
    for name in ("code", "version", "made", "abundances", "notes", "cmb_in_grid", "variants"):
        assert getattr(again, name) == getattr(slab_grid, name)


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
    more = {"log_cosmic_rays": Axis(np.array([-16.0, -15.0]), "log10 s^-1", REFUSE, 0.5)}
    shape = (1, 2, 2, 3, 2, 2)
    grid = small_grid(
        more,
        t_cii=np.full(shape, 50.0),
        c_cii=np.full(shape, 1e-9),
        emission={CII: np.full(shape, -25.0), "CO-3-2": np.full(shape, -27.0)},
        code="x",
        abundances={"C": 2.51e-4},
        notes=("one", "two"),
    )
    write_grid(grid, tmp_path / "g.h5")
    back = read_grid(tmp_path / "g.h5")
    assert back.checksum == grid.checksum
    assert list(back.axes) == [*NODES, "log_cosmic_rays"]
    for name, axis in grid.axes.items():
        assert (back.nodes(name) == axis.nodes).all()
        assert back.axes[name][1:] == axis[1:]
    for name in ("code", "abundances", "notes", "cmb_in_grid", "variants"):
        assert getattr(back, name) == getattr(grid, name)
    assert (back.line(CII) == grid.line(CII)).all()
    assert (back.t_cii == grid.t_cii).all()
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
        small_grid({"log_n": standard_axis("log_n", [0.0, 1.0])._replace(below=0.0)}),
        small_grid({"log_n": standard_axis("log_n", [0.0, 1.1])}),
        small_grid(notes=("a note",)),
        small_grid(abundances={"C": 1e-4}),
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
    for name, value, message in (
        ("axes/log_n", [1.0, 0.0], "log_n: found nodes that do not ascend"),
        ("axes/log_g0", [0.0, np.nan, 2.0], "log_g0: found nodes that are not finite"),
        (f"lines/{CII}", np.full((1, 2, 2, 3, 2), np.nan), "24 of 24 values not finite"),
    ):
        path.write_bytes(whole)
        with h5py.File(path, "r+") as file:
            file[name][...] = value
        with pytest.raises(InputError, match=f"^{path}: .*{message}"):
            read_grid(path)
    path.write_bytes(whole)
    with h5py.File(path, "r+") as file:
        file["axes/log_column"].attrs["unit"] = "log10 m^-2"
    with pytest.raises(InputError, match=r"log_column: found unit 'log10 m\^-2', expected 'log10 cm\^-2'"):
        read_grid(path)
    path.write_bytes(whole)
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = 1
    with pytest.raises(InputError, match=r"schema 1, .*expected schema 2.*make it again"):
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
        ({"axes": {"log_z": Axis(np.array([0.0, -1.0]), "log10 solar", 1.0, 0.0)}}, "do not ascend"),
        ({"axes": {"log_z": Axis(np.array([0.0]), "log10 solar", 1.0, 0.0)}}, "shape"),
        ({"axes": {"log_z": Axis(np.array([-1.0, 0.0]), "Z", 1.0, 0.0)}}, "unit 'Z', expected 'log10 solar'"),
        ({"axes": {"log_z": Axis(np.array([-1.0, 0.0]), "log10 solar", "clamp", 0.0)}}, "policy 'clamp'"),
        ({"axes": {"log_z": Axis(np.array([-1.0, 0.0]), "log10 solar", np.nan, 0.0)}}, "policy nan"),
    ],
)
def test_wrong_content(changes, message):
    with pytest.raises(InputError, match=message):
        small_grid(**changes)


def test_density_axis_is_required():
    axes = {"log_z": standard_axis("log_z", [-1.0, 0.0])}
    with pytest.raises(InputError, match="log_n among them"):
        LineGrid(axes=axes, variants=("ionising",), emission={CII: np.zeros((1, 2))})


def test_one_value_of_an_axis():
    more = {"log_cosmic_rays": Axis(np.array([-16.0, -15.0]), "log10 s^-1", 0.0, 0.0)}
    grid = small_grid(more, t_cii=np.broadcast_to([10.0, 20.0], (1, 2, 2, 3, 2, 2)))
    cut = grid.at("log_cosmic_rays", -15.75)
    assert list(cut.axes) == list(NODES)
    table = grid.line(CII).astype(float)
    np.testing.assert_allclose(cut.line(CII), 0.75 * table[..., 0] + 0.25 * table[..., 1], rtol=1e-6)
    np.testing.assert_allclose(cut.t_cii, 12.5)
    assert "at log_cosmic_rays = -15.75" in cut.made
    with pytest.raises(InputError, match="-14, expected -16 to -15"):
        grid.at("log_cosmic_rays", -14.0)
    with pytest.raises(InputError, match="did you mean 'log_cosmic_rays'"):
        grid.at("log_cosmic_ray", -15.0)


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
