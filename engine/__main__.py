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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except (ModelError, DataError, ImageError, TraceError) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{error.filename or 'A file'} cannot be used: {error.strerror or error}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """All commands with their options; `run` of the parsed options is the function to call."""
    top = argparse.ArgumentParser(prog="python -m engine", description="See where networks look.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], None], words: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=words, description=words)
        added.set_defaults(run=run)
        return added

    command("models", models, "names, one line of card each")
    one = command("trace", trace, "run a model on a picture: trace.npz, trace.json and a PNG per step")
    one.add_argument("model")
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
        one_of.add_argument("model")
        one_of.add_argument(
            "--data", type=Path, required=True, help="what holds iccv09Data, VOCdevkit, flickr8k or MNIST"
        )
    five = command("report", report, "run a model over many pictures: one HTML or CSV file; a stopped run goes on")
    five.add_argument("model")
    five.add_argument("pictures", type=Path, metavar="DIR", help="folder or zip; masks in masks/ or NAME_mask.png")
    five.add_argument("--out", type=Path, required=True, help="FILE.html or FILE.csv")
    five.add_argument("--against", metavar="MODEL", default=None, help="a model to disagree with")
    five.add_argument("--limit", type=_positive, default=None, help="take only so many pictures")
    for one_of in (one, two, three, five):
        one_of.add_argument("--device", type=_device, default="cpu")
    four = command("bench", bench, "time models at 640x480; one line of JSON each")
    four.add_argument("names", nargs="*", metavar="NAME")
    four.add_argument("--tries", type=_positive, default=30)
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
    result = _load(options.model, options.device).trace(picture.rgb)
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

    model = _load(options.model, options.device)
    data = scoring.data_for(model.card, options.data, options.split)
    averaged = None
    if options.average:  # first: what has no mean over views says so at once
        averaged = scoring.evaluate(model, data, limit=options.limit, average=True, progress=_say)
    result = scoring.evaluate(model, data, limit=options.limit, progress=_say)
    if averaged is not None:
        result["averaged"] = {k: v for k, v in averaged.items() if k not in ("data", "split", "images")}
    print(json.dumps({"model": options.model, **result}), flush=True)


def report(options: argparse.Namespace) -> None:
    """Run a model over many pictures and write the report."""
    from engine.debug import report as reporting

    for name in filter(None, (options.model, options.against)):
        _load(name, options.device)  # published weights are fetched with progress
    made = reporting.run(options.model, options.pictures, options.out, options.against, _say, options.limit,
                         options.device)  # fmt: skip
    print(f"{options.out}: {reporting.sentence(made)}")


def bench(options: argparse.Namespace) -> None:
    """Time models and torchvision's peers; one line of JSON each."""
    from engine import bench as timing

    for line in timing.bench(options.names, tries=options.tries, progress=_say):
        print(json.dumps(line), flush=True)


def _load(name: str, device: str) -> Any:
    """The model called `name`; published weights are fetched first, with progress. Raises ModelError."""
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
