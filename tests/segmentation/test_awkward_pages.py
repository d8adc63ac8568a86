"""Pictures that nobody expects, on the pages of this room: a pixel wide, constant, of one class."""

import io

import numpy as np
import pytest
from PIL import Image

from pages.kit.picker import Chosen, _Hand
from pages.kit.rooms import FCN, MULTISCALE, RECURRENT
from tests.segmentation.pages import visit

THUMBNAIL = io.BytesIO()
Image.new("RGB", (8, 8)).save(THUMBNAIL, "JPEG")


@pytest.mark.parametrize("shape", [(1, 90), (90, 1), (1, 1), (37, 53)])
@pytest.mark.parametrize("info", [MULTISCALE, RECURRENT, FCN], ids=lambda info: info.url)
def test_awkward_pictures(info, shape):
    picture = np.full((*shape, 3), 130, np.uint8)
    page = visit(info)
    page.session_state["image_in_hand"] = _Hand(
        Chosen(picture, f"flat {shape}", "flat", thumbnail=THUMBNAIL.getvalue())
    )
    if "image" in page.query_params:
        del page.query_params["image"]
    for tab in ("What you see", "Formula with live numbers"):
        page.session_state[f"{info.url}_tab"] = tab
        page.run()
        assert not page.exception
        assert page.title[0].value == info.title
