"""Families of transforms: against torch's affine_grid, SciPy's splines, scikit-image's homographies, differences."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.interpolate import RBFInterpolator
from skimage.transform import ProjectiveTransform

from engine.spatial.presets import presets
from engine.spatial.sampling import MODES, PADDINGS, Sampling, sampled
from engine.spatial.transforms import (
    FAMILIES,
    Affine,
    Attention,
    Projective,
    ThinPlateSpline,
    control_points,
    sampling_grid,
    target_points,
)


def some(family, seed: int = 0, by: float = 0.1) -> torch.Tensor:
    """(n,) float64: a theta near the identity."""
    noise = np.random.default_rng(seed).normal(0, by, len(family.identity))
    return torch.tensor(family.identity, dtype=torch.float64) + torch.tensor(noise)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_the_identity_changes_nothing(family):
    points = target_points(5, 7)
    theta = torch.tensor([family.identity], dtype=torch.float64)
    assert torch.allclose(family(theta, points)[0], points, atol=1e-12)


@pytest.mark.filterwarnings("ignore:Since version 1.3.0")  # about one pixel, whose centre is meant
@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("size", [(5, 7), (1, 4), (6, 1)])
def test_affine_against_torch(size, align):
    theta = torch.stack([some(Affine(), seed, 0.5) for seed in range(3)])
    wanted = F.affine_grid(theta.reshape(3, 2, 3), (3, 1, *size), align_corners=align)
    assert torch.allclose(sampling_grid(Affine(), theta, *size, align), wanted, atol=1e-12)


def test_attention_is_an_affine_transform_of_one_scale():
    theta = torch.tensor([[0.4, 0.3, -0.2]], dtype=torch.float64)
    as_affine = torch.tensor([[0.4, 0, 0.3, 0, 0.4, -0.2]], dtype=torch.float64)
    points = target_points(4, 4)
    assert torch.equal(Attention()(theta, points), Affine()(as_affine, points))


@pytest.mark.parametrize("seed", range(4))
def test_projective_against_scikit_image(seed):
    theta, points = some(Projective(), seed), target_points(6, 5)
    wanted = ProjectiveTransform(np.append(theta.numpy(), 1).reshape(3, 3))(points.numpy())
    assert np.allclose(Projective()(theta[None], points)[0], wanted, atol=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.01, 1.0, 1e6])
def test_splines_against_scipy(smoothing):
    family, points = ThinPlateSpline(regularisation=smoothing), target_points(9, 8)
    theta = some(family, 1, 0.3)
    oracle = RBFInterpolator(control_points(), theta.reshape(-1, 2), kernel="thin_plate_spline", smoothing=smoothing)
    assert np.allclose(family(theta[None], points)[0], oracle(points), atol=1e-8)


def test_much_regularisation_leaves_the_best_affine_transform():
    theta = some(ThinPlateSpline(), 2, 0.3)
    control = control_points()
    plane = np.column_stack([control, np.ones(16)])
    fitted = np.linalg.lstsq(plane, theta.reshape(-1, 2).numpy())[0]
    assert np.allclose(ThinPlateSpline(regularisation=1e9)(theta[None], control)[0], plane @ fitted, atol=1e-6)


def test_a_basis_known_beforehand_gives_the_same():
    family, points = ThinPlateSpline(), target_points(4, 6)
    theta = some(family)[None]
    assert torch.equal(family(theta, points), family(theta, points, family.basis(points)))


def test_slopes_of_the_basis_by_autograd_and_at_a_control_point():
    family = ThinPlateSpline(regularisation=0.02)
    points = torch.cat([target_points(3, 3), control_points()[:3]])
    wanted = torch.func.vmap(torch.func.jacrev(lambda p: family.basis(p[None])[0]))(points[:9])  # (9, 16, 2)
    assert torch.allclose(family.slopes(points[:9]), wanted.mT, atol=1e-10)
    step = 1e-6
    for axis in range(2):
        aside = torch.eye(2, dtype=torch.float64)[axis] * step
        measured = (family.basis(points + aside) - family.basis(points - aside)) / (2 * step)
        assert torch.allclose(family.slopes(points)[:, axis], measured, atol=1e-4)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("mode", [m for m in MODES if m != "nearest"])
@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_gradients_by_theta_and_by_the_picture_against_finite_differences(family, mode, padding):
    picture = torch.tensor(np.random.default_rng(3).random((1, 2, 5, 6)), requires_grad=True)
    theta = (some(family, 4) + 0.0137).requires_grad_()
    sampling = Sampling(mode, padding)

    def output(theta: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
        return sampled(picture, sampling_grid(family, theta[None], 3, 4), sampling)

    assert torch.autograd.gradcheck(output, (theta, picture), atol=1e-5)


def test_nearest_has_no_gradient_by_theta():
    picture = torch.rand(1, 1, 5, 5, dtype=torch.float64)
    theta = some(Affine()).requires_grad_()
    output = sampled(picture, sampling_grid(Affine(), theta[None], 4, 4), Sampling("nearest"))
    assert torch.autograd.grad(output.sum(), theta)[0].abs().max() == 0


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_presets_do_what_their_names_say(family):
    found = {name: torch.tensor([theta], dtype=torch.float64) for name, theta in presets(family, 1.5).items()}
    corners = torch.tensor([[-1, -1], [1, -1], [1, 1], [-1, 1]], dtype=torch.float64)
    assert next(iter(found)) == "identity"
    assert torch.allclose(family(found["zoom in"], corners)[0], corners / 2)
    if family.name == "attention":
        assert len(found) == 4
        return
    assert torch.allclose(family(found["mirror"], corners)[0], corners * torch.tensor([-1.0, 1.0]), atol=1e-9)
    pixels = family(found["turn 30°"], corners)[0] * torch.tensor([1.5, 1.0])  # of a picture 1.5 times as wide
    before = corners * torch.tensor([1.5, 1.0])
    assert torch.allclose(torch.cdist(pixels, pixels), torch.cdist(before, before))  # rigid
    turned = torch.atan2(pixels[1, 1], pixels[1, 0]) - torch.atan2(before[1, 1], before[1, 0])
    assert float(turned.rad2deg()) == pytest.approx(30)
