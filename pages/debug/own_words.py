"""Names and numbers as visitors write them."""

from __future__ import annotations

import re

from engine.debug.onnx_spec import Numbers, clean, numbered


def written(triple: Numbers) -> str:
    """Three numbers as people write them."""
    return ", ".join(f"{n:g}" for n in triple)


def parts(text: str) -> tuple[str, ...]:
    """The names in a text, cleaned; a number alone means so many classes, which have numbers as names."""
    if text.strip().isdecimal() and len(text.strip()) < 5:
        return numbered(int(text))
    return clean(part for part in re.split(r"[,\n]", text) if part.strip())


def numbers(text: str) -> Numbers:
    """Three numbers in a text. Raises ValueError with a sentence."""
    try:
        a, b, c = (float(part) for part in re.split(r"[,;\s]+", text.strip()))
    except ValueError:
        raise ValueError("Mean and deviation are three numbers each, such as 0.485, 0.456, 0.406.") from None
    return a, b, c
