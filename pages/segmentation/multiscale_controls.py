"""What the multi-scale page asks: which octaves speak, and how superpixels are made; all of it in the URL."""

from __future__ import annotations

import streamlit as st

from engine.segmentation.multiscale_model import Gains
from engine.segmentation.parsing import USUAL, Superpixels
from pages.kit.keys import linked
from pages.kit.rooms import MULTISCALE

METHODS = ("felzenszwalb", "slic")
OCTAVES = {"o1": "1", "o2": "1/2", "o4": "1/4"}  # key in the URL -> words


def ask_octaves() -> Gains:
    """1 for each octave that speaks and 0 for a muted one, finest first."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown("Octaves")
        return tuple(float(st.toggle(name, True, **linked(MULTISCALE, key))) for key, name in OCTAVES.items())


def ask_superpixels() -> Superpixels:
    """The method of the superpixels and its settings."""
    words, place = st.columns([1, 1.4], vertical_alignment="center", gap="small")
    words.markdown("Superpixels")
    with place.popover("Settings", icon=":material/tune:", width="stretch"):
        method = st.segmented_control("Method", METHODS, default=METHODS[0], **linked(MULTISCALE, "superpixels"),
                                      required=True)  # fmt: skip
        if method == "slic":
            return Superpixels(
                method,
                segments=_slider("How many, about", 20, 2000, USUAL.segments, 20, "segments",
                                 "SLIC: k-means over colour and place"),
                compactness=_slider("Compactness", 1.0, 40.0, USUAL.compactness, 1.0, "compactness",
                                    "High: even squares; low: they follow colour"),
            )  # fmt: skip
        return Superpixels(
            METHODS[0],
            scale=_slider("Scale", 5.0, 500.0, USUAL.scale, 5.0, "scale", "High: fewer, larger regions"),
            sigma=_slider("Smoothing before, pixels", 0.0, 2.0, USUAL.sigma, 0.1, "sigma", "Sigma of a Gaussian"),
            min_size=_slider("Smallest, pixels", 4, 400, USUAL.min_size, 4, "smallest", "Smaller ones are merged"),
        )


def _slider(label: str, low: float, high: float, usual: float, step: float, key: str, words: str) -> float:
    return st.slider(label, low, high, usual, step, **linked(MULTISCALE, key), help=words)
