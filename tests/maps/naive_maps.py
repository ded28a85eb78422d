"""Slow, obvious twins of the deposit kernels."""

import numpy as np
from scipy.optimize import linprog
from scipy.spatial import ConvexHull, HalfspaceIntersection

GAUSS_X, GAUSS_W = np.polynomial.legendre.leggauss(6)


def leaf_image(x, y, depth, size, quantities, half_width, half_depth, n_pixels):
    """Every leaf against every pixel and the slab: product of overlaps of intervals; (k, ny, nx)."""
    edges = np.linspace(-half_width, half_width, n_pixels + 1)
    image = np.zeros((quantities.shape[1], n_pixels, n_pixels))
    for n in range(x.size):
        overlaps = []
        for centre in (y[n], x[n]):
            low, high = centre - size[n] / 2, centre + size[n] / 2
            overlaps.append(
                np.clip(np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1]), 0, None) / size[n]
            )
        low, high = depth[n] - size[n] / 2, depth[n] + size[n] / 2
        in_slab = max(min(high, half_depth) - max(low, -half_depth), 0.0) / size[n]
        image += in_slab * quantities[n][:, None, None] * np.outer(*overlaps)
    return image


def chord(axes, x, y, low=-np.inf, high=np.inf):
    """Length of the line of sight at (x, y) inside a unit cube and between two depths; axes as rows."""
    enter, leave = np.full(np.shape(x), low), np.full(np.shape(x), high)
    for right, up, toward in axes.T:
        p = x * right + y * up
        if abs(toward) < 1e-12:
            leave = np.where(np.abs(p) > 0.5, -np.inf, leave)
            continue
        faces = np.sort([(-0.5 - p) / toward, (0.5 - p) / toward], axis=0)
        enter, leave = np.maximum(enter, faces[0]), np.minimum(leave, faces[1])
    return np.maximum(leave - enter, 0.0)


def oblique_image(axes, position, size, mass, view, samples):
    """Every leaf's column on a grid of `samples` x `samples` rays per pixel, averaged; (ny, nx)."""
    n = view.n_pixels * samples
    ray = ((np.arange(n) + 0.5) / n - 0.5) * view.width
    image = np.zeros((n, n))
    for centre, side, m in zip(position @ axes.T, size, mass, strict=True):
        reach = 0.5 * side * np.abs(axes).sum(axis=1)
        i, j = (np.flatnonzero(np.abs(ray - centre[a]) <= reach[a] + view.pixel) for a in (0, 1))
        if i.size and j.size:
            x, y = np.meshgrid((ray[i] - centre[0]) / side, (ray[j] - centre[1]) / side)
            low, high = (-view.depth / 2 - centre[2]) / side, (view.depth / 2 - centre[2]) / side
            image[np.ix_(j, i)] += m / side**2 * chord(axes, x, y, low, high)
    shape = (view.n_pixels, samples, view.n_pixels, samples)
    return image.reshape(shape).mean(axis=(1, 3)) * view.pixel**2


def cut_cube_volume(axes, box):
    """Volume of a unit cube inside a box ((3, 2), along right, up and depth), by convex geometry."""
    normals, offsets = np.vstack([axes, -axes]), np.concatenate([-box[:, 1], box[:, 0]])
    cube = np.vstack([np.eye(3), -np.eye(3)])
    planes = np.vstack([np.column_stack([normals, offsets]), np.column_stack([cube, np.full(6, -0.5)])])
    # the largest ball inside gives a point for the intersection of half-spaces
    bound = np.column_stack([planes[:, :3], np.ones(12)])
    ball = linprog([0, 0, 0, -1], A_ub=bound, b_ub=-planes[:, 3], bounds=[(None, None)] * 3 + [(0, None)])
    if ball.status != 0 or ball.x[3] < 1e-7:
        return 0.0
    corners = HalfspaceIntersection(planes, ball.x[:3]).intersections
    return ConvexHull(corners, qhull_options="QJ").volume


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
