"""Position-position-velocity cubes of the lines of one galaxy, filled chunk by chunk beside its maps."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from simpost.config import Config
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
    Threads share the cubes, and what is left of them the cells of each.
    """

    def __init__(
        self, views: tuple[View, ...], lines: list[str], galaxy: Galaxy, config: Config, leaves: bool
    ) -> None:
        self._galaxy, self._leaves, self._workers = galaxy, leaves, config.workers
        self._depositors: dict[str, dict[str, CubeDepositor]] = {}
        options = config.maps
        if options.cube is None:
            return
        channels = Channels(options.cube.channel, options.cube.channels)
        kernel = {} if leaves else {"kernel": options.kernel}
        workers = max(1, config.workers // max(1, len(views) * len(lines)))
        for view in views:
            self._depositors[view.name] = {
                line: CubeDepositor(view, channels, workers=workers, **kernel) for line in lines
            }

    def add(self, state: Columns, emission: Mapping[str, CellLuminosity]) -> None:
        """Add the cells of a chunk."""
        with ThreadPoolExecutor(self._workers) as pool:
            tasks = [
                pool.submit(self._add_to, depositor, line, state, emission[line].luminosity)
                for of_lines in self._depositors.values()
                for line, depositor in of_lines.items()
            ]
            for task in tasks:
                task.result()

    def _add_to(
        self, depositor: CubeDepositor, line: str, state: Columns, luminosity: NDArray[np.float64]
    ) -> None:
        shining = np.flatnonzero(luminosity > 0.0)
        cells, light = state.select(shining), luminosity[shining]
        velocity = radial_velocity(cells["velocity"], depositor.view.line_of_sight, self._galaxy.velocity)
        dispersion = line_dispersion(cells["temperature"], cells["turbulent_velocity"], line)
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
