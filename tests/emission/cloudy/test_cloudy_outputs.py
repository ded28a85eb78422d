import csv
import lzma
import shutil

import h5py
import numpy as np
import pytest

from simpost.emission.cloudy.assemble import C_CII, T_CII, at_columns
from simpost.emission.cloudy.outputs import (
    ModelError,
    Reason,
    outer_edges,
    read_ending,
    read_slab,
    read_table,
)
from simpost.emission.cloudy.releases import RELEASES, find_column
from simpost.emission.lines import CII
from simpost.emission.two_level import deexcitation_rates, net_power

FUV_1, FUV_01, STAR_1 = "fuv_n+2.0_Z1_G+2.0_z0", "fuv_n+2.0_Z0.1_G+2.0_z0", "star_n+2.0_Z1_G+2.0_z0"
Z0 = [FUV_1, FUV_01, STAR_1]
LINES = [line for line in RELEASES["17"].labels if not line.startswith("CO-")]


@pytest.fixture(params=Z0)
def name(request):
    return request.param


@pytest.fixture
def slab(real, name):
    return read_slab(real, name, LINES, [])


def test_zones_are_those_of_the_reference_file(slab, name, real, models):
    """Columns, state and all fluxes against an independent reading of the same outputs."""
    with h5py.File(models / "cloudy17_slabs.h5") as file:
        group = file[name]
        zones = dict(zip(file.attrs["zone_columns"].astype(str), group["zones"][()].T, strict=True))
        emergent, labels = group["cum_emergent"][()], list(file.attrs["lines"].astype(str))
    depth = read_table(real / f"{name}.cum")["depth"]
    rows = np.searchsorted(depth, zones["depth"] * (1.0 - 3e-6))
    same = {"rtol": 6e-5, "atol": 0.0}  # five digits
    np.testing.assert_allclose(depth[rows], zones["depth"], **same)
    np.testing.assert_allclose(slab.temperature[rows], zones["T"], **same)
    np.testing.assert_allclose(slab.n_e[rows], zones["ne"], **same)
    np.testing.assert_allclose(slab.n_HI[rows], zones["n_HI"], rtol=1.2e-4)
    np.testing.assert_allclose(slab.flux[CII][rows], zones["cum_intrinsic_CII"], **same)
    if (
        name != STAR_1
    ):  # whose columns there are those of the zones' centres, half of `.pdr` in the first zone
        np.testing.assert_allclose(slab.column[rows], zones["NH"], rtol=1e-4)
    for line in LINES:
        header = find_column(line, [_as_header(label) for label in labels])
        column = [_as_header(label) for label in labels].index(header)
        np.testing.assert_allclose(slab.emergent[line][rows], emergent[:, column], rtol=6e-5, atol=1e-37)


def _as_header(label):
    ion, wavelength = label.split("_")
    words = {
        "CII": "C  2",
        "CI": "C  1",
        "OI": "O  1",
        "OIII": "O  3",
        "NII": "N  2",
        "SiII": "SI 2",
        "Ha": "H  1",
    }
    return f"{words.get(ion, 'CO')} {wavelength}"


def test_columns_are_those_that_cloudy_prints(slab, name, real):
    printed = read_table(real / f"{name}.pdr")["H colden"]  # three digits
    np.testing.assert_allclose(slab.column, printed, rtol=5.1e-3)


@pytest.mark.parametrize("name", [FUV_1, FUV_01])
def test_fluxes_are_those_of_the_summary(slab, name, models):
    with (models / "summary.csv").open() as file:
        row = next(row for row in csv.DictReader(file) if row["name"] == name)
    for log_column in (19, 20, 21, 21.5, 22):
        column = np.array([10.0**log_column])
        edges = np.concatenate([[0.0], slab.column])
        for line, key in ((CII, "CII"), ("OI-63um", "OI63")):
            flux = np.interp(column, edges, np.concatenate([[0.0], slab.emergent[line]]))
            printed = float(row[f"log_F{key}_emergent@{log_column}"])
            # to 1e21.5 their values are interpolated between zones in another way than linearly
            assert abs(np.log10(flux[0]) - printed) < 2e-3
    assert row["stop_reason"] == slab.stop_reason
    assert int(row["nzones"]) == slab.column.size
    assert np.log10(slab.column[-1]) == pytest.approx(float(row["log_NH_max"]), abs=6e-5)


def test_composition_and_version(slab, name):
    metallicity = 0.1 if "Z0.1" in name else 1.0
    assert slab.version == "17.02"
    assert slab.abundances["C"] == pytest.approx(2.51e-4 * metallicity, rel=3e-4)
    assert slab.abundances["O"] == pytest.approx(3.19e-4 * metallicity, rel=3e-4)
    assert slab.abundances["He"] == pytest.approx(0.098, rel=3e-4)
    assert "H" not in slab.abundances


def test_hydrogen_is_atoms_molecules_and_protons(slab, name, real):
    protons = read_table(real / f"{name}.ovr")["HII"] * slab.density
    np.testing.assert_allclose(slab.n_HI + 2.0 * slab.n_H2 + protons, slab.density, rtol=2e-4)


def test_zone_edges_are_not_zone_centres(real):
    """The emissivity times the zone's thickness is the step of the cumulative flux."""
    emissivity = read_table(real / f"{FUV_1}.ems")["C  2 157.636m"]
    cumulative = read_table(real / f"{FUV_1}.cum")
    thickness = np.diff(outer_edges(cumulative["depth"]), prepend=0.0)
    assert emissivity[0] * thickness[0] == pytest.approx(cumulative["C  2 157.636m"][0], rel=1e-4)
    total = np.sum(emissivity * thickness)
    assert total == pytest.approx(cumulative["C  2 157.636m"][-1], rel=2e-3)


def test_edges_of_known_zones():
    thickness = np.array([2.0, 1.0, 4.0, 0.5])
    outer = np.cumsum(thickness)
    np.testing.assert_allclose(outer_edges(outer - thickness / 2.0), outer, rtol=1e-15)


def test_edges_do_not_add_up_the_digits_that_are_not_printed():
    """Zones that are thin beside their depth: each printed centre is off by up to 5e-6."""
    outer = 1e18 * (1.0 + np.cumsum(np.geomspace(1e-5, 1e-3, 400)))
    inner = np.concatenate([[0.0], outer[:-1]])
    centres = np.array([float(f"{centre:.5e}") for centre in 0.5 * (outer + inner)])
    edges = outer_edges(centres)
    assert (np.diff(edges) >= 0.0).all()
    assert np.abs(edges / outer - 1.0).max() < 1e-3


def test_intrinsic_and_emergent_agree_for_cii(slab):
    assert 0.0 <= np.log10(slab.flux[CII][-1] / slab.emergent[CII][-1]) < 6e-4


def test_second_iteration_counts(real, tmp_path):
    """Without the word `last` the tables of all iterations follow each other."""
    once = (real / "t2.cum").read_text()
    header, *rows = once.splitlines(True)
    first = [row.replace("e-", "e-1") for row in rows[:400]]
    for middle in (["#" * 60 + "\n"], ["#" * 60 + "\n", header]):
        (tmp_path / "twice.cum").write_text("".join([header, *first, *middle, *rows, "#" * 60 + "\n"]))
        again, table = read_table(tmp_path / "twice.cum"), read_table(real / "t2.cum")
        assert all((again[key] == table[key]).all() for key in table)
    slab = read_slab(real, "t2", LINES, [])
    assert slab.column.size == 522


def test_logarithmic_tables_of_old_releases(real, tmp_path):
    for suffix in (".out", ".pdr", ".cum", ".ecm", ".ovr"):
        shutil.copy(real / f"{FUV_1}{suffix}", tmp_path)
    linear = read_slab(real, FUV_1, [CII, "OI-63um"], [])
    for suffix, keep in (
        (".ovr", ("depth", "AV(point)", "AV(extend)", "Tau912")),
        (".cum", ("depth",)),
        (".ecm", ("depth",)),
    ):
        table = read_table(real / f"{FUV_1}{suffix}")
        columns = [
            values if key in keep else np.log10(np.maximum(values, 1e-37)) for key, values in table.items()
        ]
        rows = ["\t".join(f"{value:.6g}" for value in row) for row in np.array(columns).T]
        (tmp_path / f"{FUV_1}{suffix}").write_text("#" + "\t".join(table) + "\n" + "\n".join(rows) + "\n")
    old = read_slab(tmp_path, FUV_1, [CII, "OI-63um"], [])
    np.testing.assert_allclose(old.column, linear.column, rtol=1e-4)
    np.testing.assert_allclose(old.temperature, linear.temperature, rtol=1e-4)
    np.testing.assert_allclose(old.n_H2, linear.n_H2, rtol=1e-4)
    np.testing.assert_allclose(old.flux[CII], linear.flux[CII], rtol=1e-4)


@pytest.mark.parametrize(
    ("stem", "reason", "words"),
    [
        ("bad_command", Reason.CRASHED, "I do not recognize a keyword"),
        ("parse_error_save_lines", Reason.CRASHED, "SAVE LINE is something that I do not understand"),
        ("too_few_zones", Reason.CRASHED, "default number of zones reached"),
    ],
)
def test_real_failures(real, stem, reason, words):
    with pytest.raises(ModelError, match=words) as raised:
        read_ending(real / f"{stem}.out")
    assert raised.value.reason is reason


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("Cloudy exited OK]", "something went wrong]", Reason.CRASHED),
        (" [Stop in cdMain at maincl.cpp:496, Cloudy exited OK]\n", "", Reason.KILLED),
        (" C-Continuum zero", " W-Something serious; zero", Reason.WARNED),
        ("Iteration 1 of 1", "Iteration 3 of 3, not converged due to eden", Reason.UNCONVERGED),
        ("NOTE: using", " PROBLEM  ConvFail 1, a Temperature failure\nNOTE: using", Reason.UNCONVERGED),
        (
            "NOTE: using",
            'WARNING: no exact matching lines found for "C  2" 157.900m\nNOTE: using',
            Reason.LINE_REPLACED,
        ),
        ("NOTE: using", 'Taking best match as "C  2 157.636m"\nNOTE: using', Reason.LINE_REPLACED),
        ("Cloudy ends:", "Cloudy end:", Reason.INCONSISTENT),
    ],
)
def test_endings(real, tmp_path, old, new, reason):
    text = (real / f"{FUV_1}.out").read_text()
    assert old in text
    (tmp_path / "model.out").write_text(text.replace(old, new))
    with pytest.raises(ModelError) as raised:
        read_ending(tmp_path / "model.out")
    assert raised.value.reason is reason
    if reason is Reason.LINE_REPLACED:
        assert "157." in raised.value.detail


def test_disaster_that_is_none(real):
    """A missing optional data file prints PROBLEM DISASTER, and the model is good."""
    assert "PROBLEM DISASTER" in (real / f"{FUV_1}.out").read_text()
    assert read_ending(real / f"{FUV_1}.out").stop_reason == "H column dens reached"


def test_other_stop_reasons_and_a_later_release(real, shared_data, tmp_path):
    assert read_ending(real / "pdr_leiden_f1.out").stop_reason == "A_V reached"
    out = tmp_path / "M17.out"
    out.write_bytes(lzma.decompress((shared_data / "cloudy/pycloudy_m17/M17.out.xz").read_bytes()))
    ending = read_ending(out)
    assert (ending.version, ending.stop_reason, ending.zones) == ("17.03", "lowest Te reached", 144)


@pytest.mark.parametrize("first", ["Cloudy 22.02", "Cloudy (c23.01)", "  Cloudy 13.03", "Cloudy 10.00"])
def test_versions(real, tmp_path, first):
    text = (real / f"{FUV_1}.out").read_text().replace("Cloudy 17.02", first, 1)
    (tmp_path / "model.out").write_text(text)
    assert read_ending(tmp_path / "model.out").version == first.strip(" Cloudy()c")


@pytest.mark.parametrize(
    ("suffix", "damage", "reason"),
    [
        (".cum", lambda text: text[:-3], Reason.HALF_WRITTEN),  # a digit is missing, not only the newline
        (".cum", lambda text: text[:-30] + "\n", Reason.HALF_WRITTEN),
        (".ecm", lambda text: "".join(text.splitlines(True)[:-1]), Reason.HALF_WRITTEN),
        (".pdr", lambda text: text.splitlines(True)[0], Reason.HALF_WRITTEN),
        (".pdr", lambda text: "", Reason.HALF_WRITTEN),
        (".ovr", lambda text: text.replace("1.0112e+02", "1.0112e+", 1), Reason.HALF_WRITTEN),
        (".ovr", lambda text: text.replace("1.0112e+02", "nan", 1), Reason.INCONSISTENT),
        (".ovr", lambda text: text.replace("\teden\t", "\tdene\t", 1), Reason.INCONSISTENT),
        (".pdr", lambda text: text.replace("\t2.36e+14\t", "\t1.18e+14\t", 1), Reason.INCONSISTENT),
        (".cum", lambda text: text.replace("C  2 157", "C  3 157", 1), Reason.OTHER_DECK),
    ],
)
def test_damaged_tables(real, tmp_path, suffix, damage, reason):
    for name in (".out", ".pdr", ".cum", ".ecm", ".ovr"):
        shutil.copy(real / f"{FUV_1}{name}", tmp_path)
    path = tmp_path / f"{FUV_1}{suffix}"
    text = path.read_text()
    assert damage(text) != text
    path.write_text(damage(text))
    with pytest.raises(ModelError) as raised:
        read_slab(tmp_path, FUV_1, LINES, [])
    assert raised.value.reason is reason
    path.unlink()
    with pytest.raises(ModelError, match="half-written or missing"):
        read_slab(tmp_path, FUV_1, LINES, [])


@pytest.mark.parametrize("suffix", [".het", ".col"])
def test_ragged_tables_are_refused(real, suffix):
    with pytest.raises(ModelError, match="not all of"):
        read_table(real / f"{FUV_1}{suffix}")


def test_species_table_of_two_words(real):
    table = read_table(real / f"{FUV_1}.spd")
    overview = read_table(real / f"{FUV_1}.ovr")
    assert "depth densities" in table
    np.testing.assert_allclose(table["e-"], overview["eden"], rtol=1e-4)


def test_other_commands_are_noticed(real):
    with pytest.raises(ModelError, match="hden 3"):
        read_slab(real, FUV_1, LINES, ["blackbody 30000", "hden 3"])
    read_slab(real, FUV_1, LINES, ["blackbody 30000", "hden 2", 'abundances "ISM.abn" no grains'])


def _slow_columns(slab, column):
    """Twin of `at_columns`, zone by zone."""
    flux = heat = rate = reached = last = 0.0
    for i in range(slab.column.size):
        share = (
            np.clip((column - reached) / (slab.column[i] - reached), 0.0, 1.0)
            if slab.column[i] > reached
            else 1.0
        )
        emitted = share * (slab.flux[CII][i] - last)
        r_e, r_h, r_h2 = deexcitation_rates(slab.temperature[i])
        flux += emitted
        heat += emitted * slab.temperature[i]
        rate += emitted * (slab.n_e[i] * r_e + slab.n_HI[i] * r_h + slab.n_H2[i] * r_h2) / slab.density[i]
        reached, last = slab.column[i], slab.flux[CII][i]
        if share < 1.0:
            break
    return flux, heat / flux, rate / flux


@pytest.mark.parametrize("log_column", [12.0, 16.0, 19.3, 21.0, 22.0])
def test_columns_against_the_slow_twin(slab, log_column):
    values = at_columns(slab, np.array([10.0**log_column]))
    flux, temperature, rate = _slow_columns(slab, min(10.0**log_column, slab.column[-1]))
    assert values[CII][0] == pytest.approx(flux, rel=1e-9)
    assert values[T_CII][0] == pytest.approx(temperature, rel=1e-9)
    assert values[C_CII][0] == pytest.approx(rate, rel=1e-9)


def test_thin_below_the_first_zone_and_nothing_beyond_the_end(slab):
    columns = np.array([1e10, 1e11, 1e22, 1.01e22, 1e23])
    values = at_columns(slab, columns)
    per_nucleus = values[CII] / columns
    assert per_nucleus[1] == pytest.approx(per_nucleus[0], rel=1e-12)
    assert np.isfinite(per_nucleus[2])
    for name in (CII, T_CII, C_CII):
        assert np.isnan(values[name][3:]).all()


@pytest.mark.parametrize("name", [FUV_1, FUV_01])
def test_thin_emission_is_that_of_the_two_level_ion(slab):
    """Carbon all in C+, collisions with electrons, H and H2; measured 1.01 and 1.00 at N = 1e20."""
    values = at_columns(slab, np.array([1e19, 1e20]))
    collisions = values[C_CII] * slab.density[0]
    own = slab.abundances["C"] * net_power(values[T_CII], collisions)
    np.testing.assert_allclose(values[CII] / np.array([1e19, 1e20]) / own, 1.0, atol=0.06)
