"""The tab in which a network with a transformer is watched while it learns: snapshots of one training, scrubbed."""

from __future__ import annotations

import numpy as np
import streamlit as st
import torch

from engine.runs import Tell, quiet
from engine.spatial.digits_model import DigitModel
from engine.spatial.digits_trace import learning_trace
from engine.spatial.samples import EACH, samples
from engine.trace import Trace
from pages.kit.keeping import told
from pages.kit.keys import linked
from pages.kit.rooms import TRANSFORMER
from pages.kit.viewer import viewer, viewer_panel
from pages.spatial.transformer_shown import network

TASKS = ("RTS", "TC")  # that ship with their snapshots
SHOWN = 12  # digits
SEED = 1  # of their distortions


@st.fragment
def learn() -> None:
    """Ask for the task; show its training."""
    left, right = st.columns([2.15, 1], gap="medium")
    with right:
        task = st.segmented_control("Training", TASKS, default=TASKS[0], **linked(TRANSFORMER, "learn_task"),
                                    required=True)  # fmt: skip
    with left:
        model = network(f"digits-{task.lower()}-affine")
        if model is None:
            return
        trace = told("transformer_learning", (model.card.sha256,), lambda tell: watched(model, tell),
                     "Asking each snapshot ...")  # fmt: skip
        viewer(trace, f"digits_learn_{task}", start=0)
    with right:
        viewer_panel(f"digits_learn_{task}")
        st.markdown("**Step with the arrow keys.** Each grid begins as the identity: the output is the input. What "
                    "the outlines do from then on, they do because the answers get better: there is no loss on theta "
                    "itself.")  # fmt: skip
        st.caption("Affine transformer. Inputs with the outline of their grid (the line inside points to the output's "
                   "upper edge), below each what was sampled, and the answer, green where it is right. The curves are "
                   "of 5,000 validation digits; the dot is this snapshot.")  # fmt: skip


def watched(model: DigitModel, tell: Tell = quiet) -> Trace:
    """The training of `model` on a dozen sample digits, distorted once as its task says."""
    every = samples()
    chosen = np.array([EACH * (i % 10) + i // 10 * 3 + 2 for i in range(SHOWN)])
    digits, labels = torch.tensor(every.images[chosen]).float() / 255, torch.tensor(every.labels[chosen]).long()
    pictures, _ = model.task.draw(digits, labels, torch.Generator().manual_seed(SEED))
    return learning_trace(model, pictures.numpy(), labels.numpy(), tell=tell)
