"""What the viewer tests share: reading the canvas, places on the screen, waiting for the paint."""

import base64
import io

import numpy as np
from PIL import Image

V = "window.__saccade.viewers.get('test')"
SAFE = {"sky": (86, 180, 233), "tree": (0, 158, 115), "disc": (240, 228, 66)}
SKY, TREE, DISC, WATER = (100, 60), (100, 350), (461, 128), (500, 350)  # image pixels of the made-up Trace


def ready(page):
    page.wait_for_selector(".viewer[data-ready]")
    page.wait_for_selector(".panel .legend")
    settle(page)


def settle(page):
    """Until two frames are painted and what follows a frame has run."""
    page.evaluate("""() => new Promise((done) =>
        requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 30))))""")


def press(page, *keys):
    page.locator(".stage canvas").focus()
    for key in keys:
        page.keyboard.press(key)
    settle(page)


def pixel(page, x, y) -> tuple[int, ...]:
    """RGB of the canvas where image pixel x, y is shown."""
    return tuple(page.evaluate(f"""([x, y]) => {{
        const s = {V}.stage, p = s.place, X = (x + .5) * p.scale + p.left, Y = (y + .5) * p.scale + p.top;
        return Array.from(s.context.getImageData(Math.round(X), Math.round(Y), 1, 1).data).slice(0, 3);
    }}""", [x, y]))  # fmt: skip


def canvas(page) -> np.ndarray:
    text = page.evaluate(f"{V}.stage.canvas.toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text.split(",")[1]))).convert("RGB")).astype(int)


def on_screen(page, x, y) -> tuple[float, float]:
    return tuple(page.evaluate(f"""([x, y]) => {{
        const s = {V}.stage, p = s.place, b = s.canvas.getBoundingClientRect();
        return [b.left + ((x + .5) * p.scale + p.left) / s.ratio, b.top + ((y + .5) * p.scale + p.top) / s.ratio];
    }}""", [x, y]))  # fmt: skip


def near(a, b, off=3) -> bool:
    return max(abs(x - y) for x, y in zip(a, b, strict=True)) <= off


def sentence(page) -> str:
    return page.locator(".sentences p.now").inner_text()


def state(page, **patch):
    page.evaluate(f"(p) => {V}.set(p)", patch)
    settle(page)
