"""The command line: list, trace, train, evaluate, report on and time the models.

Progress goes to stderr and results to stdout; a mistake of the user is one sentence on stderr and exit code 2.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine import registry, zoo
from engine.cards import ModelError
from engine.data import DataError
from engine.images import ImageError, decode
from engine.trace import TraceError

MODEL = "a name that `models` prints, or a file: .onnx or .safetensors"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    options = parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except (ModelError, DataError, ImageError, TraceError) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{error.filename or 'A file'} cannot be used: {error.strerror or error}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """All commands with their options; `run` of the parsed options is the function to call."""
    top = argparse.ArgumentParser(prog="python -m engine", description="See where networks look.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int | None], words: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=words, description=words)
        added.set_defaults(run=run)
        return added

    command("models", models, "names, one line of card each")
    one = command("trace", trace, "run a model on a picture: trace.npz, trace.json and a PNG per step")
    one.add_argument("model", help=MODEL)
    one.add_argument("image", type=Path)
    one.add_argument("--out", type=Path, required=True)
    one.add_argument("--palette", choices=("safe", "voc"), default="safe")
    two = command("train", train, "train a model, write its weights and card")
    two.add_argument("--out", type=Path, default=None, help="folder of checkpoints, runs/MODEL by default")
    two.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    three = command("evaluate", evaluate, "score a model on a data set; the last line is JSON")
    three.add_argument(
        "--split", default="val", help="all, train, val or test, as the data have it; VOC: a list's name"
    )
    three.add_argument("--limit", type=_positive, default=None, help="score only so many pictures")
    three.add_argument("--average", action="store_true", help="score the mean over mirrored and scaled views too")
    for one_of in (two, three):
        one_of.add_argument("model", help=MODEL if one_of is three else None)
        one_of.add_argument(
            "--data", type=Path, required=True, help="what holds iccv09Data, VOCdevkit, flickr8k or MNIST"
        )
    five = command(
        "report", report, "run a model over many pictures: one HTML, CSV or JSON file; a stopped run goes on"
    )
    five.add_argument("model", help=MODEL)
    five.add_argument("pictures", type=Path, metavar="DIR", help="folder or zip; masks in masks/ or NAME_mask.png")
    five.add_argument("--out", type=Path, required=True, help="FILE.html, FILE.csv or FILE.json")
    five.add_argument("--against", metavar="MODEL", default=None, help="a model to disagree with")
    five.add_argument(
        "--masks", metavar="DIR", default=None, help="the folder of masks, where it is not found by itself"
    )
    five.add_argument("--fail-under", metavar="METRIC=VALUE", action="append", default=[],
                      help="exit with 1 where a figure of all pictures is below, or could not be judged: "
                           "pixel-accuracy=0.9, mean-iou=60%%, iou-of-NAME=0.5")  # fmt: skip
    five.add_argument("--limit", type=_positive, default=None, help="take only so many pictures")
    for one_of in (one, two, three, five):
        one_of.add_argument("--device", type=_device, default="cpu")
    four = command("bench", bench, "time models at 640x480; one line of JSON each")
    four.add_argument("names", nargs="*", metavar="NAME", help=MODEL)
    four.add_argument("--tries", type=_positive, default=30)
    for one_of in (one, three, five, four):
        said = one_of.add_argument_group("what a model's file does not say; MODEL.json beside it may hold the same")
        said.add_argument("--classes", help="names with commas between them, their number, or a file of a name a line")
        said.add_argument("--size", help="pixels of the longer side, or WIDTHxHEIGHT")
        said.add_argument("--mean", help="three numbers, such as 0.485,0.456,0.406")
        said.add_argument("--std", help="three numbers, such as 0.229,0.224,0.225")
    return top


def models(options: argparse.Namespace) -> None:
    """Print each model's card in one line, or why there is none."""
    for name in zoo.names():
        try:
            print(registry.card(name).line)
        except ModelError:
            print(f"{name} · not trained yet")


def trace(options: argparse.Namespace) -> None:
    """Save the Trace of one picture and a PNG of each of its steps."""
    from engine import render

    picture = decode(options.image.read_bytes())
    if picture.notice:
        _say(picture.notice)
    result = _load(options.model, options.device, options).trace(picture.rgb)
    result.save(options.out)
    for i, step in enumerate(result.steps):
        (options.out / f"step{i}.png").write_bytes(render.png(result, i, palette=options.palette))
        print(f"step{i}.png  {step.title}: {step.sentence}")


def train(options: argparse.Namespace) -> None:
    """Train a model by its recipe."""
    from engine.train import plans

    try:
        card = plans.train(options.model, options.data, options.out, options.device, options.resume)
    except ImportError as error:  # the ImageNet weights are a package of their own; its message says which
        raise ModelError(str(error)) from error
    print(card.line)


def evaluate(options: argparse.Namespace) -> None:
    """Score a model; the last line of stdout is JSON. With --average it also holds "averaged", the same figures."""
    from engine import evaluate as scoring

    model = _load(options.model, options.device, options)
    data = scoring.data_for(model.card, options.data, options.split)
    averaged = None
    if options.average:  # first: what has no mean over views says so at once
        averaged = scoring.evaluate(model, data, limit=options.limit, average=True, progress=_say)
    result = scoring.evaluate(model, data, limit=options.limit, progress=_say)
    if averaged is not None:
        result["averaged"] = {k: v for k, v in averaged.items() if k not in ("data", "split", "images")}
    print(json.dumps({"model": options.model, **result}), flush=True)


def report(options: argparse.Namespace) -> int:
    """Run a model over many pictures and write the report; 1 where a figure is below what was asked for."""
    from engine.debug import batch
    from engine.debug import report as reporting

    wanted = [reporting.threshold(text) for text in options.fail_under]
    one = _load(options.model, options.device, options)
    two = _load(options.against, options.device) if options.against else None
    for name, _ in wanted:  # a wrong name is known before an hour of work
        reporting.judged(batch.summary([]), one.card.classes, name)
    made = reporting.run(one, options.pictures, options.out, two, _say, options.limit, options.device,
                         options.masks)  # fmt: skip
    print(f"{options.out}: {reporting.sentence(made)}")
    failed = 0
    for name, least in wanted:
        value = reporting.judged(batch.summary(made.rows), made.card.classes, name)
        if value is None or value < least:
            found = "could not be judged" if value is None else f"is {value:.4f}"
            print(f"{name} {found}; at least {least:g} was asked for.", file=sys.stderr)
            failed = 1
    return failed


def bench(options: argparse.Namespace) -> None:
    """Time models and torchvision's peers; one line of JSON each."""
    from engine import bench as timing

    for line in timing.bench(options.names, tries=options.tries, progress=_say,
                             load=lambda name: _load(name, "cpu", options)):  # fmt: skip
        print(json.dumps(line), flush=True)


def _load(name: str, device: str, said: argparse.Namespace | None = None) -> Any:
    """The model called `name`, or in the file of that name; published weights are fetched first, with progress.

    said: what the user says of a model's file. Raises ModelError, OSError.
    """
    from engine.debug import model_file

    told = {key: value for key in ("classes", "size", "mean", "std") if (value := getattr(said, key, None)) is not None}
    if model_file.is_file(name):
        if Path(told.get("classes", "")).is_file():
            told["classes"] = Path(told["classes"]).read_text(encoding="utf8").strip()
        return model_file.load(name, device, tell=_say, **told)
    if told:
        raise ModelError(f"{name} is no model's file, so --{next(iter(told))} says nothing of it.")
    if name in zoo.names() and "url" in (card := registry.card(name)).settings:
        from engine.segmentation import published

        published.download(card, _percent())
    return zoo.load(name, device)


def _percent() -> Callable[[int, int], None]:
    """Progress of a download, said at most once a second."""
    last = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > 1:
            last = time.monotonic()
            _say(f"{done / 1e6:.0f} of {total / 1e6:.0f} MB" if total else f"{done / 1e6:.0f} MB")

    return progress


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a count of at least 1")
    return value


def _device(text: str) -> str:
    """A device that PyTorch has here."""
    import torch

    try:
        torch.zeros(1, device=text)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise argparse.ArgumentTypeError(f"there is no device {text!r} here") from error
    return text


if __name__ == "__main__":
    sys.exit(main())
