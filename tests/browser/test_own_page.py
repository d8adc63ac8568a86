"""The page of own models in Chromium: a file is brought, checked, painted, and chosen on another page."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from engine.data import stanford
from pages.kit.rooms import OWN, ROOT
from tests.browser.rooms import VIEWER, canvas, go_to
from tests.debug import networks

FILE = "application/octet-stream"


@pytest.fixture
def own(page, serve):
    """The page, once the picture that waits for a network is painted."""
    page.goto(f"{serve(ROOT / 'app.py')}/{OWN.url}?image=landscape")
    page.wait_for_selector(VIEWER, timeout=60_000)
    return page


def bring(page, data: bytes, name: str) -> None:
    page.locator('input[type="file"]').first.set_input_files({"name": name, "mimeType": FILE, "buffer": data})


def painted(page) -> None:
    page.wait_for_selector(f"{VIEWER} .rail button:nth-child(3)", timeout=60_000)
    page.wait_for_timeout(400)


def test_a_network_is_brought_checked_painted_and_chosen_on_the_fcn_page(own):
    plain = canvas(own)
    weight = np.random.default_rng(3).normal(0, 1, (8, 3, 3, 3)).astype(np.float32)
    classes = json.dumps(stanford.LABELS.classes)
    made = networks.conv(out=(1, 8, "r", "c"), weight=weight, bias=np.zeros(8, np.float32), classes=classes)
    bring(own, made, "my network.onnx")
    painted(own)
    assert own.get_by_text("It ran on 512 x 384 pixels").is_visible()
    labels = canvas(own)
    assert np.abs(labels - plain).mean() > 10, "labels are painted over the picture"
    box = own.locator(f"{VIEWER} canvas").first.bounding_box()
    assert box["y"] + box["height"] < 768, "the picture ends above the fold"
    named = set(own.locator(".panel .legend .name").all_inner_texts())
    assert named
    assert named <= set(stanford.LABELS.classes)
    go_to(own, "Ground truth")  # the classes in the file are those of the gallery
    assert own.get_by_role("button", name="Export").is_visible()
    own.get_by_role("tab", name="On every page").click()
    own.locator(".stMain").get_by_role("link", name="Fully convolutional network").click()
    own.wait_for_url("**/fcn**")
    own.wait_for_function("() => location.search.includes('model=my-network-')")
    own.get_by_role("heading", name="Fully convolutional network").wait_for()
    painted(own)
    go_to(own, "Labels")
    assert np.abs(canvas(own) - plain).mean() > 10


def test_bad_files_are_a_sentence_and_the_next_one_is_fine(own):
    bring(own, pickle.dumps({"a": 1}), "weights.onnx")
    own.get_by_text("holds a Python pickle").wait_for(timeout=30_000)
    bring(own, b"\x08\x07" + bytes(500), "cut.onnx")
    own.get_by_text("This is not an ONNX file").wait_for(timeout=30_000)
    bring(own, networks.conv(names="{0: 'a<b>', 1: 'b', 2: 'c', 3: 'd', 4: 'e'}"), "<i>x</i>.onnx")
    painted(own)
    assert own.get_by_text("<i>x</i>.onnx").is_visible(), "a file's name is text"
    assert own.locator(".panel .legend li").count() >= 1
