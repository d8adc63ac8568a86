"""Names of the controls that stand in the address: each belongs to one page, or is shared on purpose.

Streamlit keeps the value of such a control in the visit under its key, from page to page, and writes it into the
address under the same name. Two pages with one name would hand each other values that their controls cannot take, so
nobody but this module binds a control to the address.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypedDict
from urllib.parse import parse_qs

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

if TYPE_CHECKING:
    from pages.kit.rooms import PageInfo

SHARED: Mapping[str, str] = {
    "image": "the picture in hand",
    "model": "the network at work",
    "band": "the width of the band along boundaries in which figures are taken",
}

# Names that stood in links before pages put their own before it: whose each is. A new control needs no line here.
PLAIN: Mapping[str, str] = {
    name: page
    for page, names in {
        "patches": "window x y crop",
        "multiscale": "o1 o2 o4 superpixels segments compactness scale sigma smallest",
        "recurrent": "passes start hold",
        "fcn": "g32 g16 g8 average",
        "captions": "numbers show beam temperature begin only trained sharp",
        "grid": "family lambda mode padding align theta half_x half_y "
        "learn_pyramid learn_blur learn_light learn_rate learn_steps",
        "transformer": "task transformer from digit variant clutter pose vary learn_task find_task find_digit "
        "find_seed upper lower sum_seed",
        "compare": "layout on a b va vb",
        "truth": "true called",
        "probe": "probe watch at patch side step copy blur noise brightness offset jpeg rotation",
        "layers": "layer output by maps",
        "many": "pictures",
    }.items()
    for name in names.split()
}

FORMER: Mapping[str, tuple[str, ...]] = {  # names in old links to these pages that are another page's alone now
    "layers": ("scale",),
    "compare": ("numbers",),
    "probe": ("variant",),
}
# Pages of the bench work on one network: page -> its control for it. Chosen on one of them, it is chosen on all.
BENCH: Mapping[str, str] = {
    "truth": "model",
    "probe": "model",
    "layers": "model",
    "many": "many_model",
    "compare": "a",
}

_PAGE, _BENCH = "keys_page", "keys_bench"  # in the session: the page that ran last, the network that the bench works on


class Linked(TypedDict):
    """What binds a control to the address."""

    key: str
    bind: Literal["query-params"]


def key(page: PageInfo | None, name: str) -> str:
    """The key of a control of `page`, in session and address; page None: one that all pages share.

    Raises KeyError where a shared name is not declared in `SHARED`.
    """
    if page is None:
        if name not in SHARED:
            raise KeyError(name)
        return name
    owned = PLAIN.get(name) == page.url or name.startswith(f"{page.url}_")
    return name if owned else f"{page.url}_{name}"


def linked(page: PageInfo | None, name: str) -> Linked:
    """What a control of `page` is given to stand in the address: ``st.toggle(words, **linked(FCN, "average"))``.

    page: whose control it is; None for one that all pages share. Raises KeyError as `key` does.
    """
    return {"key": key(page, name), "bind": "query-params"}


def enter(page: str) -> None:
    """Before the page of this address runs for the first time: read an old link by the names that its controls have
    now, let no control take a parameter without a value for no choice at all, and bring the bench's network along."""
    before = st.session_state.get(_PAGE)
    if before == page:
        return
    st.session_state[_PAGE] = page
    context = get_script_run_ctx()
    with context.session_state.query_params() as address:
        if context.is_history_navigation:  # Streamlit took away what the page that was left calls by the same name
            for name, values in parse_qs(context.query_string, keep_blank_values=True).items():
                if name not in address:
                    address.set_corrected_value(name, values, "string_array_value")
        for name in FORMER.get(page, ()):
            if name in address:
                address[f"{page}_{name}"] = address[name]
                address.remove_param(name)
        empty = {name: address.get_all(name) for name in address if not any(address.get_all(name))}
        for name in empty:
            address.discard_param_no_forward_msg(name)
        network = _network(before, page)
        if network and BENCH[page] not in address and not context.is_history_navigation:
            st.session_state[BENCH[page]] = network
            address.set_corrected_value(BENCH[page], network, "string_value")
        address.set_initial_query_params_from_current()  # from it controls take their first values
        for name, nothing in empty.items():  # a page may say what is wrong with it
            address.set_with_no_forward_msg(name, nothing)


def _network(before: str | None, page: str) -> str | None:
    """The network that the bench works on, where `page` is one of the bench; chosen on the page before, if that is."""
    if before in BENCH:
        st.session_state[_BENCH] = st.session_state.get(BENCH[before])
    return st.session_state.get(_BENCH) if page in BENCH else None
