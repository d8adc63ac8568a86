"""The form of guesses about a file: how pictures go in, what comes out; each can be changed, and is checked again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from engine.debug.architectures import Choice
from engine.debug.onnx_spec import CHANNELS, KINDS, LAYOUTS, LAYOUTS_IN, MOST_SIDE, SCALES, Spec
from pages.debug.own_state import Desk, Draft
from pages.debug.own_words import numbers, parts, written

_CALLED = {"logits": "logits: any scores", "probabilities": "probabilities", "labels": "labels, argmax inside"}


def ask(desk: Desk) -> None:
    """The guesses as a form; "Check it" says what stands there."""
    draft, key = desk.draft, f"{desk.turn}_{desk.shown[:8]}"
    with st.form(f"own_form_{key}", border=False):
        said = _network(draft, key) if isinstance(draft.said, Spec) else _weights(draft, key)
        wanted = st.form_submit_button("Check it", icon=":material/fact_check:", width="stretch", key="own_check")
    if wanted:
        try:
            desk.say(said())
        except ValueError as error:
            st.error(str(error))
        else:
            st.rerun()


def _network(draft: Draft, key: str) -> Callable[[], Spec]:
    """Widgets about a network in ONNX; what is said in them. Raises ValueError where it cannot be."""
    said: Spec = draft.said
    classes = _classes(said.classes, key)
    left, right = st.columns(2, gap="small")
    with left:
        scale = _select("Scale", list(SCALES), said.scale, key, "What is done to pixels from 0 to 255 at first.")
        channels = _select("Channels", list(CHANNELS), said.channels, key, "OpenCV's networks often want BGR.")
    with right:
        kind = _select("It gives", KINDS, said.kind, key, "Logits are scores of any size; probabilities lie in 0 to 1, "
                       "softmax or sigmoid is inside; labels are whole numbers.", _CALLED.get)  # fmt: skip
        outputs = [port.name for port in draft.source.info.outputs]
        output = _select("Output", outputs, said.output, key, "The output that holds the map of classes.")
    mean, std = _normalisation(said, key)
    sizes = {}
    left, right = st.columns(2, gap="small")
    if said.height is None or said.width is None:
        sizes = {"longest": left.number_input("Longer side", 32, MOST_SIDE, said.longest, 32, key=f"own_longest_{key}",
                                              help="Pixels of the picture as the network gets it."),
                 "multiple": right.number_input("Multiples of", 1, 256, said.multiple, key=f"own_multiple_{key}",
                                                help="Both sides are rounded to these: the network's coarsest stride.")
                 }  # fmt: skip
    else:
        st.caption(f"Input {said.width} x {said.height} pixels, fixed by the file: pictures are stretched to it.")
    with left:
        layouts = [layout for layout in LAYOUTS_IN if len(layout) == len(said.layout)]
        layout = _select("Layout in", layouts, said.layout, key, "N pictures, C channels, H rows, W columns.")
    with right:
        out_layout = _select("Layout out", LAYOUTS, said.out_layout, key, "C: one map for each class.")

    def spec() -> Spec:
        new = replace(said, classes=parts(classes), scale=scale, channels=channels, kind=kind, output=output,
                      mean=numbers(mean), std=numbers(std), layout=layout, out_layout=out_layout, **sizes)  # fmt: skip
        if sentence := new.wrong():
            raise ValueError(sentence)
        return new

    return spec


def _weights(draft: Draft, key: str) -> Callable[[], Choice]:
    """Widgets about weights; what is said in them. Raises ValueError where it cannot be."""
    said: Choice = draft.said
    classes = _classes(said.classes, key)
    longest = st.number_input("Longer side", 32, MOST_SIDE, said.longest, 32, key=f"own_longest_{key}",
                              help="Pixels of the picture as the network gets it.")  # fmt: skip
    asked = _normalisation(said, key) if draft.found.published else None

    def choice() -> Choice:
        mean, std = map(numbers, asked) if asked else (said.mean, said.std)
        return Choice(parts(classes), longest, mean, std)

    return choice


def _select(label: str, options: list[str] | tuple[str, ...], value: str, key: str, words: str,
            called: Callable[[str], str] = str) -> str:  # fmt: skip
    options = list(options)
    at = options.index(value) if value in options else 0
    return st.selectbox(label, options, at, key=f"own_{label}_{key}", help=words, format_func=called, filter_mode=None)


def _classes(classes: tuple[str, ...], key: str) -> str:
    label = f"{len(classes)} classes" if classes else "Classes: their names, or how many there are"
    words = ("In the order of the output, with commas between them; or how many there are. With the names of a known "
             "data set the gallery's ground truth judges your model.")  # fmt: skip
    return st.text_area(label, ", ".join(classes), height=82, key=f"own_classes_{key}", max_chars=12_000, help=words)


def _normalisation(said: Spec | Choice, key: str) -> tuple[str, str]:
    left, right = st.columns(2, gap="small")
    mean = left.text_input(
        "Mean",
        written(said.mean),
        key=f"own_mean_{key}",
        max_chars=100,
        help="Taken away after the scale. ImageNet: 0.485, 0.456, 0.406. None: 0, 0, 0.",
    )
    std = right.text_input("Deviation", written(said.std), key=f"own_std_{key}", max_chars=100,
                           help="Divided by at last. ImageNet: 0.229, 0.224, 0.225. None: 1, 1, 1.")  # fmt: skip
    return mean, std
