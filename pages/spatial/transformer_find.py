"""The tab of co-localisation: pictures of one digit, and a network that learned to find it without a single box."""

from __future__ import annotations

import streamlit as st
import torch

from engine.runs import Tell, quiet
from engine.spatial.colocal import HIT, scenes
from engine.spatial.digits_trace import finding_trace
from engine.spatial.finding_model import FindModel
from engine.spatial.samples import EACH, samples
from engine.trace import Trace
from pages.kit.keeping import told
from pages.kit.keys import linked
from pages.kit.rooms import TRANSFORMER
from pages.kit.viewer import viewer, viewer_panel
from pages.spatial.transformer_shown import network
from pages.spatial.transformer_sum import shaken

TASKS = {"T": "moved", "TC": "moved, cluttered"}
SHOWN = 12  # pictures


@st.fragment
def find() -> None:
    """Ask for the task and the digit; show the boxes over the training."""
    left, right = st.columns([2.15, 1], gap="medium")
    with right, st.container(border=True, gap="small"):
        task = st.segmented_control("Pictures", list(TASKS), format_func=TASKS.get, default="TC",
                                    **linked(TRANSFORMER, "find_task"), required=True)  # fmt: skip
        digit = st.segmented_control("Digit", range(10), default=3, **linked(TRANSFORMER, "find_digit"),
                                     required=True)  # fmt: skip
        seed = shaken("New pictures", "find_seed")
    with left:
        model = network(f"digits-find-{task.lower()}")
        if model is None:
            return
        trace = told("transformer_finding", (model.card.sha256, digit, seed),
                     lambda tell: searched(model, digit, seed, tell), "Asking each snapshot ...")  # fmt: skip
        viewer(trace, f"digits_find_{task}")
    with right:
        viewer_panel(f"digits_find_{task}")
        share = model.card.figures.get("by_digit", {}).get(str(digit))
        known = "" if share is None else f" Of the test pictures with a {digit} it finds **{100 * share:.1f} %**."
        st.markdown("**No box was ever shown to it.** It saw pairs of pictures with the same digit, and learned to cut "
                    f"out what makes two crops alike and unlike a random crop.{known}")  # fmt: skip
        st.caption(f"Appendix A.2. Green: the box meets the true one (thin) with IoU > {HIT:g}. The size of the box is "
                   "given, its place is learned. The curves are of 5,000 validation digits.")  # fmt: skip


def searched(model: FindModel, digit: int, seed: int, tell: Tell = quiet) -> Trace:
    """A dozen pictures of samples of `digit`, laid out as `seed` says; distractors come from all digits."""
    dice = torch.Generator().manual_seed(seed)
    every = torch.tensor(samples().images).float() / 255
    which = torch.randint(EACH, (SHOWN,), generator=dice) + EACH * digit
    others = torch.randperm(len(every), generator=dice)
    drawn = scenes(torch.cat([every[which], every[others]]), model.task, dice)
    return finding_trace(model, drawn.pictures[:SHOWN].numpy(), drawn.centres[:SHOWN].numpy(), tell=tell)
