"""The patch classifier: one window, all windows and shift and stitch say the same, and cost what they are said to."""

import math
from itertools import islice, pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.lib.stride_tricks import sliding_window_view
from torch import nn

from engine import receptive, render, tensors
from engine.evaluate import evaluate
from engine.segmentation import patchwise, stitching
from engine.segmentation.patches import MARGIN, STRIDE, WINDOWS, Patches, surrounded
from engine.segmentation.patches_model import Encoding, PatchesModel
from engine.segmentation.patchwise import Comparison
from engine.trace import VOID, Trace

TITLES = ["Window", "Patch", "All pixels at once", "Probability", "Coarse output", "Shift 1", "Shift 2", "Shift 4",
          "Stitched"]  # fmt: skip


class Residual(nn.Module):
    """A convolution without padding, ReLU, and its own input, cropped to what is left, added."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv, self.crop = conv, -conv.dilation[0]

    def forward(self, x):
        return F.relu(self.conv(x)) + F.pad(x, [self.crop] * 4)


def plain(network: Patches, window: int) -> nn.Sequential:
    """The classifier of one window from PyTorch's own modules, pooling and all, as a textbook would have it."""
    which = WINDOWS.index(window)
    start = (network.first, nn.ReLU(), nn.MaxPool2d(3, 2), network.second, nn.ReLU(), nn.MaxPool2d(3, 2))
    return nn.Sequential(*start, *map(Residual, network.later[:which]), network.scores[which])


def noise(height: int, width: int) -> torch.Tensor:
    return 2 * torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1)) - 1


@pytest.fixture(scope="module")
def encoding(patches, rgb) -> Encoding:
    return patches.encode(rgb)


@pytest.mark.parametrize("window", WINDOWS)
@torch.inference_mode()
def test_every_patch_equals_the_dense_pass(patches, window):
    """Each pixel's window cut out with NumPy and run through PyTorch's own modules, borders and corners included."""
    x = noise(8, 12)
    half = window // 2
    around = np.pad(x[0].numpy(), ((0, 0), (half, half), (half, half)))
    crops = sliding_window_view(around, (window, window), (1, 2)).transpose(1, 2, 0, 3, 4)  # (8, 12, 3, W, W)
    theirs = plain(patches.network, window)(torch.tensor(crops.reshape(-1, 3, window, window)))
    assert theirs.shape == (96, 8, 1, 1), "a window gives one answer"
    dense = patches.network.everywhere(x)[WINDOWS.index(window)]
    assert dense.shape == (1, 8, 8, 12)
    assert torch.allclose(dense[0].flatten(1).T, theirs[:, :, 0, 0], atol=1e-4)
    assert dense.std((-2, -1)).min() > 1e-3, "the answers differ from pixel to pixel"


@torch.inference_mode()
def test_all_ways_of_one_network_agree(patches):
    x = noise(16, 20)
    for window, dense in zip(WINDOWS, patches.network.everywhere(x), strict=True):
        assert torch.allclose(stitching.shift_and_stitch(patches.network, x, window), dense, atol=1e-4)
        assert torch.allclose(stitching.a_trous(patches.network, x, window), dense, atol=1e-4)
        places = torch.tensor([[0, 0], [7, 3], [15, 19]])
        alone = patchwise.classify(patches.network, x, window, places)
        assert torch.allclose(alone, dense[0, :, places[:, 0], places[:, 1]].T, atol=1e-4)


@torch.inference_mode()
def test_valid_gives_whole_windows_only(patches):
    x = noise(WINDOWS[-1] + 8, WINDOWS[-1] + 4)
    for dense, step in ((False, STRIDE), (True, 1)):
        for window, logits in zip(WINDOWS, patches.network.valid(x, dense=dense), strict=True):
            assert logits.shape[-2:] == tuple((n - window) // step + 1 for n in x.shape[-2:])
            assert torch.allclose(patches.network.only(x, window, dense=dense), logits, atol=1e-4)


@torch.inference_mode()
def test_the_padded_maps_of_training_lie_where_they_say(patches):
    """Where a window lies within the picture, cell (i, j) of `forward` is the window around pixel (4 i, 4 j)."""
    x = noise(96, 100)
    for window, logits in list(zip(WINDOWS, patches.network(x), strict=True))[:4]:
        assert logits.shape[-2:] == (24, 25)
        first = math.ceil(window // 2 / STRIDE)
        for i, j in ((first, first), (first, first + 2)):
            y0, x0 = (STRIDE * n - window // 2 for n in (i, j))
            crop = x[..., y0 : y0 + window, x0 : x0 + window]
            assert torch.allclose(patches.network.only(crop, window)[0, :, 0, 0], logits[0, :, i, j], atol=1e-4)


@torch.inference_mode()
def test_around_the_padded_maps_of_training_lies_grey(patches):
    """A grey picture has the same answer up to its border, that of a grey window; it would not if zeros lay around."""
    for window, logits in zip(WINDOWS, patches.network(torch.zeros(1, 3, 24, 28)), strict=True):
        alone = patches.network.only(torch.zeros(1, 3, window, window), window)
        assert torch.allclose(logits, alone.expand_as(logits), atol=1e-4)


@pytest.mark.parametrize("window", WINDOWS)
def test_a_window_is_as_large_as_it_says(patches, window):
    field = receptive.of_convolutions([plain(patches.network, window)])
    assert (field.size, field.stride) == (window, STRIDE)
    assert window // 2 <= MARGIN


@torch.inference_mode()
def test_a_pixel_sees_its_window_and_nothing_beyond():
    """With positive weights a brighter pixel can only raise what sees it: it raises the window's width, no more."""
    network = Patches(2).eval()
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 1 / layer.weight[0].numel())
            nn.init.zeros_(layer.bias)
    x = torch.zeros(1, 3, 3, 300, dtype=torch.double)
    x[..., 1, 150] = 1e6
    for window, logits in zip(WINDOWS, network.double().everywhere(x), strict=True):
        seen = (logits[0, 0, 1] > 0).nonzero().flatten()
        assert (int(seen[0]), int(seen[-1])) == (150 - window // 2, 150 + window // 2)
        assert len(seen) == window


def test_stitching_puts_each_answer_at_its_pixel():
    outputs = {(dx, dy): torch.empty(1, 2, 3, 5) for dx in range(STRIDE) for dy in range(STRIDE)}
    wanted = torch.randn(1, 2, 12, 20)
    for (dx, dy), output in outputs.items():
        for i in range(3):
            for j in range(5):
                output[..., i, j] = wanted[..., STRIDE * i + dy, STRIDE * j + dx]
    assert torch.equal(stitching.stitch(outputs), wanted)


def test_shifts_fill_the_picture_evenly():
    assert set(stitching.SHIFTS) == {(dx, dy) for dx in range(STRIDE) for dy in range(STRIDE)}
    assert len(stitching.SHIFTS) == 16
    assert set(stitching.SHIFTS[:4]) == {(0, 0), (2, 0), (0, 2), (2, 2)}
    x = noise(8, 8)
    moved = stitching.shifted(x, 19, (1, 2))
    assert moved.shape[-2:] == (8 + 15, 8 + 15)
    assert torch.equal(moved[..., 9, 9], x[..., 2, 1]), "pixel (1, 2) came to where pixel (0, 0) was"
    assert torch.equal(surrounded(x, 19)[..., 9, 9], x[..., 0, 0])


def test_upsampling_is_bilinear_and_keeps_the_border_labels():
    x = torch.randn(1, 8, 6, 7, generator=torch.Generator().manual_seed(0))
    ours = stitching.upsampled(x)
    twice = F.interpolate(F.interpolate(x, scale_factor=2, mode="bilinear"), scale_factor=2, mode="bilinear")
    assert torch.allclose(ours[..., 4:-4, 4:-4], twice[..., 4:-4, 4:-4], atol=1e-5)
    assert torch.equal(ours[0, :, 0, 0].argmax(), x[0, :, 0, 0].argmax())


def by_hand(height: int, width: int, window: int) -> tuple[int, int]:
    """Multiply-adds of one coarse pass over so large an input, and what a dense one takes, layer by layer."""
    coarse = dense = 0
    h, w, a, b = height, width, height, width
    layers = [(3, 32, 5, 1), (32, 64, 5, 1), *((64, 64, 3, d) for d in (1, 2, 4, 8, 16)[: WINDOWS.index(window)])]
    for i, (inputs, outputs, kernel, d) in enumerate(layers):
        h, w = h - d * (kernel - 1), w - d * (kernel - 1)
        holes = d * (1, 2)[i] if i < 2 else 4 * d
        a, b = a - holes * (kernel - 1), b - holes * (kernel - 1)
        coarse += h * w * inputs * outputs * kernel**2
        dense += a * b * inputs * outputs * kernel**2
        if i < 2:
            h, w = (h - 3) // 2 + 1, (w - 3) // 2 + 1
            a, b = a - 2 * (1, 2)[i], b - 2 * (1, 2)[i]
    return coarse + h * w * 64 * 8, dense + a * b * 64 * 8


@pytest.mark.parametrize("window", [19, 75, 267])
def test_multiply_adds_are_those_of_the_layers(patches, window):
    costs = stitching.multiply_adds(patches.network, 40, 64, window)
    coarse, _ = by_hand(40 + window - 4, 64 + window - 4, window)
    _, dense = by_hand(40 + window - 1, 64 + window - 1, window)
    patch, _ = by_hand(window, window, window)
    assert costs["shift and stitch"] == 16 * coarse
    assert costs["à trous"] == dense
    assert costs["patch by patch"] == 40 * 64 * patch
    # A transposed convolution multiplies each of its inputs with its whole kernel.
    assert costs["coarse, then bilinear"] == coarse + (10 * 16 + 20 * 32) * 8 * 8 * 16
    assert costs["à trous"] < costs["shift and stitch"] < costs["patch by patch"]


def test_encoding_and_predictions_are_the_dense_pass(patches, encoding, rgb):
    assert encoding.seen.shape == (44, 64, 3)
    smaller = (tensors.to_input(rgb, (44, 64))[0].permute(1, 2, 0).numpy() + 1) * 127.5
    assert np.abs(encoding.seen - smaller).max() <= 0.501, "rounded, not cut off"
    x = torch.tensor(encoding.seen).permute(2, 0, 1)[None].float() / 127.5 - 1
    assert torch.equal(patches.input(encoding), x)
    for window, logits in zip(WINDOWS, patches.network.everywhere(x), strict=True):
        assert torch.allclose(encoding.logits[window], logits, atol=1e-4)
    labels = patches.predict(rgb)
    assert tuple(labels) == patches.variants == tuple(f"window {w}" for w in WINDOWS)
    for window, (name, found) in zip(WINDOWS, labels.items(), strict=True):
        assert found.shape == rgb.shape[:2]
        assert np.array_equal(found, patches.all_labels(encoding)[name])
        assert np.array_equal(found, tensors.to_labels(encoding.logits[window], rgb.shape[:2]))


def test_only_labels_can_be_averaged_over_views(patches, rgb):
    square = rgb[:64, :64]
    one, two = (patches.predict(x, average=True) for x in (square, square[:, ::-1].copy()))
    assert all(np.mean(one[k] == two[k][:, ::-1]) > 0.97 for k in one)
    assert any((one[k] != patches.predict(square)[k]).any() for k in one)
    with pytest.raises(ValueError, match="single view"):
        patches.encode(rgb, average=True)


@pytest.mark.parametrize(("x", "y"), [(0, 0), (129.9, 89.9), (65, 45), (-5, 400)])
@torch.inference_mode()
def test_a_patch_is_what_is_cut_out_and_its_answer_that_of_the_crop(patches, encoding, rgb, x, y):
    for window in (19, 139):
        patch = patches.patch(encoding, x, y, window)
        assert patch.crop.shape == (window, window, 3)
        h, w = encoding.seen.shape[:2]
        assert (patch.row, patch.column) == (min(max(int(y * h / 90), 0), h - 1), min(max(int(x * w / 130), 0), w - 1))
        assert np.array_equal(patch.crop[window // 2, window // 2], encoding.seen[patch.row, patch.column])
        # 128 stands for the grey outside; the network gets 127.5 there, which is 0
        pixels = torch.tensor(patch.crop).permute(2, 0, 1)[None].float() / 127.5 - 1
        rows, columns = (torch.arange(window) - window // 2 + at for at in (patch.row, patch.column))
        outside = ((rows < 0) | (rows >= h))[:, None] | ((columns < 0) | (columns >= w))[None]
        assert (patch.crop[outside.numpy()] == 128).all()
        pixels[..., outside] = 0
        theirs = plain(patches.network, window)(pixels)[0, :, 0, 0]
        assert torch.allclose(patch.logits, theirs, atol=1e-4)
        dense = encoding.logits[window][0, :, patch.row, patch.column]
        assert torch.allclose(patch.logits, dense, atol=1e-4)
        assert torch.equal(patches.patch(rgb, x, y, window).logits, patch.logits)
    best = patches.top(patch.logits)
    assert [r.logit for r in best] == sorted((r.logit for r in best), reverse=True)
    assert best[0].probability == pytest.approx(float(patch.logits.softmax(0).max()))


def test_agreement_finds_what_does_not_agree(patches, encoding):
    assert patches.agreement(encoding, 19, 40) < 1e-4
    assert patches.agreement(encoding, 139, 6) < 1e-4
    wrong = encoding.logits[19].clone()
    wrong[0, 2, -1, -1] += 0.5  # a corner, which is always looked at
    assert patches.agreement(Encoding(encoding.rgb, encoding.seen, {19: wrong}), 19, 6) == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize(("x", "y"), [(0, 0), (65, 45), (129, 89)])
def test_a_comparison_runs_to_its_end(patches, encoding, x, y):
    reports = list(patches.compare(encoding, x, y, 19, side=24))
    first, last = reports[0], reports[-1]
    assert (first.done, first.seconds, first.difference) == (0, 0, 0)
    assert (last.done, last.rows, last.columns, last.window) == (24 * 24, 24, 24, 19)
    assert last.batch in patchwise.BATCHES
    assert last.difference < 1e-4
    assert 0 < last.dense_seconds < last.seconds
    assert last.pixels == 44 * 64
    assert all(a.done < b.done and a.seconds < b.seconds for a, b in pairwise(reports))


def test_a_comparison_can_be_stopped_and_ends_at_the_edge_of_a_small_picture(patches, encoding):
    reports = patches.compare(encoding, 65, 45, 43, side=1000)
    some = list(islice(reports, 2))
    reports.close()
    assert (some[-1].rows, some[-1].columns) == (44, 64)
    assert 0 < some[-1].done < some[-1].total
    assert not torch.is_inference_mode_enabled()


def test_a_comparison_finds_what_does_not_agree(patches, encoding, monkeypatch):
    honest = patchwise.classify
    monkeypatch.setattr(patchwise, "classify", lambda *a: honest(*a) + 0.25)
    *_, last = patches.compare(encoding, 0, 0, 19, side=4)
    assert last.difference == pytest.approx(0.25, abs=1e-3)
    at_first = torch.tensor([0, 0])
    monkeypatch.setattr(patchwise, "BATCHES", (1,))
    monkeypatch.setattr(patchwise, "classify", lambda *a: honest(*a) + 0.5 * float(torch.equal(a[3][0], at_first)))
    *_, last = patches.compare(encoding, 0, 0, 19, side=4)
    assert last.difference == pytest.approx(0.5, abs=1e-3), "what was found at first is not forgotten"


def test_the_figures_of_a_comparison():
    half = Comparison(19, 10, 20, 4, 100, 2.0, 0.05, 1e-6, 5000)
    assert (half.total, half.rate, half.left, half.whole) == (200, 50, 2, 100)
    assert half.ratio == pytest.approx(80)
    start = Comparison(19, 10, 20, 4, 0, 0.0, 0.05, 0.0, 5000)
    assert (start.rate, start.left, start.whole) == (0, math.inf, math.inf)
    assert math.isnan(start.ratio)


def test_batches_fit_the_memory():
    for window in WINDOWS:
        tried = patchwise.batches(window)
        assert tried[0] == 1
        assert all(n * window**2 <= patchwise.MOST for n in tried[1:])
    assert patchwise.batches(19)[-1] > patchwise.batches(267)[-1]


def layer(trace: Trace, title: str, kind: str):
    step = next(s for s in trace.steps if s.title == title)
    return next(x for x in step.layers if x.kind == kind)


def test_a_trace_tells_the_run(patches, encoding, rgb):
    trace = patches.trace(encoding, 100.5, 20.5, 43)
    assert [s.title for s in trace.steps] == TITLES
    assert all(s.sentence.endswith(".") for s in trace.steps)
    assert trace.settings == {"x": 100.5, "y": 20.5, "window": 43}
    patch = patches.patch(encoding, 100.5, 20.5, 43)
    best = patches.top(patch.logits)[0]
    assert f"{best.name}, with probability {best.probability:.2f}" in trace.steps[1].sentence
    assert trace.steps[1].table.rows[0][0] == best.name
    assert len(trace.steps[1].table.rows) == 8
    box, point = layer(trace, "Window", "boxes").data[0], layer(trace, "Window", "points").data[0]
    assert np.allclose([box[2] - box[0], box[3] - box[1]], [43 * 130 / 64, 43 * 90 / 44])
    assert np.allclose(point, (box[:2] + box[2:]) / 2)
    assert np.abs(point - (100.5, 20.5)).max() <= 90 / 44
    assert np.array_equal(layer(trace, "All pixels at once", "labels").data, encoding.logits[43][0].numpy())
    assert "2,816 answers" in trace.steps[2].sentence
    sure = encoding.logits[43][0].softmax(0).amax(0)
    assert np.allclose(layer(trace, "Probability", "heat").data, sure)
    assert f"{float(sure.mean()):.2f} in the mean" in trace.steps[3].sentence


@torch.inference_mode()
def test_the_steps_of_shift_and_stitch_are_what_they_say(patches, encoding, rgb):
    trace = patches.trace(encoding, window=27)
    network, x = patches.network, patches.input(encoding)
    coarse = layer(trace, "Coarse output", "labels").data
    assert coarse.shape == (8, 11, 16)
    assert np.allclose(coarse, stitching.coarse(network, x, 27, (2, 2))[0].numpy(), atol=1e-4)
    cells = layer(trace, "Coarse output", "cells")
    assert (tuple(cells.data), cells.attributes["field"], cells.attributes["stride"]) == ((11, 16), 27, 4)
    answers = encoding.logits[27][0].argmax(0).numpy()
    for title, share in (("Shift 1", 1 / 16), ("Shift 2", 2 / 16), ("Shift 4", 4 / 16)):
        known = layer(trace, title, "labels").data
        assert (known != VOID).mean() == share
        assert np.mean(known[known != VOID] == answers[known != VOID]) > 0.999
    known = layer(trace, "Shift 2", "labels").data
    assert (known[::4, ::4] != VOID).all()
    assert (known[2::4, ::4] != VOID).all(), "the second input is moved up by two"
    moved = layer(trace, "Shift 4", "image").data
    assert np.array_equal(moved[:-2, :-2], encoding.seen[2:, 2:])
    assert np.mean(layer(trace, "Stitched", "labels").data == answers) > 0.999
    difference = float((stitching.shift_and_stitch(network, x, 27) - encoding.logits[27]).abs().max())
    assert patches.stitched(encoding, 27).difference == pytest.approx(difference, abs=1e-5)
    assert difference < 1e-4
    assert f"is {patches.stitched(encoding, 27).difference:.1g}, in logits" in trace.steps[-1].sentence
    bilinear = patches.bilinear_labels(encoding, 27)
    assert bilinear.shape == rgb.shape[:2]
    assert 0.3 < np.mean(bilinear == patches.labels(encoding, 27)) < 1


def test_costs_and_times_name_the_same_ways(patches, encoding):
    times = dict(patches.timed(encoding, 19))
    assert all(seconds > 0 for seconds in times.values())
    assert {*times, "patch by patch"} == set(patches.multiply_adds(encoding, 19))


@pytest.mark.parametrize("shape", [(33, 47), (1, 200), (200, 1), (1, 1), (31, 640)])
def test_awkward_sizes(patches, shape):
    picture = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    encoding = patches.encode(picture)
    for window in (19, 139):
        trace = patches.trace(encoding, window=window)
        assert trace.image.shape == (*shape, 3)
        assert all(np.isfinite(x.data).all() for s in trace.steps for x in s.layers if x.kind != "image")
        assert all(render.render(trace, i).shape == (*shape, 3) for i in range(len(trace.steps)))
        assert patches.agreement(encoding, window, 8) < 1e-4
    assert {v.shape for v in patches.all_labels(encoding).values()} == {shape}
    *_, last = patches.compare(encoding, 0, 0, 19, side=3)
    assert last.done == last.total


@pytest.mark.parametrize("value", [0, 128, 255])
def test_constant_pictures(patches, value):
    trace = patches.trace(np.full((40, 60, 3), value, np.uint8), window=75)
    assert "at most" in trace.steps[2].sentence
    assert all(np.isfinite(x.data).all() for s in trace.steps for x in s.layers if x.kind == "labels")


def test_a_saved_trace_says_the_same(patches, encoding, tmp_path):
    trace = patches.trace(encoding)
    again = Trace.load(trace.save(tmp_path))
    assert [s.sentence for s in again.steps] == [s.sentence for s in trace.steps]
    assert np.array_equal(layer(again, "Stitched", "labels").data, layer(trace, "Stitched", "labels").data)


def test_every_window_is_scored(patches, scenes):
    from engine.data import stanford

    result = evaluate(patches, stanford.load(scenes, "val"), limit=1, progress=lambda line: None)
    assert tuple(result["variants"]) == patches.variants
    assert all(0 <= figures["pixel_accuracy"] <= 1 for figures in result["variants"].values())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_agrees_with_itself_to_1e_4(patches, rgb):
    import copy

    gpu = PatchesModel(patches.card, copy.deepcopy(patches.network), "cuda")
    encoding = gpu.encode(rgb)
    assert gpu.agreement(encoding, 139, 16) < 1e-4
    assert gpu.stitched(encoding, 139).difference < 1e-4
