"""As in a notebook: the engine alone, where Streamlit cannot be imported, with the weights that ship."""

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import sys
sys.modules["streamlit"] = sys.modules["plotly"] = None
import numpy as np
from skimage import data
from engine import zoo
trace = zoo.load(sys.argv[1]).trace(data.chelsea())
top = trace.steps[-1].table.rows[0]
print(len(trace.steps), *trace.image.shape, top[0], sep=",")
"""


@pytest.mark.parametrize(("name", "seen"), [("fcn-scenes", None), ("fcn-animals", "cat")])
def test_the_engine_alone_gives_the_trace(name, seen):
    done = subprocess.run([sys.executable, "-c", CODE, name], capture_output=True, text=True, timeout=120,
                          cwd=Path(__file__).resolve().parents[1])  # fmt: skip
    assert done.returncode == 0, done.stderr
    steps, height, width, channels, first = done.stdout.strip().split(",")
    assert (int(steps), int(height), int(width), int(channels)) == (6, 300, 451, 3)
    if seen:  # Chelsea fills most of her picture
        assert first == seen
