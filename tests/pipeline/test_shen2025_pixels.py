"""From the maps of several runs to the relation: resolution floors, supplies, names, tables and words."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table

from simpost.analysis.shen2025 import cosmology
from simpost.analysis.simulation_sets import InSituPoint, RunLabel
from simpost.config.shen2025 import KennicuttSchmidtConfig
from simpost.pipeline.shen2025.pixels import MappedSnapshot, PixelResults, measure_pixels
from simpost.pipeline.shen2025.tables import (
    relation_words,
    together,
    write_galaxies,
    write_in_situ,
    write_relations,
)
from simpost.products.product import Coverage, FieldOrigin, GalaxyProduct, ProductMap, ViewProduct

LEVEL = 1e-2  # Msun/yr/kpc^2, far above one particle of 1e4 Msun in 10 Myr
BARYONS = 0.0486 / 0.3089


def product(name, helium=False):
    """One view of 4 x 4 pixels of 1 kpc, whose gas covers two dex."""
    gas = np.geomspace(1e6, 1e8, 16).reshape(4, 4)
    images = {
        "surface_density_neutral": ProductMap(gas, "Msun/kpc**2", 0.0),
        "surface_density_sfr_10": ProductMap(LEVEL * gas / 1e7, "Msun/yr/kpc**2", 0.0),
        "surface_density_sfr_instantaneous": ProductMap(LEVEL * gas / 1e7, "Msun/yr/kpc**2", 0.0),
    }
    galaxy = {
        "id": name, "helium": helium, "gas": "total", "R_200c": 5.0, "M_200c": 1e10,
        "M_gas": 9e8, "M_neutral": 8e8, "M_gas_sphere": 5e8, "M_neutral_sphere": 3e8,
    }  # fmt: skip
    return GalaxyProduct(
        galaxy, {"all": Coverage(1.0, 1.0, 1.0)}, (FieldOrigin("mass", "read: x", 1.0),),
        {"x": ViewProduct({"pixel": 1.0, "width": 4.0, "kernel": "s25"}, images)}, "", "", {},
    )  # fmt: skip


def mapped(run, particle_mass, target=6.0):
    """One galaxy: halo 3 of snapshot 5 on the track that ends as halo 1 of snapshot 9."""
    simulation = SimpleNamespace(
        config=SimpleNamespace(name=run, variant="fiducial"),
        label=RunLabel(run, "L4", "fiducial"),
        forest=SimpleNamespace(snapshot=np.array([5, 5]), identity=np.array([2, 3])),
        cosmology=cosmology(),
        track=lambda row: SimpleNamespace(name=f"{run}/9/{row}"),
    )
    return MappedSnapshot(simulation, target, target + 0.1, [product(f"{run}-0")], [1], particle_mass)


def measured(*snapshots, **options):
    results = PixelResults()
    measure_pixels(list(snapshots), KennicuttSchmidtConfig(redshifts=[6], **options), results)
    assert results.failures == []
    return results


@pytest.mark.parametrize("masses", [(np.nan, 1e4), (1e4, np.nan), (1e3, 1e4), (1e4, 1e3)])
def test_the_floor_is_that_of_the_heaviest_particle_known(masses):
    results = measured(*(mapped(f"run{i}", mass) for i, mass in enumerate(masses)))
    (sample,) = results.by_redshift
    assert sample.relation.floor == pytest.approx(1e-3, rel=1e-12, abs=0.0)
    unknown = [f"run{i}" for i, mass in enumerate(masses) if np.isnan(mass)]
    assert [note.split(",")[0] for note in results.notes if "no star-particle mass" in note] == unknown
    assert sample.relation.is_resolved.tolist() == (sample.relation.median > 3e-3).tolist()
    assert sample.relation.is_resolved.any() and not sample.relation.is_resolved.all()


def test_without_any_particle_mass_nothing_is_resolved_and_it_is_said():
    results = measured(mapped("a", np.nan), mapped("b", np.nan))
    for sample in (*results.by_redshift, *results.by_run):
        assert np.isnan(sample.relation.floor)
        assert not sample.relation.is_resolved.any()
        assert sample.relation.lines is None
    notes = together(results.notes)
    assert sum("floor unknown" in note for note in notes) == 1
    assert any("no star-particle mass" in note for note in notes)


def test_rates_of_gas_cells_need_no_particles():
    results = measured(mapped("a", np.nan), star_formation="instantaneous")
    assert results.notes == []
    assert results.by_redshift[0].relation.floor == 0.0
    assert results.by_redshift[0].relation.lines.y_on_x[0] == pytest.approx(1.0, rel=1e-12)


def test_supply_is_that_of_the_sphere_in_one_helium_convention():
    (galaxy,) = measured(mapped("a", 1e4)).galaxies
    assert galaxy.supply == pytest.approx(3e8 / (BARYONS * 1e10), rel=1e-12)
    assert galaxy.supply_total == pytest.approx(5e8 / (BARYONS * 1e10), rel=1e-12)
    assert galaxy.aperture == pytest.approx(0.4, rel=1e-12)  # half of 4 kpc over 5 kpc
    assert (galaxy.name, galaxy.track) == ("a/5/3", "a/9/1")


def test_one_run_alone_is_told_once():
    one = measured(mapped("a", 1e4), mapped("a", 1e4, 8.0))
    words = relation_words([*one.by_redshift, *one.by_run])
    assert [line.split(",")[0] for line in words] == ["z = 6", "z = 8"]
    two = measured(mapped("a", 1e4), mapped("b", 1e4))
    words = relation_words([*two.by_redshift, *two.by_run])
    assert [line.split(",")[0] for line in words] == ["z = 6", "a", "b"]


def test_the_table_of_the_relation_has_where_its_points_stand(tmp_path):
    results = measured(mapped("a", 1e4), mapped("b", np.nan), mapped("a", 1e4, 8.0))
    samples = [*results.by_redshift, *results.by_run]
    write_relations(tmp_path / "relation.ecsv", samples)
    table = Table.read(tmp_path / "relation.ecsv")
    for name in ("log_gas_median", "mean_gas"):
        expected = np.concatenate([getattr(sample.relation, name) for sample in samples])
        np.testing.assert_array_equal(table[name], expected)
    inside = (table["log_gas_median"] >= table["log_gas_low"]) & (
        table["log_gas_median"] <= table["log_gas_high"]
    )
    assert inside[table["n_star_forming"] > 0].all()
    floors = [line for line in table.meta["comments"] if "floor" in line]
    assert len(floors) == len(samples) == len(set(floors))  # told apart by redshift
    assert sum("floor unknown" in line for line in floors) == 1


def test_rates_without_floors_have_none_in_the_table(tmp_path):
    results = measured(mapped("a", 1e4), star_formation="instantaneous")
    write_relations(tmp_path / "relation.ecsv", results.by_redshift)
    assert not any("floor" in line for line in Table.read(tmp_path / "relation.ecsv").meta["comments"])


@pytest.mark.parametrize("tracer", ["young_stars", "instantaneous"])
def test_the_table_of_galaxies_says_what_was_counted(tmp_path, tracer):
    write_galaxies(tmp_path / "galaxies.ecsv", measured(mapped("a", 1e4), star_formation=tracer).galaxies)
    table = Table.read(tmp_path / "galaxies.ecsv")
    assert f"pixels: neutral gas without helium, rate from {tracer}" in table.meta["comments"]
    assert (table["name"][0], table["track"][0]) == ("a/5/3", "a/9/1")
    assert table["aperture"][0] == pytest.approx(0.4, rel=1e-12)


def test_the_table_of_births_has_the_redshift_of_the_snapshot(tmp_path):
    point = InSituPoint(RunLabel("a", "", "x"), "target", "a/9/1", 6.0, 1e10, 0.9, 0.8, 0.95, "", 6.1)
    write_in_situ(tmp_path / "in_situ.ecsv", [point])
    (row,) = Table.read(tmp_path / "in_situ.ecsv")
    assert (row["target_redshift"], row["redshift"]) == (6.0, 6.1)
