"""The log is bounded in records a minute and in letters a record, whoever writes it."""

from __future__ import annotations

import io
import logging

import pytest

from pages.kit.logs import LONGEST, MOST, Bound


@pytest.fixture
def written():
    """A logger of its own, what it wrote, and a clock that is set by hand."""
    out, now = io.StringIO(), [0.0]
    handler = logging.StreamHandler(out)
    handler.addFilter(Bound(lambda: now[0]))
    logger = logging.Logger("somebody")
    logger.addHandler(handler)
    return logger, out, now


def test_a_flood_is_cut_off_and_told_later(written):
    logger, out, now = written
    for i in range(1000):
        logger.warning("a broken file %d", i)
    assert len(out.getvalue().splitlines()) == MOST
    now[0] = 61.0
    logger.warning("another")
    assert out.getvalue().splitlines()[-1] == f"another [{1000 - MOST} more in the minute before were left out]"
    logger.warning("and one")
    assert out.getvalue().splitlines()[-1] == "and one"


def test_a_long_record_is_shortened_and_the_end_of_its_traceback_kept(written):
    logger, out, _ = written
    logger.warning("x" * 10**6)
    assert len(out.getvalue()) < LONGEST
    try:
        raise ValueError("y" * 10**5 + " the end")
    except ValueError:
        logger.exception("It failed %s", "z" * 10**5)
    assert len(out.getvalue()) < 3 * LONGEST
    assert out.getvalue().endswith("the end\n")


def test_short_records_stay_as_they_are(written):
    logger, out, _ = written
    logger.warning("a %s of %d", "record", 2)
    logger.warning("odd %d", "words")
    assert out.getvalue().startswith("a record of 2\n")
    assert "odd" in out.getvalue()


def test_one_logger_does_not_silence_another(written):
    logger, out, _ = written
    other = logging.Logger("another")
    other.addHandler(logger.handlers[0])
    for _ in range(100):
        logger.warning("flood")
    other.warning("heard")
    assert "heard" in out.getvalue()
