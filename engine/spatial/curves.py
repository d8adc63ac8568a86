"""What a transformer undoes: error and predicted angle against the true one, and a digit on its way through a task.

References
1. Jaderberg et al. 2015, section 4.1 and its video: the input turns, the output is held still. Lecture slides 130-131.
2. Higham 1986, "Computing the Polar Decomposition": the rotation nearest to a matrix.
3. Mardia and Jupp 2000, "Directional Statistics", section 2.2: circular mean and circular standard deviation.

Convention
----------
Angles are in degrees, counter-clockwise as seen, as in `engine.spatial.distortions`; shifts in pixels to the right.
theta goes from OUTPUT to INPUT, so a transformer that undoes a turn by an angle turns its grid by the same angle. Grids
are given in the input's pixel frame (`engine.trace`): pixel (column i, row j) covers [i, i+1) x [j, j+1).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from scipy.stats import circmean, circstd
from torch import Tensor

from engine.runs import Tell, quiet
from engine.spatial.digits_model import DigitModel, Reading
from engine.spatial.distortions import DIGIT, Pose, Task, clutter, place, random_pose
from engine.spatial.transforms import Family, ThinPlateSpline, control_points

BATCH = 500
SEED = 7  # of the distractors, the same at each value
CLUTTER = 6  # distractors of TC
FOLLOWED = 4  # times that each digit is drawn to see which transformer follows it

# what is varied -> (lowest, highest, number of values) that are tried
TRIED = MappingProxyType({"angle": (-180.0, 180.0, 37), "scale": (0.4, 1.6, 25), "shift": (-20.0, 20.0, 41)})
# task -> what it varies -> the range that its networks were trained on
TRAINED: MappingProxyType[str, dict[str, tuple[float, float]]] = MappingProxyType({
    "R": {"angle": (-90.0, 90.0)},
    "RTS": {"angle": (-45.0, 45.0), "scale": (0.7, 1.2), "shift": (-7.0, 7.0)},
    "P": {"scale": (0.75, 1.0)},
    "E": {"scale": (0.75, 1.0)},
    "TC": {"shift": (-16.0, 16.0)},
})  # fmt: skip


@dataclass(frozen=True, eq=False)
class Curve:
    """What a network makes of the same digits at V values of one quantity ("angle", "scale" or "shift").

    error: (V,) share of wrong answers. chance: (V,) mean probability of the truth. undone: (V,) mean of what the
    transformer makes of the quantity, taken from its theta, and spread: (V,) standard deviation over the digits, the
    angle's circular (reference 3); both relative to the same digit upright, unscaled, in the middle. nan for a
    plain CNN.
    """

    name: str
    values: np.ndarray
    error: np.ndarray
    chance: np.ndarray
    undone: np.ndarray
    spread: np.ndarray


def tried(name: str, task: Task) -> np.ndarray:
    """The values of "angle", "scale" or "shift" at which networks of this task are asked, (V,) float64."""
    low, high, count = TRIED[name]
    if name == "shift":
        most = float(min(high, (task.size - DIGIT) // 2 + 4))
        return np.arange(-most, most + 1)
    return np.linspace(low, high, count)


def posed(digits: Tensor, name: str, value: float, task: Task) -> Tensor:
    """(B, 1, S, S): digits (B, 28, 28) on the task's canvas, all with this angle, scale or shift, else untouched.

    TC's distractors are the same for each value. Raises ValueError for a task of two digits.
    """
    if task.pairs:
        raise ValueError("These curves are of one digit, not of two.")
    still = {"angle": 0.0, "scale": 1.0, "shift": 0.0} | {name: value}
    of = {key: torch.full((len(digits),), float(v)) for key, v in still.items()}
    pictures = place(digits, Pose(of["angle"], of["scale"], of["shift"], torch.zeros(len(digits))), task.size)
    return cluttered(pictures, digits, task)


def cluttered(pictures: Tensor, digits: Tensor, task: Task, same: bool = False) -> Tensor:
    """Pictures (B, 1, S, S) with TC's distractors, as they are for other tasks; same: all have the first one's."""
    if task.name != "TC":
        return pictures
    dice = torch.Generator().manual_seed(SEED)
    if not same:
        return clutter(pictures, digits, CLUTTER, dice)
    return (pictures + clutter(torch.zeros_like(pictures[:1]), digits, CLUTTER, dice)).clamp(max=1)


def curve(model: DigitModel, images: np.ndarray, labels: np.ndarray, name: str, values: np.ndarray,
          tell: Tell = quiet) -> Curve:  # fmt: skip
    """Ask `model` about digits (B, 28, 28) uint8 with labels (B,) at all `values` of "angle", "scale" or "shift".

    tell: called after each value.
    Raises ValueError for a task of two digits.
    """
    digits = torch.tensor(images).float() / 255
    still = {"angle": 0.0, "scale": 1.0, "shift": 0.0}[name]
    asked = [still, *map(float, values)]
    seen = []
    for value in asked:
        seen.append(model.read(posed(digits, name, value, model.task).numpy()))
        tell(len(seen), len(asked))
    chances = np.stack([reading.chances for reading in seen[1:]])  # (V, B, K)
    right = chances.argmax(2) == labels
    chance = np.take_along_axis(chances, labels.astype(int)[None, :, None], 2)[..., 0].mean(1)
    middle, spread = np.full((2, len(values)), np.nan)
    if seen[0].theta:
        found = np.stack([_quantity(model, reading, name) for reading in seen])  # (1 + V, B)
        middle, spread = _summary(found, name)
    return Curve(name, np.asarray(values, float), 1 - right.mean(1), chance, middle, spread)


def _quantity(model: DigitModel, reading: Reading, name: str) -> np.ndarray:
    """(B,): the angle, scale or shift that the first transformer's theta stands for."""
    linear, shift = linear_part(model.net.transformers[0].family, reading.theta[0])
    if name == "angle":
        return rotation(linear)
    return np.sqrt(np.abs(np.linalg.det(linear))) if name == "scale" else shift[:, 0] * model.task.size / 2


def _summary(found: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (V,) over digits of quantities (1 + V, B), relative to the first row."""
    if name == "angle":
        away = found[1:] - found[0]
        return tuple(measure(away, high=180, low=-180, axis=1) for measure in (circmean, circstd))
    away = found[1:] / found[0].clip(1e-6) if name == "scale" else found[1:] - found[0]
    return away.mean(1), away.std(1)


def followed(model: DigitModel, images: np.ndarray) -> np.ndarray:
    """(K, 2): the correlation of where each of K transformers looks with where either digit of a sum lies.

    images: (N, 28, 28) uint8; pairs of them are turned, scaled and moved `FOLLOWED` times. Mean of the correlations in
    x and in y of the grid's middle with the digit's. Raises ValueError for a task of one digit.
    """
    if not model.task.pairs:
        raise ValueError("There is one digit, so there is no other to follow.")
    dice, size = torch.Generator().manual_seed(SEED), model.task.size
    digits = torch.tensor(images).float().div(255).repeat(FOLLOWED, 1, 1)
    poses = [random_pose(digits, dice, size) for _ in range(2)]
    orders = [torch.randperm(len(digits), generator=dice) for _ in range(2)]
    pictures = torch.cat([place(digits[order], pose, size) for order, pose in zip(orders, poses, strict=True)], 1)
    lies = np.stack([torch.stack([pose.x, pose.y], 1).numpy() for pose in poses])  # (2, N, 2)
    read = model.read(pictures.numpy())
    looks = [linear_part(t.family, theta)[1] for t, theta in zip(model.net.transformers, read.theta, strict=True)]
    return np.array([[np.mean([np.corrcoef(look[:, i], lie[:, i])[0, 1] for i in range(2)]) for lie in lies]
                     for look in looks])  # fmt: skip


def linear_part(family: Family, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(B, 2, 2) and (B, 2) float64: the affine transform nearest to theta (B, n), its linear part and its shift.

    Of a homography its derivative and place at the centre, of a thin plate spline the least-squares fit to its points.
    """
    theta = torch.as_tensor(theta, dtype=torch.float64)
    if isinstance(family, ThinPlateSpline):
        plane = torch.cat([torch.ones(16, 1, dtype=torch.float64), control_points()], 1)  # (16, 3)
        fitted = (torch.linalg.pinv(plane) @ theta.unflatten(1, (16, 2))).numpy()  # (B, 3, 2)
        return fitted[:, 1:].swapaxes(1, 2), fitted[:, 0]
    matrix = family.matrix(theta).numpy()
    linear, shift, last = matrix[:, :2, :2], matrix[:, :2, 2], matrix[:, 2:, :2]
    return linear - shift[:, :, None] * last, shift


def rotation(linear: np.ndarray) -> np.ndarray:
    """(B,) degrees: the angle of the rotation nearest to linear maps (B, 2, 2), counter-clockwise (reference 2)."""
    return np.degrees(np.arctan2(linear[:, 0, 1] - linear[:, 1, 0], linear[:, 0, 0] + linear[:, 1, 1]))
