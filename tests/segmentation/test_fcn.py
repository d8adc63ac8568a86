"""The FCN: transposed convolutions against their matrix, skips that add up, and Traces of awkward pictures."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engine import tensors
from engine.segmentation.fcn import FCN, VARIANTS, Scores, transposed_bilinear
from engine.segmentation.fcn_model import FcnModel
from engine.trace import Trace
from tests.conftest import card_of


def test_new_upsampling_is_bilinear_inside_the_border():
    x = torch.randn(2, 5, 7, 9, generator=torch.Generator().manual_seed(0))
    ours = transposed_bilinear(5)(x)
    theirs = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    assert torch.allclose(ours[..., 1:-1, 1:-1], theirs[..., 1:-1, 1:-1], atol=1e-6)
    assert not torch.allclose(ours[..., 0, :], theirs[..., 0, :], atol=1e-2)  # the border fades to zero


def matrix_of(kernel: np.ndarray, h: int, w: int) -> np.ndarray:
    """(2h * 2w, h * w): the transposed convolution 4x4, stride 2, pad 1 as a matrix, written out by hand.

    Input cell (i, j) adds kernel[a, b] to output pixel (2 i + a - 1, 2 j + b - 1).
    """
    matrix = np.zeros((2 * h, 2 * w, h, w))
    for i in range(h):
        for j in range(w):
            for a in range(4):
                for b in range(4):
                    y, x = 2 * i + a - 1, 2 * j + b - 1
                    if 0 <= y < 2 * h and 0 <= x < 2 * w:
                        matrix[y, x, i, j] += kernel[a, b]
    return matrix.reshape(4 * h * w, h * w)


def test_convolution_transpose_is_its_matrix_and_the_gradient_of_a_convolution():
    dice = np.random.default_rng(0)
    kernel, x = dice.normal(size=(4, 4)), dice.normal(size=(3, 5))
    up = transposed_bilinear(1).double()
    with torch.no_grad():
        up.weight.copy_(torch.tensor(kernel)[None, None])
        ours = up(torch.tensor(x)[None, None])[0, 0].numpy()
    matrix = matrix_of(kernel, 3, 5)
    assert np.allclose(ours.ravel(), matrix @ x.ravel())
    fine = torch.tensor(dice.normal(size=(6, 10)), requires_grad=True)
    coarse = F.conv2d(fine[None, None], torch.tensor(kernel)[None, None], stride=2, padding=1)
    assert np.allclose(coarse.detach().numpy().ravel(), matrix.T @ fine.detach().numpy().ravel())
    (gradient,) = torch.autograd.grad(coarse, fine, torch.tensor(x)[None, None])
    assert np.allclose(gradient.numpy(), ours)


def random_scores(h=2, w=3, k=8, dtype=torch.float32) -> Scores:
    torch.manual_seed(3)
    return Scores(*(torch.randn(1, k, h * n, w * n, dtype=dtype) for n in (1, 2, 4)))


@pytest.mark.parametrize("gains", [*VARIANTS.values(), (0.5, -2.0, 3.0), (0.0, 0.0, 0.0)])
@torch.no_grad()
def test_logits_are_the_sum_of_what_each_stride_adds(network, gains):
    scores = random_scores()
    parts = network.contributions(scores)
    total = sum(g * part for g, part in zip(gains, parts, strict=True))
    assert torch.allclose(network.fuse(scores, gains), total, atol=1e-4)
    assert [p.shape[-2:] for p in parts] == [(8, 12)] * 3


@torch.no_grad()
def test_new_skips_change_nothing():
    torch.manual_seed(0)
    fcn = FCN(3).eval()
    scores = fcn.scores(torch.rand(1, 3, 32, 64))
    fused = [fcn.fuse(scores, gains) for gains in VARIANTS.values()]
    assert fused[0].abs().max() > 0
    assert torch.equal(fused[0], fused[1])
    assert torch.equal(fused[0], fused[2])


def test_gradients_of_fuse_are_those_of_finite_differences():
    fcn = FCN.__new__(FCN)
    torch.nn.Module.__init__(fcn)
    fcn.up32, fcn.up16 = transposed_bilinear(2).double(), transposed_bilinear(2).double()
    scores = [s.requires_grad_() for s in random_scores(1, 2, 2, torch.double)]
    weights = (fcn.up32.weight, fcn.up16.weight)

    def fuse(a, b, c, *_):
        return fcn.fuse(Scores(a, b, c), (0.7, 1.0, -1.3))

    assert torch.autograd.gradcheck(fuse, (*scores, *weights))


@torch.no_grad()
def test_forward_is_the_finest_variant(network):
    x = torch.rand(1, 3, 32, 64)
    assert torch.equal(network(x), network.fuse(network.scores(x), VARIANTS["8s"]))


def test_a_trace_tells_the_run_in_six_steps(model, rgb):
    trace = model.trace(rgb)
    assert [s.title for s in trace.steps] == ["Image", "Scores, stride 32", "Learned upsampling", "+ skip, stride 16",
                                              "+ skip, stride 8", "Labels"]  # fmt: skip
    assert all(s.sentence.endswith(".") for s in trace.steps)
    assert trace.classes == model.card.classes
    h, w = model.working_size(rgb)
    shapes = [next(x.data.shape for x in s.layers if x.kind == "labels") for s in trace.steps[1:]]
    assert shapes == [(8, h // 32, w // 32)] + [(8, h // 8, w // 8)] * 4
    assert sum(row[1] for row in trace.steps[-1].table.rows) == pytest.approx(100, abs=0.5)
    for step, stride in ((1, 32), (3, 16), (4, 8)):
        cells = next(x for x in trace.steps[step].layers if x.kind == "cells")
        assert cells.attributes["stride"] == stride
        assert tuple(cells.data) == (h // stride, w // stride)


@torch.inference_mode()
def test_traces_variants_and_the_network_agree(model, network, rgb):
    trace, labels = model.trace(rgb), model.predict(rgb)
    fused = network(tensors.to_input(rgb, model.working_size(rgb)))
    final = torch.tensor(trace.steps[-1].layers[-1].data)[None]
    assert torch.allclose(final, fused, atol=1e-4)
    for step, name in zip((2, 3, 4), VARIANTS, strict=True):
        logits = torch.tensor(next(x.data for x in trace.steps[step].layers if x.kind == "labels"))[None]
        assert np.array_equal(tensors.to_labels(logits, rgb.shape[:2]), labels[name])


def heat(trace: Trace, step: int) -> np.ndarray:
    return next(x.data for x in trace.steps[step].layers if x.kind == "heat")


def test_a_muted_skip_adds_nothing_and_a_gain_scales_it(model, rgb):
    encoding = model.encode(rgb)
    whole, muted = model.trace(encoding), model.trace(encoding, gains=(1.0, 0.0, 1.0))
    assert "muted: it adds nothing" in muted.steps[3].sentence
    assert not heat(muted, 3).any()
    assert np.array_equal(heat(muted, 4), heat(whole, 4))
    double = model.trace(encoding, gains=(1.0, 1.0, 2.0))
    assert np.allclose(heat(double, 4), 2 * heat(whole, 4))
    assert double.settings["gains"] == [1.0, 1.0, 2.0]
    change = double.steps[-1].layers[-1].data - whole.steps[-1].layers[-1].data
    assert np.allclose(change, heat(whole, 4), atol=1e-4)


def test_the_strongest_push_is_the_strongest(model, rgb):
    trace = model.trace(rgb)
    data = heat(trace, 3)
    k = np.unravel_index(np.abs(data).argmax(), data.shape)[0]
    push = data.flat[np.abs(data).argmax()]
    assert f"{push:+.1f} in the logit of {trace.classes[k]}" in trace.steps[3].sentence


@pytest.mark.parametrize("shape", [(33, 47), (1, 200), (200, 1), (1, 1), (8, 160), (31, 640)])
def test_awkward_sizes(model, shape):
    picture = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    trace = model.trace(picture)
    assert trace.image.shape == (*shape, 3)
    assert all(np.isfinite(x.data).all() for s in trace.steps for x in s.layers if x.kind != "image")
    labels = model.predict(picture)
    assert {v.shape for v in labels.values()} == {shape}


@pytest.mark.parametrize("value", [0, 128, 255])
def test_constant_pictures(model, value):
    trace = model.trace(np.full((40, 60, 3), value, np.uint8))
    assert all(np.isfinite(x.data).all() for s in trace.steps for x in s.layers if x.kind == "labels")


def test_an_average_over_views_of_a_mirrored_picture_is_mirrored(model, rgb):
    square = rgb[:64, :64]
    plain, mirrored = (model.encode(x, average=True) for x in (square, square[:, ::-1].copy()))
    for a, b in zip(plain.scores, mirrored.scores, strict=True):
        assert torch.allclose(a, b.flip(-1), atol=1e-3 * float(a.abs().max()))
    assert not torch.allclose(plain.scores.s8, model.encode(square).scores.s8, atol=1e-3)


def test_the_views_of_an_average_have_three_sizes(network, monkeypatch):
    """Also at the largest working size: 1.25 times 640 pixels is 800, not 640 again."""
    seen = []
    model = FcnModel(card_of(settings={"trunk": 0, "labels": "stanford", "longest": [96, 640]}), network)
    small = Scores(*(torch.zeros(1, 8, 60 // n, 80 // n) for n in (4, 2, 1)))
    monkeypatch.setattr(model, "_scores", lambda rgb, size, mirror=False: seen.append((size, mirror)) or small)
    model.encode(np.zeros((480, 640, 3), np.uint8), average=True)
    assert len(seen) == len(set(seen)) == 6


def test_what_a_pixel_listens_to(model, rgb):
    step = model.field_step(rgb, 65.0, 45.0)
    _, heat, box, point = step.layers
    assert heat.data.max() == pytest.approx(1)
    assert heat.data.min() >= 0
    rows, columns = heat.data.shape
    near = heat.data[int(45 / 90 * rows), int(65 / 130 * columns)]
    assert near > np.median(heat.data)
    x0, y0, x1, y1 = box.data[0]
    assert 0 <= x0 < x1 <= 130
    assert 0 <= y0 < y1 <= 90
    assert point.data.tolist() == [[65.0, 45.0]]
    kinds = [name for name in model.card.classes if step.sentence.startswith(f"The {name} score at x 65, y 45")]
    assert len(kinds) == 1
    corner = model.field_step(rgb, 129.9, 89.9)
    assert np.isfinite(corner.layers[1].data).all()


@pytest.mark.parametrize("gains", [(1.0, 1.0, 1.0), (1.0, 0.0, 2.0)])
def test_a_pixel_is_explained_by_its_parts(model, rgb, gains):
    encoding = model.encode(rgb)
    pixels = tensors.to_pixels(model.logits(encoding, gains), rgb.shape[:2])[0]
    for x, y in ((0, 0), (64.5, 44.5), (129.9, 89.9)):
        readings = model.explain(encoding, gains, x, y, top=8)
        logits = pixels[:, int(y), int(x)]
        assert [r.name for r in readings] == [model.card.classes[k] for k in logits.argsort(descending=True)]
        assert [r.logit for r in readings] == pytest.approx(sorted(logits.tolist(), reverse=True), abs=1e-3)
        assert sum(r.probability for r in readings) == pytest.approx(1)
        for reading in readings:
            assert sum(reading.parts) == pytest.approx(reading.logit, abs=1e-3)


def test_a_saved_trace_says_the_same(model, rgb, tmp_path):
    trace = model.trace(rgb)
    again = Trace.load(trace.save(tmp_path))
    assert [s.sentence for s in again.steps] == [s.sentence for s in trace.steps]
    assert np.array_equal(again.steps[-1].layers[-1].data, trace.steps[-1].layers[-1].data)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_gives_the_same_numbers(network, rgb):
    """bfloat16 holds 8 bits: logits within 3 % of their largest, labels the same at 97 % of the pixels."""
    import copy

    cpu, gpu = (FcnModel(card_of(), copy.deepcopy(network), device) for device in ("cpu", "cuda"))
    a, b = cpu.logits(cpu.encode(rgb)), gpu.logits(gpu.encode(rgb)).cpu()
    assert b.dtype == torch.float32
    assert (a - b).abs().max() < 0.03 * a.abs().max()
    assert np.mean(cpu.predict(rgb)["8s"] == gpu.predict(rgb)["8s"]) > 0.97
    assert np.isfinite(gpu.trace(rgb).steps[-1].layers[-1].data).all()
