"""What the page of the sampling grid explains: the tabs below the two pictures, and what can be taken away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import streamlit as st

from engine.spatial.descent import descend
from engine.spatial.drawing import both_ways, grid_svg, morph
from engine.spatial.mapping import folds, forward, jacobian
from engine.spatial.presets import presets
from engine.spatial.sampling import explain, outside, sample
from engine.spatial.transforms import ThinPlateSpline, sampling_grid, target_points
from engine.wording import many
from pages.kit.keeping import once
from pages.kit.page import code, export
from pages.kit.viewer import viewer, viewer_panel
from pages.spatial.grid_learn import learn
from pages.spatial.grid_paper import live_formula, paper
from pages.spatial.grid_pixels import half_a_pixel
from pages.spatial.grid_seen import KEY, Seen

FRAMES = 16  # of the animation from the identity to theta


def builders(seen: Seen) -> dict[str, Callable[[], None]]:
    """The tabs by name, for `pages.kit.page.tabs`."""
    return {
        "What you see": lambda: what_you_see(seen),
        "Which way": lambda: which_way(seen),
        "Learn theta": lambda: learn(seen),
        "Half a pixel": lambda: half_a_pixel(seen),
        "Formula with live numbers": lambda: live_formula(seen),
        "The paper, and here": paper,
        "Code that ran": lambda: code(type(seen.family), sampling_grid, sample, explain, forward, descend),
    }


def what_you_see(seen: Seen) -> None:
    """The claim in plain words, this grid in numbers, and what to try."""
    height, width = seen.rgb.shape[:2]
    turned = folds(seen.family, seen.numbers, height, width, seen.sampling.align_corners)
    stretch = np.linalg.det(jacobian(seen.family, seen.numbers, target_points(height, width)).numpy())
    st.markdown(
        "**Theta says where to look, not where to go:** for each output pixel the transform gives a place in the "
        "input, and the sampler mixes the pixels around it. So a grid that shrinks enlarges, and one that turns "
        "clockwise turns the picture the other way. Each step has a gradient, so a network can learn where to look, "
        "without reinforcement learning (slides 119-128)."
    )
    numbers = {"outside the picture": f"{100 * outside(seen.grid).mean():.1f} %",
               "turned over or folded": f"{100 * turned.mean():.1f} %",
               "input pixels per output pixel, median": f"{np.median(np.abs(stretch)):.2f}"}  # fmt: skip
    for place, (words, value) in zip(st.columns(3), numbers.items(), strict=True):
        place.metric(words, value, border=True)
    st.markdown(
        "**Try:** shrink the grid and see the output grow · hover an output pixel and read its neighbours' weights · "
        "pull a corner out of the picture and change the padding · *mirror*: all of it is turned over · *fold*, among "
        "the splines: the grid passes over the same pixels three times · *Which way* after *zoom in*."
    )


@st.fragment
def which_way(seen: Seen) -> None:
    """The same theta as inverse and as forward mapping; of the identity both are alike, so *zoom in* is shown."""
    height, width = seen.rgb.shape[:2]
    still = seen.theta == seen.family.identity
    if still:
        seen = replace(seen, theta=presets(seen.family, width / height)["zoom in"])

    def make() -> tuple:
        pushed = forward(seen.rgb, seen.family, seen.numbers, height, width, seen.sampling.align_corners)
        return pushed, both_ways(seen.rgb, sample(seen.rgb, seen.grid, seen.sampling), pushed)

    pushed, trace = once("grid_ways", seen.owner, make, "Pushing each pixel ...")
    left, right = st.columns([2.15, 1], gap="medium")
    with left:
        viewer(trace, "grid_ways")
    with right:
        st.markdown(f"#### {many(int(pushed.holes.sum()), 'hole')} forward, none inverse")
        if still:
            st.caption("The grid above is the identity, which moves nothing: here you see *zoom in*. Drag the grid to "
                       "see your own.")  # fmt: skip
        st.markdown("**Inverse mapping** asks each output pixel where it comes from, so each gets an answer. **Forward "
                    "mapping** pushes each input pixel to where it goes, by the inverse of theta: where the picture is "
                    "stretched some output pixels get none, where it shrinks some get several.")  # fmt: skip
        rows = {"pixels pushed": height * width, "landed in the output": int(pushed.hits.sum()),
                "output pixels hit more than once": int((pushed.hits > 1).sum()), "holes": int(pushed.holes.sum()),
                "nothing there: outside the picture": int(pushed.empty.sum()),
                "went nowhere": int(np.isnan(pushed.landed).any(-1).sum())}  # fmt: skip
        st.dataframe([{"": words, "pixels": f"{n:,}"} for words, n in rows.items()], hide_index=True)
        viewer_panel("grid_ways")
    if isinstance(seen.family, ThinPlateSpline):
        st.caption("A spline has no inverse in closed form: Newton's method looks for one. Where the grid folds, "
                   "several output pixels look at one place and only one of them is found; a pixel for which it does "
                   "not arrive went nowhere.")  # fmt: skip


def export_of(seen: Seen) -> None:
    """The popover of exports: the grid as SVG, and the way from the identity to theta as pictures, GIF, CSV, Trace."""
    rgb, align = seen.rgb if seen.full is None else seen.full, seen.sampling.align_corners
    svg = ("Grid on the picture (SVG)", "svg", "image/svg+xml",
           lambda: grid_svg(rgb, seen.family, seen.theta, align_corners=align))  # fmt: skip
    bare = ("Grid alone (SVG)", "grid.svg", "image/svg+xml",
            lambda: grid_svg(rgb, seen.family, seen.theta, picture=False, align_corners=align))  # fmt: skip
    export(lambda: morph(rgb, seen.family, seen.family.identity, seen.theta, FRAMES, seen.sampling),
           f"{KEY}-{seen.family.name}", (svg, bare), seconds=0.1, viewers=None)  # fmt: skip
