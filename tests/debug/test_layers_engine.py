"""Layers: counts, statistics and dead channels by hand, fields against gradients, runs that never mix."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from engine import tensors
from engine.debug import layer_steps as steps
from engine.debug import layers
from engine.debug.layer_fields import Following
from engine.debug.layers import LayersError, capture, listened, record, together


def model_of(network: nn.Module, multiple: int = 2) -> SimpleNamespace:
    """What this room asks of a model, around any network; it sees a picture in its own size."""
    size = lambda rgb: tensors.working_size(*rgb.shape[:2], (2, 640), multiple)  # noqa: E731
    network = network.eval().requires_grad_(False)
    return SimpleNamespace(network=network, device=torch.device("cpu"), working_size=size)


def plain(rgb) -> torch.Tensor:
    return tensors.to_input(rgb, rgb.shape[:2])


@pytest.fixture
def small() -> np.ndarray:
    """(4, 6, 3) uint8: red rises from left to right, green and blue are grey."""
    rgb = np.full((4, 6, 3), 128, np.uint8)
    rgb[..., 0] = np.arange(6) * 51
    return rgb


@pytest.fixture
def four() -> nn.Sequential:
    """Red as it is, red below everything, the constant 2, and minus red; then a ReLU and a sum of the four."""
    conv = nn.Conv2d(3, 4, 1)
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[[0, 1, 3], 0, 0, 0] = torch.tensor([1.0, 1.0, -1.0])
        conv.bias.copy_(torch.tensor([0.0, -3.0, 2.0, 0.0]))
    last = nn.Conv2d(4, 1, 1, bias=False)
    nn.init.ones_(last.weight)
    return nn.Sequential(conv, nn.ReLU(inplace=True), last)


def test_shapes_and_parameters_by_hand(small, four):
    found = record(model_of(four), small)
    assert found.size == (4, 6)
    assert [(m.name, m.kind, m.depth, m.own, m.total) for m in found.modules] == [
        ("", "Sequential", 0, 0, 20), ("0", "Conv2d", 1, 16, 16), ("1", "ReLU", 1, 0, 0), ("2", "Conv2d", 1, 4, 4),
    ]  # fmt: skip
    assert found[""].children == ("0", "1", "2")
    assert [m.outputs[0].shape for m in found.modules] == [(1, 1, 4, 6), (1, 4, 4, 6), (1, 4, 4, 6), (1, 1, 4, 6)]


def test_own_parameters_add_up_even_where_some_are_shared(model, rgb):
    found = record(model, rgb)
    assert sum(m.own for m in found.modules) == found[""].total == sum(p.numel() for p in model.network.parameters())
    tied = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1))
    tied[1].weight = tied[0].weight
    found = record(model_of(tied), rgb)
    assert [m.own for m in found.modules] == [0, 12, 3]
    assert found[""].total == 15


def test_statistics_are_those_of_numpy_and_not_of_what_a_relu_made_of_them_in_place(small, four):
    found = record(model_of(four), small)
    red = (np.arange(6) * 51 / 127.5 - 1).astype(np.float32)
    before = np.stack([red, red - 3, np.full(6, 2.0), -red])
    out = found["0"].outputs[0]
    assert np.allclose(out.low, before.min(1))
    assert np.allclose(out.high, before.max(1))
    assert np.allclose(out.mean, before.mean(1), atol=1e-6)
    assert np.allclose(out.sd, before.std(1), atol=1e-6)
    after = found["1"].outputs[0]
    assert np.allclose(after.zeros, (before.clip(0) == 0).mean(1))
    assert out.whole["sd"] == pytest.approx(before.std(), abs=1e-6)
    assert out.whole["minimum"] == pytest.approx(-4)
    assert after.whole["zeros"] == pytest.approx(12 / 24)


def test_dead_is_what_is_the_same_everywhere_after_the_relu_that_follows(small, four):
    found = record(model_of(four), small)
    assert found["0"].outputs[0].bounds == (0, float("inf"))
    assert found["0"].outputs[0].dead.tolist() == [False, True, True, False], "never above 0, and constant"
    assert found["1"].outputs[0].dead.tolist() == [False, True, True, False]
    bare = record(model_of(four[:1]), small)["0"].outputs[0]
    assert bare.bounds is None
    assert bare.dead.tolist() == [False, False, True, False], "below 0 is no matter where no ReLU follows"


def test_a_relu6_that_is_full_everywhere_is_dead_too(small):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 1)
            with torch.no_grad():
                self.conv.bias.copy_(torch.tensor([0.0, 100.0]))

        def forward(self, x):
            return F.relu6(self.conv(x), inplace=True)

    assert record(model_of(Net()), small)["conv"].outputs[0].dead.tolist() == [False, True]


def test_one_cell_is_judged_over_several_pictures_only(small):
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    with torch.no_grad():
        network[2].weight.copy_(torch.tensor([[1.0, 0, 0], [0, 0, 0]]))
    model = model_of(network)
    one, other = record(model, small), record(model, small // 2)
    assert not one["2"].outputs[0].dead.any()
    assert together([one, other])["2"][0].dead.tolist() == [False, True]


def test_dead_over_pictures_is_dead_on_all_of_them(small, four):
    model = model_of(four)
    four[0].bias[1] = -0.5  # red is above 0.5 in some pictures only
    dark = record(model, small // 4)
    assert dark["0"].outputs[0].dead.tolist() == [True, True, True, False]
    both = together([dark, record(model, small)])
    assert both["0"][0].dead.tolist() == [False, False, True, False]
    assert both["0"][0].cells == 48


def test_values_that_are_not_finite_are_counted(small):
    class Root(nn.Module):
        def forward(self, x):
            return (x[:, :1] - 0.1).sqrt()

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.root = nn.Conv2d(3, 3, 1), Root()

        def forward(self, x):
            return self.root(x) + 0 * self.conv(x).mean()

    out = record(model_of(Net()), small)["root"].outputs[0]
    assert out.faulty.tolist() == [0.5]
    maps = capture(model_of(Net()), small, "root")
    assert maps.counts.sum() == 12


def test_a_module_that_runs_often_keeps_every_call(recurrent, multiscale, rgb):
    assert [o.call for o in record(recurrent, rgb)["score"].outputs] == [1, 2, 3]
    outputs = record(multiscale, rgb)["trunk.stem"].outputs
    assert [o.shape[2:] for o in outputs] == [(64, 96), (32, 48), (16, 24)]
    parts = record(multiscale, rgb)["trunk"].outputs
    assert [(o.call, o.part) for o in parts] == [(c, p) for c in (1, 2, 3) for p in (1, 2, 3)]


def test_the_maps_are_what_a_hook_hears(model, rgb):
    name, kept = "trunk.stages.3.1.depthwise", []
    hook = model.network.get_submodule(name).register_forward_hook(lambda m, i, out: kept.append(out.clone()))
    with torch.inference_mode():
        model.network(tensors.to_input(rgb, model.working_size(rgb)))
    hook.remove()
    heard = kept[0][0].numpy()
    maps = capture(model, rgb, name, most=5)
    assert maps.values.shape == (5, *heard.shape[1:])
    assert np.array_equal(maps.order, np.argsort(-heard.std((1, 2)), kind="stable")[:5])
    assert np.allclose(maps.values, heard[maps.order])
    assert np.allclose(maps.overall, np.abs(heard).mean(0), atol=1e-6)
    assert maps.counts.sum() == heard.size
    strong = capture(model, rgb, name, by="strength", most=5)
    assert strong.order[0] == np.abs(heard).mean((1, 2)).argmax()


def test_a_network_that_uses_weights_without_calling_their_modules_is_heard(patches, rgb):
    x = tensors.to_input(rgb, patches.working_size(rgb))
    maps = capture(patches, rgb, "scores.0", by="strength")
    with torch.inference_mode():
        logits = next(iter(patches.network.maps(F.pad(x, (9, 9, 9, 9)), dense=True)))
        logits = patches.network.scores[0](logits)
    assert np.allclose(maps.values[np.argsort(maps.order)], logits[0].numpy(), atol=1e-5)
    found = record(patches, rgb)
    assert all(m.outputs for m in found.modules if m.kind == "Conv2d")
    assert found["first"].outputs[0].shape[2] > x.shape[2], "the grey around the picture is seen as well"
    assert capture(patches, rgb, "first").values.shape[1:] == x.shape[2:], "and cut off where it is shown"


def test_nobody_else_meets_a_hook(model, rgb):
    seen = []
    modules = list(model.network.modules())

    class Spy(nn.Module):
        def forward(self, x):
            seen.append(sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in modules))
            raise RuntimeError("broken")

    network = nn.Sequential(*model.network.fc6, Spy())
    modules += list(network.modules())
    with pytest.raises(RuntimeError, match="broken"):
        record(SimpleNamespace(network=nn.Sequential(nn.Conv2d(3, 320, 1), network), device="cpu",
                               working_size=lambda rgb: (32, 32)), rgb)  # fmt: skip
    record(model, rgb)
    assert seen == [0]
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in modules)


def test_the_twin_has_no_weights_of_its_own(model):
    twin = layers.twin(model.network)
    assert twin is not model.network
    assert all(a is b for a, b in zip(twin.parameters(), model.network.parameters(), strict=True))


def test_two_threads_at_once_do_not_mix(model, rgb):
    pictures = [rgb, rgb[:64, :64].copy()]
    alone = [record(model, picture) for picture in pictures]
    together_, threads = {}, []
    for i, picture in enumerate(pictures * 2):
        threads.append(threading.Thread(target=lambda i=i, p=picture: together_.update({i: record(model, p)})))
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert len(together_) == 4
    for i, found in together_.items():
        for mine, theirs in zip(found.modules, alone[i % 2].modules, strict=True):
            assert [o.shape for o in mine.outputs] == [o.shape for o in theirs.outputs]
            for one, other in zip(mine.outputs, theirs.outputs, strict=True):
                assert np.allclose(one.mean, other.mean, atol=1e-5)


def test_the_fields_are_those_that_the_models_know_themselves(model, recurrent, rgb):
    found = record(model, rgb)
    for name, field in zip(("score32", "score16", "score8"), model.fields, strict=True):
        assert found[name].outputs[0].fields == (field, field)
    sizes = [o.fields[0].size for o in record(recurrent, rgb)["score"].outputs]
    assert np.diff(sizes).tolist() == [240, 240], "2 * 8 * (1 + 2 + 4 + 8) pixels more with each pass"


@pytest.mark.parametrize("build", [
    lambda: nn.Conv2d(3, 4, 5, stride=2, padding=1),
    lambda: nn.Conv2d(3, 4, (1, 3), padding=(0, 2), dilation=(1, 2)),
    lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU6(), nn.AvgPool2d(2), nn.Sigmoid()),
    lambda: nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.ConvTranspose2d(3, 2, 4, 2, 1)),
    lambda: nn.Sequential(nn.AvgPool2d(4), nn.ConvTranspose2d(3, 2, 3, 3)),
    lambda: nn.Sequential(nn.ReplicationPad2d((3, 1, 2, 0)), nn.Conv2d(3, 2, 3)),
    lambda: nn.Sequential(nn.AvgPool2d(2), nn.Upsample(scale_factor=4, mode="bilinear"), nn.Conv2d(3, 2, 3, 2, 1)),
])  # fmt: skip
def test_arithmetic_holds_what_gradients_find_and_hardly_more(build):
    network = build().eval()
    for p in network.parameters():
        nn.init.uniform_(p, 0.1, 1)
    x = torch.rand(1, 3, 48, 48, requires_grad=True)
    with Following(x) as following:
        out = network(x)
    fields = following.fields(out)
    reached = {0: [], 1: []}
    for row, column in ((9, 9), (9, 10), (10, 9), (10, 10), (11, 11)):
        (gradient,) = torch.autograd.grad(out[0, :, row, column].sum(), x, retain_graph=True)
        touched = gradient[0].abs().sum(0) > 0
        for axis, at in ((0, row), (1, column)):
            places = touched.any(1 - axis).nonzero().flatten()
            centre = fields[axis].centre + fields[axis].stride * at
            low, high = centre - fields[axis].size / 2, centre + fields[axis].size / 2
            assert low - 1e-6 <= places[0]
            assert places[-1] + 1 <= high + 1e-6
            reached[axis].append(int(places[-1] + 1 - places[0]))
    if not any(isinstance(m, nn.MaxPool2d) for m in network.modules()):  # it passes on one of its cells
        assert all(max(reached[axis]) > fields[axis].size - fields[axis].stride * 2 for axis in (0, 1))


def test_what_mixes_the_whole_picture_leaves_no_field(rgb):
    class Squeeze(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.out = nn.Conv2d(3, 3, 3, padding=1), nn.Identity()

        def forward(self, x):
            x = self.conv(x)
            return self.out(x * x.mean((2, 3), keepdim=True))

    found = record(model_of(Squeeze()), rgb)
    assert found["conv"].outputs[0].fields[0].size == 3
    assert found["out"].outputs[0].fields is None


def test_a_cell_listens_inside_what_arithmetic_allows(model, rgb):
    found = record(model, rgb)
    size = found.size
    for name in ("trunk.stem", "trunk.stages.1.0.depthwise", "trunk.stages.3"):
        out = found[name].outputs[0]
        cell = (out.shape[2] // 2, out.shape[3] // 3)
        heat, box = listened(model, rgb, name, 0, cell, channel=1)
        scale = np.array([rgb.shape[1] / size[1], rgb.shape[0] / size[0]] * 2)
        x0, y0, x1, y1 = np.array(steps.allowed(out, size, cell)) * scale
        assert heat.max() == 1
        assert x0 - 1e-6 <= box[0] < box[2] <= x1 + 1e-6
        assert y0 - 1e-6 <= box[1] < box[3] <= y1 + 1e-6


def test_a_cell_that_hears_nothing_says_so(recurrent, rgb):
    found = record(recurrent, rgb)
    heat, _ = answer = listened(recurrent, rgb, "context.0", 0, (2, 2))
    assert not heat.any(), "the first pass gets an empty answer"
    step = steps.field_step(rgb, found, found["context.0"].outputs[0], (2, 2), None, (10, 16), answer)
    assert "no pixel moves it" in step.sentence


def test_the_trace_of_a_layer(model, rgb):
    found, name = record(model, rgb), "trunk.stages.2.0.expand"
    maps = capture(model, rgb, name, most=3)
    trace = steps.trace(rgb, model.card.asdict(), found, found[name], 0, maps)
    assert [s.title for s in trace.steps] == ["Image", "All channels", *(f"Channel {i}" for i in maps.order)]
    heat = trace.steps[2].layers[1]
    assert np.array_equal(heat.data, maps.values[0])
    low, high = heat.range
    assert low == -high, "the layer has values below 0"
    assert (np.abs(heat.data) <= high).mean() == pytest.approx(steps.WITHIN, abs=0.01)
    positive = steps.trace(rgb, {}, found, found["fc6.1"], 0, capture(model, rgb, "fc6.1", most=1))
    assert positive.steps[2].layers[1].range[0] == 0
    assert "A ReLU follows" in trace.steps[2].sentence
    same = steps.trace(rgb, {}, found, found[name], 0, maps, one_scale=True)
    assert len({s.layers[1].range for s in same.steps[2:]}) == 1
    field = found[name].outputs[0].fields[0]
    cells = trace.steps[2].layers[2].attributes
    assert (cells["stride"], cells["field"], cells["centre"]) == (field.stride, field.size, field.centre)


def test_tables(model, rgb):
    found = record(model, rgb)
    rows = steps.table(found).rows
    assert len(rows) == len(found.modules)
    assert all(len(row) == len(steps.COLUMNS) for row in rows)
    assert next(r for r in rows if r[0] == "trunk.stem")[2] == "32 × 48 × 64"
    out = found["fc6.0"].outputs[0]
    channels = steps.channel_table(out).rows
    assert [r[1] == "dead" for r in channels] == out.dead.tolist()


def test_an_answer_without_rows_and_columns_is_one_cell_or_refused(small):
    network = nn.Sequential(nn.Flatten(2), nn.Linear(24, 5), nn.Flatten(), nn.Linear(15, 7))
    model = model_of(network)
    assert capture(model, small, "3").values.shape == (7, 1, 1)
    assert record(model, small)["1"].outputs[0].channels == 5
    with pytest.raises(LayersError, match="1 x 3 x 5"):
        capture(model, small, "1")


def test_what_cannot_be_opened_says_so(small, four):
    with pytest.raises(LayersError, match="ONNX"):
        record(SimpleNamespace(network=None), small)
    with pytest.raises(LayersError, match="no output number 2"):
        capture(model_of(four), small, "0", 1)
    four[1].lock = threading.Lock()
    with pytest.raises(LayersError, match="cannot be copied"):
        record(model_of(four), small)
