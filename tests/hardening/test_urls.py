"""Links with state that nobody made by hand: every page answers, and its parameters fall back to what it knows."""

from __future__ import annotations

import itertools
import random
from urllib.parse import quote

import pytest

from pages.kit.rooms import PAGES
from tests.hardening.live import WILD, errors, failures, pour, run, wait
from tests.load.visitor import Answer, Visitor

EACH = 4  # links of a page that are waited for
POURED = 200  # that are not


def names(page: Answer) -> list[str]:
    """The parameters that a page reads."""
    found = {element.query_param_key for _, element, _ in page.elements if getattr(element, "query_param_key", "")}
    return ["image", *sorted(found), "embed", "nobody"]


def link(rng: random.Random, known: list[str]) -> str:
    """A query string of 8 KB at most: wild values, some of them twice, some not even escaped."""
    pairs = []
    for name in rng.sample(known, min(len(known), rng.randint(1, 4))):
        value = rng.choice(WILD)
        pairs.append(f"{name}={value if rng.random() < 0.2 else quote(value, errors='replace')}")
    if rng.random() < 0.1:
        pairs.append("&".join(f"{rng.choice(known)}{i}={i}" for i in range(500)))
    text = "&".join(pairs)[: rng.choice((50, 8192))]
    return text.encode("utf8", "replace").decode()


@pytest.mark.parametrize("page", PAGES, ids=[page.url for page in PAGES])
def test_wild_links(server, page):
    async def told() -> None:
        rng = random.Random(page.url)
        async with Visitor(server.url, keep=True) as visitor:
            whole = await visitor.visit(page.url)
            known = names(whole)
            for _ in range(EACH):
                query = link(rng, known)
                answer = await visitor.visit(page.url, query)
                assert not errors(answer), (query, failures(server)[before:])
                assert answer.of("heading"), query
            messages = []
            for _ in range(POURED):
                message = run(whole)
                message.rerun_script.query_string = link(rng, known)
                messages.append(message.SerializeToString())
            assert await pour(visitor, messages) == POURED

    before = len(failures(server))
    wait(told())
    assert failures(server)[before:] == []


def test_wild_addresses(server):
    """Pages that do not exist lead home."""

    async def told() -> None:
        async with Visitor(server.url) as visitor:
            for address in (x for x in WILD if x.strip("\0 ")):
                assert not errors(await visitor.visit(address.encode("utf8", "replace").decode()))

    wait(told())


def test_links_are_wild():
    """The links of these tests hold what they promise."""
    rng = random.Random(0)
    made = [link(rng, ["image", "model"]) for _ in range(2000)]
    assert len(set(made)) > 500
    assert max(map(len, made)) > 3000
    assert all(any(quote(x, errors="replace")[:40] in text or x[:40] in text for text in made)
               for x in itertools.islice(WILD, 1, 20))  # fmt: skip
