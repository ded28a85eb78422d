"""From gas state to line emission: grids, sub-grid density, CMB, and the luminosity of every cell."""
