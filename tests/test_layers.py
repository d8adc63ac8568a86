"""The rules of the house: who may import whom, where files lie, how each begins."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CODE = [p for folder in ("engine", "pages") for p in sorted((ROOT / folder).rglob("*.py"))]
NAMES = [str(p.relative_to(ROOT)) for p in CODE]


def modules(folder: str) -> list[str]:
    paths = (p.relative_to(ROOT).with_suffix("") for p in CODE if p.relative_to(ROOT).parts[0] == folder)
    return [".".join(p.parts).removesuffix(".__init__") for p in paths]


def test_the_engine_works_without_the_pages():
    """Every module of the engine is imported where Streamlit, Plotly and the pages cannot be."""
    code = (
        "import sys, importlib\n"
        "for name in ('streamlit', 'plotly', 'pages'): sys.modules[name] = None\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
        "print(len(sys.argv) - 1)"
    )
    wanted = [m for m in modules("engine") if m != "engine.__main__"] + ["engine.__main__"]
    done = subprocess.run([sys.executable, "-c", code, *wanted], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len(wanted) > 15


@pytest.mark.parametrize("path", CODE, ids=NAMES)
def test_imports_point_downwards(path):
    tree = ast.parse(path.read_text(encoding="utf8"))
    found = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    found |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
    tops = {name.split(".")[0] for name in found}
    parts = path.relative_to(ROOT).parts
    if parts[0] == "engine":
        assert not tops & {"streamlit", "plotly", "pages", "tests"}
    elif parts[1] == "kit":
        assert {n for n in found if n.startswith("pages.")} <= {n for n in found if n.startswith("pages.kit")}
    assert "tests" not in tops


def test_no_page_lies_directly_in_pages():
    assert list((ROOT / "pages").glob("*.py")) == []


@pytest.mark.parametrize("path", CODE, ids=NAMES)
def test_each_file_begins_with_its_sentence(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf8"))), "one sentence on top of each file"
