"""How long a person waits: cold start, upload, a step, a control, a drag. One JSON line each; `make bench` runs it.

Painted means: the browser has run the frame after the change and a message posted in that frame has come back.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.browser.chromium import find
from tests.browser.conftest import FLAGS, ROOT, WATCH_SOCKETS, free_port, wait_for

TRIES = 30
VIEWER = "[data-ready=true]"
SHOWS_ANOTHER = "(id) => { const v = window.__saccade.viewers.get('fcn'); return v?.film && v.film.trace.id !== id; }"

# Resolves with the milliseconds from a key's own time stamp until the frame after it was painted.
KEY_TO_PAINTED = """
() => new Promise((done) => document.addEventListener('keydown', (event) => requestAnimationFrame(() => {
  const channel = new MessageChannel();
  channel.port1.onmessage = () => done(performance.now() - event.timeStamp);
  channel.port2.postMessage(0);
}), {capture: true, once: true}))
"""

# The same until the viewer has painted another Trace, looked for in each frame.
KEY_TO_TRACE = """
() => new Promise((done) => {
  const shown = () => window.__saccade.viewers.get('fcn')?.film?.trace.id, id = shown();
  document.addEventListener('keydown', (event) => {
    const look = () => {
      if (!shown() || shown() === id) { requestAnimationFrame(look); return; }
      const channel = new MessageChannel();
      channel.port1.onmessage = () => done(performance.now() - event.timeStamp);
      channel.port2.postMessage(0);
    };
    requestAnimationFrame(look);
  }, {capture: true, once: true});
})
"""


# Drag events of the sampling grid: milliseconds from the event's own time stamp until the frame after it was painted,
# and the work of each frame (everything between the request and the next task).
WATCH_DRAG = """
() => {
  const drag = window.__saccade.drags.get('grid'), plain = drag.render.bind(drag);
  window.__drag = {painted: [], work: []};
  let first = 0;
  drag.input.pane.box.addEventListener('pointermove', (event) => { first ||= event.timeStamp; }, {capture: true});
  drag.render = () => {
    const begun = performance.now(), since = first;
    first = 0;
    plain();
    window.__drag.work.push(performance.now() - begun);
    const channel = new MessageChannel();
    channel.port1.onmessage = () => { if (since) window.__drag.painted.push(performance.now() - since); };
    channel.port2.postMessage(0);
  };
}
"""


def summary(name: str, values: list[float], **more: object) -> None:
    """Print one JSON line: milliseconds, median and p95 over the tries."""
    line = {"name": name, "tries": len(values), "median_ms": round(float(np.median(values)), 1),
            "p95_ms": round(float(np.percentile(values, 95)), 1), **more}  # fmt: skip
    print(json.dumps(line), flush=True)


class Server:
    """A fresh `streamlit run app.py` on a free loopback port."""

    def __init__(self) -> None:
        self.log = Path(tempfile.mkdtemp()) / "log.txt"
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port),
                   "--server.headless", "true"]  # fmt: skip
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=self.log.open("wb"), stderr=subprocess.STDOUT)
        wait_for(f"{self.url}/_stcore/health", self.process, self.log)

    def stop(self) -> None:
        """End it by its pid."""
        self.process.terminate()
        self.process.wait(10)


def cold(browser, tries: int) -> None:
    """From starting the server until home, and until the FCN page with its picture, is painted."""
    for name, path, mark in (("cold_home", "", "h1"), ("cold_fcn", "fcn", VIEWER)):
        times = []
        for _ in range(tries):
            started = time.perf_counter()
            server, page = Server(), browser.new_page()
            page.goto(f"{server.url}/{path}")
            page.wait_for_selector(mark, timeout=60_000)
            times.append(1000 * (time.perf_counter() - started))
            page.close()
            server.stop()
        summary(name, times)


def photographs(count: int) -> list[bytes]:
    """12-megapixel JPEGs, each another picture, turned by EXIF as phones do."""
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[274] = 6
    files = []
    for _ in range(count):
        small = Image.fromarray(rng.integers(0, 256, (30, 40, 3), np.uint8))
        out = io.BytesIO()
        small.resize((4032, 3024), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90, exif=exif)
        files.append(out.getvalue())
    return files


def until_new_trace(page: Page, act: Callable[[], object]) -> float:
    """Milliseconds from `act` until the viewer has painted another Trace."""
    before = page.get_attribute(VIEWER, "data-trace")
    started = time.perf_counter()
    act()
    page.wait_for_function(SHOWS_ANOTHER, arg=before, polling="raf", timeout=60_000)
    page.evaluate("() => new Promise((r) => requestAnimationFrame(() => setTimeout(r)))")
    return 1000 * (time.perf_counter() - started)


def upload(page: Page, tries: int) -> None:
    """From handing over a 12-megapixel JPEG to its segmentation on the screen."""
    times = []
    for i, data in enumerate(photographs(tries + 2)):
        open_upload(page)
        file = {"name": f"photo{i}.jpg", "mimeType": "image/jpeg", "buffer": data}
        times.append(until_new_trace(page, lambda file=file: page.set_input_files("input[type=file]", [file])))
    summary("upload_12_megapixels", times[2:])


def open_upload(page: Page) -> None:
    """Make the picker's upload field be there."""
    if not page.locator("input[type=file]").count():
        page.get_by_role("button", name="Change").first.click()
        page.wait_for_selector("input[type=file]", state="attached")


def step(page: Page, tries: int) -> None:
    """From an arrow key to the next step painted, and how many messages that sent."""
    page.locator(f"{VIEWER} canvas").first.focus()
    page.keyboard.press("Home")
    page.wait_for_timeout(1500)
    sent, times = page.evaluate("window.__ws.sends.length"), []
    for i in range(tries):
        page.evaluate(f"() => {{ window.__painted = ({KEY_TO_PAINTED})(); }}")
        page.keyboard.press("ArrowRight" if i % 8 < 4 else "ArrowLeft")
        times.append(page.evaluate("() => window.__painted"))
        page.wait_for_timeout(60)
    summary("step_key_to_painted", times, messages=page.evaluate("window.__ws.sends.length") - sent)


def control(page: Page, tries: int) -> None:
    """From moving a gain to the new Trace painted; the model's own work there is a sum of three small maps."""
    thumb = page.get_by_role("slider", name="skip, stride 8")
    thumb.focus()
    times = []
    for i in range(tries + 2):
        page.evaluate(f"() => {{ window.__painted = ({KEY_TO_TRACE})(); }}")
        page.keyboard.press("ArrowLeft" if i % 10 < 5 else "ArrowRight")
        times.append(page.evaluate("() => window.__painted"))
        page.wait_for_timeout(300)
    summary("control_round_trip", times[2:])


def drag(page: Page, url: str) -> None:
    """Dragging one handle of the sampling grid, bilinear, output 256 x 256: work of a frame, and event to painted."""
    for family, handle in (("affine", "corner top left"), ("projective", "corner top left"),
                           ("thin+plate+spline", "point 5")):  # fmt: skip
        page.goto(f"{url}/grid?image=astronaut&family={family}")
        page.wait_for_selector(".drag[data-ready=true]", timeout=60_000)
        page.wait_for_timeout(1500)
        page.evaluate(WATCH_DRAG)
        box = page.locator(f'[data-handle="{handle}"]').bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        for i in range(10 * TRIES):
            page.mouse.move(x + 0.1 * (i % 200), y + 0.07 * (i % 170))
            page.wait_for_timeout(8)
        page.mouse.up()
        for name, values in page.evaluate("window.__drag").items():
            summary(f"drag_{name}", values[20:], family=family)


def main() -> None:
    """All of it, or the names given."""
    wanted = set(sys.argv[1:]) or {"cold", "upload", "step", "control", "drag"}
    path = find()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        if "cold" in wanted:
            cold(browser, TRIES)
        server = Server()
        context = browser.new_context(viewport={"width": 1366, "height": 768})
        context.add_init_script(WATCH_SOCKETS)
        page = context.new_page()
        page.goto(f"{server.url}/fcn?image=china")
        page.wait_for_selector(VIEWER, timeout=60_000)
        for name, measure in (("step", step), ("control", control), ("upload", upload)):
            if name in wanted:
                measure(page, TRIES)
        if "drag" in wanted:
            drag(page, server.url)
        server.stop()
        browser.close()


if __name__ == "__main__":
    main()
