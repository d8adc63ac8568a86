"""What the page that compares asks: model, variant and views of A and of B, B's picture, the layout; all in the URL."""

from __future__ import annotations

import streamlit as st

from engine import gallery
from pages.debug.compare_sides import Side
from pages.kit import models
from pages.kit.keys import linked
from pages.kit.page import card_text
from pages.kit.picker import Chosen, former, from_gallery, put
from pages.kit.rooms import COMPARE

LAYOUT, ON, VARIANT = "layout", "on", {"A": "va", "B": "vb"}  # keys of the widgets, and names in the URL
MODEL = {"A": "a", "B": "b"}
WIPE, BESIDE = "Wipe", "Side by side"
SAME, FORMER = "the same picture", "the former image"
VIEWS = ", six views"  # at the end of a variant that is averaged


def ask_layout(chosen: Chosen) -> str:
    """One viewer with a wipe, or two; beside it the button that swaps A and B."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        layout = st.segmented_control("Layout", (WIPE, BESIDE), default=WIPE, required=True, **linked(COMPARE, LAYOUT),
                                      label_visibility="collapsed")  # fmt: skip
        if st.button("Swap", icon=":material/swap_horiz:", key="swap", on_click=_swap, args=(chosen,),
                     help="A becomes B, and B becomes A: models, variants and pictures."):  # fmt: skip
            st.rerun()
    return layout


def ask_sides(chosen: Chosen) -> tuple[Side, Side]:
    """A and B. Raises ModelError."""
    here = tuple(filter(models.here, models.segmenters()))
    left = _ask("A", here, "fcn-scenes", chosen)
    right = _ask("B", here, "recurrent", chosen)
    pictures = (SAME, *([FORMER] if former() else []), *gallery.names())
    _forget(ON, pictures)
    name = st.selectbox("B looks at", pictures, **linked(COMPARE, ON), filter_mode=None)
    return left, _at(right, _picture(name, chosen))


def _ask(who: str, names: tuple[str, ...], usual: str, chosen: Chosen) -> Side:
    """A row: the model, its variant, its card."""
    words, variants, card = st.columns([1.2, 1.2, 0.3], gap="small", vertical_alignment="bottom")
    _forget(MODEL[who], names)
    name = words.selectbox(who, names, names.index(usual), **linked(COMPARE, MODEL[who]), filter_mode=None)
    model = models.model(name)
    options = [v + end for end in ("", *([VIEWS] if models.averages(model) else [])) for v in model.scored]
    _forget(VARIANT[who], options)
    picked = variants.selectbox("Variant", options, options.index(model.usual), **linked(COMPARE, VARIANT[who]),
                                filter_mode=None, label_visibility="hidden",
                                help="Six views: three sizes, each also mirrored, and their mean.")  # fmt: skip
    with card.popover("", icon=":material/badge:", type="tertiary", help=f"The card of {who}"):
        card_text(model.card)
    return Side(who, name, model, picked.removesuffix(VIEWS), picked.endswith(VIEWS), chosen)


def _at(side: Side, chosen: Chosen) -> Side:
    return Side(side.who, side.name, side.model, side.variant, side.average, chosen)


def _picture(name: str, chosen: Chosen) -> Chosen:
    """The picture that B looks at."""
    if name == SAME:
        return chosen
    return former() if name == FORMER else from_gallery(name)


def _forget(key: str, options: tuple[str, ...] | list[str]) -> None:
    """Another model has other variants: what is no option any more falls back to the usual one."""
    if st.session_state.get(key, options[0]) not in options:
        del st.session_state[key]


def _swap(chosen: Chosen) -> None:
    """Models, variants and pictures change places."""
    state = st.session_state
    for keys in (MODEL, VARIANT):
        state[keys["A"]], state[keys["B"]] = state[keys["B"]], state[keys["A"]]
    if state[ON] != SAME:
        put(_picture(state[ON], chosen))
        state[ON] = chosen.slug or FORMER
