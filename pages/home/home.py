"""Home: what this is in a sentence, the map of the lecture as cards, and the image in hand."""

import streamlit as st

from engine.cards import ASSETS
from pages.kit import models
from pages.kit.picker import Chosen, picker
from pages.kit.rooms import PAGES, ROOMS, ROOT, PageInfo

LECTURE = "CS231n 2016, lecture 13: Segmentation and Attention"
COLUMNS = 2  # cards side by side


def main(chosen: Chosen) -> None:
    """The one screen."""
    st.title("See where networks look", anchor=False)
    st.markdown(f"Bring an image and watch every inner step of the systems of a famous lecture. :gray[{LECTURE}]")
    lecture, image = st.columns([2, 1], gap="large")
    with lecture:
        for room in ROOMS:
            st.markdown(f"**{room.capitalize()}**")
            cards = [page for page in PAGES if page.room == room]
            for start in range(0, len(cards), COLUMNS):
                for column, page in zip(st.columns(COLUMNS), cards[start : start + COLUMNS], strict=False):
                    with column:
                        card(page)
    with image:
        hand(chosen)
    models.warm(tuple(page.models[0] for page in PAGES if page.models))


def card(page: PageInfo) -> None:
    """One page of the app: a picture of what it does, its claim, where it stands in the lecture, how good it is."""
    with st.container(border=True, gap="small"):
        thumbnail = ASSETS / page.thumbnail
        if thumbnail.exists():
            st.image(str(thumbnail), width="stretch", alt=f"A trace of {page.title}")
        st.page_link(ROOT / page.path, label=f"**{page.title}**", icon=page.icon)
        st.markdown(page.claim)
        if page.source:
            st.caption(page.source)
        for found in filter(None, map(models.card, page.models)):
            st.caption(found.line)


def hand(chosen: Chosen) -> None:
    """What the pages will look at."""
    st.markdown("**The image in hand**")
    st.image(chosen.rgb, width="stretch", output_format="JPEG", alt="The image in hand")
    st.text(chosen.title)
    st.caption(f"{chosen.rgb.shape[1]} x {chosen.rgb.shape[0]} pixels. It stays with you from page to page; change it "
               "in the sidebar: gallery, upload or camera.")  # fmt: skip
    if chosen.notice:
        st.caption(chosen.notice)


main(picker())
