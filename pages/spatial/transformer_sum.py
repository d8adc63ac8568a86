"""The tab of addition: two digits in two channels, two transformers, and the sum."""

from __future__ import annotations

import streamlit as st
import torch

from engine.spatial.curves import FOLLOWED, followed
from engine.spatial.digits_model import DigitModel
from engine.spatial.digits_trace import sum_trace
from engine.spatial.distortions import TASKS
from engine.spatial.samples import EACH, samples
from engine.trace import Trace
from pages.kit.keeping import once
from pages.kit.keys import linked
from pages.kit.rooms import TRANSFORMER
from pages.kit.viewer import viewer, viewer_panel
from pages.spatial.transformer_shown import network

MOST = 9999  # seeds in the URL
SAMPLES = 10 * EACH


@st.fragment
def add() -> None:
    """Ask for two digits and how they lie; show where both transformers look, and the sum."""
    left, right = st.columns([2.15, 1], gap="medium")
    with right, st.container(border=True, gap="small"):
        upper, lower = (_digit(words, key, first) for words, key, first in
                        (("Upper digit", "upper", 4), ("Lower digit", "lower", 9)))  # fmt: skip
        seed = shaken("Shake them", "sum_seed")
    with left:
        model, plain = network("digits-sum-tps"), network("digits-sum-plain")
        if model is None:
            return
        owner = (model.card.sha256, plain and plain.card.sha256, upper, lower, seed)
        viewer(once("transformer_sum", owner, lambda: summed(model, plain, upper, lower, seed)), "digits_sum")
    with right:
        viewer_panel("digits_sum")
        st.markdown(
            f"**{upper} + {lower} = {upper + lower}.** Nobody told either transformer which digit is its own: "
            "only the sum was ever given. Both see both channels; each learns to look where it helps."
        )
        st.markdown("#### Who follows whom")
        moves = once(
            "transformer_followed",
            (model.card.sha256,),
            lambda: followed(model, samples().images),
            "Shaking 400 pairs ...",
        )
        st.dataframe(
            [
                {"": name, "upper digit": f"{upper:.2f}", "lower digit": f"{lower:.2f}"}
                for name, (upper, lower) in zip(("first", "second"), moves, strict=True)
            ],
            hide_index=True,
        )
        st.caption("Correlation of where a grid's middle lies with where a digit lies, over "
                   f"{FOLLOWED * SAMPLES} pairs. Appendix A.1; splines, first blue, second orange.")  # fmt: skip


def _digit(words: str, key: str, first: int) -> int:
    return st.segmented_control(words, range(10), default=first, **linked(TRANSFORMER, key), required=True)


def shaken(label: str, key: str) -> int:
    """A seed that stands in the URL and grows with each click on a button of this label."""
    text = st.query_params.get(key, "1")
    seed = int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else 1
    if st.button(label, icon=":material/casino:", key=f"{key}_button", width="stretch"):
        seed = seed % MOST + 1
        st.query_params[key] = str(seed)
    return seed


def summed(model: DigitModel, plain: DigitModel | None, upper: int, lower: int, seed: int) -> Trace:
    """A sample of each of the two digits, turned, scaled and moved as `seed` says, and their sum."""
    dice = torch.Generator().manual_seed(seed)
    which = torch.randint(EACH, (2,), generator=dice) + EACH * torch.tensor([upper, lower])
    digits = torch.tensor(samples().images[which.numpy()]).float() / 255
    return sum_trace(model, TASKS["SUM"].distort(digits, dice)[:, 0].numpy(), plain)
