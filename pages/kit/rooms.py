"""The map of the app: which pages there are, in which room, and what of the lecture each one shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage
from streamlit.runtime.pages_manager import PagesManager

from pages.kit import keys

ROOT = Path(__file__).resolve().parents[2]
ICON, LOGO = str(ROOT / "assets" / "icon.svg"), str(ROOT / "assets" / "logo.svg")
ROOMS = ("segmentation", "attention", "spatial", "debug")  # in the order of the lecture, then the bench


@dataclass(frozen=True)
class PageInfo:
    """One page: `path` below the root, `url` its address, `claim` the lecture's point in one sentence.

    paper: authors and year. slides: of the lecture; either may be "". models: names of the cards whose figures stand
    on it, if any. thumbnail: a picture below assets/, made from a real trace by `make thumbnails`.
    """

    room: str
    title: str
    path: str
    url: str
    claim: str
    paper: str
    slides: str
    models: tuple[str, ...]
    thumbnail: str
    icon: str

    @property
    def source(self) -> str:
        """Slides and paper on one line; "" where there are none."""
        slides = f"{'Slides' if set(self.slides) & set(',-') else 'Slide'} {self.slides}" if self.slides else ""
        return " · ".join(filter(None, (slides, self.paper)))


PATCHES = PageInfo(
    room="segmentation",
    title="From patches to convolutions",
    path="pages/segmentation/patches.py",
    url="patches",
    claim="A window names **one** pixel. Run convolutionally, the same weights name **all at once**.",
    paper="Sermanet et al. 2014",
    slides="22-28, 57",
    models=("patches",),
    thumbnail="thumbnails/patches.webp",
    icon=":material/center_focus_strong:",
)
MULTISCALE = PageInfo(
    room="segmentation",
    title="Multi-scale network",
    path="pages/segmentation/multiscale.py",
    url="multiscale",
    claim="Each octave of a pyramid sees **further**; regions say **where it ends**.",
    paper="Farabet et al. 2013",
    slides="28-33",
    models=("multiscale", "multiscale-classic"),
    thumbnail="thumbnails/multiscale.webp",
    icon=":material/filter_none:",
)
RECURRENT = PageInfo(
    room="segmentation",
    title="Recurrent refinement",
    path="pages/segmentation/recurrent.py",
    url="recurrent",
    claim="The answer goes **back in**. Each pass sees further and mends what the last one left.",
    paper="Pinheiro, Collobert 2014",
    slides="34-38",
    models=("recurrent",),
    thumbnail="thumbnails/recurrent.webp",
    icon=":material/replay:",
)
FCN = PageInfo(
    room="segmentation",
    title="Fully convolutional network",
    path="pages/segmentation/fcn.py",
    url="fcn",
    claim="The deep map knows **what** but hardly **where**. Each skip adds finer **where**.",
    paper="Long, Shelhamer, Darrell 2015",
    slides="39-43",
    models=("fcn-scenes", "fcn-animals"),
    thumbnail="thumbnails/fcn.webp",
    icon=":material/layers:",
)
CAPTIONS = PageInfo(
    room="attention",
    title="Show, attend and tell",
    path="pages/attention/captions.py",
    url="captions",
    claim="For each word it looks anew: **soft** attention everywhere a little, **hard** attention at **one** cell.",
    paper="Xu et al. 2015",
    slides="78-103",
    models=("caption-soft", "caption-hard", "caption-plain"),
    thumbnail="thumbnails/captions.webp",
    icon=":material/visibility:",
)
GRID = PageInfo(
    room="spatial",
    title="The sampling grid",
    path="pages/spatial/grid.py",
    url="grid",
    claim="Each **output** pixel asks one place of the **input**. θ says where, and can be **learned**.",
    paper="Jaderberg et al. 2015",
    slides="116-128",
    models=(),
    thumbnail="thumbnails/grid.webp",
    icon=":material/grid_4x4:",
)
TRANSFORMER = PageInfo(
    room="spatial",
    title="Spatial transformer networks",
    path="pages/spatial/transformer.py",
    url="transformer",
    claim="Turn the **input**: a small network learns where to look, and holds the **output still**.",
    paper="Jaderberg et al. 2015",
    slides="126-131",
    models=("digits-rts-affine", "digits-tc-affine", "digits-e-tps"),
    thumbnail="thumbnails/transformer.webp",
    icon=":material/screen_rotation:",
)


def _bench(name: str, title: str, claim: str, icon: str, slides: str = "", paper: str = "") -> PageInfo:
    """A page of the debugging bench; `name` is its file, its address and its thumbnail."""
    return PageInfo("debug", title, f"pages/debug/{name}.py", name, claim, paper, slides, (), f"thumbnails/{name}.webp",
                    icon)  # fmt: skip


OWN = _bench("own", "Your model", "Bring **your** network: ONNX or safetensors. It answers here like ours.",
             ":material/upload_file:")  # fmt: skip
TRUTH = _bench("truth", "Ground truth", "Say what is **there**, and see where and why the model **differs**.",
               ":material/draw:", "43, 59", "Long et al. 2015")  # fmt: skip
COMPARE = _bench("compare", "A against B", "Two models, settings or pictures: where do they **differ**, who is "
                 "**right**?", ":material/compare:", "43")  # fmt: skip
PROBE = _bench("probe", "Probe", "Blur, turn or hide a **little**: how much of the answer **holds**?",
               ":material/blur_on:", "102", "Zeiler, Fergus 2014")  # fmt: skip
LAYERS = _bench("layers", "Layers", "Open **any** layer: what it sees, how strongly, and which channels are **dead**.",
                ":material/account_tree:", "27-28", "Luo et al. 2016")  # fmt: skip
MANY = _bench("many", "Many images", "A folder at once, the **worst** first: where to look next.",
              ":material/photo_library:", "43")  # fmt: skip
REPLAY = _bench("replay", "Open a Trace", "What a model did, opened again **without** the model.",
                ":material/history:")  # fmt: skip
BENCH = (TRUTH, COMPARE, PROBE, LAYERS, MANY, OWN, REPLAY)
PAGES = (PATCHES, MULTISCALE, RECURRENT, FCN, CAPTIONS, GRID, TRANSFORMER, *BENCH)  # in the order of the lecture


# Else Streamlit serves the first visit to a new server by the old rules of a folder called pages/: it greets a link to
# one of our pages with "Page not found", and leaves Home in the history before it.
PagesManager.uses_pages_directory = False


# The picture comes first: little air above it, and a header that lets clicks through. In the sidebar all pages and the
# image in hand fit on a small screen. Where it is folded away, as on a phone, logo and arrow stand in a bar above the
# title. Tabs that do not fit in a row go on in the next one.
_STYLE = """<style>
.stMainBlockContainer {padding: 1.1rem 1.6rem 2rem; max-width: 1800px}
.st-key-keepsake, .st-key-keepsake_truth {display: none}
.stMain h1 {font-size: 1.5rem; padding: 0}
.stTabs [role=tablist] {flex-wrap: wrap; row-gap: 0; overflow: visible}
.stAppHeader {height: 2.2rem; background: transparent; pointer-events: none} .stAppHeader * {pointer-events: auto}
.stApp:has([data-testid="stExpandSidebarButton"]) .stMainBlockContainer {padding-top: 3.8rem}
.stApp:has([data-testid="stExpandSidebarButton"]) .stAppHeader {
  height: 3.5rem; background: color-mix(in srgb, Canvas 80%, transparent); backdrop-filter: blur(12px)
}
@media (max-height: 900px) {
  .stSidebar :is([data-testid="stSidebarHeader"], [data-testid="stSidebarNav"]) {margin-bottom: 0; padding-bottom: 0}
  .stSidebar [data-testid="stSidebarNav"] {margin-top: -0.6rem; padding-top: 0}
  .stSidebar [data-testid="stSidebarNavItems"] li > div {min-height: 0; margin: 0; height: 1.58rem}
  .stSidebar [data-testid="stSidebarNavLink"] {height: 1.5rem; min-height: 0; margin: 0; padding-block: 0}
  .stSidebar [data-testid="stSidebarNavLink"] p {font-size: 0.84rem}
  .stSidebar [data-testid="stSidebarNavItems"] > div {margin-top: 0.3rem; gap: 0}
  .stSidebar [data-testid="stNavSectionHeader"] {min-height: 0; margin: 0; padding-block: 0}
  .stSidebar [data-testid="stNavSectionHeader"] p {font-size: 0.8rem}
  .stSidebar [data-testid="stSidebarNavSeparator"] {display: none}
  .stSidebar [data-testid="stSidebarUserContent"] {padding-top: 0.7rem; padding-bottom: 0.5rem}
}
</style>"""


def navigation() -> StreamlitPage:
    """The sidebar's menu, pages grouped by room; returns the page to run."""
    st.html(_STYLE)
    menu = {"": [st.Page(ROOT / "pages/home/home.py", title="Home", icon=":material/home:", default=True)]}
    for room in ROOMS:
        menu[room.capitalize()] = [
            st.Page(ROOT / page.path, title=page.title, icon=page.icon, url_path=page.url)
            for page in PAGES
            if page.room == room
        ]
    page = st.navigation(menu, expanded=True)
    keys.enter(page.url_path)
    return page
