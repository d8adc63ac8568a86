"""The report: one HTML file that loads and runs nothing from outside, CSV without formulas, and a run that goes on."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import zoo
from engine.debug import batch, report
from engine.debug.batch import Row
from engine.debug.collection import CollectionError, Item
from tests.conftest import card_of

HOSTILE = ("<script>alert(1)</script>.png", '"><img src=x onerror=alert(1)>.png', "' onmouseover='alert(1).png",
           "</script><svg onload=alert(1)>.png", "&lt;b&gt;.png", "{{x}} ${y} %s.png")  # fmt: skip


def jpeg(level: int = 90) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), (level, 90, 40)).save(out, "JPEG")
    return out.getvalue()


def row(name: str = "a.png", **values) -> Row:
    shares = (0.5, 0.5, *(0.0,) * 6)
    usual = {"key": "ab" * 32, "width": 40, "height": 30, "uncertainty": 0.25, "unsure": 0.1, "shares": shares,
             "thumbnail": jpeg(), "overlay": jpeg(200)}  # fmt: skip
    return Row(name, **{**usual, **values})


def counts(right: int, wrong: int) -> tuple[tuple[int, ...], ...]:
    """A confusion matrix of pixels of the first class."""
    return ((right, wrong, *[0] * 6), *[(0,) * 8] * 7)


ROWS = [row("b.png", pixel_accuracy=0.9, mean_iou=0.5, confusion=counts(9, 1)), row("a.png", uncertainty=0.75),
        Row("c.png", error="This file is empty."),
        row("d.png", pixel_accuracy=0.2, mean_iou=0.1, confusion=counts(2, 8), note="Scaled.")]  # fmt: skip


class Page(HTMLParser):
    """What a file consists of: tags with their attributes, and the text of each tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.texts: dict[str, list[str]] = {}
        self._inside: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._inside.append(tag)

    def handle_endtag(self, tag):
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data):
        if self._inside:
            self.texts.setdefault(self._inside[-1], []).append(data)

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.tags if name == tag]


def page(rows, **options) -> tuple[str, Page]:
    text = report.html(report.report("set.zip", rows, card_of(), **options))
    return text, Page(text)


def test_the_file_loads_nothing_and_runs_its_own_script_only():
    text, found = page(ROWS, second=card_of(name="other"))
    (policy,) = (x["content"] for x in found.all("meta") if x.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:;")
    (script,) = found.texts["script"]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert found.all("script") == [{}], "inline, and the only one"
    assert policy.count("sha256-") == 1
    for tag, attributes in found.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href"):
                assert value.startswith("data:"), (tag, value)
            assert name not in ("action", "srcset", "formaction")
    assert not {"iframe", "object", "embed", "base", "form", "a"} & {tag for tag, _ in found.tags}
    assert "@import" not in text
    assert "url(" not in text
    assert not re.search(r"https?://", text)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_from_outside_are_text(name):
    plain, _ = page([row("harmless.png", note="Note")])
    text, found = page([row(name, note=f"Note {name}")], notes=(name,))
    same = [tag for tag, _ in Page(plain).tags]
    assert [tag for tag, _ in found.tags] == same, "no tag of its own"
    assert name in "".join(found.texts["td"])
    assert name in "".join(found.texts["small"])
    assert not any(key.startswith("on") for _, attributes in found.tags for key in attributes)
    assert text.count("<script>") == 1


def test_what_a_card_says_is_text_too():
    bad = card_of(name="x<b>", title=HOSTILE[1], summary=HOSTILE[0], classes=(*HOSTILE, "e", "f"))
    text = report.html(report.report(HOSTILE[0], [row()], bad))
    found = Page(text)
    assert len(found.all("script")) == 1
    assert not any("onerror" in attributes for _, attributes in found.tags)
    assert not [x for x in found.all("img") if x.get("src") == "x"]


def test_the_table_holds_the_rows_with_the_worst_first():
    text, found = page(ROWS)
    names = [x["data-value"] for x in found.all("td") if x["class"] == "name"]
    assert names == ["d.png", "b.png", "a.png", "c.png"]
    heads = [x["class"] for x in found.all("th")]
    assert heads == ["pictures", "name", "error", "iou", "either", "uncertainty", "unsure", "classes", "size",
                     "seconds"]  # fmt: skip
    assert [x["class"] for x in found.all("th") if x.get("aria-sort")] == ["error"]
    assert [float(x["data-value"]) for x in found.all("td") if x["class"] == "error number" and x["data-value"]] == [
        0.8, 0.1]  # fmt: skip
    assert "".join(found.texts["strong"]) == "This file is empty."
    assert "55.0 %" in text, "11 of 20 judged pixels are right"
    pictures = [x["src"] for x in found.all("img")]
    assert len(pictures) == 6
    for source in pictures:
        assert Image.open(io.BytesIO(base64.b64decode(source.removeprefix("data:image/jpeg;base64,")))).size == (40, 30)


def test_columns_that_nobody_knows_are_not_there():
    _, found = page([row()])
    assert not {"error", "iou", "disagreement"} & {x["class"] for x in found.all("th")}
    _, found = page([row(disagreement=0.3)], second=card_of(name="other"))
    assert "disagreement" in {x["class"] for x in found.all("th")}
    assert "no masks, so no errors are known" in "".join(found.texts["p"])


def test_no_pictures_at_all_make_a_page_too():
    _, found = page([Row("c.png", error="This file is empty.")])
    assert len(found.all("tr")) == 2


def test_csv_reads_back_and_holds_no_formula():
    names = ["=1+1.png", "+a.png", "-b.png", "@c.png", "\td.png", 'plain, "quoted".png']
    text = report.csv_text(report.report("x", [row(name, uncertainty=1 - i / 10) for i, name in enumerate(names)],
                                         card_of()))  # fmt: skip
    read = list(csv.DictReader(io.StringIO(text)))
    assert [x["name"] for x in read] == ["'" + name for name in names[:5]] + names[5:]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for x in read for cell in x.values())
    assert float(read[1]["uncertainty"]) == pytest.approx(0.9)
    assert (read[0]["width"], read[0]["pixel accuracy"], read[0]["share of sky"]) == ("40", "", "0.5")
    failed = report.csv_text(report.report("x", [Row("c.png", error="This file is empty.")], card_of()))
    (only,) = csv.DictReader(io.StringIO(failed))
    assert (only["error"], only["uncertainty"], only["share of sky"]) == ("This file is empty.", "", "")


@pytest.fixture
def folder(tmp_path, rgb) -> Path:
    """Three pictures, one of them with a mask, and a broken one."""
    inside = tmp_path / "set"
    (inside / "masks").mkdir(parents=True)
    for i in range(3):
        Image.fromarray(rgb[i:]).save(inside / f"p{i}.png")
    Image.fromarray(np.zeros(rgb.shape[:2], np.uint8)).save(inside / "masks/p0.png")
    (inside / "broken.png").write_bytes(b"x")
    return inside


@pytest.fixture
def loads(monkeypatch, model):
    """`zoo.load` gives the random model, and remembers what was asked for."""
    asked = []
    monkeypatch.setattr(zoo, "load", lambda name, device="cpu": asked.append((name, device)) or model)
    return asked


def test_a_run_writes_one_file_and_nothing_else(folder, tmp_path, loads):
    lines, out = [], tmp_path / "report.html"
    made = report.run("any", folder, out, progress=lines.append)
    assert [line.split(",")[0].split(":")[0] for line in lines] == [f"{i} of 4" for i in range(1, 5)]
    assert lines[0].startswith("1 of 4")
    assert "broken.png: This file is not a PNG" in lines[0]
    assert "left: p0.png" in lines[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "set"]
    names = [x["data-value"] for x in Page(out.read_text()).all("td") if x["class"] == "name"]
    assert names[0] == "p0.png", "the only one whose error is known"
    assert loads == [("any", "cpu")]
    assert report.sentence(made).startswith("4 pictures, 1 failed, pixel accuracy")


def test_limit_second_model_and_csv(folder, tmp_path, loads):
    out = tmp_path / "report.csv"
    report.run("any", folder, out, second="other", limit=2, device="cuda")
    read = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf8"))))
    assert [x["name"] for x in read] == ["p0.png", "broken.png"]
    assert read[0]["disagreement"] == "0.0", "it is the same model here"
    assert loads == [("any", "cuda"), ("other", "cuda")]


def test_a_run_that_was_stopped_goes_on(folder, tmp_path, loads, model, monkeypatch):
    out, looked = tmp_path / "report.html", []
    encode = model.encode
    monkeypatch.setattr(model, "encode", lambda rgb: looked.append(rgb.shape) or encode(rgb))

    def stop(line: str) -> None:
        if "p1" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        report.run("any", folder, out, progress=stop)
    partial = tmp_path / "report.html.partial.jsonl"
    assert len(partial.read_text().splitlines()) == 2
    assert not out.exists()
    partial.write_text(partial.read_text() + '{"format": 1, "place": "cut o')
    report.run("any", folder, out)
    assert [shape[0] for shape in looked] == [90, 89, 88], "each picture was looked at once"
    assert not partial.exists()
    assert len(Page(out.read_text()).all("tr")) == 5


def test_rows_outlive_the_process_unchanged(tmp_path):
    path = tmp_path / "p.jsonl"
    kept = report.Partial(path)
    kept["one"], kept["two"] = ROWS[0], ROWS[3]
    kept["one"] = ROWS[0]
    assert len(path.read_text().splitlines()) == 2, "what is there is not written again"
    read = report.Partial(path)
    assert {place: vars(found) for place, found in read.items()} == {"one": vars(ROWS[0]), "two": vars(ROWS[3])}


@pytest.mark.parametrize("line", ["", "null", "[]", '{"format": 1}', '{"format": 2, "place": "a", "row": {}}',
                                  '{"format": 1, "place": "a", "row": {"thumbnail": "?"}}',
                                  '{"format": 1, "place": "a", "row": 3}', "\x00\xff"])  # fmt: skip
def test_lines_of_another_kind_are_left_out(tmp_path, line):
    path = tmp_path / "p.jsonl"
    path.write_text(line + "\n")
    assert not report.Partial(path)


def test_mistakes_are_sentences(folder, tmp_path, loads):
    with pytest.raises(CollectionError, match=r"written as \.html, \.csv or \.json, not as report\.pdf"):
        report.run("any", folder, tmp_path / "report.pdf")
    with pytest.raises(CollectionError, match="no folder or zip"):
        report.run("any", tmp_path / "nowhere", tmp_path / "report.html")
    assert not loads, "said before a model is loaded"


def test_a_report_of_hundreds_of_pictures_stays_small(model, rgb):
    out = io.BytesIO()
    Image.fromarray(np.asarray(Image.fromarray(rgb).resize((640, 443)))).save(out, "PNG")
    ((one, _),) = batch.rows(model, [Item("a.png", out.getvalue)])
    text = report.html(report.report("x", [one] * 200, card_of()))
    assert len(text) < 200 * 60_000


def test_csv_and_json_hold_iou_by_class_and_the_confusion_of_each_picture():
    made = report.report("x", ROWS, card_of(), notes=("A note.",))
    line = next(x for x in csv.DictReader(io.StringIO(report.csv_text(made))) if x["name"] == "d.png")
    assert (line["IoU of sky"], line["pixels of sky called tree"], line["pixels of sky called sky"]) == (
        "0.2",
        "8",
        "2",
    )
    found = json.loads(report.json_text(made))
    one = next(x for x in found["pictures"] if x["name"] == "d.png")
    assert one["confusion"] == [list(true) for true in counts(2, 8)]
    assert one["iou by class"][:3] == [0.2, 0, None]
    assert found["iou by class"][0] == 0.55
    assert found["figures"]["mean IoU, classes in the truth"] == 0.55
    assert found["figures"]["mean IoU, classes in truth or answer"] == 0.275, "the false alarm of a tree counts 0"
    assert found["notes"] == ["A note."]


def test_classes_of_one_name_are_told_apart_by_their_place():
    """As on the pages; a name that looks like a told-apart one stays its own."""
    twins = card_of(classes=("a", "a", "a (2)", "c", "d", "e", "f", "g"))
    text = report.csv_text(report.report("x", ROWS, twins))
    heads = csv.DictReader(io.StringIO(text)).fieldnames
    assert len(set(heads)) == len(heads)
    assert {"share of a", "share of a (2)", "share of a (3)", "IoU of c"} <= set(heads)
    assert "a (3)" in report.html(report.report("x", ROWS, twins))


def test_both_conventions_of_mean_iou_and_what_sorts_are_named():
    text, found = page([*ROWS, row("e.png", remarks=("Read by: Class index.",))])
    words = "".join(found.texts["small"])
    assert "classes in the truth" in words
    assert "classes in truth or answer" in words
    assert "Sorted by error" in text
    assert "1 of 5 pictures: Read by: Class index." in "".join(found.texts["p"])


def test_what_is_unsure_is_said_with_its_pairs(folder, tmp_path, loads):
    (folder / "labels").mkdir()
    (folder / "labels/p0.png").write_bytes((folder / "masks/p0.png").read_bytes())
    lines = []
    made = report.run("any", folder, tmp_path / "r.html", progress=lines.append)
    assert any("two masks fit one picture" in line for line in lines)
    assert any("p0.png  with  labels/p0.png" in line for line in lines)
    assert any('--masks "labels/"' in line for line in lines)
    assert any("unsure" in note for note in made.notes)
    assert all(row.confusion is None for row in made.rows)
    again = report.run("any", folder, tmp_path / "r.html", masks="labels")
    assert sum(row.confusion is not None for row in again.rows) == 1
