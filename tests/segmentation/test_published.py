"""torchvision's networks: weights made here and served by file, the same numbers, clear words when offline."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from torchvision.models import get_model, get_model_weights

from engine import tensors, zoo
from engine.cards import Card, ModelError
from engine.segmentation import published

NAMES = ("fcn_resnet50", "deeplabv3_resnet50", "lraspp_mobilenet_v3_large")
NAME = "lraspp_mobilenet_v3_large"


@pytest.fixture(scope="module")
def theirs():
    """torchvision's own network with random weights and statistics."""
    torch.manual_seed(4)
    network = get_model(NAME, weights=None, weights_backbone=None, num_classes=21).eval()
    for m in network.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            m.running_var.uniform_(0.5, 1.5)
            m.running_mean.normal_(0, 0.1)
    return network


@pytest.fixture
def card(theirs, tmp_path, monkeypatch) -> Card:
    """The card of `NAME` with the address of a weights file made here; an empty cache."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    torch.save(theirs.state_dict(), tmp_path / "made.pth")
    digest = hashlib.sha256((tmp_path / "made.pth").read_bytes()).hexdigest()
    served = (tmp_path / "made.pth").rename(tmp_path / f"made-{digest[:8]}.pth")
    whole = Card.read(NAME)
    return replace(whole, settings={**whole.settings, "url": served.as_uri(), "longest": [96, 128]})


def leftovers(card: Card) -> list:
    folder = published.weights_file(card).parent
    return list(folder.iterdir()) if folder.exists() else []


def test_weights_are_fetched_once_with_progress(card):
    told = []
    path = published.download(card, lambda done, total: told.append((done, total)))
    assert path == published.weights_file(card)
    assert [d for d, _ in told] == sorted(d for d, _ in told)
    assert told[-1] == (path.stat().st_size,) * 2
    assert leftovers(card) == [path]
    told.clear()
    assert published.download(card, lambda done, total: told.append(done)) == path
    assert not told


@torch.inference_mode()
def test_numbers_are_torchvisions_own(card, theirs, rgb):
    model = published.build(card, "cpu")
    x = tensors.to_input(rgb, model.working_size(rgb))
    preset = get_model_weights(NAME).DEFAULT.transforms()
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (preset.mean, preset.std))
    wanted = theirs(((x + 1) / 2 - mean) / std)["out"]
    ours = tensors.to_pixels(model.encode(rgb).logits, x.shape[-2:])
    assert torch.allclose(ours, wanted, atol=1e-3 * float(wanted.abs().max()))


def test_the_same_trace_as_every_model(card, rgb):
    model = published.build(card, "cpu")
    trace = model.trace(rgb)
    h, w = model.working_size(rgb)
    assert [s.title for s in trace.steps] == ["Image", "Scores, stride 8", "Labels"]
    logits = trace.steps[1].layers[1].data
    assert logits.shape == (21, h // 8, w // 8)
    assert len(trace.classes) == len(trace.colours) == 21
    assert model.variants == tuple(model.predict(rgb)) == ("out",)
    labels = tensors.to_labels(torch.tensor(logits)[None], rgb.shape[:2])
    assert np.array_equal(model.predict(rgb)["out"], labels)
    assert trace.steps[-1].table.rows[0][0] in trace.steps[-1].sentence
    averaged = model.trace(rgb, average=True)
    assert averaged.settings == {"average": True}
    assert averaged.steps[1].layers[1].data.shape == logits.shape
    assert not np.allclose(averaged.steps[1].layers[1].data, logits)


@pytest.mark.parametrize("name", NAMES)
def test_cards_say_what_torchvision_publishes(name):
    card, weights = Card.read(name), get_model_weights(name).DEFAULT
    assert card.settings["url"] == weights.url
    assert card.settings["megabytes"] == pytest.approx(weights.meta["_file_size"])
    assert card.classes[1:] == tuple(weights.meta["categories"][1:])
    figures = weights.meta["_metrics"]["COCO-val2017-VOC-labels"]
    assert card.figures["mean_iou"] == pytest.approx(figures["miou"] / 100)
    assert card.figures["pixel_accuracy"] == pytest.approx(figures["pixel_acc"] / 100)
    assert not card.bundled


@pytest.mark.parametrize("name", NAMES[:2])
def test_published_tensors_fit_the_network(name):
    """Every tensor of torchvision's full network but the auxiliary head has its place in ours."""
    with torch.device("meta"):
        full = get_model(name, weights=None, weights_backbone=None, num_classes=21, aux_loss=True).state_dict()
        ours = published.Stride8(name, 21).net.state_dict()
    kept = {k: v.shape for k, v in full.items() if not k.startswith("aux_classifier.")}
    assert {k: v.shape for k, v in ours.items()} == kept


def test_offline_is_one_clear_sentence(card):
    away = replace(card, settings={**card.settings, "url": "http://127.0.0.1:9/made-12345678.pth"})
    with pytest.raises(ModelError) as caught:
        published.download(away)
    text = str(caught.value)
    assert text.startswith("lraspp_mobilenet_v3_large (12 MB) cannot be loaded: It needs the internet once")
    assert "127.0.0.1:9" in text
    assert text.count("\n") == 0
    assert leftovers(away) == []


def test_another_file_than_the_name_promises_is_refused(card, tmp_path):
    source = next(tmp_path.glob("made-*.pth"))
    wrong = tmp_path / "made-00000000.pth"
    wrong.write_bytes(source.read_bytes())
    with pytest.raises(ModelError, match="checksum"):
        published.fetch(wrong.as_uri(), tmp_path / "into")
    assert list((tmp_path / "into").iterdir()) == []


def test_a_damaged_file_in_the_cache_is_refused(card):
    path = published.download(card)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match="damaged"):
        published.build(card, "cpu")


def test_weights_of_another_network_are_refused(card, tmp_path):
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")  # no checksum in this name
    other = replace(card, settings={**card.settings, "url": (tmp_path / "other.pth").as_uri()})
    with pytest.raises(ModelError, match="do not fit"):
        published.build(other, "cpu")


def test_a_connection_that_breaks_leaves_nothing(tmp_path, monkeypatch):
    class Source:
        headers = {"Content-Length": "1000"}  # noqa: RUF012

        def __init__(self, blocks):
            self.blocks = blocks

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def read(self, _):
            block = self.blocks.pop(0)
            if isinstance(block, Exception):
                raise block
            return block

    for blocks in ([b"x" * 400, b""], [b"x" * 400, TimeoutError("timed out")]):
        monkeypatch.setattr(published.urllib.request, "urlopen", lambda *_, blocks=blocks, **__: Source(blocks))
        with pytest.raises(ModelError):
            published.fetch("https://example.org/made-12345678.pth", tmp_path / "into")
        assert list((tmp_path / "into").iterdir()) == []


def test_the_zoo_tries_again_after_a_failure(card, tmp_path, monkeypatch):
    monkeypatch.setattr(Card, "read", staticmethod(lambda name: cards[0]))
    missing = replace(card, settings={**card.settings, "url": (tmp_path / "gone-12345678.pth").as_uri()})
    cards = [missing]
    zoo.LOADED.clear()
    with pytest.raises(ModelError, match="cannot be loaded"):
        zoo.load(NAME)
    assert not published.available(NAME)
    cards[0] = card
    assert isinstance(zoo.load(NAME), published.Published)
    assert published.available(NAME)
    zoo.LOADED.clear()
