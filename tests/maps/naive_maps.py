"""Slow, obvious twins of the deposit kernels."""

import numpy as np

GAUSS_X, GAUSS_W = np.polynomial.legendre.leggauss(6)


def leaf_image(x, y, size, quantities, half_width, n_pixels):
    """Every leaf against every pixel: product of two overlaps of intervals; (k, ny, nx)."""
    edges = np.linspace(-half_width, half_width, n_pixels + 1)
    image = np.zeros((quantities.shape[1], n_pixels, n_pixels))
    for n in range(x.size):
        overlaps = []
        for centre in (y[n], x[n]):
            low, high = centre - size[n] / 2, centre + size[n] / 2
            overlaps.append(
                np.clip(np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1]), 0, None) / size[n]
            )
        image += quantities[n][:, None, None] * np.outer(*overlaps)
    return image


def kernel_image(x, y, support, profile, half_width, n_pixels):
    """Integrate one kernel over every pixel with Gauss points much finer than kernel and pixel."""
    pixel = 2 * half_width / n_pixels
    panels = max(2, int(np.ceil(24 * pixel / support)))
    edges = np.linspace(-half_width, half_width, n_pixels * panels + 1)
    step = edges[1] - edges[0]
    points = (edges[:-1, None] + 0.5 * step * (GAUSS_X + 1)).ravel()
    weights = np.tile(0.5 * step * GAUSS_W, n_pixels * panels)
    pixel_of = np.repeat(np.arange(n_pixels), panels * GAUSS_X.size)
    near_x, near_y = np.abs(points - x) < support, np.abs(points - y) < support
    radius = np.hypot((points[near_y] - y)[:, None], (points[near_x] - x)[None, :])
    density = profile(radius / support) / support**2
    sum_x = (pixel_of[near_x] == np.arange(n_pixels)[:, None]) * weights[near_x]
    sum_y = (pixel_of[near_y] == np.arange(n_pixels)[:, None]) * weights[near_y]
    return sum_y @ density @ sum_x.T


def random_cells(seed, n, spread=1.0):
    """Positions within +-spread and n random positive masses."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-spread, spread, (n, 3)), rng.uniform(0.1, 1.0, n)
