"""The multi-scale networks: one set of weights for all octaves, parts that add up, fields, and Traces."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skimage.transform import resize
from torch import Tensor, nn

from engine import pyramid, tensors, zoo
from engine.segmentation import labelling
from engine.segmentation.multiscale import MULTIPLE, OCTAVES, Classic, MultiScale, Pyramid
from engine.segmentation.multiscale_model import NAMES, MultiScaleModel
from engine.segmentation.parsing import Superpixels, limit, segment
from engine.segmentation.regions import superpixel_labels
from engine.segmentation.tree import cover_labels
from engine.trace import Trace
from engine.trunk import Trunk
from tests.conftest import card_of, shaken
from tests.test_receptive import expected, extent, positive

ONE = (1.0, 1.0, 1.0)
TITLES = ("Pyramid", "Octave 1", "Octave 1/2", "Octave 1/4", "Sum", "Who decided", "Superpixels", "Tree", "Cover")


@pytest.fixture(params=["multiscale", "classic"])
def both(request) -> MultiScaleModel:
    """One model, then the other."""
    return request.getfixturevalue(request.param)


def noise(h=64, w=128) -> Tensor:
    return 2 * torch.rand(1, 3, h, w, generator=torch.Generator().manual_seed(0)) - 1


@torch.no_grad()
def test_all_octaves_have_the_same_weights(both):
    network, x = copy.deepcopy(both.network), noise()
    assert sum(isinstance(m, Trunk) for m in network.modules()) == isinstance(network, MultiScale)
    assert sum(isinstance(m, nn.Conv2d) and m.kernel_size == (7, 7) for m in network.modules()) == 3 * isinstance(
        network, Classic
    )
    before = network.parts(x)
    first = network.features[0] if isinstance(network, Classic) else network.trunk.stem
    first.weight[0, 0, 1, 1] += 1
    for old, new in zip(before, network.parts(x), strict=True):
        assert (old - new).abs().max() > 1e-3
    assert all(torch.equal(a, b) for a, b in zip(before, both.network.parts(x), strict=True))


@torch.no_grad()
def test_an_octave_is_the_network_run_on_the_picture_shrunk_by_hand(both):
    """With the same classifier, that is; the smoothing before each halving is `tests.test_pyramid`'s business."""
    network, x = copy.deepcopy(both.network), noise(128, 256)
    for heads in [network.scores] if isinstance(network, Classic) else [network.score8, network.score16]:
        for head in heads[1:]:
            head.load_state_dict(heads[0].state_dict())
    parts = network.parts(x)
    small = x
    for part in parts[1:]:
        small = pyramid.smooth(small)[0].permute(1, 2, 0).numpy()
        small = resize(small, (small.shape[0] // 2, small.shape[1] // 2), order=1, anti_aliasing=False)
        small = torch.tensor(small).permute(2, 0, 1)[None]
        alone = network.score(network.levels(small)[0], 0)
        wanted = F.interpolate(alone, parts[0].shape[-2:], mode="bilinear", align_corners=False)
        assert torch.allclose(part, wanted, atol=1e-3 * float(wanted.abs().max()))


@torch.no_grad()
def test_each_octave_has_its_own_classifier(both):
    network, x = copy.deepcopy(both.network), noise()
    before = network.parts(x)
    (network.scores if isinstance(network, Classic) else network.score16)[1].bias[2] += 5
    after = network.parts(x)
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[2], after[2])
    assert torch.allclose(after[1][:, 2], before[1][:, 2] + 5, atol=1e-5)


@torch.no_grad()
def test_the_sum_of_parts_is_one_linear_classifier_on_the_stacked_maps(both):
    network, x = both.network, noise()
    stacked, weights, biases = [], [], []
    size = (x.shape[-2] // network.stride, x.shape[-1] // network.stride)
    for i, level in enumerate(network.levels(x)):
        if isinstance(network, Classic):
            maps, heads = [network.features(level)], [network.scores[i]]
        else:
            _, f8, f16 = network.trunk(level)
            deep = F.interpolate(network.deep(f16), f8.shape[-2:], mode="bilinear", align_corners=False)
            maps, heads = [f8, deep], [network.score8[i], network.score16[i]]
        stacked += [F.interpolate(m, size, mode="bilinear", align_corners=False) for m in maps]
        weights += [head.weight for head in heads]
        biases += [head.bias for head in heads]
    stack = torch.cat(stacked, 1)
    assert stack.shape[1] == 3 * (256 if isinstance(network, Classic) else 256 + 40)
    wanted = F.conv2d(stack, torch.cat(weights, 1), torch.stack(biases).sum(0))
    assert torch.allclose(network(x), wanted, atol=1e-4 * float(wanted.abs().max()))
    assert torch.allclose(sum(network.parts(x)), wanted, atol=1e-4 * float(wanted.abs().max()))


class Ramp(Pyramid):
    """Scores that say where their cell lies: the mean of its pixels."""

    stride = 8

    def levels(self, x: Tensor) -> list[Tensor]:
        return pyramid.gaussian(x, len(OCTAVES))

    def score(self, level: Tensor, octave: int) -> Tensor:
        return F.avg_pool2d(level, self.stride)


@pytest.mark.parametrize("axis", [2, 3])
def test_parts_are_aligned(axis):
    """Pixels that hold their own place give the same place in the parts of all octaves."""
    h, w = 256, 384
    place = (torch.arange((h, w)[axis - 2]) + 0.5).view(-1, *[1] * (3 - axis)).expand(1, 3, h, w)
    parts = Ramp().parts(place)
    inner = np.s_[..., 4:-4, 4:-4]  # at the border, edges are repeated
    wanted = (torch.arange(parts[0].shape[axis]) + 0.5) * 8
    for part in parts:
        assert torch.allclose(part.movedim(axis, -1)[inner], wanted[4:-4], atol=0.05)


@torch.no_grad()
def test_a_shifted_picture_gives_shifted_parts(classic):
    x = noise(64, 640)
    field = classic.fields[-1]
    for before, after in zip(classic.network.parts(x), classic.network.parts(x.roll(64, 3)), strict=True):
        first = int((64 + field.size / 2) // 4 + 4)
        assert torch.allclose(before[..., first - 16 : -first], after[..., first : 16 - first], atol=1e-4)
        assert not torch.allclose(before[..., first:-first], after[..., first:-first], atol=0.1)


@torch.no_grad()
def test_a_new_network_starts_from_the_deep_map_of_its_finest_octave():
    torch.manual_seed(0)
    first, *others = MultiScale(3).eval().parts(noise())
    assert first.abs().max() > 0
    assert not any(part.any() for part in others)


def test_half_precision_does_not_touch_the_pyramid(both):
    """Band-pass filtered in 8 bits a smooth picture is noise; bfloat16 on the CPU stands for that on a GPU."""
    y, x = torch.meshgrid(torch.linspace(0.7, 0.8, 64), torch.linspace(0, 0.05, 128), indexing="ij")
    smooth = (x + y).expand(1, 3, -1, -1)
    seen = []
    network = copy.copy(both.network)
    network.score = lambda level, octave: seen.append(level) or torch.zeros(1, 8, 2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        network.parts(smooth)
    for half, full in zip(seen, both.network.levels(smooth), strict=True):
        assert half.dtype == torch.float32
        assert torch.equal(half, full)


@pytest.mark.parametrize("octave", range(3))
def test_a_cell_of_the_trunk_sees_what_the_arithmetic_says(multiscale, octave):
    field = multiscale.fields[octave]
    assert field.stride == 16 * 2**octave
    x = torch.rand(1, 3, 64, 512 << octave, requires_grad=True)
    for network, exact in ((positive(multiscale.network), True), (multiscale.network, False)):
        maps = network.deep(network.trunk(network.levels(x)[octave])[-1])
        for cell in (15, 16):
            left, right = expected(field, cell)
            assert 0 < left < right < x.shape[-1]
            reached = extent(maps[0, :, 0, cell].sum(), x)
            if exact:
                assert reached == (left, right)
            assert left <= reached[0] < field.centre + field.stride * cell < reached[1] <= right


@pytest.mark.parametrize("octave", range(3))
def test_a_cell_of_the_classic_network_sees_what_the_arithmetic_says(classic, octave):
    """Through the smoothing, the local normalisation and three convolutions; a mean has the field of a maximum."""
    field, network = classic.fields[octave], copy.deepcopy(classic.network).double()
    assert field.stride == 4 * 2**octave
    x = torch.rand(1, 3, 16 << octave, 256 << octave, dtype=torch.double, requires_grad=True)
    real = network.features(network.levels(x)[octave])
    for i in (2, 5):
        network.features[i] = nn.AvgPool2d(2)
    mean = network.features(network.levels(x)[octave])
    for cell in (31, 32):
        left, right = expected(field, cell)
        assert 0 < left < right < x.shape[-1]
        assert extent(mean[0, :, 2, cell].sum(), x) == (left, right)
        reached = extent(real[0, :, 2, cell].sum(), x)
        assert left <= reached[0] < field.centre + field.stride * cell < reached[1] <= right


def layer(trace: Trace, step: int, kind: str) -> np.ndarray:
    return next(x.data for x in trace.steps[step].layers if x.kind == kind)


def test_a_trace_tells_the_run_from_the_pyramid_to_the_cover(both, rgb):
    trace = both.trace(rgb)
    assert tuple(s.title for s in trace.steps) == TITLES
    assert all(s.sentence.endswith(".") for s in trace.steps)
    assert trace.classes == both.card.classes + NAMES
    assert len({tuple(c) for c in trace.colours}) == len(trace.colours) == 11
    h, w = both.working_size(rgb)
    assert (h % MULTIPLE, w % MULTIPLE) == (0, 0)
    assert f"{w} x {h}, {w // 2} x {h // 2} and {w // 4} x {h // 4} pixels" in trace.steps[0].sentence
    fields = ", ".join(f"{f.size:.0f}" for f in both.fields)  # measured in the network's input, not in the picture
    assert trace.steps[0].sentence.endswith(f"; a cell sees {fields} pixels of the largest.")
    cells = [x for x in trace.steps[0].layers if x.kind == "cells"]
    assert [c.attributes["field"] for c in cells] == [f.size for f in both.fields]
    for i, s in enumerate(OCTAVES):
        (grid,) = (x for x in trace.steps[1 + i].layers if x.kind == "cells")
        assert tuple(grid.data * grid.attributes["stride"]) == (h, w)
        assert layer(trace, 1 + i, "image").shape == (h // s, w // s, 3)
        assert layer(trace, 1 + i, "labels").shape == (8, h // both.network.stride, w // both.network.stride)
    for i in (1, 2, 3, 4, 6, 8):
        assert sum(row[1] for row in trace.steps[i].table.rows) == pytest.approx(100, abs=0.5)


def test_what_the_network_sees_is_shown(multiscale, classic, rgb):
    h, w = multiscale.working_size(rgb)
    picture = (tensors.to_input(rgb, (h, w))[0].permute(1, 2, 0).numpy() + 1) * 127.5
    assert np.abs(layer(multiscale.trace(rgb), 1, "image") - picture).max() <= 1
    bands = layer(classic.trace(rgb), 1, "image")
    level = classic.encode(rgb).levels[0][0].permute(1, 2, 0).numpy()
    assert np.abs(bands - np.clip(127.5 + 255 / 6 * level, 0, 255)).max() <= 1


@torch.inference_mode()
def test_traces_variants_and_the_network_agree(both, rgb):
    trace, labels, tree = both.trace(rgb), both.predict(rgb), segment(rgb)
    x = tensors.to_input(rgb, both.working_size(rgb))
    parts, logits = both.network.parts(x), both.network(x)
    for i in range(3):
        assert np.allclose(layer(trace, 1 + i, "labels"), parts[i][0], atol=1e-3)
    assert np.allclose(layer(trace, 4, "labels"), logits[0], atol=1e-3)
    assert tuple(labels) == both.variants
    assert {v.dtype for v in labels.values()} == {np.dtype(np.uint8)}
    assert np.array_equal(labels["single scale"], tensors.to_labels(parts[0], rgb.shape[:2]))
    assert np.array_equal(labels["multi-scale"], tensors.to_labels(logits, rgb.shape[:2]))
    chance = tensors.to_pixels(logits, rgb.shape[:2])[0].softmax(0).numpy()
    assert np.mean(labels["superpixels"] == superpixel_labels(chance, tree.leaves)) == 1
    assert np.mean(labels["cover"] == cover_labels(chance, tree, limit(tree))) == 1
    assert np.array_equal(layer(trace, 6, "labels"), labels["superpixels"])
    assert np.array_equal(layer(trace, 8, "labels"), labels["cover"])
    assert len({v.tobytes() for v in labels.values()}) >= 3


def test_a_muted_octave_adds_nothing_and_a_gain_scales_it(both, rgb):
    encoding, tree = both.encode(rgb), segment(rgb)
    whole, muted, double = (both.trace(encoding, gains, tree=tree) for gains in (ONE, (1, 0, 1), (1, 1, 2)))
    assert muted.steps[2].sentence == "Muted: octave 1/2 adds nothing."
    assert {x.kind for x in muted.steps[2].layers} == {"image", "cells"}
    assert muted.steps[2].table is None
    assert muted.settings["gains"] == [1, 0, 1]
    heats = [[x.data for x in t.steps[4].layers if x.kind == "heat"] for t in (whole, muted, double)]
    assert not heats[1][1].any()
    assert np.array_equal(heats[1][2], heats[0][2])
    assert np.allclose(heats[2][2], 2 * heats[0][2])
    change = layer(double, 4, "labels") - layer(whole, 4, "labels")
    assert np.allclose(change, heats[0][2], atol=1e-4)
    assert torch.equal(both.logits(encoding, (1, 0, 0)), encoding.parts[0])
    assert np.array_equal(both.labels(encoding, (1, 0, 0)), both.all_labels(encoding, tree)["single scale"])
    silent = both.trace(encoding, (0, 0, 0), tree=tree)
    assert not layer(silent, 4, "labels").any()
    assert "octave 1 in 100 %" in silent.steps[5].sentence  # of equals the finest


def test_who_decided(both, rgb):
    gains = (1.0, 0.5, 1.5)
    encoding = both.encode(rgb)
    trace = both.trace(encoding, gains)
    parts = np.stack([g * p[0].numpy() for g, p in zip(gains, encoding.parts, strict=True)])  # (3, K, h, w)
    ranks = np.argsort(-parts.sum(0), axis=0)
    decided, lead, pushes = (np.zeros(parts.shape[2:]) for _ in range(3))
    total = np.zeros(3)
    for i, j in np.ndindex(*decided.shape):
        pushes = parts[:, ranks[0, i, j], i, j] - parts[:, ranks[1, i, j], i, j]
        assert pushes.sum() >= -1e-4
        decided[i, j] = 8 + pushes.argmax()
        lead[i, j] = np.sort(pushes)[2] - np.sort(pushes)[1]
        total += pushes
    assert np.array_equal(layer(trace, 5, "labels"), decided)
    assert np.allclose(layer(trace, 5, "heat"), lead, atol=1e-4)
    assert {trace.classes[int(k)] for k in np.unique(decided)} <= set(NAMES)
    for k, (name, share, push) in enumerate(trace.steps[5].table.rows):
        assert name == NAMES[k]
        assert share == pytest.approx(100 * np.mean(decided == 8 + k), abs=0.05)
        assert push == pytest.approx(total[k] / decided.size, abs=0.006)
        assert f"{name} in {100 * np.mean(decided == 8 + k):.0f} %" in trace.steps[5].sentence


@pytest.mark.parametrize("gains", [ONE, (1.0, 0.0, 2.0)])
def test_a_pixel_is_explained_by_its_octaves(both, rgb, gains):
    encoding = both.encode(rgb)
    pixels = tensors.to_pixels(both.logits(encoding, gains), rgb.shape[:2])[0]
    for x, y in ((0, 0), (64.5, 44.5), (129.9, 89.9)):
        readings = both.explain(encoding, gains, x, y, top=8)
        logits = pixels[:, int(y), int(x)]
        assert [r.name for r in readings] == [both.card.classes[k] for k in logits.argsort(descending=True)]
        assert [r.logit for r in readings] == pytest.approx(sorted(logits.tolist(), reverse=True), abs=1e-3)
        assert sum(r.probability for r in readings) == pytest.approx(1)
        for reading in readings:
            assert len(reading.parts) == 3
            assert sum(reading.parts) == pytest.approx(reading.logit, abs=1e-3)


def test_what_a_pixel_listens_to_at_each_octave(both, rgb):
    step = both.field_step(rgb, 65.0, 45.0)
    heats = [x for x in step.layers if x.kind == "heat"]
    h, w = both.working_size(rgb)
    x = tensors.to_input(rgb, (h, w)).requires_grad_()
    row, column = h // 2 // both.network.stride, w // 2 // both.network.stride  # of the middle of 130 x 90 pixels
    parts = both.network.parts(x)
    kind = int(sum(parts)[0, :, row, column].argmax())
    assert step.sentence.startswith(f"{both.card.classes[kind]} at x 65, y 45: ")
    assert [heat.name for heat in heats] == [f"gradient, {name}" for name in NAMES]
    for heat, part in zip(heats, parts, strict=True):
        (gradient,) = torch.autograd.grad(part[0, kind, row, column], x, retain_graph=True)
        wanted = F.max_pool2d(gradient.abs().amax(1), 4)[0]
        assert np.allclose(heat.data, wanted / wanted.max(), atol=1e-4)
    boxes = next(x.data for x in step.layers if x.kind == "boxes")
    assert boxes.shape == (3, 4)
    for (x0, y0, x1, y1), words in zip(boxes, step.sentence.split("come from ")[1].split(", "), strict=True):
        assert 0 <= x0 < 65 < x1 <= 130
        assert 0 <= y0 < 45 < y1 <= 90
        assert words.startswith(f"{x1 - x0:.0f} x {y1 - y0:.0f}")
    assert step.layers[-1].data.tolist() == [[65.0, 45.0]]


@pytest.mark.parametrize("shape", [(33, 47), (1, 200), (200, 1), (1, 1), (31, 640)])
def test_awkward_sizes(both, shape):
    picture = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    trace = both.trace(picture)
    assert trace.image.shape == (*shape, 3)
    assert all(np.isfinite(x.data).all() for s in trace.steps for x in s.layers if x.kind != "image")
    assert {v.shape for v in both.predict(picture).values()} == {shape}


@pytest.mark.parametrize("value", [0, 128, 255])
def test_constant_pictures(both, value):
    picture = np.full((40, 60, 3), value, np.uint8)
    steps = (*both.trace(picture).steps, both.field_step(picture, 30, 20))
    assert all(np.isfinite(x.data).all() for s in steps for x in s.layers if x.kind != "image")
    assert steps[6].sentence.startswith("1 superpixels, ")
    assert steps[7].sentence.startswith("0 merges, ")


def test_pictures_of_one_class(both, rgb):
    encoding = both.encode(rgb)
    certain = 1e4 * F.one_hot(torch.tensor(3), 8).view(1, 8, 1, 1)
    trace = both.trace(dataclasses.replace(encoding, parts=tuple(p + certain for p in encoding.parts)))
    for i in (4, 6, 8):
        assert trace.steps[i].table.rows[0][:2] == (both.card.classes[3], 100)
    assert trace.steps[8].sentence.endswith("; 0.0 % of the picture differs from the sum.")
    assert all(np.isfinite(x.data).all() for s in trace.steps for x in s.layers if x.kind != "image")


def test_other_superpixels_change_the_end_only(both, rgb):
    encoding, settings = both.encode(rgb), Superpixels("slic", segments=30)
    one, two = both.trace(encoding), both.trace(encoding, superpixels=settings)
    assert two.settings["superpixels"] == dataclasses.asdict(settings)
    for i in range(6):
        assert one.steps[i].sentence == two.steps[i].sentence
    assert one.steps[7].sentence != two.steps[7].sentence
    given = both.trace(encoding, tree=segment(rgb, settings))
    assert given.steps[7].sentence == two.steps[7].sentence


def test_an_average_over_views_of_a_mirrored_picture_is_mirrored(both, rgb, monkeypatch):
    monkeypatch.setattr(labelling, "SIZES", (0.5, 1.0))  # two are enough
    square = rgb[:64, :64]
    plain, mirrored = (both.encode(x, average=True) for x in (square, square[:, ::-1].copy()))
    for a, b in zip(plain.parts, mirrored.parts, strict=True):
        assert torch.allclose(a, b.flip(-1), atol=1e-3 * float(a.abs().max()))
    alone = both.encode(square)
    assert not torch.allclose(plain.parts[0], alone.parts[0], atol=1e-3)
    assert set(both.predict(square, average=True)) == set(both.variants)


def test_a_saved_trace_says_the_same(both, rgb, tmp_path):
    trace = both.trace(rgb)
    again = Trace.load(trace.save(tmp_path))
    assert [s.sentence for s in again.steps] == [s.sentence for s in trace.steps]
    assert [s.table for s in again.steps] == [s.table for s in trace.steps]
    for old, new in zip(trace.steps, again.steps, strict=True):
        for a, b in zip(old.layers, new.layers, strict=True):
            assert np.array_equal(a.data, b.data)
            assert (a.nodes is None and b.nodes is None) or np.array_equal(a.nodes, b.nodes)


@pytest.mark.parametrize("make", [MultiScale, Classic])
def test_the_card_says_which_network_it_is(make, tmp_path, monkeypatch):
    monkeypatch.setattr(zoo, "ASSETS", tmp_path)
    name = "multiscale" if make is MultiScale else "multiscale-classic"
    network = shaken(make(8))
    settings = {"labels": "stanford", "longest": [64, 64]} | ({"trunk": 0} if make is MultiScale else {})
    model = zoo.build(card_of(name=name, settings=settings, sha256=zoo.write_weights(name, network)))
    assert isinstance(model.network, make)
    for key, tensor in model.network.state_dict().items():
        assert torch.equal(tensor, network.state_dict()[key].half().float())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_gives_the_same_numbers(both, rgb):
    """bfloat16 holds 8 bits: logits within 3 % of their largest, labels the same at 95 % of the pixels."""
    gpu = MultiScaleModel(both.card, copy.deepcopy(both.network), "cuda")
    a, b = both.logits(both.encode(rgb)), gpu.logits(gpu.encode(rgb)).cpu()
    assert b.dtype == torch.float32
    assert (a - b).abs().max() < 0.03 * a.abs().max()
    assert np.mean(both.predict(rgb)["multi-scale"] == gpu.predict(rgb)["multi-scale"]) > 0.95
    steps = (*gpu.trace(rgb).steps, gpu.field_step(rgb, 65, 45))
    assert all(np.isfinite(x.data).all() for s in steps for x in s.layers if x.kind != "image")
