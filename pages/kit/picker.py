"""The image in hand: one card in the sidebar for all pages, and the dialog in which another image is chosen.

The choice lives in the session (never in the process, so that nobody sees another's image), survives a change of
page, and stands in the URL as ?image=SLUG while it is a picture of the gallery. Words that come from the user, such
as the name of a file, go only through `st.text`, which renders neither HTML nor Markdown.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import streamlit as st
from PIL import Image
from streamlit.runtime.uploaded_file_manager import UploadedFile

from engine import gallery
from engine.images import MAX_BYTES, NAMES, ImageError, decode
from engine.lines import visible

_STATE = "image_in_hand"  # key of the session; not a widget's, so it outlives its page
_PARAMETER = "image"  # name in the URL

_CARD_STYLE = """<style>
.st-key-image_card {gap: 0.35rem; padding: 0.6rem}
.st-key-image_card [data-testid="stImage"] img {max-height: 150px; width: auto; max-width: 100%; margin: auto;
  border-radius: 0.3rem}
.st-key-image_card [data-testid="stText"] {font-family: inherit; font-weight: 600; overflow-wrap: anywhere}
.st-key-image_card [data-testid="stCaptionContainer"] {margin: 0; line-height: 1.35}
@media (max-height: 900px) { /* the words beside the picture */
  .st-key-image_card {display: grid; grid-template-columns: 88px 1fr; gap: 0.1rem 0.6rem; align-items: center}
  .st-key-image_card > :has([data-testid="stImage"]) {grid-row: 1 / 3}
  .st-key-image_card > :is(:has([data-testid="stHorizontalBlock"]), :has([role="alert"])) {grid-column: 1 / 3}
  .st-key-image_card [data-testid="stImage"] img {max-height: 70px}
}
</style>"""

_GRID_STYLE = """
.st-key-gallery_grid button {aspect-ratio: 3 / 2; width: 100%; padding: 0; overflow: hidden; position: relative;
  background-size: cover; background-position: center}
.st-key-gallery_grid button > div {position: absolute; inset: auto 0 0 0; padding: 0.9rem 0.3rem 0.25rem;
  background: linear-gradient(transparent, rgb(0 0 0 / 75%)); color: white}
.st-key-gallery_grid button p {font-size: 0.8rem; color: white}
.st-key-gallery_grid button:is(:hover, :focus-visible) {outline: 3px solid var(--st-primary-color, #c8325f)}
"""


@dataclass(frozen=True, eq=False)
class Chosen:
    """The image that every page works on.

    rgb: (H, W, 3) uint8, read-only, at most 640 pixels on the longer side.
    key: names these pixels: the gallery's slug, or the SHA-256 of the file. slug: None for the user's own image.
    title: for an upload its file name, so never render it as HTML or Markdown. notice: what was done to the file.
    truth: label set -> (H, W) uint8 or None, see `engine.gallery.GalleryImage.truth`; None for the user's own image.
    original: width and height of the file's picture as it stands upright, before it was scaled down.
    orientation: the file's EXIF orientation, 1 to 8; 1 where it says none.
    """

    rgb: np.ndarray = field(repr=False)
    key: str
    title: str
    notice: str = ""
    slug: str | None = None
    truth: Callable[[str], np.ndarray | None] | None = None
    credit: str = ""
    thumbnail: bytes = field(default=b"", repr=False)  # JPEG
    original: tuple[int, int] = (0, 0)
    orientation: int = 1

    def __post_init__(self) -> None:
        if not all(self.original):
            object.__setattr__(self, "original", self.rgb.shape[1::-1])


@dataclass
class _Hand:
    """What one session holds."""

    chosen: Chosen | None = None
    former: Chosen | None = None
    url: str | None = None  # the value of ?image= that we last read or wrote
    sentence: str = ""  # something about the URL that the user should know
    choosing: bool = False  # the dialog is open
    camera: bool = False  # the user has started the camera
    turn: int = 0  # makes fresh upload widgets


def picker() -> Chosen:
    """Draw the card in the sidebar and return the image in hand. Call it once in each run, outside fragments."""
    hand = _hand()
    _follow_url(hand)
    chosen = hand.chosen
    with st.sidebar, st.container(border=True, key="image_card"):
        st.html(_CARD_STYLE)
        st.image(chosen.thumbnail, alt="The image in hand")
        st.text(chosen.title)
        height, width = chosen.rgb.shape[:2]
        st.caption(" · ".join(words for words in (f"{width} x {height}", chosen.credit, chosen.notice) if words))
        if hand.sentence:
            st.warning(hand.sentence)
        with st.container(horizontal=True, gap="small"):
            st.button("Change", icon=":material/image_search:", key="image_change", on_click=_open, args=(hand,),
                      help="Gallery, upload or camera")  # fmt: skip
            if hand.former is not None:
                st.button("Back", icon=":material/undo:", key="image_back", on_click=_back, args=(hand,),
                          help="Back to the former image")  # fmt: skip
    if hand.choosing:
        _dialog()
    return chosen


def _hand() -> _Hand:
    return st.session_state.setdefault(_STATE, _Hand())


def _follow_url(hand: _Hand) -> None:
    """Take the picture that a new URL names; then make the URL say what is in hand."""
    wanted = st.query_params.get(_PARAMETER)
    if wanted is not None and wanted != hand.url:
        hand.url = wanted
        try:
            _take(hand, from_gallery(wanted))
        except gallery.GalleryError:
            _take(hand, hand.chosen or from_gallery(gallery.DEFAULT))
            hand.sentence = "The gallery has no picture of the name in the link, so this one is shown."
    if hand.chosen is None:
        _take(hand, from_gallery(gallery.DEFAULT))
    _write_url(hand)


def _write_url(hand: _Hand) -> None:
    hand.url = hand.chosen.slug
    if hand.url is None:
        st.query_params.pop(_PARAMETER, None)
    elif st.query_params.get(_PARAMETER) != hand.url:
        st.query_params[_PARAMETER] = hand.url


def _take(hand: _Hand, chosen: Chosen) -> None:
    """Make `chosen` the image in hand and remember the one before."""
    if hand.chosen is not None and hand.chosen.key != chosen.key:
        hand.former = hand.chosen
    hand.chosen, hand.sentence, hand.choosing, hand.camera = chosen, "", False, False
    hand.turn += 1


def _open(hand: _Hand) -> None:
    hand.choosing = True


def _start_camera(hand: _Hand) -> None:
    hand.camera = True


def _close() -> None:
    hand = _hand()
    hand.choosing = hand.camera = False


def _back(hand: _Hand) -> None:
    _take(hand, hand.former)
    _write_url(hand)


def from_gallery(slug: str) -> Chosen:
    """A picture of the gallery as pages work on it. Raises GalleryError for an unknown slug."""
    image = gallery.get(slug)
    with st.spinner("Fetching the picture"):
        picture = image.load()
    return Chosen(picture.rgb, slug, image.title, "", slug, image.truth, image.credit, _thumbnail(slug),
                  picture.original or (0, 0))  # fmt: skip


def _from_file(data: bytes, name: str) -> Chosen:
    """Raises ImageError with a sentence."""
    with st.spinner("Reading the picture"):
        picture = decode(data)
    small = _jpeg(picture.rgb, (520, 300))
    return Chosen(picture.rgb, picture.key, _plain(name), picture.notice, thumbnail=small, original=picture.original,
                  orientation=picture.orientation)  # fmt: skip


def _plain(name: str) -> str:
    """A file's name in at most 60 visible characters of one line."""
    name = visible(name)
    return (name if len(name) <= 60 else name[:42] + " ... " + name[-13:]) or "Your image"


def _jpeg(rgb: np.ndarray, size: tuple[int, int]) -> bytes:
    image = Image.fromarray(rgb)
    image.thumbnail(size)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue()


@lru_cache(maxsize=64)
def _thumbnail(slug: str) -> bytes:
    """JPEG of a gallery picture for the card."""
    return _jpeg(gallery.get(slug).load().rgb, (520, 300))


@lru_cache(maxsize=1)
def _grid_style() -> str:
    """CSS that puts each picture of the gallery on its button; holds nothing that a user wrote."""
    rules = [_GRID_STYLE]
    for slug in gallery.names():
        rgb = gallery.get(slug).load().rgb
        tile = _jpeg(gallery.tile(rgb, (300, 200)), (300, 200))
        url = f"data:image/jpeg;base64,{base64.b64encode(tile).decode()}"
        rules.append(f".st-key-gallery_{slug} button {{background-image: url({url})}}")
    return f"<style>{' '.join(rules)}</style>"


@st.dialog("Choose an image", width="medium", on_dismiss=_close)
def _dialog() -> None:
    hand = _hand()
    with st.spinner("Fetching the gallery"):
        style = _grid_style()
    with st.container(key="gallery_grid", gap="small"):
        st.html(style)
        slugs = gallery.names()
        for row in range(0, len(slugs), 5):
            for column, slug in zip(st.columns(5, gap="small"), slugs[row : row + 5], strict=False):
                image = gallery.get(slug)
                with_truth = any(image.truth(labels) is not None for labels in gallery.LABELS)
                words = f"{image.credit}, {image.licence}" + (". Its ground truth is known." if with_truth else "")
                if column.button(image.title, key=f"gallery_{slug}", help=words, width="stretch"):
                    _finish(from_gallery(slug))
    left, right = st.columns(2)
    with left:
        file = st.file_uploader(f"Your own image ({NAMES})",
                                key=f"image_upload_{hand.turn}", max_upload_size=MAX_BYTES // 10**6)  # fmt: skip
        _receive(hand, file, None)
    with right:
        if hand.camera:
            _receive(hand, st.camera_input("Your camera", key=f"image_camera_{hand.turn}"), "Camera picture")
        else:
            st.markdown("Your camera starts only when you ask.", help="The picture goes to this app and nowhere else.")
            st.button("Start the camera", icon=":material/photo_camera:", key="image_camera_start",
                      on_click=_start_camera, args=(hand,))  # fmt: skip


def _receive(hand: _Hand, file: UploadedFile | None, title: str | None) -> None:
    """Take an uploaded picture; of a bad one say what is wrong, and the former image stays."""
    if file is None:
        return
    try:
        chosen = _from_file(file.getvalue(), title or file.name)
    except ImageError as error:
        st.error(str(error), icon=":material/broken_image:")
        return
    _finish(chosen)


def take(data: bytes, name: str) -> None:
    """Make the picture in a file the image in hand of this visit. Raises ImageError with a sentence."""
    put(_from_file(data, name))


def put(chosen: Chosen) -> None:
    """Make `chosen` the image in hand of this visit; the one before becomes the former one."""
    hand = _hand()
    _take(hand, chosen)
    _write_url(hand)


def former() -> Chosen | None:
    """The image that was in hand before, None where there was none."""
    return _hand().former


def in_hand() -> Chosen | None:
    """The image in hand of this visit, None before its first page."""
    return _hand().chosen


def put_right(original: tuple[int, int]) -> Chosen:
    """The image in hand, made of a file whose picture had this width and height; (0, 0) means its own."""
    hand = _hand()
    hand.chosen = replace(hand.chosen, original=original)
    return hand.chosen


def keys_in(state: Mapping[str, object]) -> tuple[str, ...]:
    """Of the pictures that another visit has in hand, by what its session holds."""
    hand = state.get(_STATE, _Hand())
    return tuple(chosen.key for chosen in (hand.chosen, hand.former) if chosen)


def _finish(chosen: Chosen) -> None:
    """Take `chosen`, close the dialog and run the page on it."""
    put(chosen)
    st.rerun()
