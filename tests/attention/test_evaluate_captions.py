"""A captioner on the command line: scored on Flickr8k's layout, timed, traced; figures against their own sources."""

import json

import numpy as np
import pytest
from PIL import Image
from sacrebleu.metrics import BLEU

from engine import bench, zoo
from engine import evaluate as scoring
from engine.__main__ import main
from engine.attention.evaluate import attention_figures, evaluate_captions
from engine.attention.faithfulness import faithfulness, means
from engine.attention.health import health, maps
from engine.attention.scores import CiderD
from engine.attention.telling import Wish
from engine.data import DataError, flickr8k
from engine.trace import Trace
from tests.attention.conftest import random_annotations
from tests.conftest import card_of

COUNT = 11
TEXTS = ("A dog runs over the grass .", "A man in a red shirt .", "Two boys play with a ball .")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """A folder with eleven pictures of dev; each has two captions."""
    folder = tmp_path_factory.mktemp("data")
    root = folder / "flickr8k"
    (root / "images").mkdir(parents=True)
    names = [f"{i}.jpg" for i in range(COUNT)]
    for i, name in enumerate(names):
        Image.new("RGB", (40, 30), (20 * i, 90, 40)).save(root / "images" / name)
    lines = [f"{name}#{k}\t{TEXTS[(i + k) % 3]}" for i, name in enumerate(names) for k in (0, 1)]
    (root / "Flickr8k.token.txt").write_text("\n".join(lines))
    (root / "Flickr_8k.devImages.txt").write_text("\n".join(names))
    return folder


@pytest.fixture
def quick(captions, monkeypatch):
    """Captioners whose annotation vectors are drawn by the picture's colour: no encoder runs."""
    from engine.attention.captions_model import Encoding

    for model in captions.values():
        monkeypatch.setattr(model, "encode", lambda rgb: Encoding(rgb, random_annotations(seed=int(rgb[0, 0, 0]))))
        monkeypatch.setattr(model, "card", card_of(name=model.card.name, settings={"kind": model.kind}))
    return captions


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_figures_are_those_of_their_sources(kind, quick, pictures):
    model, data, said = quick[kind], flickr8k.load(pictures), []
    result = evaluate_captions(model, data, looked=9, beams=(2,), progress=said.append)
    assert (result["data"], result["split"], result["images"], result["looked"]) == ("Flickr8k", "val", COUNT, 9)
    assert list(result["beams"]) == ["1", "2", "3"]
    encodings = [model.encode(data.rgb(i)) for i in range(COUNT)]
    for width, figures in result["beams"].items():
        told = [model.captions(e.annotations, int(width))[0] for e in encodings]
        columns = [[" ".join(several[k]) for several in data.captions] for k in (0, 1)]
        texts = [" ".join(words) for words in told]
        for order in (1, 4):
            oracle = BLEU(tokenize="none", force=True, max_ngram_order=order)
            score = oracle.corpus_score(texts, columns)
            assert figures[f"bleu{order}"] == pytest.approx(score.score / 100, abs=1e-5)
            assert figures[f"plain{order}"] == pytest.approx(score.score / score.bp / 100, abs=1e-5)
        assert figures["brevity"] == pytest.approx(score.bp, abs=1e-5)
        assert figures["cider_d"] == pytest.approx(CiderD(data.captions).mean(told), abs=1e-5)
        assert figures["words"] == pytest.approx(np.mean([len(words) for words in told]), abs=1e-5)
    assert {k: result[k] for k in ("bleu1", "bleu4", "cider_d")} == {
        k: result["beams"]["3"][k] for k in ("bleu1", "bleu4", "cider_d")}  # fmt: skip
    tellings = [model.tell(e, Wish(beam=3)) for e in encodings[:9]]
    found = [health(maps(telling)) for telling in tellings]
    drops = means([d for e, t in zip(encodings, tellings, strict=False) for d in faithfulness(model, e, t)])
    wanted = {"js_divergence": np.nanmean([h.divergence for h in found]),
              "entropy": np.mean([h.entropy for h in found]), "coverage": np.mean([h.coverage for h in found]),
              "drop_top": drops.top, "drop_random": drops.random, "drop_uniform": drops.uniform}  # fmt: skip
    assert {k: result[k] for k in wanted} == pytest.approx(wanted, abs=1e-4)
    assert said == [s for s in said if s.startswith("11 of 11 pictures")]
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_the_bounds_of_unsure_are_below_nearly_all_pictures(quick, pictures):
    model, data = quick["soft"], flickr8k.load(pictures)
    bounds = evaluate_captions(model, data, looked=0, progress=str)["unsure"]
    encodings = [model.encode(data.rgb(i)) for i in range(COUNT)]
    greedy = [model.tell(e) for e in encodings]
    per_word = sorted(telling.log_p / len(telling.words) for telling in greedy)
    assert per_word[0] < bounds["log_p"] < per_word[1]
    assert bounds["log_p"] == pytest.approx(np.percentile(per_word, 1), abs=1e-4)
    variety = [float(e.annotations.std(1).mean()) for e in encodings]
    assert bounds["variety"] == pytest.approx(np.percentile(variety, 1), abs=1e-4)


def test_without_attention_nothing_is_said_of_it(quick, pictures):
    result = evaluate_captions(quick["plain"], flickr8k.load(pictures), limit=3, progress=str)
    assert result["images"] == 3
    assert not set(result) & {"js_divergence", "entropy", "coverage", "faithfulness", "looked"}
    assert list(result["beams"]) == ["1", "3", "5"]


def test_what_cannot_be_judged_is_null(quick):
    model = quick["soft"]
    encoding = model.encode(np.zeros((1, 1, 3), np.uint8))
    telling = model.tell(encoding, Wish(only=True))  # the ending alone
    figures = attention_figures([(health(maps(telling)), faithfulness(model, encoding, telling))])
    assert (figures["js_divergence"], figures["faithfulness"], figures["drop_top"]) == (None, None, None)
    assert figures["entropy"] > 0


@pytest.mark.parametrize("limit", [0, -1])
def test_at_least_one_picture_is_needed(limit, quick, pictures):
    with pytest.raises(DataError, match="At least one"):
        evaluate_captions(quick["soft"], flickr8k.load(pictures), limit=limit)


def test_a_captioners_data_is_flickr8k(tmp_path):
    with pytest.raises(DataError, match="Flickr8k was expected at"):
        scoring.data_for(card_of(settings={"kind": "soft"}), tmp_path)


def test_evaluate_ends_with_one_line_of_json(quick, pictures, monkeypatch, capsys):
    monkeypatch.setattr(zoo, "load", lambda *_: quick["soft"])
    assert main(["evaluate", "caption-soft", "--data", str(pictures), "--limit", "2"]) == 0
    said = capsys.readouterr()
    result = json.loads(said.out)
    assert (result["model"], result["images"], result["looked"]) == ("caption-soft", 2, 2)
    assert {"bleu1", "bleu4", "cider_d", "beams", "faithfulness", "unsure", "seconds"} <= set(result)
    assert "2 of 2 pictures" in said.err


def test_captions_have_no_average(quick, pictures, monkeypatch, capsys):
    monkeypatch.setattr(zoo, "load", lambda *_: quick["soft"])
    assert main(["evaluate", "caption-soft", "--data", str(pictures), "--average"]) == 2
    said = capsys.readouterr()
    assert said.err == "Captions have no mean over several views: leave --average away.\n"
    assert said.out == ""


@pytest.mark.parametrize("kind", ["plain", "soft", "hard"])
def test_trace_draws_every_word(kind, quick, monkeypatch, rgb, tmp_path, capsys):
    monkeypatch.setattr(zoo, "load", lambda *_: quick[kind])
    Image.fromarray(rgb).save(tmp_path / "picture.png")
    assert main(["trace", f"caption-{kind}", str(tmp_path / "picture.png"), "--out", str(tmp_path / "out")]) == 0
    trace = Trace.load(tmp_path / "out")
    steps = [f"step{i}.png" for i in range(len(trace.steps))]
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"trace.npz", "trace.json", *steps}
    assert {Image.open(tmp_path / "out" / name).size for name in steps} == {(130, 90)}
    assert [step.title for step in trace.steps[1:-1]] == trace.settings["caption"].split()
    assert trace.steps[1].sentence in capsys.readouterr().out
    bare, looked = (np.asarray(Image.open(tmp_path / "out" / name)) for name in steps[:2])
    assert np.array_equal(bare, looked) == (kind == "plain")


@pytest.mark.parametrize("kind", ["plain", "soft", "hard"])
def test_bench_times_what_a_captioner_does(kind, quick, monkeypatch):
    monkeypatch.setattr(zoo, "load", lambda *_: quick[kind])
    monkeypatch.setattr(bench, "PEERS", {})
    (line,) = bench.bench([f"caption-{kind}"], tries=2, size=(64, 96), progress=str)
    assert (line["model"], line["width"], line["height"], line["input"], line["tries"]) == (
        f"caption-{kind}", 96, 64, [448, 448], 2)  # fmt: skip
    for work in ("trace", "image", "encode", "beam1", "beam3", "beam5", "forced"):
        assert 0 < line[f"{work}_median"] <= line[f"{work}_p95"]
    assert line["beam1_median"] < line["forced_median"]
    assert not {"ratio", "times_faster_than"} & set(line)
    assert json.loads(json.dumps(line, allow_nan=False)) == line


def test_a_words_time_is_that_of_the_search_by_its_steps(quick, rgb):
    from engine.attention.decoding import beam_search

    model = quick["soft"]
    contestant = bench._ours(model, rgb)
    greedy = contestant.works["beam1"]()[0][0]
    assert contestant.parts["beam1"] == len(greedy.words) + 1
    counted = []
    beam_search(model.network, model.encode(rgb).annotations, 5, watch=lambda *_: counted.append(1))
    assert contestant.parts["beam5"] == len(counted)


def test_the_card_shows_bleu_and_cider():
    figures = {"bleu1": 0.6812, "bleu4": 0.2347, "cider_d": 0.5678}
    line = card_of(name="caption-soft", data="Flickr8k", figures=figures).line
    assert line == "caption-soft · Flickr8k · BLEU-1 68.1 %, BLEU-4 23.5 %, CIDEr-D 0.57"
