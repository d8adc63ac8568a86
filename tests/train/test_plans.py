"""The plans of all models: each recipe takes a step on made-up pictures, and what ships can be loaded again."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from engine import cards, zoo
from engine.cards import Card, ModelError
from engine.data import stanford
from engine.segmentation.recurrent import Recurrent, empty, fed_back
from engine.train import plans, recurrent
from engine.train.segmentation import Recipe, loss_of
from engine.trunk import Trunk
from tests.conftest import card_of, shaken

OURS = ("fcn-scenes", "fcn-animals", "patches", "multiscale", "multiscale-classic", "recurrent")
CAPTIONERS = ("caption-plain", "caption-soft", "caption-hard")  # tests/train/test_captioners.py
TINY = {"epochs": 1, "batch": 2, "crop": 64, "scale": (0.9, 1.1)}


@pytest.fixture
def assets(tmp_path, monkeypatch, network, multiscale):
    """Assets that hold what other trainings start from, with random weights, and nothing else."""
    folder = tmp_path / "assets"
    monkeypatch.setattr(cards, "ASSETS", folder)
    monkeypatch.setattr(zoo, "ASSETS", folder)
    for name, made in (("fcn-scenes", network), ("multiscale", multiscale.network)):
        card_of(name=name, sha256=zoo.write_weights(name, made)).write()
    return folder


@pytest.fixture
def animals(tmp_path):
    """A folder with three pictures in VOC's layout, trainaug and val: an animal in the middle."""
    root = tmp_path / "data" / "VOCdevkit" / "VOC2012"
    for name in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / name).mkdir(parents=True)
    labels = np.zeros((40, 50), np.uint8)
    labels[10:30, 10:40] = 8  # cat
    for i in range(3):
        Image.new("RGB", (50, 40), (50 * i, 90, 40)).save(root / "JPEGImages" / f"{i}.jpg")
        Image.fromarray(labels).save(root / "SegmentationClass" / f"{i}.png")
    for split in ("trainaug", "val"):
        (root / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("0\n1\n2\n")
    return tmp_path / "data"


def test_every_network_of_ours_has_a_plan_under_its_own_name():
    digits = {name for name in zoo.names() if name.startswith("digits-")}  # tests/train/test_digits.py
    assert {*OURS, *CAPTIONERS, "caption-encoder", *digits} == set(plans._PLANS)
    published = {"fcn_resnet50", "deeplabv3_resnet50", "lraspp_mobilenet_v3_large"}
    assert set(zoo.names()) == {*OURS, *CAPTIONERS, *digits} | published
    assert all(plans.plan(name).card.name == name for name in digits)
    for name in OURS:
        plan = plans.plan(name)
        assert plan.card.name == name
        assert plan.card.classes == plan.reader.LABELS.classes
        assert plan.card.settings["labels"] == plan.reader.LABELS.name
        assert plan.card.summary.startswith("A toy")
        assert all(isinstance(recipe, Recipe) for recipe in plan.recipes)


def test_a_plan_that_is_not_there():
    with pytest.raises(ModelError, match="no recipe for 'nothing'; there are fcn-scenes, "):
        plans.plan("nothing")


@pytest.mark.usefixtures("assets")
@pytest.mark.parametrize("name", OURS)
def test_a_batch_teaches_every_part(name):
    """Each weight that may move gets a finite gradient, and the last variant is the network's own answer."""
    plan = plans.plan(name)
    model = plan.network(plan.card).train()
    if hasattr(model, "trunk"):
        model.trunk.freeze_early()
    dice = torch.Generator().manual_seed(0)
    x = 2 * torch.rand(2, 3, 64, 64, generator=dice) - 1
    target = torch.randint(0, len(plan.card.classes), (2, 64, 64), generator=dice)
    torch.manual_seed(0)
    answers = plan.variants(model, x)
    loss = loss_of(answers, target, plan.recipes[0].aside)
    loss.backward()
    assert torch.isfinite(loss)
    for key, weight in model.named_parameters():
        assert (weight.grad is not None) == weight.requires_grad, key
        assert weight.grad is None or torch.isfinite(weight.grad).all(), key
    assert {x.shape[:2] for x in answers.values()} == {(2, len(plan.card.classes))}


@pytest.mark.usefixtures("scenes", "animals")
@pytest.mark.parametrize("name", OURS)
def test_each_recipe_takes_a_step(name, assets, tmp_path, monkeypatch):
    """One step of each of its stages; nothing reaches the assets."""
    plan = plans.plan(name)
    small = replace(plan, recipes=tuple(replace(r, **TINY) for r in plan.recipes))
    monkeypatch.setattr(plans, "plan", lambda asked: small if asked == name else None)
    before = {p: p.read_bytes() for p in assets.rglob("*.*")}
    card = plans.train(name, tmp_path / "data", tmp_path / "run", steps=1)
    assert card.name == name
    assert {p: p.read_bytes() for p in assets.rglob("*.*")} == before
    assert len(list((tmp_path / "run").iterdir())) == len(plan.recipes)


@pytest.mark.parametrize("name", [name for name in OURS if name != "fcn-animals"])
def test_what_ships_is_measured_and_loads_again(name, assets, scenes):
    plan = plans.plan(name)
    settings = {**plan.card.settings, "longest": [64, 64]}
    plan = replace(plan, card=replace(plan.card, settings=settings), views=name == "recurrent")
    network = shaken(plan.network(plan.card))
    held_out = stanford.load(scenes, "val")
    held_out = replace(held_out, items=held_out.items[:1])
    card = plans.ship(plan, network, held_out, 90.0, "cpu")
    assert json.loads((assets / "cards" / f"{name}.json").read_text())["sha256"] == card.sha256
    assert Card.read(name).figures == json.loads(json.dumps(dict(card.figures)))
    model = zoo.build(Card.read(name))
    for key, tensor in model.network.state_dict().items():
        assert torch.equal(tensor, network.state_dict()[key].half().float())
    assert set(card.figures["variants"]) == set(model.variants)
    assert not {"seconds", "model", "data", "split"} & set(card.figures)
    assert ("averaged" in card.figures) == plan.views
    right = [np.mean(model.predict(rgb)[model.answer or model.variants[-1]] == truth) for rgb, truth in held_out]
    assert card.figures["pixel_accuracy"] == pytest.approx(np.mean(right), abs=1e-4)
    assert card.figures["images"] == 1
    assert card.training["minutes"] == 1.5
    assert card.training["split"] == "train"
    assert card.training["recipes"][0]["epochs"] == plan.recipes[0].epochs


@pytest.mark.usefixtures("scenes", "assets")
def test_a_training_that_ends_ships(tmp_path, monkeypatch):
    plan = plans.plan("multiscale-classic")
    card = replace(plan.card, settings={"labels": "stanford", "longest": [64, 64]})
    small = replace(plan, card=card, recipes=(replace(plan.recipes[0], **TINY),))
    monkeypatch.setattr(plans, "plan", lambda _: small)
    card = plans.train("multiscale-classic", tmp_path / "data", tmp_path / "run")
    assert Card.read("multiscale-classic").sha256 == card.sha256
    weights = torch.load(tmp_path / "run" / "stage0" / "checkpoint.pt", weights_only=True)["averaged"]
    assert torch.equal(zoo.build(card).network.scores[0].bias, weights["module.scores.0.bias"].half().float())


@pytest.mark.usefixtures("scenes", "assets")
def test_a_soup_is_the_mean_of_its_stages(tmp_path, monkeypatch):
    plan = plans.plan("multiscale-classic")
    card = replace(plan.card, settings={"labels": "stanford", "longest": [64, 64]})
    stages = tuple(replace(plan.recipes[0], **TINY, seed=seed) for seed in (0, 1))
    small = replace(plan, card=card, recipes=stages, soup=True)
    monkeypatch.setattr(plans, "plan", lambda _: small)
    card = plans.train("multiscale-classic", tmp_path / "data", tmp_path / "run")
    one, two = (torch.load(tmp_path / "run" / f"stage{i}" / "checkpoint.pt", weights_only=True)["averaged"]
                for i in (0, 1))  # fmt: skip
    mean = (one["module.scores.0.bias"] + two["module.scores.0.bias"]) / 2
    assert not torch.equal(one["module.scores.0.bias"], two["module.scores.0.bias"])
    assert torch.equal(zoo.build(card).network.scores[0].bias, mean.half().float())


@pytest.mark.usefixtures("assets")
def test_a_trunk_starts_from_what_ships(network):
    for stages in (5, 7):
        trunk = Trunk(0, stages)
        plans.start_trunk(trunk)
        whole = network.trunk.state_dict()
        for key, tensor in trunk.state_dict().items():
            assert torch.equal(tensor, whole[key].half().float())
    for name in ("multiscale", "recurrent"):
        made = plans.plan(name).network(plans.plan(name).card)
        assert torch.equal(made.trunk.stem.weight, network.trunk.stem.weight.half().float())
    with pytest.raises(ModelError, match="no card of a model called 'nothing'"):
        plans.start_trunk(Trunk(0, 5), "nothing")


@pytest.mark.parametrize("size", [(40, 40), (7, 13), (1, 1), (5, 80)])
def test_whole_squares_are_hidden_and_nothing_else(size):
    torch.manual_seed(0)
    features = 1 + torch.rand(200, 3, *size)
    blind = recurrent.blinded(features)
    hidden = (blind == 0).all(1)
    assert torch.equal(hidden, (blind == 0).any(1))
    assert torch.equal(torch.where(hidden[:, None], features, blind), features)
    blocks = [-(-side // 5) for side in size]
    rows, columns = (np.arange(side) * n // side for side, n in zip(size, blocks, strict=True))  # the square of each
    coarse = hidden[:, np.searchsorted(rows, range(blocks[0]))][:, :, np.searchsorted(columns, range(blocks[1]))]
    assert torch.equal(coarse[:, rows][:, :, columns], hidden)
    share = 0.15  # of the squares, give or take four standard deviations
    assert float(coarse.float().mean()) == pytest.approx(share, abs=4 * (share * (1 - share) / coarse.numel()) ** 0.5)


def test_pictures_start_empty_or_from_an_answer_their_own_or_anothers_or_from_noise():
    torch.manual_seed(0)
    network, features = shaken(Recurrent(4, width=8)), torch.randn(2000, 8, 2, 2)
    nothing = empty(features, 4)
    own = fed_back(network.passes(features, nothing, 3)[-1])
    starts = recurrent.starts(network, features)

    def equal(wanted):
        return (starts == wanted).flatten(1).all(1)

    kinds = [equal(nothing), equal(own), equal(own.roll(1, 0))]
    assert not (kinds[1] & kinds[2]).any()
    noise = ~(kinds[0] | kinds[1] | kinds[2])
    for kind, share in zip((*kinds, noise), (0.7, 0.15, 0.05, 0.1), strict=True):
        assert float(kind.float().mean()) == pytest.approx(share, abs=4 * (share * (1 - share) / 2000) ** 0.5)
    assert torch.allclose(starts.sum(1), torch.zeros(1), atol=1e-5)
    assert starts[noise].std() > 0.2
    assert len(starts[noise].unique(dim=0)) == int(noise.sum())


def test_the_recurrent_recipe_trains_three_passes_from_those_starts(monkeypatch):
    network = shaken(Recurrent(8))
    x = 2 * torch.rand(2, 3, 32, 48) - 1
    monkeypatch.setattr(recurrent, "blinded", lambda features: features)
    monkeypatch.setattr(recurrent, "starts", lambda model, features: empty(features, 8))
    answers = recurrent.variants(network, x)
    assert list(answers) == ["iteration 1", "iteration 2", "iteration 3"]
    for count, logits in enumerate(answers.values(), 1):
        assert torch.allclose(logits, network(x, count), atol=1e-4)


def test_the_patches_recipe_puts_cells_where_their_pixels_are(patches):
    """Cell (i, j) of its logits is what the window around pixel (4 i + 2, 4 j + 2) says."""
    x = 2 * torch.rand(1, 3, 32, 48) - 1
    plan = plans.plan("patches")
    network = copy.deepcopy(patches.network)
    for window, logits in plan.variants(network, x).items():
        side = int(window.removeprefix("window "))
        assert logits.shape == (1, 8, 8, 12)
        if side < 32:
            half = side // 2
            row, column = 4 * 4 + 2, 6 * 4 + 2
            crop = x[..., row - half : row + half + 1, column - half : column + half + 1]
            alone = network.only(crop, side)[..., 0, 0]
            assert torch.allclose(logits[..., 4, 6], alone, atol=1e-4)


def test_the_multiscale_recipe_trains_each_octave_and_the_sum(multiscale):
    x = 2 * torch.rand(1, 3, 64, 64) - 1
    answers = plans.plan("multiscale").variants(multiscale.network, x)
    assert list(answers) == ["octave 1", "octave 2", "octave 4", "sum"]
    for ours, part in zip(answers.values(), (*multiscale.network.parts(x), multiscale.network(x)), strict=True):
        assert torch.allclose(ours, part, atol=1e-4)
