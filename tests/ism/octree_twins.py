"""Random octrees and the slow, obvious twins of the octree kernels."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

OCTANTS = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])


def refine(corner, level, finest, which):
    """Replace leaf `which` by its eight children."""
    half = 1 << (finest - level[which] - 1)
    corner = np.vstack([np.delete(corner, which, 0), corner[which] + half * OCTANTS])
    return corner, np.append(np.delete(level, which), np.full(8, level[which] + 1))


def touching(corner, width, i, box=None):
    """For every leaf: axis (0-2) and sign of the face of leaf i it lies on; axis -1 if none."""
    axis_of, sign_of = np.full(len(width), -1), np.zeros(len(width), dtype=int)
    for axis in range(3):
        others = [a for a in range(3) if a != axis]
        overlap = np.all(
            (corner[:, others] < corner[i, others] + width[i])
            & (corner[i, others] < corner[:, others] + width[:, None]),
            axis=1,
        )
        above = corner[:, axis] - corner[i, axis] - width[i]
        below = corner[:, axis] + width - corner[i, axis]
        if box:
            above, below = above % box, below % box
        for sign, gap in ((1, above), (-1, below)):
            axis_of[overlap & (gap == 0)], sign_of[overlap & (gap == 0)] = axis, sign
    return axis_of, sign_of


def balance(corner, level, finest, box=None):
    """Refine until no face separates leaves more than one level apart."""
    while True:
        width = 1 << (finest - level)
        for i in range(len(level)):
            axis, _ = touching(corner, width, i, box)
            if np.any(level[axis >= 0] > level[i] + 1):
                corner, level = refine(corner, level, finest, i)
                break
        else:
            return corner, level


@st.composite
def octrees(draw, finest=4, refinements=6, balanced=False, base=0):
    """A random complete octree of a box, from a uniform grid of level `base` on: corners, levels."""
    corner = np.indices((1 << base,) * 3).reshape(3, -1).T.astype(np.int64) << (finest - base)
    level = np.full(len(corner), base)
    for _ in range(draw(st.integers(1, refinements))):
        open_leaves = np.flatnonzero(level < finest)
        which = draw(st.sampled_from(open_leaves.tolist()))
        corner, level = refine(corner, level, finest, which)
    if balanced:
        corner, level = balance(corner, level, finest)
    shuffle = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).permutation(len(level))
    return corner[shuffle], level[shuffle]


def leaf_gradient_twin(corner, level, finest, values, box=None):
    """Least squares over face neighbours found by geometry, in units of the finest cell."""
    width = 1 << (finest - level)
    centre = corner + 0.5 * width[:, None]
    gradient, rank = np.full((len(level), values.shape[1], 3), np.nan), np.zeros(len(level), dtype=int)
    for i in range(len(level)):
        axis_of, sign_of = touching(corner, width, i, box)
        steps, changes = [], []
        for axis in range(3):
            for sign in (1, -1):
                group = (axis_of == axis) & (sign_of == sign)
                if not group.any():
                    continue
                step = centre[group].mean(axis=0) - centre[i]
                if box and step[axis] * sign < 0:
                    step[axis] += sign * box
                steps.append(step)
                changes.append(values[group].mean(axis=0) - values[i])
        if not steps:
            continue
        steps, changes = np.array(steps), np.array(changes)
        weight = 1.0 / np.linalg.norm(steps, axis=1)[:, None]
        rank[i] = np.linalg.matrix_rank(steps * weight, tol=1e-6)
        if rank[i] == 3:
            gradient[i] = np.linalg.lstsq(steps * weight, changes * weight, rcond=None)[0].T
    return gradient, rank
