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

_MODEL = "a name that `models` lists, or a file: .onnx, .safetensors"


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
    one.add_argument("model", metavar="MODEL", help=_MODEL)
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
    two.add_argument("model")
    three.add_argument("model", metavar="MODEL", help=_MODEL)
    for one_of in (two, three):
        one_of.add_argument(
            "--data", type=Path, required=True, help="what holds iccv09Data, VOCdevkit, flickr8k or MNIST"
        )
    five = command("report", report, "run a model over many pictures: one HTML or CSV file; a stopped run goes on")
    five.add_argument("model", metavar="MODEL", help=_MODEL)
    five.add_argument("pictures", type=Path, metavar="DIR", help="folder or zip; masks are found beside")
    five.add_argument("--out", type=Path, required=True, help="FILE.html, FILE.csv or FILE.json")
    five.add_argument("--against", metavar="MODEL", default=None, help="a model to disagree with")
    five.add_argument("--masks", metavar="DIR", default=None, help='the folder of the masks, or "no masks"')
    five.add_argument("--reading", metavar="NAME", default=None, help="how all masks are read, e.g. class-index")
    five.add_argument("--fail-under", metavar="METRIC=VALUE", action="append", default=[],
                      help="exit with 1 where the report is below it, e.g. mean-iou=0.6; may come again")  # fmt: skip
    five.add_argument("--limit", type=_positive, default=None, help="take only so many pictures")
    for one_of in (one, two, three, five):
        one_of.add_argument("--device", type=_device, default="cpu")
    four = command("bench", bench, "time models at 640x480; one line of JSON each")
    four.add_argument("names", nargs="*", metavar="MODEL", help=_MODEL)
    for one_of in (one, three, four, five):
        own = one_of.add_argument_group(
            "a model's file", "what is not said is guessed, or read from NAME.json beside it"
        )
        own.add_argument("--classes", metavar="LIST", help="names with commas between, or a file with one a line")
        own.add_argument("--size", help="pixels of the longer side, or WIDTHxHEIGHT")
        own.add_argument("--mean", metavar="R,G,B")
        own.add_argument("--std", metavar="R,G,B")
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
    result = _load(options.model, options).trace(picture.rgb)
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

    model = _load(options.model, options)
    data = scoring.data_for(model.card, options.data, options.split)
    averaged = None
    if options.average:  # first: what has no mean over views says so at once
        averaged = scoring.evaluate(model, data, limit=options.limit, average=True, progress=_say)
    result = scoring.evaluate(model, data, limit=options.limit, progress=_say)
    if averaged is not None:
        result["averaged"] = {k: v for k, v in averaged.items() if k not in ("data", "split", "images")}
    print(json.dumps({"model": options.model, **result}), flush=True)


def report(options: argparse.Namespace) -> int:
    """Run a model over many pictures and write the report; 1 where it misses a threshold."""
    from engine.debug import report as reporting

    least = [reporting.threshold(text) for text in options.fail_under]
    if options.reading:
        reporting.reading_called(options.reading)  # mistakes are said before a model is loaded
    model = _load(options.model, options)
    second = _load(options.against, options, own=False) if options.against else None
    made = reporting.run(model, options.pictures, options.out, second, _say, options.limit, options.device,
                         options.masks, options.reading)  # fmt: skip
    print(f"{options.out}: {reporting.sentence(made)}", flush=True)
    missed = [sentence for metric, value in least if (sentence := reporting.shortfall(made, metric, value))]
    for sentence in missed:
        _say(sentence)
    return 1 if missed else 0


def bench(options: argparse.Namespace) -> None:
    """Time models and torchvision's peers; one line of JSON each."""
    from engine import bench as timing

    own = {"load": lambda name: _load(name, options)} if any(map(_is_file, options.names)) else {}
    for line in timing.bench(options.names, tries=options.tries, progress=_say, **own):
        print(json.dumps(line), flush=True)


def _load(name: str, options: argparse.Namespace, own: bool = True) -> Any:
    """The model called `name`, or in that file; published weights are fetched first, with progress. Raises ModelError.

    own: the options about a model's file are about this one.
    """
    device = getattr(options, "device", "cpu")
    said = {key: getattr(options, key) for key in ("classes", "size", "mean", "std")} if own else {}
    if _is_file(name):
        from engine.debug import model_file

        if said.get("classes") and (listed := Path(said["classes"])).suffix and listed.is_file():
            said["classes"] = listed.read_text(encoding="utf-8-sig", errors="replace")
        return model_file.load(name, device, _say, **said)
    if odd := [
        f"--{key}" for key, value in said.items() if value is not None and not any(map(_is_file, _names(options)))
    ]:
        raise ModelError(f"{' and '.join(odd)} can be said of a model's file, not of {name[:80]!r}.")
    if name in zoo.names() and "url" in (card := registry.card(name)).settings:
        from engine.segmentation import published

        published.download(card, _percent())
    return zoo.load(name, device)


def _names(options: argparse.Namespace) -> list[str]:
    """The models that the options name."""
    return [*getattr(options, "names", []), *([options.model] if hasattr(options, "model") else [])]


def _is_file(name: str) -> bool:
    """True for a file of a model, by its ending or because it is there."""
    return name not in zoo.names() and (Path(name).suffix.lower() in (".onnx", ".safetensors") or Path(name).is_file())


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
