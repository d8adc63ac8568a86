"""The tab that says where the networks here differ from the paper's; what can be read from the cards is read there."""

from __future__ import annotations

import streamlit as st

from pages.spatial.transformer_shown import Shown


def paper(shown: Shown) -> None:
    """Rows of the paper and of what is here, for the networks in hand."""
    card, layout = shown.model.card, shown.model.net.layout
    recipe = (card.training.get("recipes") or [{}])[0]
    epochs, batch, rate, slower = (recipe.get(key, "?") for key in ("epochs", "batch", "rate", "transformer_rate"))
    parts = {"the transformer": shown.model, "the plain CNN": shown.plain}
    sizes = ", ".join(f"{name} {sum(p.numel() for p in model.net.parameters()):,}" for name, model in parts.items()
                      if model is not None)  # fmt: skip
    widths = " + ".join(map(str, layout.widths))
    st.markdown(
        "| Jaderberg et al. 2015 | here |\n|---|---|\n"
        f"| networks of about the same size on each task | {sizes} parameters |\n"
        f"| CNNs with two max-pooling layers | three convolutions ({widths} filters), each with max-pooling, then "
        f"{layout.hidden} hidden units |\n"
        "| no batch normalisation | batch normalisation, so that a short training is enough |\n"
        f"| SGD, 150,000 steps of 256 pictures | AdamW and one cycle, {epochs} epochs of 55,000 pictures in batches of "
        f"{batch}; peak learning rate {rate}, of the transformer {slower} |\n"
        "| localisation begins as the identity; TPS with 16 control points | the same |\n"
        "| distortions made on the fly, tested on the standard 10,000 digits | the same, the test with a fixed seed |"
    )
    st.caption(f"{card.title}: trained {card.training.get('minutes', '?')} minutes on "
               f"{card.training.get('hardware', '?')}.")  # fmt: skip
