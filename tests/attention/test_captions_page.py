"""The captions page by AppTest: two models, each control, each tab; which words come is the weights' business."""

import numpy as np
import pytest
import torch

from engine.attention.encoder import GRID
from engine.attention.telling import Telling
from pages.attention import captions_controls as controls
from pages.attention import captions_painting as painting
from pages.kit import viewer
from pages.kit.payload import image_id
from pages.kit.rooms import CAPTIONS
from tests.segmentation.pages import open_tab, text_of, visit

KEY = "captions"
TABS = ("What you see", "All words", "Next words", "From soft to hard", "Draws", "Beam tree", "Is it faithful?",
        "What a cell sees", "Formula with live numbers", "The paper, and here", "Code that ran")  # fmt: skip


def told(page) -> list[Telling]:
    """The captions of the two viewers, left and right."""
    shown = page.session_state["captions_shown"]
    return [shown[key] for key in controls.KEYS]


def columns(page) -> list[set[str]]:
    return [set(map(str, d.value.columns)) for d in page.dataframe]


def test_the_page_runs_and_explains_itself():
    page = visit(CAPTIONS).run()
    assert not page.exception
    assert page.title[0].value == CAPTIONS.title
    assert "78-103" in text_of(page)
    soft, hard = told(page)
    assert soft.words[0].place is None
    assert hard.words[0].place is not None


@pytest.mark.parametrize("label", TABS)
def test_each_tab_opens(label):
    page = visit(CAPTIONS, image="landscape").run()
    open_tab(page, KEY, label)
    assert not page.exception
    assert [tab.label for tab in page.tabs if tab.label in TABS] == list(TABS)


def test_the_plain_model_has_no_maps_and_says_so():
    page = visit(CAPTIONS, image="landscape", show="soft and plain", numbers="plain").run()
    assert told(page)[1].alphas is None
    for label in ("From soft to hard", "Is it faithful?", "What a cell sees"):
        open_tab(page, KEY, label)
        assert not page.exception
        assert "sees the picture once" in page.info[0].value
    for label in TABS:
        open_tab(page, KEY, label)
        assert not page.exception, label


def test_words_to_begin_with_bind_both_and_unknown_ones_are_named():
    page = visit(CAPTIONS, image="landscape", begin="A dog **zzyzx** runs").run()
    assert not page.exception
    left, right = told(page)
    assert [t.word for t in left.words[:4]] == [t.word for t in right.words[:4]]
    assert [t.forced for t in left.words[:4]] == [True] * 4
    assert any("zzyzx" in text.value for text in page.text)
    assert "zzyzx" not in text_of(page), "what the user typed is never Markdown"
    page.toggle(key="only").set_value(True).run()
    assert len(told(page)[0].words) == 5
    open_tab(page, KEY, "Beam tree")
    assert not page.exception
    next(b for b in page.button if b.label == "Undo a word").click().run()
    assert page.text_input(key="begin").value == "a dog zzyzx"
    next(b for b in page.button if b.label == "Tell freely").click().run()
    assert page.text_input(key="begin").value == ""
    assert not any(t.forced for t in told(page)[0].words)


@pytest.mark.parametrize("query", [{"beam": "99"}, {"temperature": "hot"}, {"show": "none"}, {"sharp": "-3"},
                                   {"begin": "!!!"}, {"begin": "dog " * 50}, {"numbers": "plain"}])  # fmt: skip
def test_nonsense_in_the_url_is_ignored(query):
    page = visit(CAPTIONS, image="landscape", **query).run()
    assert not page.exception
    assert len(told(page)) == 2


def test_temperature_draws_other_captions():
    page = visit(CAPTIONS, image="landscape", temperature="1.5").run()
    seen = {told(page)[0].indices}
    for _ in range(3):
        page.button(key="draw_again").click().run()
        seen.add(told(page)[0].indices)
    assert len(seen) > 1
    assert not page.exception


@pytest.mark.parametrize(("sharp", "entropy"), [(0.0, np.log(GRID * GRID)), (2.0, 0.0)])
def test_sharpness_runs_from_uniform_to_one_cell(sharp, entropy):
    page = visit(CAPTIONS, image="landscape").run()
    page.toggle(key="trained").set_value(False).run()
    page.slider(key="sharp").set_value(sharp).run()
    assert not page.exception
    for telling in told(page):
        assert [t.entropy for t in telling.words] == pytest.approx([entropy] * len(telling.words), abs=1e-4)


def test_sharpness_of_the_slider():
    assert [controls.sharpness_at(p) for p in (0, 1, 2)] == pytest.approx([0, 1, np.inf])


@pytest.mark.parametrize("step", [1, 2])
def test_a_clicked_row_is_told_by_both(monkeypatch, step):
    row, sent = 3, {}

    def chosen(key, image):
        return sent.get(key)

    monkeypatch.setattr(controls, "chosen_row", chosen)
    page = visit(CAPTIONS, image="landscape").run()
    before = told(page)[1]
    wanted = before.words[step - 1].top[row][0]
    sent[controls.KEYS[1]] = viewer.Row(step, row, 5)
    page.run()
    assert not page.exception
    for telling in told(page):
        assert telling.words[step - 1].word == wanted
        assert telling.indices[: step - 1] == before.indices[: step - 1]
    assert page.text_input(key="begin").value.split() != []
    next(b for b in page.button if b.label == "Tell freely").click().run()
    assert told(page)[1].indices == before.indices, "the same click is not taken twice"


@pytest.mark.parametrize("row", [viewer.Row(0, 0, 5), viewer.Row(9999, 0, 5), viewer.Row(1, 9999, 5)])
def test_a_row_that_is_not_there_changes_nothing(monkeypatch, row):
    monkeypatch.setattr(controls, "chosen_row", lambda key, image: row)
    page = visit(CAPTIONS, image="landscape").run().run()
    assert not page.exception
    assert page.text_input(key="begin").value == ""


def painted_as(label: int, step: int = 2, n: int = 17):
    """What the browser would have sent from the left viewer: `label` in the upper left quarter."""
    labels = np.full((56, 84), viewer.UNTOUCHED, np.uint8)
    labels[:28, :42] = label

    def painted(key, image, classes):
        return viewer.Painted(labels, step, n) if key == controls.KEYS[0] and image_id(image) else None

    return painted


def test_a_painted_map_is_looked_with_and_can_be_forgotten(monkeypatch):
    monkeypatch.setattr(painting, "painted", painted_as(painting.LOOK))
    page = visit(CAPTIONS, image="landscape").run()
    assert not page.exception
    look = told(page)[0].words[1].alpha.reshape(GRID, GRID)
    assert look[:7, :7].sum() == pytest.approx(1)
    assert look[:7, :7].numpy() == pytest.approx(1 / 49)
    next(b for b in page.button if b.label == "Forget what was painted").click().run()
    assert told(page)[0].words[1].alpha.reshape(GRID, GRID)[:7, :7].sum() < 0.999


def test_a_hidden_part_is_compared(monkeypatch):
    monkeypatch.setattr(painting, "painted", painted_as(painting.HIDE))
    page = visit(CAPTIONS, image="landscape").run()
    assert not page.exception
    assert len([tab for tab in page.tabs if tab.label not in ("soft", "hard")]) == len(TABS) + 1
    open_tab(page, KEY, "With and without")
    table = page.dataframe[-1].value
    assert list(table["picture"]) == ["whole", "hidden in part"] * 2
    assert table["log p of a word"][0] != table["log p of a word"][1]


def test_a_painting_becomes_a_map_by_area():
    labels = np.full((20, 30), viewer.UNTOUCHED, np.uint8)
    labels[:, :1] = painting.LOOK
    (number, look), = painting.look_at(viewer.Painted(labels, 3, 1)).items()  # fmt: skip
    assert number == 2
    assert look.shape == (GRID * GRID,)
    assert look.reshape(GRID, GRID)[:, 1:].sum() <= look.sum() / 2
    assert painting.look_at(viewer.Painted(np.full((1, 1), viewer.UNTOUCHED, np.uint8), 0, 1)) == {}
    assert torch.equal(next(iter(painting.look_at(viewer.Painted(np.zeros((1, 112), np.uint8), 0, 1)).values())),
                       torch.ones(GRID * GRID))  # fmt: skip


def test_what_is_hidden_has_its_mean_colour():
    rgb = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    labels = np.full((4, 6), viewer.UNTOUCHED, np.uint8)
    labels[0, 0] = painting.HIDE
    hidden = painting.hidden_by((None, viewer.Painted(labels, 0, 1)), (40, 60))
    assert hidden.sum() == 100
    assert hidden[:10, :10].all()
    out, key = painting.covered(rgb, hidden)
    assert np.array_equal(out[~hidden], rgb[~hidden])
    assert np.abs(out[hidden] - rgb[hidden].mean(0)).max() < 1
    assert key != painting.covered(rgb, ~hidden)[1]
    assert painting.hidden_by((None, viewer.Painted(labels * 0, 0, 1)), (40, 60)) is None


@pytest.mark.parametrize("count", [1, 10])
def test_draws_are_counted(count):
    page = visit(CAPTIONS, image="landscape").run()
    open_tab(page, KEY, "Draws")
    page.button(key=f"draw_{count}").click().run()
    assert not page.exception
    table = next(d.value for d in page.dataframe if "draws" in d.value.columns)
    assert table["draws"].sum() == count


def test_a_nudge_moves_soft_as_predicted_and_argmax_not():
    page = visit(CAPTIONS, image="landscape").run()
    open_tab(page, KEY, "From soft to hard")
    table = next(d.value for d in page.dataframe if "‖dz‖ predicted" in d.value.columns).set_index("")
    predicted, measured = (float(table[name]["soft"]) for name in ("‖dz‖ predicted", "‖Δz‖ measured"))
    assert predicted == pytest.approx(measured, rel=1e-4)
    assert predicted > 0
    assert float(table["‖Δz‖ measured"]["argmax"]) == float(table["‖dz‖ predicted"]["argmax"]) == 0


def test_a_missing_model_is_said_in_a_sentence(monkeypatch, tmp_path):
    from engine import cards, zoo

    zoo.LOADED.clear()
    monkeypatch.setattr(cards, "ASSETS", tmp_path)
    page = visit(CAPTIONS).run()
    assert not page.exception
    assert "no card of a model called 'caption-soft'" in page.warning[0].value


TWICE = "a dog runs through the grass with a ball"  # the first and the eighth word are the same


@pytest.mark.parametrize(("tab", "key"), [("Formula with live numbers", "formula"), ("From soft to hard", "nudge"),
                                          ("What a cell sees", "field")])  # fmt: skip
def test_the_eighth_word_is_the_eighth_where_the_first_reads_alike(tab, key, monkeypatch):
    from pages.attention import captions_probes as probes

    field_step, cells = probes.field_step, []
    monkeypatch.setattr(probes, "field_step", lambda *args: cells.append(args[-1]) or field_step(*args))
    page = visit(CAPTIONS, image="landscape", begin=TWICE, only="true").run()
    open_tab(page, KEY, tab)
    pills = next(b for b in page.button_group if b.label == "Word")
    assert len(set(pills.options)) == len(pills.options) == 10, "no two pills read alike"
    pills.set_value(7).run()
    assert not page.exception
    pills = next(b for b in page.button_group if b.label == "Word")
    assert pills.indices == [7], "the lit pill"
    told_word = told(page)[0].words[7]
    if key == "formula":
        table = next(d.value for d in page.dataframe if "softmax(e)" in d.value.columns)
        assert table["e"].tolist() == pytest.approx(told_word.e.topk(5).values.tolist(), abs=6e-4)
        assert rf"\log p = {told_word.log_p:.2f}" in text_of(page)
        assert told_word.log_p != told(page)[0].words[0].log_p
    if key == "nudge":
        cell = int(told_word.alpha.argmax())
        assert f"moved by {0.05:+.4f}" in text_of(page)
        assert f"was {float(told_word.alpha[cell]):.4f}" in text_of(page)
    if key == "field":
        assert cells[-1] == int(told_word.alpha.argmax()) != cells[0]


def test_a_clicked_row_keeps_the_words_that_are_not_known(monkeypatch):
    sent = {}
    monkeypatch.setattr(controls, "chosen_row", lambda key, image: sent.get(key))
    page = visit(CAPTIONS, image="landscape", begin="a zzyzx dog").run()
    sent[controls.KEYS[0]] = viewer.Row(5, 2, 5)
    page.run()
    assert not page.exception
    assert page.text_input(key="begin").value.startswith("a zzyzx dog ")


@pytest.mark.parametrize(("begin", "unknown", "known"), [
    ("Собака a dog", ["собака"], 2), ("犬 runs", ["犬"], 1), ("a mañ dog", ["man"], 3), ("Ä dóg", [], 2),
])  # fmt: skip
def test_words_in_other_scripts_are_said_and_accents_fold(begin, unknown, known):
    page = visit(CAPTIONS, image="landscape", begin=begin).run()
    assert not page.exception
    start = told(page)[0].wish.start
    assert sum(word != controls.UNKNOWN for word in start) == known
    said = [t.value for t in page.text if t.value.startswith("Unknown words")]
    assert said == ([f"Unknown words: {unknown[0]}"] if len(start) > known else [])
