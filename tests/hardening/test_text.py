"""Words of a visitor, as file names and in links, are never part of HTML or Markdown that the page is made of."""

from __future__ import annotations

import asyncio
import io
import json
from urllib.parse import quote

import pytest
from PIL import Image
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from pages.kit.rooms import PAGES
from tests.hardening.live import errors, form, request, run, token, wait
from tests.load.server import Server
from tests.load.visitor import Answer, Visitor

MARK = "<img src=x onerror=alert(1)>[z](javascript:z)"
PLAIN = {"text", "text_input", "text_area", "bidi_component", "json", "code"}  # shown letter by letter


def marked(answer: Answer) -> list[tuple[str, str]]:
    """Elements that hold the mark and could show it as something else than letters."""
    return [(kind, str(e)[:300]) for kind, e, _ in answer.elements
            if kind not in PLAIN and e is not None and MARK[:12] in str(e).replace('\\"', '"')]  # fmt: skip


def click(page: Answer, ending: str) -> BackMsg:
    """A click on the button whose key ends so."""
    message = run(page)
    name = next(b.id for b in page.of("button") if b.id.endswith(ending))
    message.rerun_script.widget_states.widgets.add(id=name, trigger_value=True)
    return message


async def upload(server: Server, visitor: Visitor, page: Answer, name: str) -> Answer:
    """The page after a picture of this name was uploaded in the dialog, as a browser does it."""
    dialog = await visitor.ask(click(page, "image_change"))
    box = dialog.of("file_uploader")[0]
    asked = BackMsg()
    asked.file_urls_request.request_id = "1"
    asked.file_urls_request.file_names.append(name)
    asked.file_urls_request.session_id = page.session
    await visitor.socket.send(asked.SerializeToString())
    while (message := ForwardMsg.FromString(await visitor.socket.recv())).WhichOneof("type") != "file_urls_response":
        pass
    place = message.file_urls_response.file_urls[0]
    out = io.BytesIO()
    Image.effect_noise((64, 48), 90).convert("RGB").save(out, "PNG")
    mine = await asyncio.to_thread(token, server)
    body, kind = form(out.getvalue(), "x.png")
    body = body.replace(b"x.png", name.encode())
    heads = {"Content-Type": kind, "Cookie": f"_streamlit_xsrf={mine}", "X-Xsrftoken": mine}
    assert (await asyncio.to_thread(request, server, "PUT", place.upload_url, body, heads))[0] == 204
    rerun = run(dialog)
    state = rerun.rerun_script.widget_states.widgets.add(id=box.id).file_uploader_state_value
    info = state.uploaded_file_info.add(file_id=place.file_id, name=name, size=len(out.getvalue()))
    info.file_urls.CopyFrom(place)
    await visitor.ask(rerun)
    return await visitor.visit("fcn")


def test_the_name_of_a_file_is_shown_letter_by_letter(server):
    async def told() -> Answer:
        async with Visitor(server.url, keep=True) as visitor:
            page = await visitor.visit("fcn", "image=landscape")
            page = await visitor.visit("fcn", "image=landscape")
            return await upload(server, visitor, page, MARK)

    answer = wait(told())
    assert any(MARK[:12] in text.body for text in answer.of("text")), [t.body for t in answer.of("text")]
    assert marked(answer) == []
    assert not errors(answer)


@pytest.mark.parametrize("page", PAGES, ids=[page.url for page in PAGES])
def test_words_of_a_link_are_not_repeated_as_html(server, page):
    async def told() -> None:
        async with Visitor(server.url, keep=True) as visitor:
            whole = await visitor.visit(page.url)
            names = {e.query_param_key for _, e, _ in whole.elements if getattr(e, "query_param_key", "")} | {"image"}
            answer = await visitor.visit(page.url, "&".join(f"{name}={quote(MARK)}" for name in sorted(names)))
            assert marked(answer) == []
            assert not errors(answer)

    wait(told())


def test_a_mark_would_be_found():
    """What this file looks for is found where it is."""
    message = ForwardMsg()
    message.delta.new_element.html.body = json.dumps(MARK)
    answer = Answer()
    answer.take(message.SerializeToString(), keep=True)
    assert len(marked(answer)) == 1
