"""Products come back exactly, or not at all."""

import dataclasses
import hashlib
import itertools

import h5py
import made_up
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simpost.core.errors import InputError
from simpost.products import writer
from simpost.products.product import Coverage, EnsembleMember, FieldOrigin, ProductMap
from simpost.products.reader import read_product
from simpost.products.writer import HEADER_BYTES, HEADER_START, write_product


@pytest.fixture
def product():
    return made_up.disc_galaxy(pixels=20, views=("face-on", "x"))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "galaxy.h5"
    write_product(made_up.disc_galaxy(pixels=20), path)
    return path


def same(a, b):
    """Exact equality, NaN equal to NaN, types included."""
    if dataclasses.is_dataclass(a):
        return type(a) is type(b) and all(
            same(getattr(a, field.name), getattr(b, field.name)) for field in dataclasses.fields(a)
        )
    if isinstance(a, tuple):
        return type(b) is tuple and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype == np.float64 and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, float) and np.isnan(a):
        return type(b) is float and np.isnan(b)
    a, b = (x.item() if isinstance(x, np.generic) else x for x in (a, b))
    return type(a) is type(b) and a == b


def rewrite(path, change):
    """Change the HDF5 part with h5py and sign it again, as another program might."""
    image_path = path.with_suffix(".image")
    image_path.write_bytes(path.read_bytes()[HEADER_BYTES:])
    with h5py.File(image_path, "r+") as file:
        change(file)
    image = image_path.read_bytes()
    header = HEADER_START + hashlib.sha256(image).hexdigest().encode()
    path.write_bytes(header.ljust(HEADER_BYTES) + image)


def test_round_trip_is_exact(product, tmp_path):
    write_product(product, tmp_path / "p.h5")
    assert same(product, read_product(tmp_path / "p.h5"))


def test_coverage_without_treatments_is_still_read(product, tmp_path):
    """Products of before they were stored."""
    path = tmp_path / "p.h5"
    write_product(product, path)
    rewrite(path, lambda file: file["coverage/shares"].__delitem__("treatment"))
    again = read_product(path)
    expected = {name: dataclasses.replace(row, treatment="") for name, row in product.coverage.items()}
    assert expected != product.coverage
    assert same(dataclasses.replace(product, coverage=expected), again)


def test_same_catches_one_changed_bit(product):
    other = made_up.disc_galaxy(pixels=20, views=("face-on", "x"))
    assert same(product, other)
    values = other.views["x"].maps["surface_density_gas"].values
    values[3, 4] = np.nextafter(values[3, 4], np.inf)
    assert not same(product, other)


def test_product_without_views_cubes_or_coverage(product, tmp_path):
    bare = dataclasses.replace(product, views={}, coverage={}, fields=(), ensemble=())
    write_product(bare, tmp_path / "p.h5")
    assert same(bare, read_product(tmp_path / "p.h5"))


def test_bytes_do_not_depend_on_the_order_of_names(product, tmp_path):
    write_product(product, tmp_path / "a.h5")
    turned = dataclasses.replace(product, galaxy=dict(reversed(product.galaxy.items())))
    write_product(turned, tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_any_hdf5_reader_finds_names_units_and_rows(product, tmp_path):
    write_product(product, tmp_path / "p.h5")
    with h5py.File(tmp_path / "p.h5") as file:
        gas = file["views/x/maps/surface_density_gas"]
        assert gas.attrs["unit"] == "Msun/kpc**2"
        assert np.array_equal(gas[...], product.views["x"].maps["surface_density_gas"].values)
        assert file["coverage/shares/name"].asstr()[0] == "beyond_table"
        assert '"M_gas": "Msun"' in file["galaxy"].attrs["units"]


def test_header_holds_the_digest_of_the_rest(written):
    content = written.read_bytes()
    assert content[: len(HEADER_START)] == HEADER_START
    assert hashlib.sha256(content[512:]).hexdigest().encode() in content[:512]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def refused(path):
    with pytest.raises(InputError) as caught:
        read_product(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message
    return message


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True))
def test_truncated_file_is_refused(written, tmp_path, share):
    content = written.read_bytes()
    (tmp_path / "cut.h5").write_bytes(content[: int(share * len(content))])
    refused(tmp_path / "cut.h5")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_flipped_byte_is_refused(written, tmp_path, share, flip):
    content = bytearray(written.read_bytes())
    header = len(HEADER_START) + 64  # the spaces behind the digest say nothing and may change
    at = int(share * (len(content) - HEADER_BYTES + header))
    content[at if at < header else at + HEADER_BYTES - header] ^= flip
    (tmp_path / "flip.h5").write_bytes(content)
    refused(tmp_path / "flip.h5")


def test_appended_bytes_are_refused(written, tmp_path):
    (tmp_path / "long.h5").write_bytes(written.read_bytes() + b"\0")
    refused(tmp_path / "long.h5")


def test_missing_empty_foreign_file_and_folder_are_refused(tmp_path):
    assert "No such file" in refused(tmp_path / "none.h5")
    (tmp_path / "empty.h5").write_bytes(b"")
    refused(tmp_path / "empty.h5")
    with h5py.File(tmp_path / "snapshot.h5", "w") as file:
        file["x"] = 1
    assert "simpost product" in refused(tmp_path / "snapshot.h5")
    refused(tmp_path)


def test_newer_schema_is_refused(written, tmp_path):
    path = tmp_path / "new.h5"
    path.write_bytes(written.read_bytes())
    rewrite(path, lambda file: file.attrs.modify("schema", 2))
    message = refused(path)
    assert "schema 2" in message and "newer simpost" in message


MISSING = (
    "/@config_hash",
    "/galaxy@redshift",
    "/galaxy@alpha_CII",
    "/galaxy@R_200c_reason",
    "/coverage/shares",
    "/coverage/fields/origin",
    "/ensemble/ratio",
    "/views/z@pixel",
    "/views/z/maps",
    "/views/z/maps/surface_density_gas",
    "/views/z/maps/surface_density_gas@unit",
    "/views/z/maps/surface_density_sfr_10@closure",
    "/views/z/maps/mean_density_mass_weighted@closure_reason",
    "/views/z/velocity@unit",
)


@pytest.mark.parametrize("name", MISSING)
def test_missing_entry_is_refused_by_name(written, tmp_path, name):
    path = tmp_path / "less.h5"
    path.write_bytes(written.read_bytes())
    holder, at, last = name.rpartition("@")

    def remove(file):
        del (file[holder].attrs if at else file)[last or name]

    rewrite(path, remove)
    assert name in refused(path)


def test_interrupted_write_leaves_what_was_there(product, tmp_path, monkeypatch):
    path = tmp_path / "p.h5"
    write_product(product, path)
    before = path.read_bytes()
    calls = ("write_bytes", "replace")
    for call, error in itertools.product(calls, (KeyboardInterrupt, OSError(28, "No space left on device"))):
        with monkeypatch.context() as patch:

            def fail(*_, error=error):
                raise error

            patch.setattr(writer.Path, call, fail)
            with pytest.raises(KeyboardInterrupt if error is KeyboardInterrupt else InputError):
                write_product(product, path)
        assert path.read_bytes() == before
        assert names(tmp_path) == ["p.h5"]


def test_full_disk_is_one_line_and_leaves_nothing(product, tmp_path):
    resource = pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(InputError, match="room for"):
            write_product(product, tmp_path / "p.h5")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert names(tmp_path) == []


def with_map(product, name, image):
    view = product.views["x"]
    return dataclasses.replace(
        product, views={"x": dataclasses.replace(view, maps=view.maps | {name: image})}
    )


GAS = "surface_density_gas"
UNIT = "Msun/kpc**2"
BAD_MAPS = {
    "another shape": (GAS, ProductMap(np.ones((20, 21)), UNIT, 0.0), "expected 2[01] along nx"),
    "another width": (GAS, ProductMap(np.ones((19, 19)), UNIT, 0.0), "19|20"),
    "a cube": (GAS, ProductMap(np.ones((2, 20, 20)), UNIT, 0.0), "axes"),
    "text": (GAS, ProductMap(np.full((20, 20), "a"), UNIT, 0.0), "array of"),
    "complex": (GAS, ProductMap(np.ones((20, 20), complex), UNIT, 0.0), "complex"),
    "NaN": (GAS, ProductMap(np.full((20, 20), np.nan), UNIT, 0.0), "400 NaN"),
    "infinite": (
        "mean_mach_mass_weighted",
        ProductMap(np.full((20, 20), np.inf), "dimensionless", 0.0),
        "infinite",
    ),
    "another unit": (GAS, ProductMap(np.ones((20, 20)), "Msun/pc**2", 0.0), r"Msun/kpc\*\*2"),
    "no closure": (GAS, ProductMap(np.ones((20, 20)), UNIT, np.nan), "closure_reason"),
    "unknown map": ("surface_density_gaz", ProductMap(np.ones((20, 20)), UNIT, 0.0), "surface_density_gas"),
    "unknown attribute": (GAS, ProductMap(np.ones((20, 20)), UNIT, 0.0, {"weigth": "mass"}), "weight"),
}


@pytest.mark.parametrize("case", BAD_MAPS)
def test_wrong_map_is_refused_before_anything_is_written(product, tmp_path, case):
    name, image, message = BAD_MAPS[case]
    with pytest.raises(InputError, match=message):
        write_product(with_map(product, name, image), tmp_path / "p.h5")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"SFR_10": np.nan}, "SFR_10_reason"),
        ({"M_gas": np.inf}, "infinite"),
        ({"M_gas": "1e9"}, "str '1e9', expected float"),
        ({"M_gas": True}, "bool"),
        ({"helium": 1}, "int"),
        ({"centre": np.zeros(2)}, "found 2 elements, expected 3"),
        ({"centre": np.array([0.0, np.nan, 0.0])}, "1 NaN"),
        ({"redshfit": 6.0}, "did you mean '/galaxy@redshift'"),
    ],
)
def test_wrong_scalar_is_refused(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        write_product(made_up.disc_galaxy(pixels=20, **change), tmp_path / "p.h5")


@pytest.mark.parametrize("provenance", [{"a": object()}, {1: "a"}, {"a": (1, 2)}, {"a": float("nan")}])
def test_provenance_that_json_would_change_is_refused(product, tmp_path, provenance):
    with pytest.raises(InputError, match="provenance"):
        write_product(dataclasses.replace(product, provenance=provenance), tmp_path / "p.h5")


def test_shares_and_origins_are_checked_where_they_are_made():
    assert Coverage(0.0, 1.0 + 1e-12, np.nan).share_of_cells == 0.0
    with pytest.raises(InputError, match="share_of_mass"):
        Coverage(0.0, 1.1, 0.0)
    for origin in ("guessed", "derived", "derived: ", "Read"):
        with pytest.raises(InputError, match="origin of mach"):
            FieldOrigin("mach", origin, 1.0)


def test_ensemble_members_are_checked_where_they_are_made():
    with pytest.raises(InputError, match="ensemble member CMB off: found NaN without a reason"):
        EnsembleMember("CMB off", "cmb", np.nan, np.nan, np.nan, np.nan)
    with pytest.raises(InputError, match="share_beyond_table of b = 1"):
        EnsembleMember("b = 1", "b", 1.0, 1.0, 1.5, 0.0)


def test_columns_of_the_ensemble_have_one_length(written, tmp_path):
    path = tmp_path / "short.h5"
    path.write_bytes(written.read_bytes())

    def shorten(file):
        del file["ensemble/ratio"]
        file["ensemble/ratio"] = [1.0, 2.0]
        file["ensemble/ratio"].attrs["unit"] = "dimensionless"

    rewrite(path, shorten)
    assert "along rows as elsewhere in /ensemble" in refused(path)


def test_view_and_map_are_found_by_name_or_the_nearest_is_told(product):
    assert product.view("x").map(GAS).unit == UNIT
    with pytest.raises(InputError, match="did you mean 'face-on'"):
        product.view("faceon")
    with pytest.raises(InputError, match="did you mean 'surface_density_gas'"):
        product.view("x").map("surface_density_gass")
