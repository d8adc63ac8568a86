"""Transforms with a name, for each family those that it holds.

References
1. Jaderberg et al. 2015, "Spatial Transformer Networks", section 3.2: crop, translation, rotation, scale and skew are
   affine; section 4.1 adds projections and thin plate splines. Lecture slides 117-122.

Convention
----------
As in `engine.spatial.transforms`: normalised (x, y), from OUTPUT to INPUT, so "zoom in" shrinks the grid. A turn is
rigid in pixels: clockwise for the grid (y runs down), counter-clockwise for the picture.
"""

from __future__ import annotations

import math

import numpy as np

from engine.spatial.theta import Theta, convert
from engine.spatial.transforms import Affine, Attention, Family, Projective, ThinPlateSpline, control_points


def presets(family: Family, aspect: float = 1.0) -> dict[str, Theta]:
    """name -> theta, the identity first. aspect: width over height of the picture in pixels."""
    found = {name: convert(theta, Attention(), family) for name, theta in _CROPS.items()}
    if isinstance(family, Affine | Projective | ThinPlateSpline):
        found |= {name: convert(theta, Affine(), family) for name, theta in _affine(aspect).items()}
    if isinstance(family, Projective):
        found |= _TILTS
    if isinstance(family, ThinPlateSpline):
        found |= {name: tuple(points.flatten().tolist()) for name, points in _bent(aspect).items()}
    return found


_CROPS = {"identity": (1.0, 0.0, 0.0), "zoom in": (0.5, 0.0, 0.0), "zoom out": (1.6, 0.0, 0.0), "move": (1.0, 0.4, 0.2)}
_TILTS = {
    "tilt back": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, -0.4),
    "tilt aside": (0.7, 0.0, 0.1, 0.0, 0.7, 0.0, 0.4, 0.0),
}


def _affine(aspect: float) -> dict[str, Theta]:
    return {
        "turn 30°": _turn(30, aspect),
        "turn 90°": _turn(90, aspect),
        "mirror": (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
        "shear": (1.0, 0.4, 0.0, 0.0, 1.0, 0.0),
    }


def _turn(degrees: float, aspect: float) -> Theta:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return tuple(round(v, 12) for v in (c, -s / aspect, 0.0, s * aspect, c, 0.0))


def _bent(aspect: float) -> dict[str, np.ndarray]:
    """Places (16, 2) of the control points; but in the wave the outer twelve stay."""
    control = control_points().numpy()
    inner = (np.abs(control).max(1) < 0.9)[:, None]
    a, b, _, c, d, _ = _turn(50, aspect)
    swing = np.sin(1.5 * math.pi * control[:, 1:]) * (0.15, 0.0)
    return {
        "bulge": np.where(inner, 0.5 * control, control),
        "pinch": np.where(inner, 1.8 * control, control),
        "wave": control + swing,
        "swirl": np.where(inner, control @ np.array([[a, c], [b, d]]), control),
        "fold": np.where(inner, control * (-1.0, 1.0), control),
    }
