"""What the drag component sends may come from anybody: a release is read exactly, or not at all."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.spatial.theta import TransformError, check
from engine.spatial.transforms import FAMILIES
from pages.kit.drag import Released, read_released

GOOD = {"family": "affine", "theta": [1, 0.25, 0, 0, 1.5, -0.125], "forward": False, "n": 17}
WILD = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 10**400), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=40), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=40,
)


def test_a_release_is_read():
    assert read_released(GOOD) == Released("affine", (1.0, 0.25, 0.0, 0.0, 1.5, -0.125), False, 17)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(GOOD)), WILD)
def test_a_wild_field_gives_a_whole_release_or_none(name, value):
    got = read_released(GOOD | {name: value})
    if got is None:
        return
    assert got.family in FAMILIES
    assert all(type(v) is float for v in got.theta)
    assert len(got.theta) == len(FAMILIES[got.family].identity)
    assert type(got.forward) is bool
    assert got.n > 0
    with suppress(TransformError):  # nothing else is raised
        assert check(FAMILIES[got.family], got.theta) == got.theta


@settings(max_examples=200, deadline=None)
@given(WILD)
def test_a_wild_message_is_no_release(message):
    assert read_released(message) is None


@pytest.mark.parametrize("theta", [[1] * 5, [1] * 7, [1, 0, 0, 0, 1, float("nan")], [1, 0, 0, 0, 1, float("inf")],
                                   [1, 0, 0, 0, 1, True], [1, 0, 0, 0, 1, "0"], [1, 0, 0, 0, 1, None], "100010",
                                   [1, 0, 0, 0, 1, 10**400]])  # fmt: skip
def test_what_is_no_theta_is_refused(theta):
    assert read_released(GOOD | {"theta": theta}) is None


def test_a_missing_field_is_refused():
    for name in GOOD:
        assert read_released({k: v for k, v in GOOD.items() if k != name}) is None
    assert read_released(None) is None
