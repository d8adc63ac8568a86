"""Home by AppTest: what this is, one card for each page that exists, the image in hand."""

from streamlit.testing.v1 import AppTest

from engine.cards import ASSETS
from pages.kit.rooms import PAGES, ROOT


def test_home_shows_a_card_for_each_page_and_the_image():
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60).run()
    assert not app.exception
    assert app.title[0].value == "See where networks look"
    words = "\n".join(x.value for x in (*app.markdown, *app.caption))
    for page in PAGES:
        assert page.claim in words
        assert page.source in words
    assert "It stays with you from page to page" in words


def test_every_page_of_the_map_exists_with_its_thumbnail():
    for page in PAGES:
        assert (ROOT / page.path).exists()
        assert (ASSETS / page.thumbnail).exists(), "run `make thumbnails`"
