"""The page of the sampling grid by AppTest: it runs on any picture, keeps theta, converts it, and refuses bad ones."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from engine.spatial.theta import from_url
from engine.spatial.transforms import FAMILIES
from pages.kit import drag
from pages.kit.drag import Released
from pages.kit.picker import Chosen, _Hand, _jpeg
from pages.kit.rooms import GRID
from pages.spatial.grid_controls import LONGEST, NAMES, Hand, in_hand, small
from tests.segmentation.pages import text_of, visit

TURNED = (0.7, 0.2, 0.1, -0.2, 0.7, 0.05)


@pytest.fixture
def shown(monkeypatch) -> list[dict]:
    """What the page hands to the component, call by call: its header and its bytes."""
    calls: list[dict] = []
    monkeypatch.setattr(drag, "frame", lambda head: calls.append(head) or b"")
    return calls


@pytest.fixture
def page() -> AppTest:
    return visit(GRID, image="landscape")


def test_the_page_runs_and_explains_itself(page, shown):
    page.run()
    assert not page.exception
    assert page.title[0].value == GRID.title
    assert "116-128" in text_of(page)
    assert shown[-1]["theta"] == FAMILIES["affine"].identity
    assert max(shown[-1]["width"], shown[-1]["height"]) == LONGEST
    assert shown[-1]["blobs"] == [3 * shown[-1]["width"] * shown[-1]["height"]] * 2
    assert "theta" not in page.query_params


def test_the_address_says_everything(page, shown):
    page.query_params.update({"family": "projective", "mode": "bicubic", "padding": "border", "align": "true",
                              "theta": "0.9_0_0.1_0_0.8_0_0.2_0.1"})  # fmt: skip
    page.run()
    assert not page.exception
    head = shown[-1]
    assert (head["family"], head["mode"], head["padding"], head["align"]) == ("projective", "bicubic", "border", True)
    assert head["theta"] == (0.9, 0, 0.1, 0, 0.8, 0, 0.2, 0.1)
    assert page.query_params["theta"] in ("0.9_0_0.1_0_0.8_0_0.2_0.1", ["0.9_0_0.1_0_0.8_0_0.2_0.1"])


@pytest.mark.parametrize("theta", ["", "1_2", "nan_0_0_0_1_0", "0_0_0_0_0_0", "<b>", "9" * 5000, "1_0_0_0_1_1e9"])
def test_a_bad_link_is_told_and_the_identity_shown(page, shown, theta):
    page.query_params.update({"theta": theta, "family": "spiral", "mode": "lanczos"})
    page.run()
    assert not page.exception
    assert "the identity is shown" in page.warning[0].value
    assert shown[-1]["theta"] == FAMILIES["affine"].identity
    assert shown[-1]["mode"] == "bilinear"


def test_another_family_converts_theta_and_back_it_is_what_it_was(page, shown):
    page.query_params["theta"] = "0.7_0.2_0.1_-0.2_0.7_0.05"
    page.run()
    for name, count in (("attention", 3), ("tps", 32), ("projective", 8)):
        page.session_state["family"] = name
        page.run()
        assert not page.exception
        assert len(shown[-1]["theta"]) == count
    turns = [head["set"] for head in shown]
    assert turns == sorted(turns)
    page.session_state["family"] = "affine"
    page.run()
    assert shown[-1]["theta"] == pytest.approx(TURNED)


def test_regularisation_is_asked_of_splines_only(page, shown):
    page.query_params.update({"family": NAMES["tps"], "lambda": "0.3"})
    page.run()
    assert not page.exception
    assert shown[-1]["lambda"] == 0.3
    page.session_state["family"] = "affine"
    page.run()
    assert not page.select_slider
    assert shown[-1]["lambda"] == 0


def test_theta_is_kept_across_pages(page, shown):
    page.query_params["theta"] = "0.7_0.2_0.1_-0.2_0.7_0.05"
    page.run()
    page.switch_page("pages/home/home.py").run()
    page.switch_page(GRID.path)
    page.query_params.clear()
    page.run()
    assert not page.exception
    assert shown[-1]["theta"] == TURNED


SHAPES = [(1, 1), (1, 300), (300, 1), (90, 640), (640, 90), (7, 5)]


@pytest.mark.parametrize("shape", SHAPES)
def test_awkward_pictures(page, shown, shape):
    rgb = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    page.session_state["image_in_hand"] = _Hand(Chosen(rgb, f"noise {shape}", "noise", thumbnail=_jpeg(rgb, (8, 8))))
    del page.query_params["image"]
    for family in NAMES.values():
        page.query_params.update({"family": family, "align": "true"})
        page.run()
        assert not page.exception
        assert max(shown[-1]["width"], shown[-1]["height"]) <= LONGEST


def test_small_keeps_aspect_and_small_pictures():
    assert small(np.zeros((427, 640, 3), np.uint8)).shape == (171, 256, 3)
    assert small(np.zeros((640, 2, 3), np.uint8)).shape == (256, 1, 3)
    tiny = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert np.array_equal(small(tiny), tiny)


class TestReleases:
    """Messages from the browser, without a browser."""

    @pytest.fixture(autouse=True)
    def session(self, monkeypatch):
        """A session and an address of our own."""
        self.address: dict[str, str] = {}
        monkeypatch.setattr("streamlit.session_state", {})
        monkeypatch.setattr("streamlit.query_params", self.address)

    def test_a_good_one_is_taken_and_stands_in_the_address(self):
        hand = in_hand(FAMILIES["affine"], Released("affine", TURNED, True, 5))
        assert (hand.theta, hand.forward, hand.turn) == (TURNED, True, 1)
        assert from_url(FAMILIES["affine"], self.address["theta"]) == TURNED

    def test_a_bad_one_leaves_the_last_good_state(self):
        in_hand(FAMILIES["affine"], Released("affine", TURNED, False, 5))
        hand = in_hand(FAMILIES["affine"], Released("affine", (0.0,) * 6, False, 6))
        assert hand.theta == TURNED
        assert hand.sentence.endswith("The last good grid stays.")
        assert "singular" in hand.sentence
        assert hand.turn == 2, "the browser is told to go back"

    def test_an_old_one_and_one_of_another_family_change_nothing(self):
        first = Released("affine", TURNED, False, 5)
        in_hand(FAMILIES["affine"], first)
        hand: Hand = in_hand(FAMILIES["attention"], first)
        was = hand.theta
        assert len(was) == 3
        assert in_hand(FAMILIES["attention"], Released("affine", (1.0, 0, 0, 0, 1, 0), False, 6)).theta == was
