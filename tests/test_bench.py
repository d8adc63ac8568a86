"""Timing, at a size where it takes a moment: every field is there and says what was done."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from engine import bench, zoo
from engine.cards import ModelError


class Tiny(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


@pytest.fixture
def peers(monkeypatch):
    monkeypatch.setattr(bench, "get_model", lambda name, **_: Tiny())


@pytest.mark.usefixtures("peers")
def test_lines_hold_what_the_issue_asks_for(model, monkeypatch):
    def load(name):
        if name == "fcn-scenes":
            return model
        raise ModelError("It is missing.")

    monkeypatch.setattr(zoo, "load", load)
    said = []
    lines = bench.bench(tries=12, size=(64, 96), progress=said.append)
    ours, slow, fast = lines
    assert [x["model"] for x in lines] == ["fcn-scenes", "peer fcn_resnet50", "peer lraspp_mobilenet_v3_large"]
    assert said[: len(bench.OURS) - 1] == [f"{n} is left out: It is missing." for n in bench.OURS if n != "fcn-scenes"]
    assert (ours["width"], ours["height"], ours["tries"], slow["tries"], fast["tries"]) == (96, 64, 12, 2, 12)
    assert min(ours["image_median"], ours["forward_median"], ours["trace_median"]) > 0
    for kind in ("trace", "forward"):
        assert ours[f"{kind}_p95"] >= ours[f"{kind}_median"]
    assert ours["ratio"] == pytest.approx(ours["trace_median"] / ours["forward_median"], rel=0.01)
    assert ours["ratio_beyond_image"] < ours["ratio"]
    assert ours["peak_mib"] > 50
    assert ours["peak_mib"] >= ours["run_mib"] >= 0
    against = ours["times_faster_than"]
    assert against["fcn_resnet50"] == pytest.approx(slow["forward_median"] / ours["forward_median"], abs=0.02)
    assert json.loads(json.dumps(lines, allow_nan=False)) == lines


def test_all_networks_of_ours_are_timed():
    """Of those for digits, which differ in where they look, one with a transformer and one without."""
    published = {"fcn_resnet50", "deeplabv3_resnet50", "lraspp_mobilenet_v3_large"}
    digits = {name for name in zoo.names() if name.startswith("digits-")}
    assert set(bench.OURS) - digits == set(zoo.names()) - digits - published
    assert {name.rpartition("-")[2] for name in set(bench.OURS) & digits} == {"affine", "plain"}
    assert len(set(bench.OURS)) == len(bench.OURS)


@pytest.mark.parametrize("name", ["patches", "multiscale", "classic", "recurrent", "model"])
@torch.inference_mode()
def test_every_network_takes_the_size_that_is_timed(name, request):
    """Also where 480 is no multiple of what the network prefers."""
    works = bench._ours(request.getfixturevalue(name), np.zeros((*bench.SIZE, 3), np.uint8)).works
    answer = works["same_size"]()
    h, w = (answer[-1] if name == "patches" else answer).shape[-2:]
    assert (bench.SIZE[0] // h, bench.SIZE[1] // w) in {(4, 4), (8, 8)}
    assert {"trace", "forward", "image"} < set(works)


@pytest.mark.usefixtures("peers")
def test_a_model_that_was_asked_for_must_be_there():
    with pytest.raises(ModelError, match="no model called 'nothing'"):
        bench.bench(["nothing"], tries=1, size=(32, 32), progress=str)
