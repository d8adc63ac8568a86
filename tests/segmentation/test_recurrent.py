"""The recurrent network: the same weights in each pass, starts, corrections, a field that grows, and Traces."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import entropy
from torch import Tensor

from engine import tensors, zoo
from engine.segmentation import labelling
from engine.segmentation.recurrent import PASSES, Recurrent, empty, fed_back
from engine.segmentation.recurrent_model import MOST, STARTS, Correction, Encoding, RecurrentModel, Run
from engine.trace import VOID, Layer, Step, Trace
from tests.conftest import card_of, shaken
from tests.test_receptive import expected, extent, positive


@pytest.fixture(scope="module")
def encoding(recurrent, rgb) -> Encoding:
    return recurrent.encode(rgb)


def painted(shape: tuple[int, int] = (90, 130), **more: object) -> Correction:
    """Water (4) in a corner of the picture and sky (0) in a strip of it, over the first pass."""
    labels = np.full(shape, VOID, np.uint8)
    labels[: shape[0] // 2, : shape[1] // 2] = 4
    labels[-shape[0] // 4 :] = 0
    return Correction(labels, **{"after": 1, **more})


def by_hand(recurrent: RecurrentModel, encoding: Encoding, answer: Tensor, count: int, fix=None) -> list[Tensor]:
    """The loop of the paper, written out: network, softmax, network; `fix(pass, answer)` changes what goes in."""
    logits = []
    for number in range(count):
        answer = answer if fix is None else fix(number, answer)
        logits.append(recurrent.network.once(encoding.features, answer))
        answer = torch.softmax(logits[-1], 1) - 1 / 8
    return logits


@torch.inference_mode()
def test_each_pass_is_the_same_network_on_the_answer_before(recurrent, encoding):
    run = recurrent.run(encoding, 6)
    assert not run.start.any()
    size = [side // recurrent.network.stride for side in recurrent.working_size(encoding.rgb)]
    assert run.start.shape == run.logits[0].shape == (1, 8, *size)
    for ours, wanted in zip(run.logits, by_hand(recurrent, encoding, run.start, 6), strict=True):
        assert torch.allclose(ours, wanted, atol=1e-5)
    for before, after in zip(run.logits, run.logits[1:], strict=False):
        assert (before - after).abs().max() > 1e-3


@torch.inference_mode()
def test_going_on_from_an_answer_equals_one_longer_run(recurrent, encoding):
    network = recurrent.network
    whole = network.passes(encoding.features, empty(encoding.features, 8), 5)
    first = network.passes(encoding.features, empty(encoding.features, 8), 2)
    rest = network.passes(encoding.features, fed_back(first[-1]), 3)
    assert all(torch.equal(a, b) for a, b in zip(whole, first + rest, strict=True))
    x = tensors.to_input(encoding.rgb, recurrent.working_size(encoding.rgb))
    for count in (1, 3, 5):
        assert torch.allclose(network(x, count), whole[count - 1], atol=1e-4)


def test_there_is_one_set_of_weights_and_no_pass_has_its_own(recurrent):
    network = copy.deepcopy(recurrent.network).requires_grad_(True)
    features, answer = torch.randn(1, network.mix.in_channels, 4, 5), torch.zeros(1, 8, 4, 5)
    for logits in network.passes(features, answer, 3):
        touched = torch.autograd.grad(logits.sum(), network.context.parameters(), retain_graph=True)
        assert all(g is not None for g in touched)
    assert sum(p.numel() for p in network.parameters()) == sum(p.numel() for p in Recurrent(8).parameters())


def test_what_is_fed_back_is_a_probability_less_what_is_known_by_nobody(recurrent, encoding):
    answer = fed_back(torch.tensor([[[[9e9]], [[0.0]], [[0.0]], [[0.0]]]]))
    assert answer.flatten().tolist() == [0.75, -0.25, -0.25, -0.25]
    nothing = empty(encoding.features, 8)
    assert torch.equal(nothing, torch.zeros(1, 8, *encoding.features.shape[-2:]))
    assert torch.allclose(fed_back(nothing), nothing, atol=1e-7)


def test_the_wrong_start_is_wrong_everywhere_and_certain(recurrent, encoding):
    start = recurrent.run(encoding, 1, "wrong").start
    own = recurrent.run(encoding, PASSES).logits[-1].argmax(1)
    assert not (start.argmax(1) == own).any()
    assert torch.equal(start.argmax(1), (own + 1) % 8)
    assert set(start.unique().tolist()) == {-0.125, 0.875}
    assert torch.allclose(start.sum(1), torch.zeros(1))


def test_the_noisy_start_is_noise_and_always_the_same(recurrent, encoding):
    torch.manual_seed(5)
    one = recurrent.run(encoding, 2, "noisy")
    torch.manual_seed(6)
    two = recurrent.run(encoding, 2, "noisy")
    assert torch.equal(one.start, two.start)
    assert torch.equal(one.logits[-1], two.logits[-1])
    assert torch.allclose(one.start.sum(1), torch.zeros(1), atol=1e-6)
    assert len(one.start.argmax(1).unique()) == 8
    assert one.start.amax(1).std() > 0.1


@pytest.mark.parametrize("start", ["wrong", "noisy"])
@torch.inference_mode()
def test_a_run_goes_on_from_its_start(recurrent, encoding, start):
    run = recurrent.run(encoding, 3, start)
    for ours, wanted in zip(run.logits, by_hand(recurrent, encoding, run.start, 3), strict=True):
        assert torch.allclose(ours, wanted, atol=1e-5)
    assert not torch.allclose(run.logits[0], recurrent.run(encoding, 1).logits[0], atol=1e-2)


@pytest.mark.parametrize(("count", "start"), [(0, "empty"), (MOST + 1, "empty"), (-1, "wrong"), (3, "full"), (3, "")])
def test_what_cannot_be_run(recurrent, encoding, count, start):
    with pytest.raises(ValueError, match=f"1 to {MOST} passes and starts empty, wrong, noisy, not {count} from"):
        recurrent.run(encoding, count, start)


def test_as_many_passes_as_may_be_asked_for(recurrent, encoding):
    run = recurrent.run(encoding, MOST)
    assert len(run.logits) == MOST
    assert torch.isfinite(run.logits[-1]).all()


@pytest.mark.parametrize("shape", [(90, 130), (64, 96), (8, 12), (3, 4)])
@torch.inference_mode()
def test_painted_cells_go_in_as_painted(recurrent, encoding, shape):
    correction = painted(shape)
    run = recurrent.run(encoding, 3, correction=correction)
    plain = recurrent.run(encoding, 3)
    h, w = run.start.shape[-2:]
    rows, columns = (np.arange(n) + 0.5 for n in (h, w))
    cells = correction.labels[(rows / h * shape[0]).astype(int)][:, (columns / w * shape[1]).astype(int)]
    certain = np.where(np.arange(8)[:, None, None] == cells, 1, 0) - 1 / 8
    wanted = np.where(cells < 8, certain, fed_back(plain.logits[0])[0])
    assert 0 < np.mean(cells < 8) < 1
    assert np.allclose(run.corrected[0], wanted, atol=1e-6)
    assert torch.equal(run.logits[0], plain.logits[0])
    assert torch.allclose(run.logits[1], recurrent.network.once(encoding.features, run.corrected), atol=1e-5)
    assert (run.logits[1] - plain.logits[1]).abs().max() > 1e-2


@pytest.mark.parametrize("hold", [True, False])
@pytest.mark.parametrize("after", [0, 1, 2])
@torch.inference_mode()
def test_held_cells_stay_as_painted_and_others_are_told_once(recurrent, encoding, hold, after):
    run = recurrent.run(encoding, 5, correction=painted(after=after, hold=hold))
    labels = torch.from_numpy(painted().labels)[None, None].float()
    labels = F.interpolate(labels, run.start.shape[-2:], mode="nearest-exact")[0].long()  # (1, h, w)
    cells = labels < 8
    certain = F.one_hot(labels.clamp(max=8), 9)[..., :8].permute(0, 3, 1, 2) - 1 / 8

    def fix(number, answer):
        given = number == after or (hold and number > after)
        return torch.where(cells[:, None], certain, answer) if given else answer

    others = (~cells).nonzero()[:, 1:].T  # rows, columns
    for number, (ours, wanted) in enumerate(zip(run.logits, by_hand(recurrent, encoding, run.start, 5, fix),
                                                strict=True)):  # fmt: skip
        held = hold and number >= after
        rows, columns = others
        assert torch.allclose(ours[..., rows, columns], wanted[..., rows, columns], atol=0.02)
        assert held or torch.allclose(ours, wanted, atol=1e-5)
        assert torch.equal(ours.argmax(1)[cells], labels[cells]) == held
        assert not held or ours.softmax(1).amax(1)[cells].min() > 0.999


@pytest.mark.parametrize("labels", [np.full((90, 130), VOID, np.uint8), np.full((5, 5), 8, np.uint8)])
@pytest.mark.parametrize("hold", [True, False])
def test_nothing_painted_changes_nothing(recurrent, encoding, labels, hold):
    run = recurrent.run(encoding, 3, correction=Correction(labels, 1, hold))
    for ours, plain in zip(run.logits, recurrent.run(encoding, 3).logits, strict=True):
        assert torch.equal(ours, plain)


def test_a_correction_after_the_end_never_comes(recurrent, encoding):
    run = recurrent.run(encoding, 2, correction=painted(after=2))
    assert run.corrected is None
    assert torch.equal(run.logits[-1], recurrent.run(encoding, 2).logits[-1])
    assert len(recurrent.trace(encoding, run).steps) == 3


def test_the_first_field_is_that_of_the_maps_that_are_mixed(recurrent):
    """Most are enlarged: some cells fill the field at its left end, others at its right, none reaches out of it."""
    field, network = recurrent.field(1), positive(recurrent.network)
    assert field.stride == network.stride
    x = torch.rand(1, 3, 32, 512, requires_grad=True)
    features = network.features(x)
    free = []
    for cell in range(256 // network.stride, 256 // network.stride + 16 // network.stride):
        left, right = expected(field, cell)
        assert 0 < left < right < 512
        first, last = extent(features[0, :, 2, cell].sum(), x)
        free.append((first - left, right - last))
    assert np.min(free, axis=0).tolist() == [0, 0]
    assert np.max(free) <= 16


@pytest.mark.parametrize("number", [1, 2, 3])
def test_each_pass_sees_further(recurrent, number):
    """In cells of the features, where gradients of random weights reach exactly as far as the arithmetic says."""
    network = copy.deepcopy(recurrent.network).double()
    features = torch.randn(1, network.mix.in_channels, 2, 80, dtype=torch.double, requires_grad=True)
    logits = network.passes(features, empty(features, 8), number)[-1]
    more = (recurrent.field(number).size - recurrent.field(1).size) / network.stride
    assert more == 30 * (number - 1)
    for cell in (40, 41):
        assert extent((logits[0, :, 1, cell] * torch.arange(8)).sum(), features) == (
            cell - more / 2, cell + 1 + more / 2)  # fmt: skip


def test_no_pixel_outside_the_field_matters(recurrent):
    x = torch.rand(1, 3, 32, 1280, requires_grad=True)
    before = (0, 0)
    for number in (1, 2, 3):
        cell = 640 // recurrent.network.stride
        left, right = expected(recurrent.field(number), cell)
        reached = extent(recurrent.network(x, number)[0, :, 2, cell].max(), x)
        assert left <= reached[0] < 640 < reached[1] <= right
        assert reached[1] - reached[0] > before[1] - before[0]
        before = reached


def layers(step: Step) -> dict[str, Layer]:
    return {x.kind: x for x in step.layers}


def test_a_trace_tells_each_pass(recurrent, encoding):
    run = recurrent.run(encoding, 4)
    trace = recurrent.trace(encoding, run)
    assert [s.title for s in trace.steps] == ["Start, empty", "Pass 1", "Pass 2", "Pass 3", "Pass 4"]
    assert all(s.sentence.endswith(".") for s in trace.steps)
    assert trace.settings == {"passes": 4, "start": "empty", "painted after": None}
    assert trace.classes == recurrent.card.classes
    assert np.allclose(np.ptp(layers(trace.steps[0])["labels"].data, axis=0), 0)
    for number, (step, logits) in enumerate(zip(trace.steps[1:], run.logits, strict=True), 1):
        shown = layers(step)
        assert np.array_equal(shown["labels"].data, logits[0])
        chance = logits[0].softmax(0).numpy()
        assert np.allclose(shown["heat"].data, entropy(chance, axis=0), atol=1e-4)
        assert shown["heat"].range == (0.0, pytest.approx(np.log(8)))
        assert f"ean entropy {entropy(chance, axis=0).mean():.2f} nats; " in step.sentence
        field = recurrent.field(number)
        assert f"a cell sees {field.size:.0f} pixels." in step.sentence
        assert shown["cells"].attributes["field"] == field.size
        h, w = recurrent.working_size(encoding.rgb)
        assert tuple(shown["cells"].data * shown["cells"].attributes["stride"]) == (h, w)
        assert sum(row[1] for row in step.table.rows) == pytest.approx(100, abs=0.5)


def test_a_trace_shows_what_each_pass_changed(recurrent, encoding):
    run = recurrent.run(encoding, 3)
    _, first, *later = recurrent.trace(encoding, run).steps
    assert first.sentence.startswith("Mean entropy")
    assert not layers(first)["mask"].data.any()
    for step, before, after in zip(later, run.logits, run.logits[1:], strict=False):
        moved = (before.argmax(1) != after.argmax(1))[0].numpy()
        assert np.array_equal(layers(step)["mask"].data, moved)
        assert step.sentence.startswith(f"{100 * moved.mean():.1f} % of the picture changed; mean entropy")
    assert layers(later[0])["mask"].data.any()


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("correction", [None, painted(after=0), painted(after=1, hold=True)])
def test_every_start_is_told_with_and_without_paint(recurrent, encoding, start, correction):
    run = recurrent.run(encoding, 2, start, correction)
    trace = recurrent.trace(encoding, run)
    wanted = [f"Start, {start}", "Pass 1", "Pass 2"]
    if correction is not None:
        wanted.insert(1 + correction.after, "Painted")
    assert [s.title for s in trace.steps] == wanted
    assert trace.settings["start"] == start
    fed = torch.tensor(layers(trace.steps[0])["labels"].data)[None]
    assert torch.allclose(fed_back(fed), run.start, atol=2e-3)
    if correction is not None:
        step = trace.steps[1 + correction.after]
        share = 100 * np.mean(correction.labels < 8)
        told = "stays as it is in every pass" if correction.hold else "the network may overrule it"
        assert step.sentence.startswith(f"{share:.1f} % of the picture was painted; it ")
        assert told in step.sentence
        assert np.array_equal(layers(step)["mask"].data, correction.labels < 8)
        assert torch.allclose(fed_back(torch.tensor(layers(step)["labels"].data)[None]), run.corrected, atol=2e-3)
        after = layers(trace.steps[2 + correction.after])
        moved = run.corrected.argmax(1) != run.logits[correction.after].argmax(1)
        assert np.array_equal(after["mask"].data, moved[0])


@pytest.mark.parametrize("correction", [None, painted(after=0), painted(after=2)])
def test_the_curve_has_the_numbers_of_the_trace(recurrent, encoding, correction):
    run = recurrent.run(encoding, 4, "empty", correction)
    table = recurrent.curve(run)
    passes = [s for s in recurrent.trace(encoding, run).steps if s.title.startswith("Pass")]
    assert table.columns == ("pass", "changed, %", "entropy, nats")
    assert [row[0] for row in table.rows] == [1, 2, 3, 4]
    for step, (_, moved, mean) in zip(passes, table.rows, strict=True):
        assert mean == pytest.approx(layers(step)["heat"].data.mean(), abs=1e-4)
        assert moved == "" or moved == pytest.approx(100 * layers(step)["mask"].data.mean(), abs=0.01)
    assert (table.rows[0][1] == "") == (correction is None or correction.after > 0)
    assert all(row[1] != "" for row in table.rows[1:])


@torch.inference_mode()
def test_labels_are_those_of_the_passes(recurrent, encoding, rgb):
    run = recurrent.run(encoding, 5)
    labels = recurrent.all_labels(encoding, run)
    assert list(labels) == [f"iteration {i}" for i in range(1, 6)]
    for name, logits in zip(labels, run.logits, strict=True):
        assert np.array_equal(labels[name], tensors.to_labels(logits, rgb.shape[:2]))
    assert np.array_equal(recurrent.labels(encoding, run), labels["iteration 5"])
    predicted = recurrent.predict(rgb)
    assert tuple(predicted) == recurrent.variants == ("iteration 1", "iteration 2", "iteration 3")
    for name, answer in predicted.items():
        assert np.array_equal(answer, labels[name])


def test_an_average_over_views_is_the_mean_of_each_pass(recurrent, rgb, monkeypatch):
    monkeypatch.setattr(labelling, "SIZES", (1.0,))
    square = np.ascontiguousarray(rgb[:64, :64])
    answers = recurrent.predict(square, average=True)
    both = [recurrent.run(recurrent.encode(np.ascontiguousarray(x))).logits for x in (square, square[:, ::-1])]
    for answer, plain, mirrored in zip(answers.values(), *both, strict=True):
        assert np.array_equal(answer, tensors.to_labels((plain + mirrored.flip(-1)) / 2, (64, 64)))
    assert any((answers[k] != v).any() for k, v in recurrent.predict(square).items())


def test_what_a_pixel_listens_to_after_each_pass(recurrent, rgb):
    step = recurrent.field_step(rgb, 65.0, 45.0, 2)
    h, w = recurrent.working_size(rgb)
    x = tensors.to_input(rgb, (h, w)).requires_grad_()
    row, column = h // 2 // recurrent.network.stride, w // 2 // recurrent.network.stride  # of the middle
    logits = recurrent.network(x, 2)[0, :, row, column]
    (gradient,) = torch.autograd.grad(logits.max(), x)
    wanted = F.max_pool2d(gradient.abs().amax(1), 4)[0]
    shown = layers(step)
    assert np.allclose(shown["heat"].data, wanted / wanted.max(), atol=1e-4)
    assert shown["boxes"].data.shape == (2, 4)
    for (x0, y0, x1, y1), words in zip(shown["boxes"].data, step.sentence.split("from ")[1].split(", "), strict=False):
        assert 0 <= x0 < 65 < x1 <= 130
        assert 0 <= y0 < 45 < y1 <= 90
        assert words.startswith(f"{x1 - x0:.0f} x {y1 - y0:.0f}")
    assert step.sentence.endswith(" pixels, pass 1 to 2.")
    assert shown["points"].data.tolist() == [[65.0, 45.0]]


@pytest.mark.parametrize("shape", [(33, 47), (1, 200), (200, 1), (1, 1), (31, 640)])
def test_awkward_sizes(recurrent, shape):
    picture = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    encoding = recurrent.encode(picture)
    labels = np.zeros(shape, np.uint8)
    run = recurrent.run(encoding, 4, "wrong", Correction(labels, 1, hold=True))
    trace = recurrent.trace(encoding, run)
    assert trace.image.shape == (*shape, 3)
    assert all(np.isfinite(x.data).all() for s in trace.steps for x in s.layers if x.kind != "image")
    assert (run.corrected.argmax(1) == 0).all()
    assert {v.shape for v in recurrent.predict(picture).values()} == {shape}


@pytest.mark.parametrize("value", [0, 128, 255])
def test_constant_pictures(recurrent, value):
    picture = np.full((40, 60, 3), value, np.uint8)
    steps = (*recurrent.trace(picture).steps, recurrent.field_step(picture, 30, 20, 2))
    assert all(np.isfinite(x.data).all() for s in steps for x in s.layers if x.kind != "image")


def test_pictures_of_one_class(recurrent, encoding):
    certain = 1e4 * F.one_hot(torch.tensor(3), 8).view(1, 8, 1, 1)
    run = Run("empty", torch.zeros(1, 8, 12, 16), (certain.expand(1, 8, 12, 16).float(),) * 2)
    trace = recurrent.trace(encoding, run)
    assert trace.steps[-1].table.rows == ((recurrent.card.classes[3], 100.0, 1.0),)
    assert trace.steps[-1].sentence.startswith("0.0 % of the picture changed; mean entropy 0.00 nats; ")
    assert recurrent.curve(run).rows == ((1, "", 0.0), (2, 0.0, 0.0))


def test_a_saved_trace_says_the_same(recurrent, encoding, tmp_path):
    trace = recurrent.trace(encoding, recurrent.run(encoding, 2, "noisy", painted()))
    again = Trace.load(trace.save(tmp_path))
    assert again.settings == dict(trace.settings)
    for old, new in zip(trace.steps, again.steps, strict=True):
        assert (old.sentence, old.table) == (new.sentence, new.table)
        assert all(np.array_equal(a.data, b.data) for a, b in zip(old.layers, new.layers, strict=True))


def test_the_weights_that_ship_are_found(recurrent, rgb, tmp_path, monkeypatch):
    monkeypatch.setattr(zoo, "ASSETS", tmp_path)
    network = shaken(Recurrent(8))
    model = zoo.build(card_of(name="recurrent", sha256=zoo.write_weights("recurrent", network)))
    for key, tensor in model.network.state_dict().items():
        assert torch.equal(tensor, network.state_dict()[key].half().float())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_gives_the_same_numbers(recurrent, rgb):
    """bfloat16 holds 8 bits: logits of the third pass within 5 % of their largest, labels the same at 95 %."""
    gpu = RecurrentModel(recurrent.card, copy.deepcopy(recurrent.network), "cuda")
    one, two = recurrent.encode(rgb), gpu.encode(rgb)
    a, b = recurrent.run(one, 3, "noisy", painted()), gpu.run(two, 3, "noisy", painted())
    assert b.logits[-1].dtype == torch.float32
    assert (a.logits[-1] - b.logits[-1].cpu()).abs().max() < 0.05 * a.logits[-1].abs().max()
    assert np.mean(recurrent.labels(one, a) == gpu.labels(two, b)) > 0.95
    steps = (*gpu.trace(two, b).steps, gpu.field_step(rgb, 65, 45))
    assert all(np.isfinite(x.data).all() for s in steps for x in s.layers if x.kind != "image")
