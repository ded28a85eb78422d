"""Input decks of a grid of Cloudy models.

Each model is a plane-parallel slab of constant density, lit on one face: thermal and chemical equilibrium,
cosmic-ray background, CMB of z = 0 (the CMB of a galaxy comes in by formula, see `emission.cmb`). The
commands and their order are those of decks that ran with Cloudy 17.02.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from simpost.config.load import canonical_yaml
from simpost.core.constants import HABING_FLUX
from simpost.core.files import whole_folder, write_whole
from simpost.emission.cloudy.releases import RELEASES, cloudy_label
from simpost.emission.cloudy.settings import CloudyGridConfig, Variant
from simpost.emission.grid import VARIANTS

CONFIG_NAME = "grid.yaml"
DECKS = "decks"
TABLES = (".ovr", ".pdr", ".cum", ".ecm")  # what a deck makes Cloudy save, one row per zone
DEFAULT_ZONES_REACH = 22.0  # log N; 249 slabs to here took at most 748 of Cloudy's 1400 zones
HABING_BAND_RYD = "0.4411 to 0.99"  # 6.0 eV to just below the Lyman limit


class Node(NamedTuple):
    """One model: spectrum, log10 of density [cm^-3], metallicity [set's own] and field [Habing]."""

    variant: Variant
    log_n: float
    log_z: float
    log_g0: float

    @property
    def name(self) -> str:
        """Stem of the model's files."""
        return f"{self.variant}_n{self.log_n:+.3f}_z{self.log_z:+.3f}_g{self.log_g0:+.3f}"


def grid_variants(config: CloudyGridConfig) -> tuple[Variant, ...]:
    """Variants of the grid, in the order of its tables."""
    return tuple(variant for variant in VARIANTS if variant in config.spectra)  # type: ignore[misc]


def grid_nodes(config: CloudyGridConfig) -> Iterator[Node]:
    """Every model of the grid, in the order of the grid's tables."""
    axes = (grid_variants(config), config.log_n, config.log_z, config.log_g0)
    return (Node(*values) for values in itertools.product(*axes))


def short_cuts(release: str) -> list[str]:
    """Commands that make a model ten times faster.

    At n = 100, Z = 1, G0 = 100 and N = 1e22 they, with one grain bin and one iteration, change [CII] by 1 %,
    the other far-infrared lines by 3 to 11 % and CO 1-0 by a factor 1.9 (measured with Cloudy 17.02).
    """
    levels = RELEASES[release].levels
    return [
        "element chlorine off",
        "element argon off",
        "no level2 lines",
        f"{levels} h-like levels small",
        f"{levels} he-like levels small",
        "no grain molecules",
    ]


def physics_of(node: Node, config: CloudyGridConfig) -> list[str]:
    """Commands that decide the model's physics."""
    metallicity = f"{10.0**node.log_z:.6g}"
    field = math.log10(HABING_FLUX) + node.log_g0
    commands = [config.spectra[node.variant], f"intensity {field:.4f}, range {HABING_BAND_RYD} Ryd"]
    if node.variant == "non_ionising":
        commands.append("extinguish column = 24")
    commands += [
        "CMB redshift 0",
        "cosmic rays background",
        f"hden {node.log_n:g}",
        'init file "ism.ini"',
        f'abundances "{config.abundances}" no grains',
        f"metals {metallicity} linear",
        f"grains ISM {metallicity} linear {config.grains}".strip(),
        f"grains PAH {metallicity} linear {config.grains}".strip(),
        f"turbulence {config.turbulence_kms:g} km/s no pressure",
        f"stop column density {config.log_column[-1]:g}",
        "stop temperature off",
        "print line faint -4",
    ]
    if config.log_column[-1] > DEFAULT_ZONES_REACH:
        commands.append("set nend 5000")
    if config.iterations > 1:
        commands.append(f"iterate {config.iterations}")
    return commands + (short_cuts(config.cloudy_version) if config.commands is None else config.commands)


def deck_of(node: Node, config: CloudyGridConfig) -> str:
    """The whole deck of one model. Cloudy reads a deck up to its first blank line: there is none."""
    cumulative = RELEASES[config.cloudy_version].cumulative
    lines = [cloudy_label(line, config.cloudy_version, config.labels) for line in config.lines]
    lines.append("end of lines")
    commands = [
        f"title {node.name.replace('_', ' ')}",
        *physics_of(node, config),
        f'set save prefix "{node.name}"',  # before any save
        'save overview ".ovr" last',
        'save PDR ".pdr" last',
        f'save lines, {cumulative} ".cum" last',
        *lines,
        f'save lines, emergent {cumulative} ".ecm" last',
        *lines,
    ]
    return "\n".join(commands) + "\n"


def write_decks(config: CloudyGridConfig, folder: Path) -> int:
    """Write the configuration and every deck into a new folder, all or nothing; how many decks.

    Raises
    ------
    InputError
        The folder has content, or cannot be written.
    """
    nodes = list(grid_nodes(config))
    with whole_folder(folder) as temporary:
        write_whole(temporary / CONFIG_NAME, canonical_yaml(config).encode())
        (temporary / DECKS).mkdir()
        for node in nodes:
            (temporary / DECKS / f"{node.name}.in").write_text(deck_of(node, config), encoding="utf-8")
    return len(nodes)
