"""The occlusion map against models whose answer hangs on a known part of the picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.debug import occlusion
from engine.debug.answers import answer
from engine.debug.occlusion import Occlusion, OcclusionError, Sliding, Target, occlude
from engine.debug.probe import Patch, grey
from tests.debug.toy import Toy

REGION = np.s_[48:64, 80:96]  # rows 48 to 63, columns 80 to 95: one cell of 16 pixels, four of 8


class Looks(Toy):
    """Its answer, the same at each pixel, is how bright one region is."""

    def scores(self, encoding, variant=None):
        level = torch.tensor(encoding.rgb[REGION]).double().mean().float() / 64 - 2
        return torch.stack([-level, level])[:, None, None].expand(2, 12, 16)[None]


@pytest.fixture
def rgb() -> np.ndarray:
    """(96, 128, 3) uint8, darker than its bright region."""
    picture = np.random.default_rng(0).integers(20, 90, (96, 128, 3)).astype(np.uint8)
    picture[REGION] = 250
    return picture


def whole(*args) -> Occlusion:
    *_, last = occlude(*args)
    return last


def test_the_map_peaks_at_the_region_and_is_zero_elsewhere(rgb):
    found = whole(Looks(), rgb, Target(1), Sliding(16, 16, None))
    assert found.drop.shape == (6, 8)
    assert found.top == [(3, 5)]
    assert found.middle(3, 5) == (88, 56)
    assert np.argwhere(found.drop != 0).tolist() == [[3, 5]], "exactly zero where the square does not touch it"
    wider = whole(Looks(), rgb, Target(1), Sliding(32, 16, None))
    assert wider.top[0] == (3, 5)
    assert np.argwhere(wider.drop != 0).tolist() == [[r, c] for r in (2, 3, 4) for c in (4, 5, 6)]


def test_the_drop_is_the_arithmetic(rgb):
    """The square just covers the region: the mean is then the grey level."""
    found = whole(Looks(), rgb, Target(1), Sliding(16, 16, None))
    chances = [1 / (1 + np.exp(-2 * (level / 64 - 2))) for level in (250, grey(rgb))]
    assert found.before == pytest.approx(chances[0], abs=1e-6)
    x, y = found.middle(*found.top[0])
    assert (int(x), int(y)) == (88, 56)
    assert found.drop.max() == pytest.approx(chances[0] - chances[1], abs=1e-6)
    other = whole(Looks(), rgb, Target(0), Sliding(16, 16, None))
    assert np.allclose(other.drop, -found.drop, atol=1e-6), "what one class loses the other gains"
    assert other.top == []


def test_a_pixel_and_its_region_are_watched_where_they_are(rgb):
    """The toy answers pixel by pixel, so only what hides the pixel matters to it."""
    found = whole(Toy(), rgb, Target(1, (88.5, 52.5)), Sliding(8, 8, None))
    hit = np.argwhere(found.drop != 0).tolist()
    assert hit == [[6, 11]], "columns 88 to 95, rows 48 to 55"
    region = whole(Toy(), rgb, Target(1), Sliding(8, 8, None))
    assert sorted(map(tuple, np.argwhere(region.drop > 1e-6))) == [(6, 10), (6, 11), (7, 10), (7, 11)]
    assert region.before == pytest.approx(answer(Toy(), rgb).probability[1][REGION].mean(), abs=1e-6)


def test_it_goes_square_by_square(rgb):
    steps = list(occlude(Looks(), rgb, Target(1), Sliding(32, 32, None)))
    assert [s.done for s in steps] == list(range(1, 13))
    assert [int(np.isnan(s.drop).sum()) for s in steps] == list(range(11, -1, -1))
    assert np.array_equal(steps[3].drop[0], steps[-1].drop[0])


def test_a_working_copy_is_smaller_and_finds_the_same_place(rgb):
    found = whole(Toy(), rgb, Target(1, (88, 56)), Sliding(16, 16, 64))
    assert found.seen == (64, 48)
    assert found.drop.shape == (6, 8)
    x, y = found.middle(*found.top[0])
    assert abs(x - 88) <= 8
    assert abs(y - 56) <= 8
    assert whole(Looks(), rgb, Target(1), Sliding(64, 64, 4000)).seen == (128, 96), "never enlarged"


@pytest.mark.parametrize("sliding", [Sliding(0, 8), Sliding(8, 0), Sliding(8, 1), Sliding(9999, 8), Sliding(8, 8, 1)])
def test_what_cannot_be_is_refused_before_any_run(sliding, rgb):
    with pytest.raises(OcclusionError, match=r"\.$"):
        next(occlude(Toy(), rgb, Target(1), sliding))


def test_the_trace_shows_it(rgb):
    found = whole(Looks(), rgb, Target(1), Sliding(16, 16, None))
    made = occlusion.trace(found, answer(Looks(), rgb))
    _, heat, boxes = made.steps[-1].layers
    assert np.array_equal(heat.data, found.drop)
    assert heat.range[0] == -heat.range[1]
    assert boxes.data[0].tolist() == [80, 48, 96, 64]
    assert "8 x 6 squares" in made.steps[-1].sentence
    assert made.steps[-1].table.rows[0][:2] == (88, 56)
    assert occlusion.probe_of(found) == Patch(16, 88, 56)
    pixel = whole(Toy(), rgb, Target(1, (88, 56)))
    assert "at (88, 56)" in occlusion.trace(pixel, answer(Toy(), rgb)).steps[-1].sentence


def test_a_real_model(model, rgb):
    found = whole(model, rgb, Target(0), Sliding(48, 48, 96))
    assert found.drop.shape == (2, 3)
    assert np.isfinite(found.drop).all()
    assert np.abs(found.drop).max() > 0


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 4), (8, 8), (9, 8), (1, 4000), (60, 63), (5, 700)])
def test_each_cell_is_made_once_and_the_coarsest_first(rows, columns):
    order = occlusion.visits(rows, columns)
    assert sorted((r, c) for r, c, _ in order) == [(r, c) for r in range(rows) for c in range(columns)]
    blocks = [block for *_, block in order]
    assert blocks == sorted(blocks, reverse=True)
    assert blocks[-1] == 1
    assert blocks.count(blocks[0]) <= occlusion.FIRST
    assert rows * columns > occlusion.FIRST or blocks[0] == 1


def test_a_map_of_many_places_gets_finer(rgb):
    """Each level shows the whole picture, and the last one is what one pass row by row gives."""
    steps = list(occlude(Looks(), rgb, Target(1), Sliding(16, 8, None)))
    assert [s.done for s in steps] == list(range(1, 193))
    blocks = [s.block for s in steps]
    assert blocks == [0] * 47 + [2] * 144 + [1]
    coarse, last = steps[47], steps[-1]
    assert np.isnan(coarse.drop).sum() == 144
    assert np.isfinite(coarse.shown).all()
    assert coarse.shown.shape == last.drop.shape == (12, 16)
    assert np.array_equal(last.shown, last.drop)
    known = ~np.isnan(coarse.drop)
    assert np.array_equal(coarse.drop[known], last.drop[known])
    sentence = occlusion.trace(coarse, answer(Looks(), rgb)).steps[-1].sentence
    assert "48 of 16 x 12 squares" in sentence


def test_the_pace_is_that_of_a_run_on_the_working_copy(rgb):
    class Counting(Toy):
        sizes: list = []  # noqa: RUF012

        def scores(self, encoding, variant=None):
            self.sizes.append(encoding.rgb.shape[:2])
            return super().scores(encoding, variant)

    assert occlusion.pace(Counting(), rgb, 64) > 0
    assert Counting.sizes == [(48, 64)] * 2
