"""What stands below the picture on the page of own models: where to go now, other ways in, and code to copy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import streamlit as st

from engine import render
from engine.debug import onnx_dry, onnx_model, onnx_process
from engine.debug.onnx_model import OnnxModel
from engine.debug.onnx_spec import Spec
from engine.trace import Layer, Step, Trace
from pages.debug import own_snippets as snippets
from pages.debug.own_check import patient
from pages.debug.own_words import written
from pages.kit.page import code
from pages.kit.rooms import COMPARE, FCN, LAYERS, MANY, PROBE, ROOT, TRUTH, PageInfo

# page -> name in its URL of the box where a model is chosen
GO: tuple[tuple[PageInfo, str], ...] = ((FCN, "model"), (TRUTH, "model"), (COMPARE, "a"), (PROBE, "model"),
                                        (LAYERS, "model"), (MANY, "many_model"))  # fmt: skip


def go(model) -> None:
    """Links to the pages on which the model can be chosen now."""
    st.markdown("Your model is in the list **Model** of these pages now, for as long as this visit lasts:")
    with st.container(horizontal=True, gap="small"):
        for page, key in GO:
            st.page_link(ROOT / page.path, label=page.title, icon=page.icon,
                         query_params={key: model.card.name})  # fmt: skip


def others(model: OnnxModel, rgb: np.ndarray, take: Callable[[Spec], None]) -> None:
    """The same picture with other scales and orders of channels, for the eye to judge."""
    st.markdown("Not sure how it was trained? The same network, the same picture, six ways in. Take the one that "
                "makes sense.")  # fmt: skip
    key = ("own_others", model.card.name)
    if st.session_state.get("own_others_of") != key:
        if not st.button("Try six ways", icon=":material/grid_view:", key="own_try"):
            return
        st.session_state["own_others"] = patient(lambda tick: _tried(model, rgb), "Six runs ...")
        st.session_state["own_others_of"] = key
        st.rerun()
    tried = st.session_state["own_others"]
    if not tried:
        st.caption("This network takes whole numbers or grey: there is one way in.")
    for row in range(0, len(tried), 3):
        for column, (at, (spec, picture)) in zip(st.columns(3), enumerate(tried[row : row + 3], row), strict=False):
            column.image(picture, width="stretch", output_format="JPEG")
            column.caption(
                f"{spec.channels}, {spec.scale}" + (f", mean {written(spec.mean)}" if any(spec.mean) else "")
            )
            column.button("Take this", key=f"own_take_{at}", on_click=take, args=(spec,), disabled=spec == model.spec)


def _tried(model: OnnxModel, rgb: np.ndarray) -> list[tuple[Spec, np.ndarray]]:
    found = list(onnx_dry.others(model, rgb))
    steps = tuple(Step("", "", (Layer("labels", "labels", labels),)) for _, labels in found)
    trace = Trace(rgb, {}, steps, model.card.classes, model.colours)
    return [(spec, render.render(trace, i, opacity=0.7)) for i, (spec, _) in enumerate(found)]


def bringing() -> None:
    """How a network or weights leave PyTorch."""
    st.markdown("**A network as ONNX**, any architecture. Where torch writes two files, `.onnx` and `.onnx.data`, "
                "bring both at once; `external_data=False` writes one:")  # fmt: skip
    st.code(snippets.EXPORT)
    st.markdown("Class names and normalisation can travel in the file:")
    st.code(snippets.NAMES)
    st.markdown("**Weights as safetensors**, for FCN, Patches, MultiScale and Recurrent of this app, and torchvision's "
                "FCN, DeepLabV3 and LR-ASPP:")  # fmt: skip
    st.code(snippets.SAVE)


def python() -> None:
    """How an engineer's own Python model joins."""
    st.markdown("A model in Python joins through one function, `engine.registry.register`. It is then on every page, "
                "in `python -m engine` and in notebooks, like one of ours.")  # fmt: skip
    st.code(snippets.REGISTER)
    st.markdown("A package that is installed beside this app names that function in its entry points:")
    st.code(snippets.ENTRY, "toml")


def promises() -> None:
    """What is done with a stranger's file."""
    st.markdown(
        "- What is **in** a file decides, not its name. A pickle (`.pt`, `.pth`, `.ckpt`) could run any code when it "
        "is opened, so it never is.\n"
        "- A network in ONNX is parsed, checked and run in **a process of its own**: no files, no network, no "
        f"environment, 3 GB of memory, {onnx_process.RUN_SECONDS:.0f} seconds a run. If it crashes, you read a "
        "sentence and the app goes on.\n"
        "- Weights in a second file are taken from what you brought, never from a path. Operators from elsewhere and "
        "shapes beyond measure are refused first.\n"
        f"- It is yours alone, ends with your visit, and after {onnx_process.IDLE / 60:.0f} minutes without a question "
        "its process rests."
    )


def source(model) -> None:
    """The code that made this picture."""
    if isinstance(model, OnnxModel):
        code(OnnxModel, onnx_model.as_input, onnx_model.as_logits, onnx_process.Process)
    else:
        code(type(model))
