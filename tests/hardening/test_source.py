"""Every place in the code that could run what a visitor wrote, or show it as HTML, is known and has a reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.load.server import ROOT

ALLOWED = {
    ("pages/kit/picker.py", "html"): "styles of the card and of the gallery, made of our own slugs and JPEGs",
    ("pages/kit/rooms.py", "html"): "styles; and the script that closes Streamlit's dialog",
    ("pages/spatial/transformer_source.py", "html"): "styles with pictures that are encoded here",
    ("pages/attention/captions.py", "html"): "a style with names of our own",
    ("pages/debug/compare.py", "html"): "a style with names of our own",
    ("pages/debug/many_panels.py", "html"): "a constant style",
    ("pages/debug/many_sheet.py", "html"): "styles with thumbnails that are encoded here",
    ("pages/debug/own_controls.py", "html"): "a constant style",
    ("pages/debug/probe_panels.py", "html"): "a constant style",
    ("pages/debug/truth_controls.py", "html"): "a square of colour, made of numbers",
    ("pages/debug/replay_panels.py", "html"): "a constant style",
    ("engine/debug/report.py", "html"): "our own function, which escapes (tests/debug/test_report.py)",
    ("engine/avif.py", "subprocess"): "the process that AVIF's decoder is confined to; no shell",
    ("engine/debug/onnx_process.py", "subprocess"): "the process that a user's network is confined to; no shell",
}
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "subprocess", "pty", "joblib"}
CALLS = {"eval", "exec", "compile", "__import__"}
METHODS = {"html", "iframe", "system", "popen", "load_pickle", "read_pickle", "declare_component"}
OPTIONS = {"unsafe_allow_html", "unsafe_allow_javascript", "shell", "allow_pickle"}


def uses(source: str) -> Iterator[str]:
    """What of the above a file uses."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from MODULES & {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            yield from MODULES & {(node.module or "").split(".")[0]}
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield from CALLS & {node.func.id}
            elif isinstance(node.func, ast.Attribute):
                yield from METHODS & {node.func.attr}
                if ast.unparse(node.func) == "torch.load" and "weights_only=True" not in ast.unparse(node):
                    yield "torch.load"
            for option in node.keywords:
                if option.arg in OPTIONS and not (
                    isinstance(option.value, ast.Constant) and option.value.value is False
                ):
                    yield option.arg
        elif isinstance(node, ast.Attribute) and ast.unparse(node) == "st.components.v1":
            yield "components.v1"


def test_what_could_run_or_show_foreign_text_is_known():
    paths = [p for folder in ("engine", "pages") for p in sorted((ROOT / folder).rglob("*.py"))]
    found = {(str(p.relative_to(ROOT)), use) for p in [ROOT / "app.py", *paths] for use in uses(p.read_text("utf8"))}
    assert found - set(ALLOWED) == set(), "say why it is safe, or do without it"
    assert set(ALLOWED) - found == set(), "is gone; take it off the list"


@pytest.mark.parametrize(
    ("source", "use"),
    [("import pickle", "pickle"), ("from subprocess import run", "subprocess"), ("eval('1')", "eval"),
     ("torch.load(x)", "torch.load"), ("torch.load(x, weights_only=False)", "torch.load"), ("st.html(x)", "html"),
     ("np.load(x, allow_pickle=True)", "allow_pickle"), ("run(x, shell=y)", "shell"), ("os.system(x)", "system"),
     ("st.markdown(x, unsafe_allow_html=True)", "unsafe_allow_html"), ("st.components.v1.html(x)", "components.v1")],
)  # fmt: skip
def test_each_of_them_is_found(source, use):
    assert use in set(uses(source))
    assert not set(uses("torch.load(x, weights_only=True); np.load(x, allow_pickle=False); network.eval()"))
