"""What stands around every picture: the title row above it, the export bar, and the explanations below it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.cards import Card, ModelError
from engine.trace import Trace
from pages.kit import models
from pages.kit.rooms import PageInfo
from pages.kit.viewer import take_picture


@dataclass(frozen=True)
class Frame:
    """The places of a page: `head` for title and export, `picture`, and `side` for controls and readings."""

    head: DeltaGenerator
    picture: DeltaGenerator
    side: DeltaGenerator

    def model(self, page: PageInfo, choose: Callable[[], str]) -> Any | None:
        """The model whose name `choose` asks for; where it is not there a sentence says so, and it is None."""
        try:
            return models.model(choose())
        except ModelError as error:
            st.warning(str(error))
            self.title(page, None)
            return None

    def title(
        self, page: PageInfo, card: Card | None, trace: Trace | Mapping[str, Trace] | None = None, slug: str = ""
    ) -> None:
        """Fill the head: title and badge, and with a trace, or several by their sides, the export of it."""
        with self.head:
            with st.container(width="stretch"):
                title(page, card)
            if card is not None and trace is not None:
                export(trace, f"{card.name}-{slug or 'picture'}")


def frame() -> Frame:
    """Lay out an empty page."""
    head = st.container(horizontal=True, vertical_alignment="top")
    picture, side = st.columns([2.15, 1], gap="medium")
    return Frame(head, picture, side)


def tabs(key: str, builders: Mapping[str, Callable[[], None]]) -> None:
    """Tabs of these names below the picture; only the open one is built."""
    for tab, build in zip(st.tabs(list(builders), key=f"{key}_tab", on_change="rerun"), builders.values(), strict=True):
        if tab.open:
            with tab:
                build()


def title(page: PageInfo, card: Card | None) -> None:
    """The title row: what this is, the lecture's claim, and the model's card as a badge that opens."""
    with st.container(gap=None):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.title(page.title, anchor=False, width="content")
            if card is not None:
                with st.popover(card.line, type="tertiary", icon=":material/badge:", help="The model's card"):
                    card_text(card)
        st.markdown(f":gray[{page.claim} {page.source}]")


def card_text(card: Card) -> None:
    """All of a model's card in words."""
    st.markdown(f"**{card.title}** · {card.summary}")
    averaged = card.figures.get("averaged", {})
    rows = [
        {"": words, "validation": _percent(card.figures.get(key)), "averaged over views": _percent(averaged.get(key))}
        for key, words in FIGURES.items()
        if key in card.figures
    ]
    if rows:
        st.dataframe(rows, hide_index=True)
    beams = card.figures.get("beams", {})
    if beams:
        st.dataframe([{"beam": beam, **{f"BLEU-{n}": _percent(x[f"bleu{n}"]) for n in (1, 2, 3, 4)},
                       "brevity": x["brevity"], "CIDEr-D": x["cider_d"]} for beam, x in beams.items()],
                     hide_index=True)  # fmt: skip
    facts = {"Paper": card.paper, "Data": card.data, "Split": card.split, "Licence": card.licence}
    st.markdown("\n".join(f"- {name}: {text}" for name, text in facts.items() if text))
    if card.training:
        st.caption(f"Trained {card.training.get('minutes', '?')} minutes on {card.training.get('hardware', '?')}, "
                   f"seeds {', '.join(str(r['seed']) for r in card.training.get('recipes', ()))}. "
                   f"{card.training.get('note', '')}")  # fmt: skip
    if card.failures:
        st.markdown("Known failures\n" + "\n".join(f"- {x}" for x in card.failures))


FIGURES: Mapping[str, str] = {
    "pixel_accuracy": "pixel accuracy",
    "class_accuracy": "class accuracy",
    "mean_iou": "mean IoU",
    "fw_iou": "frequency-weighted IoU",
    "boundary_accuracy": "near boundaries (5 px)",
}


def _percent(value: Any) -> str:
    return "" if value is None else f"{100 * value:.1f} %"


Offer = tuple[str, str, str, Callable[[], bytes | str]]  # label, ending of the file's name, MIME type, its content


def export(trace: Trace | Callable[[], Trace] | Mapping[str, Trace], name: str, more: tuple[Offer, ...] = (),
           seconds: float = 1.5, viewers: tuple[str, ...] | None = ()) -> None:  # fmt: skip
    """A popover from which the Trace is taken away: the picture as it is seen, animation, numbers, the Trace itself.

    trace: itself, what makes it once something is wanted, or several by the names of their sides. more: offers above
    these. seconds: of a step in the GIF. viewers: keys of those whose picture is taken; () are the first of the page
    and those that step with it; None where no viewer shows it: then it is the Trace's last step.
    """
    with st.popover("Export", icon=":material/download:"):
        _downloads(more, name)
        if viewers is not None:
            take_picture(f"export_{name}_picture", viewers)
        if not isinstance(trace, Mapping):
            _downloads(_offers(trace, name, seconds, seen=viewers is not None), name)
            return
        for tab, (side, one) in zip(st.tabs(list(trace)), trace.items(), strict=True):
            with tab:
                _downloads(_offers(one, f"{name}-{side}", seconds, seen=True), f"{name}-{side}")


def _downloads(offers: tuple[Offer, ...], name: str) -> None:
    for label, ending, mime, make in offers:
        st.download_button(label, make, f"saccade-{name}.{ending}", mime, key=f"export_{name}_{ending}",
                           on_click="ignore", width="stretch")  # fmt: skip


def _offers(trace: Trace | Callable[[], Trace], name: str, seconds: float, seen: bool) -> tuple[Offer, ...]:
    """What is made of a Trace. seen: the browser offers the picture."""
    from engine import exports, render

    def made() -> Trace:
        return trace() if callable(trace) else trace

    last: Offer = ("Picture (PNG)", "png", "image/png", lambda: render.png(made(), -1))
    return (
        *(() if seen else (last,)),
        ("Steps as animation (GIF)", "gif", "image/gif", lambda: render.gif(made(), seconds=seconds)),
        ("Steps as animation (WebP)", "webp", "image/webp", lambda: exports.webp(made(), seconds=seconds)),
        ("All steps on one sheet (PNG)", "sheet.png", "image/png", lambda: render.sheet(made())),
        *(() if callable(trace) else _masks(trace, name)),
        ("Numbers (CSV)", "csv", "text/csv", lambda: render.csv_text(made())),
        ("Words and numbers (JSON)", "json", "application/json", lambda: exports.json_text(made())),
        ("Trace (ZIP of NPZ and JSON)", "zip", "application/zip", lambda: made().to_zip()),
    )


def _masks(trace: Trace, name: str) -> tuple[Offer, ...]:
    """The answer as masks, where the Trace ends with labels."""
    from engine import exports

    def labels() -> np.ndarray:
        return exports.last_labels(trace)

    if not any(layer.kind == "labels" for step in trace.steps for layer in step.layers):
        return ()
    return (
        ("Labels (indexed PNG)", "labels.png", "image/png", lambda: exports.indexed_png(labels(), trace.colours)),
        ("Masks (COCO, RLE)", "coco.json", "application/json",
         lambda: exports.coco_json(labels(), trace.classes, name)),
    )  # fmt: skip


def code(*things: Callable[..., Any] | type) -> None:
    """The source of what ran, as it stands in the engine."""
    for thing in things:
        st.caption(f"`{thing.__module__}.{thing.__qualname__}`")
        st.code(inspect.getsource(thing))
