"""The tabs of the sampling grid's page, each in a small script of its own: families, settings, awkward pictures."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from engine.spatial.transforms import FAMILIES
from pages.kit.rooms import GRID
from pages.spatial.grid_seen import KEY
from tests.segmentation.pages import open_tab, text_of, visit

TABS = ("What you see", "Which way", "Learn theta", "Half a pixel", "Formula with live numbers", "The paper, and here",
        "Code that ran")  # fmt: skip


def script(tab: str, family: str, preset: str, mode: str, padding: str, align: bool, size: tuple[int, int]) -> None:
    """What AppTest runs: it sees nothing of this file but its arguments."""
    import numpy as np
    from PIL import Image

    from engine import gallery
    from engine.spatial.presets import presets
    from engine.spatial.sampling import Sampling
    from engine.spatial.transforms import FAMILIES
    from pages.spatial.grid_panels import builders, export_of
    from pages.spatial.grid_seen import Seen

    rgb = np.asarray(Image.fromarray(gallery.get("astronaut").load().rgb).resize(size))
    chosen = FAMILIES[family]
    seen = Seen(rgb, f"astronaut {size}", chosen, presets(chosen)[preset], Sampling(mode, padding, align))
    export_of(seen)
    builders(seen)[tab]()


def opened(tab: str, family: str = "affine", preset: str = "zoom in", mode: str = "bilinear", padding: str = "zeros",
           align: bool = False, size: tuple[int, int] = (64, 48)) -> AppTest:  # fmt: skip
    app = AppTest.from_function(script, default_timeout=120, args=(tab, family, preset, mode, padding, align, size))
    return app.run()


def table(app: AppTest, number: int = 0) -> dict:
    """First column -> second one."""
    rows = app.dataframe[number].value
    return dict(zip(rows.iloc[:, 0], rows.iloc[:, 1], strict=True))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tab", TABS)
def test_each_tab_opens_for_each_family(tab, family):
    app = opened(tab, family)
    assert not app.exception
    assert text_of(app) or app.code


@pytest.mark.parametrize("size", [(12, 64), (64, 8)])
@pytest.mark.parametrize("tab", TABS[:5])
def test_pictures_of_odd_shapes(tab, size):
    assert not opened(tab, "tps", "fold", "bicubic", "reflection", True, size).exception


def test_what_you_see_in_numbers():
    numbers = {m.label: m.value for m in opened("What you see", preset="zoom out").metric}
    assert list(numbers.values()) == ["60.9 %", "0.0 %", "2.56"]  # all but 40 x 30 of 64 x 48; 1.6 squared
    assert opened("What you see", preset="mirror").metric[1].value == "100.0 %"


def test_which_way_counts_the_holes():
    app = opened("Which way")
    counted = table(app)
    assert counted["pixels pushed"] == f"{64 * 48:,}"
    assert counted["landed in the output"] == f"{32 * 24:,}"
    assert counted["holes"] == f"{64 * 48 - 32 * 24:,}"
    assert counted["went nowhere"] == "0"
    assert f"{64 * 48 - 32 * 24:,} holes forward" in text_of(app)
    folded = opened("Which way", "tps", "fold")
    assert int(table(folded)["went nowhere"]) > 0
    assert "Newton" in text_of(folded)


def test_learning_says_whether_it_arrived():
    app = opened("Learn theta", size=(128, 128))
    assert "Arrived" in text_of(app)
    app.slider(key="learn_dx").set_value(0).run()
    app.slider(key="learn_dy").set_value(0).run()
    assert "starts where the target is" in text_of(app)
    app.selectbox(key="learn_target_affine").set_value("turn 90°").run()
    assert "Stalled" in text_of(app) or "Lost" in text_of(app)
    app.toggle(key="learn_pyramid").set_value(True).run()
    app.segmented_control(key="learn_steps").set_value(50).run()
    assert "after 50 steps" in text_of(app)
    app.slider(key="learn_light").set_value(1.3).run()
    assert not app.exception


def test_the_comparison_has_three_ways():
    app = opened("Learn theta", size=(128, 128))
    app.button(key="learn_compare").click().run()
    assert not app.exception
    rows = app.dataframe[0].value
    assert rows.iloc[:, 0].tolist() == ["sharp", "blurred by 8 px", "pyramid"]
    assert rows["at first, px"].nunique() == 1
    assert rows["arrived"].iloc[0] == "yes"


def test_a_target_out_of_range_is_said():
    app = opened("Learn theta")
    app.slider(key="learn_dx").set_value(32).run()
    assert not app.exception


def test_half_a_pixel_has_live_numbers():
    app = opened("Half a pixel")
    app.slider(key="half_x").set_value(-1.0).run()
    app.slider(key="half_y").set_value(-1.0).run()
    assert "pixel **(-0.50, -0.50)**, as on this page" in text_of(app)
    assert "pixel **(0.00, 0.00)**" in text_of(app)
    rows = app.dataframe[0].value
    assert rows["weight"].tolist() == ["0.250"] * 4
    assert rows["supplied by"].tolist() == ["zeros"] * 3 + ["picture"]
    assert "weighted sum **10.00**" in text_of(app)  # a quarter of 40
    aligned = opened("Half a pixel", align=True)
    assert "True: pixel" in text_of(aligned)


@pytest.mark.parametrize(("mode", "count"), [("bilinear", 4), ("nearest", 1), ("bicubic", 16)])
def test_the_formula_follows_one_pixel(mode, count):
    app = opened("Formula with live numbers", mode=mode)
    assert f"at **{count}** of 3,072 input pixels" in text_of(app)
    before = app.latex[1].value
    app.slider(key="formula_x").set_value(40).run()
    assert app.latex[1].value != before
    assert "0.500" in app.latex[0].value


def test_files_can_be_taken_away():
    labels = [button.label for button in opened("What you see").get("download_button")]
    assert labels[:2] == ["Grid on the picture (SVG)", "Grid alone (SVG)"]
    assert "Steps as animation (GIF)" in labels


def test_numbers_of_the_example_are_the_ones_that_are_drawn():
    from pages.spatial.grid_pixels import picture

    assert picture().shape == (4, 4, 3)
    assert np.array_equal(picture()[0, :, 0] - picture()[3, :, 0], [30] * 4)


def test_which_way_begins_where_there_are_holes_to_see():
    page = visit(GRID, image="landscape").run()
    open_tab(page, KEY, "Which way")
    assert not page.exception
    words = text_of(page)
    assert "#### 0 holes" not in words
    assert "holes forward, none inverse" in words
    assert "*zoom in*" in words
