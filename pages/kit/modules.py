"""ES modules of assets/ as the one module that a component of Streamlit wants.

References
1. Streamlit, Components V2 (st.components.v2.component): html, css and js as text, no build step.
"""

from __future__ import annotations

import re
from pathlib import Path

ASSETS = Path(__file__).parents[2] / "assets"


def join(folder: str, names: tuple[str, ...]) -> str:
    """The modules of assets/`folder` with these names ("../viewer/dom" is of another folder), in this order, as one:
    imports dropped, names made common, so that no two modules may declare the same one at their top."""
    parts = []
    for name in names:
        text = read(folder, f"{name}.js")
        text = re.sub(r'^import [^;]*? from "(?:\./|\.\./\w+/)\w+\.js";\n', "", text, flags=re.M)
        parts.append(re.sub(r"^export (?!default)", "", text, flags=re.M))
    return "\n".join(parts)


def read(folder: str, name: str) -> str:
    """The text of a file in assets/`folder`."""
    return (ASSETS / folder / name).read_text(encoding="utf8")
