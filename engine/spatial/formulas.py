"""The equation of a transform with its live numbers, as LaTeX.

References
1. Jaderberg et al. 2015, "Spatial Transformer Networks", section 3.2, eq. 1 (affine) and eq. 2 (attention); section 4.1
   (projective, thin plate spline). Lecture slides 119-122.
2. Bookstein 1989, "Principal Warps": a thin plate spline is a plane and weights of U(r) = r^2 log r.
"""

from __future__ import annotations

import torch

from engine.spatial.theta import Theta
from engine.spatial.transforms import Family, ThinPlateSpline


def formula(family: Family, theta: Theta) -> str:
    """LaTeX of (x_s, y_s) = T_theta(x_t, y_t): input place of an output place, both normalised, with theta's numbers.

    A thin plate spline shows its plane and the largest of the 16 weights of each coordinate.
    """
    if isinstance(family, ThinPlateSpline):
        return _spline(family, theta)
    rows = family.matrix(torch.tensor(theta, dtype=torch.float64)).tolist()
    target = r"\begin{pmatrix} x^t \\ y^t \\ 1 \end{pmatrix}"
    if family.name == "projective":
        mapped, source = (r"\begin{pmatrix} x' \\ y' \\ w' \end{pmatrix}", r"\begin{pmatrix} x^s \\ y^s \end{pmatrix}")
        divided = r"\frac{1}{w'} \begin{pmatrix} x' \\ y' \end{pmatrix}"
        return rf"{mapped} = {_pmatrix(rows)} {target},\qquad {source} = {divided}"
    symbols = {"attention": r"\begin{bmatrix} s & 0 & t_x \\ 0 & s & t_y \end{bmatrix}"}.get(
        family.name, r"\begin{bmatrix} \theta_{11} & \theta_{12} & \theta_{13} \\ "
        r"\theta_{21} & \theta_{22} & \theta_{23} \end{bmatrix}")  # fmt: skip
    return (rf"\begin{{pmatrix}} x^s \\ y^s \end{{pmatrix}} = {symbols} {target} = "
            rf"{_pmatrix(rows[:2], 'bmatrix')} {target}")  # fmt: skip


def to_pixel(place: float, at: float, size: int, align_corners: bool, symbol: str = "x", index: str = "u") -> str:
    """LaTeX of the pixel index `index` = `at` along a side of `size` pixels, from the normalised `symbol` = `place`."""
    if align_corners:
        return (rf"{index} = \frac{{({symbol}^s + 1)({size} - 1)}}{{2}} = "
                rf"\frac{{({place:.3f} + 1) \cdot {size - 1}}}{{2}} = {at:.2f}")  # fmt: skip
    return (rf"{index} = \frac{{({symbol}^s + 1)\,{size} - 1}}{{2}} = "
            rf"\frac{{({place:.3f} + 1) \cdot {size} - 1}}{{2}} = {at:.2f}")  # fmt: skip


def _spline(family: ThinPlateSpline, theta: Theta) -> str:
    found = family.coefficients() @ torch.tensor(theta, dtype=torch.float64).reshape(-1, 2)  # (19, 2)
    weights, (shift, by_x, by_y) = found[:-3], found[-3:]
    k = int(weights.norm(dim=-1).argmax())
    return (r"\begin{pmatrix} x^s \\ y^s \end{pmatrix} = "
            f"{_pmatrix([[v] for v in shift.tolist()])} + {_pmatrix(torch.stack([by_x, by_y], 1).tolist())} "
            r"\begin{pmatrix} x^t \\ y^t \end{pmatrix} + \sum_{k=1}^{16} w_k\, U(r_k),\quad U(r) = r^2 \log r,\quad "
            rf"w_{{{k + 1}}} = {_pmatrix([[v] for v in weights[k].tolist()])}")  # fmt: skip


def _pmatrix(rows: list[list[float]], kind: str = "pmatrix") -> str:
    body = r" \\ ".join(" & ".join(f"{round(v, 3) + 0.0:.3f}" for v in row) for row in rows)
    return rf"\begin{{{kind}}} {body} \end{{{kind}}}"
