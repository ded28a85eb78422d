"""Synthetic RAMSES outputs, read by yt, against the galaxy they were made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yt

from simpost.core import constants as c
from simpost.core.errors import InputError
from simpost.snapshots.samples import resolve_sample
from simpost.snapshots.synthetic import AnalyticGalaxy, write_ramses
from simpost.snapshots.synthetic.octree import OFFSETS, Domains
from simpost.snapshots.synthetic.ramses_state import REDUCED_LIGHT_SPEED

pytestmark = pytest.mark.filterwarnings("ignore")  # yt's own
yt.set_log_level(50)

GALAXY = AnalyticGalaxy(redshift=6.5, bulk_velocity=(30.0, -20.0, 10.0), stellar_mass_loss=0.1)
OPTIONS = {"levelmin": 4, "levelmax": 9, "leaves": 25_000, "n_stars": 3000, "n_dark_matter": 3000}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ramses")
    return write_ramses(GALAXY, folder, output=3, n_domains=4, non_thermal_pressure=True, **OPTIONS)


@pytest.fixture(scope="module")
def dataset(path):
    return yt.load(str(path))


@pytest.fixture(scope="module")
def data(dataset):
    return dataset.all_data()


def raw(data, *names, kind="ramses"):
    return [np.asarray(data[kind, name].d) for name in names]


def centres(data):
    """Positions relative to the galaxy [kpc]."""
    box = np.stack([data["index", axis].to("code_length").d for axis in "xyz"], axis=1)
    return (box - 0.5) * GALAXY.box_size


def masses(data):
    return data["gas", "cell_mass"].to("g").d / c.M_SUN


def test_leaves_fill_the_box_once(data):
    width = data["index", "dx"].to("code_length").d
    assert (width**3).sum() == pytest.approx(1.0, abs=1e-12)
    keys = np.round(centres(data) * 2**11 / GALAXY.box_size).astype(int)
    assert len(np.unique(keys, axis=0)) == len(width)
    assert set(np.unique(np.log2(1.0 / width))) == set(range(4, 10))


def test_box_and_cosmology(dataset):
    ds = dataset
    assert ds.current_redshift == pytest.approx(6.5, rel=1e-12)
    assert float(ds.length_unit.to("cm")) == pytest.approx(GALAXY.box_size * c.KPC, rel=1e-12)
    age = float(GALAXY.cosmology.age(1.0 / 7.5))
    assert float(ds.current_time.to("s")) / c.MYR == pytest.approx(age, rel=1e-5)
    critical = GALAXY.cosmology.critical_density(1.0 / 7.5) * c.M_SUN / c.KPC**3
    matter = GALAXY.cosmology.omega_m * 7.5**3 / float(GALAXY.cosmology.expansion(1.0 / 7.5)) ** 2
    assert float(ds.density_unit.to("g/cm**3")) == pytest.approx(critical * matter, rel=1e-9)


def column_map(data, level=8):
    """Sigma_gas on the whole face of the box [Msun/kpc^2]: every leaf spread over its own square."""
    position, mass = centres(data)[:, :2] + 0.5 * GALAXY.box_size, masses(data)
    width, side = data["index", "dx"].to("code_length").d, 2**level
    image = np.zeros((side, side))
    for size in np.unique(width):
        cells = min(int(np.round(1.0 / size)), side)
        mine, edges = width == size, np.linspace(0.0, GALAXY.box_size, cells + 1)
        part = np.histogram2d(*position[mine].T, bins=(edges, edges), weights=mass[mine])[0]
        image += np.kron(part, np.ones((side // cells,) * 2)) / (side // cells) ** 2
    return image * (side / GALAXY.box_size) ** 2


def test_gas_mass_and_surface_density(data):
    assert masses(data).sum() == pytest.approx(GALAXY.gas_mass, rel=1e-3)
    image = column_map(data)
    side = len(image)
    x, w = np.polynomial.legendre.leggauss(4)
    edges = np.linspace(-0.5, 0.5, side + 1) * GALAXY.box_size
    fine = (edges[:-1, None] + 0.5 * GALAXY.box_size / side * (x + 1.0)).ravel()
    sub = GALAXY.surface_density_gas(fine[:, None], fine[None, :]).reshape(side, 4, side, 4)
    truth = np.einsum("iajb,a,b->ij", sub, 0.5 * w, 0.5 * w)
    bright = truth > 1e-2 * truth.max()
    assert bright.sum() > 500
    np.testing.assert_allclose(image[bright], truth[bright], rtol=0.05)
    middle = 0.5 * (edges[:-1] + edges[1:])
    radius = np.hypot(middle[:, None], middle[None, :])
    rings = np.array([0.0, 0.5, 1.0, 2.0, 3.0])
    found, expected = (np.histogram(radius, rings, weights=m)[0] for m in (image, truth))
    np.testing.assert_allclose(found, expected, rtol=5e-3)


def test_cell_values_follow_the_galaxy(dataset, data):
    positions = centres(data)
    density = masses(data) / (data["index", "dx"].to("code_length").d * GALAXY.box_size) ** 3
    velocity = np.stack([data["gas", f"velocity_{a}"].to("km/s").d for a in "xyz"], axis=1)
    np.testing.assert_allclose(velocity, GALAXY.velocity(positions), atol=1e-6)
    (metals, ionised, he_ii, he_iii) = raw(data, "Metallicity", "hydro_HII", "hydro_HeII", "hydro_HeIII")
    np.testing.assert_allclose(metals, GALAXY.metallicity(positions), rtol=1e-10)
    np.testing.assert_allclose(ionised, GALAXY.ionised_fraction(density), rtol=1e-9)
    assert (he_ii == ionised).all() and not he_iii.any()
    pressure, turbulent = raw(data, "Pressure", "hydro_non_thermal_pressure_01")
    code = raw(data, "Density")[0]
    unit = float(dataset.velocity_unit.to("km/s"))
    thermal = c.K_B * GALAXY.temperature(density) / (GALAXY.mean_molecular_weight(density) * c.M_H) / 1e10
    np.testing.assert_allclose(pressure / code * unit**2, thermal, rtol=1e-9)
    # sigma^2 = 2 e_nt/rho with e_nt = P_nt/(gamma_nt - 1)
    sigma = np.sqrt(2.0 * turbulent / 0.4 / code) * unit
    np.testing.assert_allclose(sigma, GALAXY.turbulent_dispersion, rtol=1e-9)


def info_rt(path):
    lines = path.with_name(path.name.replace("info_", "info_rt_")).read_text().splitlines()
    return [line.split("=") for line in lines if "=" in line]


def test_radiation_record_gives_the_habing_field(path, data):
    pairs = info_rt(path)
    values = {key.strip(): text.split() for key, text in pairs}
    energy = np.array([float(text) for key, text in pairs if key.strip().startswith("egy")]) * c.EV
    lower = np.array([float(v) for v in values["groupL0  [eV]"]])
    assert float(values["rt_c_frac"][0]) == REDUCED_LIGHT_SPEED
    unit = float(values["unit_pf"][0])
    flux = unit * np.stack(raw(data, *[f"Photon_density_{g}" for g in range(1, 6)], kind="ramses-rt"), axis=1)
    positions = centres(data)
    habing = flux[:, :2] @ energy[:2] / c.HABING_FLUX
    np.testing.assert_allclose(habing, GALAXY.habing(positions), rtol=1e-4)  # info_rt prints 4 digits
    ionising = flux[:, lower >= 13.6].sum(axis=1)
    np.testing.assert_allclose(ionising, GALAXY.ionising_flux(positions), rtol=1e-10)
    vector = np.stack(raw(data, *[f"Photon_flux_{a}_1" for a in "xyz"], kind="ramses-rt"), axis=1)
    np.testing.assert_allclose(np.linalg.norm(vector, axis=1) * unit, 0.1 * flux[:, 0], rtol=1e-10)


def test_stars_and_dark_matter(data):
    mass = data["star", "particle_mass"].to("g").d / c.M_SUN
    assert mass.sum() == pytest.approx(GALAXY.stellar_mass, rel=1e-3)
    assert data["DM", "particle_mass"].to("g").d.sum() / c.M_SUN == pytest.approx(GALAXY.halo_mass, rel=1e-9)
    cosmology = GALAXY.cosmology
    birth = data["star", "conformal_birth_time"].d
    now, today = float(cosmology.age(1.0 / 7.5)), float(cosmology.age(1.0))
    age = now - today - birth * cosmology.hubble_time
    initial = mass / np.where(age > 10.0, 0.9, 1.0)
    np.testing.assert_allclose(initial, initial[0], rtol=1e-9)
    for window in (10.0, 30.0, 100.0):
        measured = initial[age < window].sum() / window / 1e6
        assert measured == pytest.approx(GALAXY.mean_sfr(window), abs=2.0 * initial[0] / window / 1e6)


def test_conformal_birth_times_are_read_by_yt_itself(tmp_path):
    path = write_ramses(GALAXY, tmp_path, n_domains=2, proper_time=False, **OPTIONS)
    dataset = yt.load(str(path))
    data = dataset.all_data()
    age = data["star", "star_age"].to("s").d / c.MYR
    mass = data["star", "particle_mass"].to("g").d / c.M_SUN
    initial = mass / np.where(mass < 0.95 * mass.max(), 0.9, 1.0)
    assert initial[age < 20.0].sum() / 2e7 == pytest.approx(GALAXY.mean_sfr(20.0), rel=5e-3)
    assert age.max() == pytest.approx(200.0, abs=0.2)


def test_reading_by_domain_finds_every_cell_of_a_sphere(dataset, data):
    positions = centres(data) / GALAXY.box_size
    half, mass = 0.5 * data["index", "dx"].to("code_length").d, masses(data)
    rng = np.random.default_rng(0)
    for _ in range(25):
        centre = positions[rng.integers(len(positions))] * 0.8
        radius = 10.0 ** rng.uniform(-2.4, -1.1)
        sphere = dataset.sphere(centre + 0.5, (radius, "code_length"))
        wanted = (((positions - centre) ** 2).sum(axis=1) < radius**2) | (
            np.abs(positions - centre) <= half[:, None]
        ).all(axis=1)  # yt also takes the cell that holds the centre
        found = sphere["gas", "cell_mass"].to("g").d / c.M_SUN
        assert len(found) == wanted.sum()
        assert found.sum() == pytest.approx(mass[wanted].sum(), rel=1e-12)


def records(path):
    content, place, out = path.read_bytes(), 0, []
    while place < len(content):
        length = int.from_bytes(content[place : place + 4], "little")
        out.append(content[place + 4 : place + 4 + length])
        assert content[place + 4 + length : place + 8 + length] == content[place : place + 4]
        place += length + 8
    return out


@pytest.mark.parametrize("domain", [2, 3])
@pytest.mark.parametrize("kind", ["synthetic", "real"])
def test_amr_files_keep_ramses_own_rules(path, kind, domain):
    """Links lead where they should and owners follow from the Hilbert keys, as in a real output."""
    info = path if kind == "synthetic" else Path(resolve_sample("sample:ramses-zoom"))
    info = next(info.glob("info_0*.txt")) if info.is_dir() else info
    rows = records(info.with_name(f"amr_{info.stem[5:]}.out{domain:05d}"))
    levels, most = int(np.frombuffer(rows[3], "i4")[0]), int(np.frombuffer(rows[4], "i4")[0])
    counts = np.frombuffer(rows[21], "i4").reshape(levels, -1)
    domains = Domains(levels, np.frombuffer(rows[25], "f8"))
    assert rows[24].decode().strip() == "hilbert" and len(rows) == 29 + 37 * (counts > 0).sum()
    assert np.frombuffer(rows[22], "i4").reshape(levels, 10)[:, 0].sum() >= counts.sum()

    blocks = [rows[first : first + 37] for first in range(29, len(rows), 37)]
    number = np.concatenate([np.frombuffer(block[0], "i4") for block in blocks])
    level, owner = np.repeat(np.argwhere(counts), counts[counts > 0], axis=0).T
    centre = np.stack(
        [np.concatenate([np.frombuffer(b[3 + a], "f8") for b in blocks]) for a in range(3)], axis=1
    )
    links = np.stack(
        [np.concatenate([np.frombuffer(b[r], "i4") for b in blocks]) for r in range(6, 29)], axis=1
    )
    father, beside, sons, cpu = links[:, 0], links[:, 1:7], links[:, 7:15], links[:, 15:]
    row = np.full(most + 1, -1)
    row[number] = np.arange(len(number))

    deep = level > 0
    above, cell = row[(father[deep] - 2) % most + 1], (father[deep] - 2) // most
    assert (level[above] == level[deep] - 1).all()
    shift = (OFFSETS[cell] - 0.5) / 2.0 ** level[deep][:, None]
    np.testing.assert_allclose(centre[above] + shift, centre[deep], atol=1e-14)
    assert (sons[above, cell] == number[deep]).all()

    own = deep & (owner == domain - 1)
    assert own.sum() > 100 and (beside[own] > 0).all()  # graded, and ghosts are at hand
    near = row[(beside[own, 1] - 2) % most + 1]  # the neighbour in +x of the father cell
    place = centre[near] + (OFFSETS[(beside[own, 1] - 2) // most] - 0.5) / 2.0 ** level[own][:, None]
    step = (place - centre[own]) * 2.0 ** level[own][:, None]
    inside = centre[own, 0] + 1.0 / 2.0 ** level[own] < 1.0
    np.testing.assert_allclose(step[inside & (level[own] > 1)][:, 0], 1.0, atol=1e-9)

    for depth in np.unique(level):
        here = level == depth
        coordinates = np.floor(centre[here] * 2**depth).astype(np.int64)
        assert (domains.of_cells(coordinates, int(depth)) == owner[here]).all()
        for k, offset in enumerate(OFFSETS):
            assert (domains.of_cells(2 * coordinates + offset, int(depth) + 1) + 1 == cpu[here, k]).all()


@pytest.mark.parametrize(("style", "record"), [("photon_flux", "photon_flux_01"), (None, None)])
def test_photon_descriptor_styles(tmp_path, style, record):
    path = write_ramses(GALAXY, tmp_path, n_domains=1, photon_descriptor=style, **OPTIONS)
    descriptor = path.with_name("rt_file_descriptor.txt")
    assert descriptor.exists() == (style is not None)
    if record:
        assert f" 1, {record}, d" in descriptor.read_text()


def test_molecular_chemistry(tmp_path):
    path = write_ramses(GALAXY, tmp_path, n_domains=1, molecular_chemistry=True, **OPTIONS)
    values = {key.strip(): text.split()[0] for key, text in info_rt(path)}
    assert (values["nIons"], values["iIons"]) == ("4", "7")
    dataset = yt.load(str(path))
    data = dataset.all_data()
    atomic, ionised = raw(data, "hydro_HI", "hydro_HII")
    density = data["gas", "density"].to("g/cm**3").d * c.KPC**3 / c.M_SUN
    molecular = 1.0 - atomic - ionised
    np.testing.assert_allclose(molecular, GALAXY.molecular_fraction(density), atol=1e-9)
    assert molecular.max() > 0.5


def test_same_seed_same_bytes_other_seed_other_galaxy(tmp_path):
    small = OPTIONS | {"leaves": 8000}
    one, two = (write_ramses(GALAXY, tmp_path / n, **small).parent for n in ("one", "two"))
    other = write_ramses(AnalyticGalaxy(seed=9), tmp_path / "other", **small).parent
    name = "hydro_00001.out00002"
    assert (one / name).read_bytes() == (two / name).read_bytes() != (other / name).read_bytes()


def test_whole_or_absent(tmp_path, path):
    with pytest.raises(InputError, match="new or empty"):
        write_ramses(GALAXY, path.parents[1], output=3, **OPTIONS)
    for options in ({"levelmin": 6}, {"levelmax": 20}, {"n_domains": 5000}, {"photon_descriptor": "flux"}):
        with pytest.raises(InputError):
            write_ramses(GALAXY, tmp_path, **(OPTIONS | options))
    assert not any(tmp_path.iterdir())
