"""The page of the spatial transformers by AppTest: each task and family, the address, uploads, what the hand did."""

import io

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from engine import zoo
from engine.cards import ModelError
from engine.spatial.distortions import TASKS
from engine.spatial.placing import KIND, UPRIGHT, draw, scatter
from engine.spatial.samples import samples
from pages.kit import digit as component
from pages.kit.digit import Moved, digit_id
from pages.kit.rooms import TRANSFORMER
from pages.spatial import transformer_source as source
from pages.spatial.transformer_controls import TASK_WORDS, Asked
from pages.spatial.transformer_hand import START, Hand, in_hand, pieces_of, take
from pages.spatial.transformer_shown import FAMILIES
from tests.segmentation.pages import text_of, visit
from tests.spatial import untrained

FOUR = samples().images[40]


@pytest.fixture(autouse=True)
def small_networks(monkeypatch):
    """Small untrained networks in the place of those of digits."""
    monkeypatch.setattr(zoo, "load", untrained.load)
    zoo.LOADED.clear()
    yield
    zoo.LOADED.clear()


@pytest.fixture
def shown(monkeypatch) -> list[dict]:
    """The headers that the page hands to the component, call by call."""
    calls: list[dict] = []
    monkeypatch.setattr(component, "frame", lambda head: calls.append(head) or b"")
    return calls


@pytest.fixture
def page() -> AppTest:
    return visit(TRANSFORMER)


def test_the_page_runs_and_explains_itself(page, shown):
    page.run()
    assert not page.exception
    assert not page.warning
    assert page.title[0].value == TRANSFORMER.title
    assert "126-131" in text_of(page)
    head = shown[-1]
    assert (head["task"], head["family"], head["kind"], head["size"]) == ("R", "affine", "pose", 28)
    assert (head["numbers"], head["truth"], head["plain"], head["film"]) == (START["R"], 4, True, None)
    assert head["digit"] == digit_id(FOUR)
    assert "pose" not in page.query_params


@pytest.mark.parametrize("task", list(KIND))
def test_each_task_and_family(page, shown, task):
    page.query_params["task"] = TASK_WORDS[task]
    page.run()
    for family in FAMILIES:
        page.session_state["transformer"] = family
        page.run()
        assert not page.exception
        assert (shown[-1]["task"], shown[-1]["family"]) == (task, family)
        assert len(shown[-1]["places"]) == (6 if task == "TC" else 0)


def test_the_address_says_everything(page, shown):
    page.query_params.update({"task": TASK_WORDS["TC"], "digit": "7", "variant": "3", "clutter": "12",
                              "pose": "0_1.2_-8_4.5"})  # fmt: skip
    page.run()
    assert not page.exception
    head = shown[-1]
    assert head["numbers"] == (0, 1.2, -8, 4.5)
    assert head["digit"] == digit_id(samples().images[73])
    assert head["places"] == scatter(samples().images, TASKS["TC"], 12).places
    page.switch_page("pages/home/home.py").run()
    page.switch_page(TRANSFORMER.path)
    page.query_params.clear()
    page.query_params["task"] = TASK_WORDS["TC"]
    page.run()
    assert shown[-1]["numbers"] == (0, 1.2, -8, 4.5), "kept across pages"


@pytest.mark.parametrize("pose", ["", "1_2", "nan_1_0_0", "0_0_0_0", "<b>", "9" * 5000, "0_1_0_99"])
def test_a_bad_link_is_told_and_the_digit_lies_as_at_first(page, shown, pose):
    page.query_params.update({"pose": pose, "task": "spiral", "variant": "x"})
    page.run()
    assert not page.exception
    told = [warning.value for warning in page.warning]
    assert any("as it does at first" in words for words in told)
    assert any("variant" in words for words in told)
    assert shown[-1]["numbers"] == START["R"]


def test_buttons_take_another_sample_and_new_distractors(page, shown):
    page.query_params["task"] = TASK_WORDS["TC"]
    page.run()
    before = shown[-1]
    page.button("transformer_variant_next").click().run()
    assert shown[-1]["digit"] == digit_id(samples().images[41])
    page.button("transformer_clutter_next").click().run()
    assert shown[-1]["places"] == scatter(samples().images, TASKS["TC"], 1).places != before["places"]
    assert shown[-1]["set"] > before["set"], "the browser takes the new places"


def test_missing_networks_are_told(page, shown, monkeypatch):
    def load(name, device="cpu"):
        if name.endswith("plain"):
            raise ModelError("There is no plain one.")
        return untrained.load(name)

    monkeypatch.setattr(zoo, "load", load)
    page.run()
    assert not page.exception
    assert "no plain one" in page.warning[0].value
    assert shown[-1]["plain"] is False
    zoo.LOADED.clear()

    def none(name, device="cpu"):
        raise ModelError("There is none at all.")

    monkeypatch.setattr(zoo, "load", none)
    page.run()
    assert not page.exception
    assert page.warning[0].value == "There is none at all."
    assert page.title[0].value == TRANSFORMER.title


def png(levels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(levels).save(out, "PNG")
    return out.getvalue()


def test_uploads_become_digits_or_a_sentence(page, shown):
    page.query_params["from"] = "upload"
    page.run()
    assert not page.exception
    assert "Upload" in page.info[0].value
    assert shown[-1]["live"] is None, "a blank picture is not asked about"
    assert any("no digit yet" in info.value for info in page.info)
    assert not page.metric, "no numbers of nothing"
    paper = 255 - np.kron(np.pad(FOUR, 10), np.ones((6, 6), np.uint8))
    page.file_uploader[0].upload("four.png", png(paper), "image/png").run()
    assert not page.exception
    assert not page.info
    assert page.metric
    assert shown[-1]["live"] is not None
    assert shown[-1]["truth"] is None
    for data, words in ((png(np.full((90, 90), 240, np.uint8)), "no clear ink"), (b"nonsense", "not a PNG")):
        got, sentence = source._read(data)
        assert words in sentence
        assert not got.any()


class TestMessages:
    """Messages from the browser, without a browser."""

    @pytest.fixture(autouse=True)
    def session(self, monkeypatch):
        """A session and an address of our own."""
        self.address: dict[str, str] = {}
        self.state: dict = {}
        monkeypatch.setattr("streamlit.session_state", self.state)
        monkeypatch.setattr("streamlit.query_params", self.address)

    def asked(self, task="RTS", **more) -> Asked:
        return Asked(TASKS[task], "affine", more.pop("digit", FOUR), 4, **more)

    def told(self, numbers, n=1, task="RTS", digit=FOUR, places=(), drawn=None) -> Moved:
        return Moved(task, digit_id(digit), numbers, places, drawn, False, True, n)

    def test_a_good_one_is_taken_once(self):
        asked = self.asked()
        hand = in_hand(asked)
        assert take(hand, asked, self.told((10.0, 1.0, 0.0, 2.5)))
        assert hand.numbers["RTS"] == (10, 1, 0, 2.5)
        assert not take(hand, asked, self.told((99.0, 1.0, 0.0, 0.0)))
        assert in_hand(asked).numbers["RTS"] == (10, 1, 0, 2.5)
        assert self.address["pose"] == "10_1_0_2.5"
        take(hand, asked, self.told(START["RTS"], 2))
        in_hand(asked)
        assert "pose" not in self.address

    def test_a_bad_one_leaves_the_last_good_state(self):
        asked = self.asked()
        hand = in_hand(asked)
        turn = hand.turn
        take(hand, asked, self.told((10.0, 99.0, 0.0, 0.0)))
        assert hand.numbers["RTS"] == START["RTS"]
        assert hand.sentence.endswith("The last good place stays.")
        assert hand.turn == turn + 1, "the browser is told to go back"

    @pytest.mark.parametrize("stale", [{"task": "R"}, {"digit": samples().images[3]}])
    def test_one_about_something_else_changes_nothing(self, stale):
        asked = self.asked()
        hand = in_hand(asked)
        take(hand, asked, self.told(UPRIGHT["pose"], **stale))
        assert hand.numbers == START
        assert in_hand(self.asked("R")).numbers == START

    def test_distractors_lie_where_they_were_dragged_until_new_ones_come(self):
        asked = self.asked("TC", seed=3)
        hand = in_hand(asked)
        places = tuple((i, 5) for i in range(6))
        take(hand, asked, self.told(START["TC"], task="TC", places=places))
        assert pieces_of(hand, asked).places == places
        assert np.array_equal(pieces_of(hand, asked).cut, scatter(samples().images, TASKS["TC"], 3).cut)
        assert pieces_of(hand, self.asked("TC", seed=4)).places != places
        assert pieces_of(hand, self.asked("R")) is None

    def test_a_drawing_is_kept_and_centred(self):
        asked = self.asked(drawn=source.BLANK, digit=source.BLANK)
        hand = in_hand(asked)
        pad = np.zeros((28, 28), np.uint8)
        pad[2:12, 1:4] = 255
        take(hand, asked, self.told(UPRIGHT["pose"], drawn=pad))
        assert np.array_equal(source.pad(), pad)
        assert hand.numbers["RTS"] == START["RTS"], "drawing moves nothing"
        made = source.upright(pad)
        assert np.ptp(np.flatnonzero(made.max(1))) == 19
        assert not source.upright(source.BLANK).any()
        assert draw(made, asked.task, START["RTS"]).max() > 200

    def test_tasks_keep_their_own_placement(self):
        hand: Hand = in_hand(self.asked())
        take(hand, self.asked(), self.told((10.0, 1.0, 0.0, 0.0)))
        assert in_hand(self.asked("R")).numbers["R"] == START["R"]
        assert "pose" not in self.address
        assert in_hand(self.asked()).numbers["RTS"] == (10, 1, 0, 0)
        assert self.address["pose"] == "10_1_0_0"
