"""Position-position-velocity cubes of the lines of one galaxy, filled chunk by chunk beside its maps."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from simpost.config.models import MapsConfig
from simpost.emission.luminosity import CellLuminosity
from simpost.maps.cube import CubeDepositor, CubeResult
from simpost.maps.velocity import Channels, line_dispersion, radial_velocity
from simpost.maps.view import View
from simpost.snapshots.columns import Columns
from simpost.snapshots.galaxies import Galaxy


class CubePass:
    """Cubes of every view and line; none where the configuration asks for none.

    Lines are as wide as the thermal motion of their ion and the turbulence of the cell make them. Where the
    turbulence was estimated from the velocity gradient it holds the resolved shear of the cell already.
    """

    def __init__(
        self, views: tuple[View, ...], lines: list[str], galaxy: Galaxy, options: MapsConfig, leaves: bool
    ) -> None:
        self._galaxy, self._leaves = galaxy, leaves
        self._depositors: dict[str, dict[str, CubeDepositor]] = {}
        if options.cube is None:
            return
        channels = Channels(options.cube.channel, options.cube.channels)
        workers = os.cpu_count() or 1
        for view in views:
            self._depositors[view.name] = {
                line: CubeDepositor(view, channels, options.kernel, workers) for line in lines
            }

    def add(self, state: Columns, emission: Mapping[str, CellLuminosity]) -> None:
        """Add the cells of a chunk."""
        for of_lines in self._depositors.values():
            for line, depositor in of_lines.items():
                shining = np.flatnonzero(emission[line].luminosity > 0.0)
                cells = state.select(shining)
                line_of_sight = depositor.view.line_of_sight
                velocity = radial_velocity(cells["velocity"], line_of_sight, self._galaxy.velocity)
                dispersion = line_dispersion(cells["temperature"], cells["turbulent_velocity"], line)
                light = emission[line].luminosity[shining]
                if self._leaves:
                    depositor.add_leaves(cells["position"], cells["size"], light, velocity, dispersion)
                else:
                    radius = np.cbrt(0.75 / np.pi) * cells["size"]
                    depositor.add_cells(cells["position"], radius, light, velocity, dispersion)

    def finish(self) -> dict[str, dict[str, CubeResult]]:
        """Cubes by view and line; the depositors' memory is given back one by one."""
        cubes: dict[str, dict[str, CubeResult]] = {}
        for view, of_lines in self._depositors.items():
            cubes[view] = {}
            while of_lines:
                line = next(iter(of_lines))
                cubes[view][line] = of_lines.pop(line).finish()
        return cubes


def cube_notes(cubes: Mapping[str, Mapping[str, CubeResult]]) -> tuple[str, ...]:
    """What a user must know of the cubes, one line each."""
    return tuple(
        f"cube of {line}, view {view}: {cube.warning} (maps.cube)"
        for view, of_lines in cubes.items()
        for line, cube in of_lines.items()
        if cube.warning
    )
