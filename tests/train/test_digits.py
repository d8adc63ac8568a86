"""Training on distorted digits: it learns, goes on where it was cut off, and what ships is what was measured."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine import cards, zoo
from engine.data.mnist import Digits
from engine.spatial.digits_evaluate import error_rate
from engine.spatial.distortions import TASKS
from engine.spatial.networks import DigitNet, Layout
from engine.train import digits, finding, plans
from engine.train.digits import DigitRecipe
from engine.train.finding import FindRecipe
from tests.data.test_mnist import write


def shapes(n=256, seed=0):
    """Digits that are easy to tell apart: bars of four lengths, labels 0 to 3."""
    labels = (np.random.default_rng(seed).permutation(n) % 4).astype(np.uint8)
    images = np.zeros((n, 28, 28), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[12:16, 4 : 8 + 5 * label] = 255
    return Digits("train", images, labels)


@pytest.fixture
def assets(tmp_path, monkeypatch):
    """An empty folder of assets."""
    for module in (cards, zoo):
        monkeypatch.setattr(module, "ASSETS", tmp_path / "assets")
    return tmp_path / "assets"


def test_a_transformer_learns_to_tell_bars_apart(tmp_path):
    torch.manual_seed(0)
    net = DigitNet(Layout(28, "affine"))
    taken = digits.fit(net, TASKS["R"], shapes(), shapes(64, 1), DigitRecipe(6, 32, snapshots=4), tmp_path)
    assert error_rate(net.eval(), TASKS["R"], shapes(64, 2)) < 0.2
    assert [row["step"] for row in taken.rows] == sorted({row["step"] for row in taken.rows})
    assert taken.rows[0]["step"] == 0
    assert taken.rows[-1]["step"] == 48
    assert taken.rows[-1]["error"] < taken.rows[0]["error"]


def test_a_training_that_was_cut_off_goes_on(tmp_path):
    """Two epochs in one go, and one epoch and then the other, leave the same weights and the same snapshots."""
    recipe, task, data = DigitRecipe(2, 32, snapshots=3), TASKS["R"], shapes(96)

    def run(folder, resume, stop=None):
        torch.manual_seed(0)
        net = DigitNet(Layout(28, "tps"))
        if stop:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(digits, "keep", stop(digits.keep))
                with pytest.raises(KeyboardInterrupt):
                    digits.fit(net, task, data, data, recipe, folder)
        taken = digits.fit(net, task, data, data, recipe, folder, resume=resume)
        return net.state_dict(), taken.rows

    def after_one(keep):
        def stopping(*arguments):
            keep(*arguments)
            raise KeyboardInterrupt

        return stopping  # fmt: skip

    whole, rows = run(tmp_path / "whole", False)
    parts, others = run(tmp_path / "parts", True, after_one)
    assert rows == others
    assert all(torch.equal(whole[k], parts[k]) for k in whole)


@pytest.mark.parametrize("name", ["digits-r-plain", "digits-e-tps", "digits-tc-affine", "digits-sum-tps",
                                  "digits-find-t", "digits-find-tc"])  # fmt: skip
def test_one_step_of_each_recipe(name, tmp_path, assets):
    write(tmp_path)
    before = plans.plan(name).recipe.start if name.endswith("tps") else ""
    if before:  # what it goes on from, with random weights
        card = plans.plan(before).card
        net = DigitNet(Layout(**card.settings["layout"]))
        replace(card, sha256=zoo.write_weights(before, net)).write()
    assert plans.train(name, tmp_path, tmp_path / "run", steps=1).name == name
    assert not zoo.weights_path(name).exists()


def test_what_ships_is_what_was_measured(tmp_path, assets):
    write(tmp_path)
    plan = replace(digits.PLANS["digits-r-affine"], recipe=DigitRecipe(1, snapshots=2))
    card = plan.train(tmp_path, tmp_path / "run", "cpu", False, None)
    model = zoo.build(cards.Card.read("digits-r-affine"))
    assert card == model.card
    assert len(model.past) == len(card.settings["snapshots"]) == 2
    assert card.figures["parameters"] == sum(p.numel() for p in model.net.parameters())
    assert 0 <= card.figures["test_error"] <= 1
    assert card.training["recipes"][0]["epochs"] == 1


def test_a_finder_ships_too(tmp_path, assets):
    write(tmp_path)
    plan = replace(finding.PLANS["digits-find-t"], recipe=FindRecipe(steps=2, batch=4, snapshots=2))
    card = plan.train(tmp_path, tmp_path / "run", "cpu", False, None)
    model = zoo.build(cards.Card.read("digits-find-t"))
    centres = model.find(np.zeros((3, 1, 84, 84), np.float32))
    assert centres.shape == (3, 2)
    assert np.abs(centres).max() <= 2 / 3
    assert model.find(np.zeros((1, 1, 84, 84)), 0).shape == (1, 2)
    assert set(card.figures["by_digit"]) <= {str(i) for i in range(10)}
    with pytest.raises(ValueError, match="looks at pictures of"):
        model.find(np.zeros((1, 84, 84)))


def test_pairs_have_the_same_digit():
    labels = torch.tensor(np.random.default_rng(0).permutation(np.arange(500) % 10))
    a, b = finding.pairs(labels, 400, torch.Generator().manual_seed(0))
    assert torch.equal(labels[a], labels[b])
    assert set(labels[a].tolist()) == set(range(10))
    assert float((a == b).float().mean()) < 0.1


def test_digits_wander_away_from_the_middle():
    recipe = FindRecipe(steps=100)
    ways = [recipe.strength(step) for step in range(101)]
    assert ways == sorted(ways)
    assert ways[0] == 0
    assert ways[60:] == [1] * 41


def test_distortions_grow():
    assert [DigitRecipe(growing=0.5).strength(done) for done in (0, 0.25, 0.5, 1)] == [0, 0.5, 1, 1]
    assert DigitRecipe(growing=0).strength(0) == 1
