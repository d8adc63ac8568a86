"""One entry in the browser's history for each page that was opened, so that the back button leaves a page at once.

Streamlit adds an entry whenever the server writes into the address: for the picture in hand, for a control that comes
back with its page, for a parameter that is put right. So opening one page took two presses of the back button, or
four. Controls that are moved add none, and neither does what the server writes with the script below, which stands in
the page before Streamlit's own.

References
1. HTML Standard, section 7.4.4: `history.pushState` and `history.replaceState`.
2. Streamlit 1.67, `App.handlePageInfoChanged` in its frontend.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SCRIPT = """<script>
(() => {
  const push = history.pushState;
  let left = null; // the address of the page whose link to another page was followed
  document.addEventListener('click', (event) => { if (event.target.closest?.('a[href]')) left = location.href; }, true);
  window.addEventListener('popstate', () => { left = null; }, true);
  history.pushState = function (state, title, url) {
    if (url !== undefined && new URL(url, location.href).pathname === location.pathname)
      return history.replaceState(state, title, url);
    if (left) history.replaceState(history.state, '', left); // what was written since then is the next page's
    left = null;
    return push.call(history, state, title, url);
  };
})();
</script>"""
_HEAD = b"<head>"


class History:
    """ASGI middleware that puts `SCRIPT` first into the head of each page that a browser opens."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] != "http"
            or scope["method"] != "GET"
            or "text/html" not in Headers(scope=scope).get("accept", "")
        ):
            await self.app(scope, receive, send)
            return
        heads = [(name, value) for name, value in scope["headers"] if name.lower() != b"accept-encoding"]
        start: Message | None = None  # of an HTML page whose body is not whole yet
        body = b""

        async def sent(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_page(message):
                start = message
            elif start is None:
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body"):
                    body = body.replace(_HEAD, _HEAD + SCRIPT.encode(), 1)
                    told = MutableHeaders(raw=list(start["headers"]))
                    told["content-length"] = str(len(body))
                    del told["etag"], told["last-modified"]  # they speak of the file without the script
                    await send(start | {"headers": told.raw})
                    await send({"type": "http.response.body", "body": body})

        await self.app(scope | {"headers": heads}, receive, sent)  # what is compressed could not be added to


def _is_page(start: Message) -> bool:
    return start["status"] == 200 and Headers(raw=start["headers"]).get("content-type", "").startswith("text/html")
