"""Changes of a picture are what they say, their way back is right, and what they change is counted exactly."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from engine.debug import probe_steps
from engine.debug.answers import Answer, answer
from engine.debug.probe import (
    PROBES,
    Blur,
    Jpeg,
    LeftRight,
    Noise,
    Offset,
    Patch,
    Probe,
    ProbeError,
    Rotation,
    UpDown,
    grey,
)
from engine.debug.probe_changes import chance, changes, curve
from engine.trace import VOID
from tests.debug.toy import Toy


@pytest.fixture
def before(rgb) -> Answer:
    return answer(Toy(), rgb)


def changed(probe: Probe, before: Answer, watched: int = 1):
    probed = probe.apply(before.rgb)
    return changes(probe, before, answer(Toy(), probed), probed, watched)


def test_blur_is_scipys(rgb):
    wanted = np.stack([ndimage.gaussian_filter(rgb[..., c].astype(float), 2.0, mode="nearest") for c in range(3)], -1)
    assert np.abs(Blur(2.0).apply(rgb) - wanted).max() <= 0.51


def test_noise_has_its_standard_deviation_and_its_seed():
    flat = np.full((200, 200, 3), 128, np.uint8)
    noisy = Noise(20.0).apply(flat)
    assert noisy.std() == pytest.approx(20, rel=0.02)
    assert noisy.mean() == pytest.approx(128, abs=0.3)
    assert np.array_equal(noisy, Noise(20.0).apply(flat))


def test_light(rgb):
    assert np.array_equal(Offset(-30).apply(rgb), np.maximum(rgb.astype(int) - 30, 0))
    assert np.array_equal(PROBES["Brightness"](2.0).apply(rgb), np.minimum(rgb.astype(int) * 2, 255))


def test_jpeg_is_pillows(rgb):
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=20)
    assert np.array_equal(Jpeg(20.0).apply(rgb), np.asarray(Image.open(file)))
    off = [np.abs(Jpeg(quality).apply(rgb) - rgb.astype(int)).mean() for quality in (5.0, 80.0)]
    assert off[0] > 2 * off[1]


def test_a_patch_hides_its_square_and_nothing_else(rgb):
    hidden = Patch(20, 60, 40).apply(rgb)
    assert (hidden[30:50, 50:70] == grey(rgb)).all()
    other = np.ones(rgb.shape[:2], bool)
    other[30:50, 50:70] = False
    assert np.array_equal(hidden[other], rgb[other])
    assert (Patch(20, 0, 0).apply(rgb)[:10, :10] == grey(rgb)).all(), "what lies outside is cut"
    assert np.array_equal(Patch(0, 5, 5).apply(rgb), rgb)
    assert (Patch(400, 60, 40).apply(rgb) == grey(rgb)).all()


@pytest.mark.parametrize("kind", [k for k in PROBES.values() if k.none is not None], ids=lambda k: k.__name__)
def test_where_nothing_is_done_nothing_changes(kind, before):
    found = changed(kind(kind.none), before)
    assert np.array_equal(found.probed, before.rgb)
    assert found.known.all()
    assert found.share == 0
    assert not found.gain.any()


@pytest.mark.parametrize("kind", PROBES.values(), ids=lambda k: k.__name__)
def test_strengths_have_bounds(kind, rgb):
    for strength in (kind.low, kind.high, kind.usual, *kind.grid):
        assert kind(strength).apply(rgb).shape == rgb.shape
    for wrong in (kind.low - 1, kind.high + 1, float("nan")):
        with pytest.raises(ProbeError, match=r"goes from .* outside\."):
            kind(wrong)
    with pytest.raises(ProbeError):
        Patch(10, -1, 4)


@pytest.mark.parametrize("kind", [LeftRight, UpDown])
def test_a_flip_comes_back_exactly(kind, before):
    found = changed(kind(), before)
    assert not np.array_equal(found.probed, before.rgb)
    assert np.array_equal(kind().apply(found.probed), before.rgb)
    assert np.array_equal(found.after.logits, before.logits)
    assert found.share == 0
    assert found.known.all()


def test_a_rotation_is_the_way_back_of_its_picture():
    """A picture of its own places is turned and read back: each pixel finds itself, and what is lost is known."""
    y, x = np.mgrid[:80, :120].astype(np.float32) + 0.5
    places = np.stack([x, y, np.zeros_like(x)], -1).astype(np.uint8)
    probe = Rotation(25.0)
    turned = probe.apply(places)
    logits = turned.transpose(2, 0, 1).astype(np.float32)
    found = Answer(turned, logits, ("x", "y", "z"), np.zeros((3, 3), np.uint8), {}, "only")
    back, known = probe.back(found, places)
    inner = ndimage.binary_erosion(known, iterations=3)
    assert 0.7 < known.mean() < 0.95
    assert np.abs(back.logits[0] + 0.5 - x)[inner].max() < 1.1  # bytes were rounded twice
    assert np.abs(back.logits[1] + 0.5 - y)[inner].max() < 1.1


def test_a_rotation_turns_counter_clockwise():
    dot = np.zeros((41, 41, 3), np.uint8)
    dot[20, 35] = 255
    assert np.argwhere(Rotation(90.0).apply(dot)[..., 0] > 128).tolist() == [[5, 20]]
    place, known = Rotation(90.0).places((41, 41))
    assert ((place[20, 35] + 1) * 41 / 2).tolist() == pytest.approx([20.5, 5.5], abs=1e-3)
    assert known.all()


def test_a_half_turn_and_two_flips_agree(before):
    half = changed(Rotation(180.0), before)
    assert half.known.all()
    assert half.share < 0.001
    flipped = LeftRight().apply(UpDown().apply(before.rgb))
    assert np.abs(half.probed - flipped.astype(int)).max() <= 1


def test_a_change_is_counted_by_hand(before):
    """A grey patch on the dark field: the toy says what the grey says, inside it and nowhere else."""
    probe = Patch(10, 20, 70)
    found = changed(probe, before)
    hidden = np.zeros(before.rgb.shape[:2], bool)
    hidden[65:75, 15:25] = True
    bright = grey(before.rgb) >= 128
    assert np.array_equal(found.differ, hidden & (before.labels != bright))
    assert found.share == found.differ.mean()
    inside = 1 / (1 + np.exp(-2 * (grey(before.rgb) / 64 - 2)))
    assert found.chances[1][hidden] == pytest.approx(inside, abs=1e-6)
    assert not found.gain[~hidden].any()
    assert np.allclose(chance(before, 1), before.probability[1], atol=1e-6)
    assert found.mean(hidden) == pytest.approx((chance(before, 1)[hidden].mean(), inside), abs=1e-6)
    own = before.labels == 1
    assert found.mean()[0] == pytest.approx(chance(before, 1)[own].mean(), abs=1e-6)
    assert found.shares.sum(1) == pytest.approx([1, 1])


def test_what_left_the_frame_is_not_compared(before):
    found = changed(Rotation(30.0), before)
    assert not found.known.all()
    assert not found.differ[~found.known].any()
    assert (found.labels[~found.known] == VOID).all()
    assert np.isnan(found.gain[~found.known]).all()
    assert np.isfinite(found.gain[found.known]).all()
    assert (found.truth(before.labels) == VOID).sum() == (~found.known).sum()


def test_the_trace_says_the_numbers(before):
    truth = before.labels.copy()
    truth[:5] = VOID
    found = changed(Offset(40.0), before)
    made = probe_steps.trace(found, truth)
    assert [s.title for s in made.steps] == ["Image", "Probed", "Before", "After", "Changed", "p(bright)"]
    assert f"{100 * found.share:.1f} %" in made.steps[probe_steps.CHANGED].sentence
    assert "100.0 %" in made.steps[probe_steps.BEFORE].sentence
    assert f"{found.mean()[1]:.3f}" in made.steps[probe_steps.GAIN].sentence
    assert np.array_equal(made.steps[probe_steps.CHANGED].layers[1].data, found.differ)
    heat = made.steps[probe_steps.GAIN].layers[1]
    assert heat.range == (-1.0, 1.0)
    assert np.array_equal(heat.data, found.gain)
    turned = probe_steps.trace(changed(Rotation(30.0), before))
    assert "left the frame" in turned.steps[probe_steps.PROBED].sentence
    assert (turned.steps[probe_steps.AFTER].layers[1].data == VOID).any()


def test_a_curve_starts_where_nothing_changes_and_falls(before):
    points = list(curve(Toy(), before, Noise(0.0), (0.0, 20.0, 80.0), before.labels))
    assert [p.strength for p in points] == [0.0, 20.0, 80.0]
    assert (points[0].unchanged, points[0].iou, points[0].truth_iou) == (1.0, 1.0, 1.0)
    assert points[0].unchanged > points[1].unchanged > points[2].unchanged > 0
    assert points[2].iou == points[2].truth_iou < points[1].iou
    assert next(curve(Toy(), before, Noise(0.0), (20.0,))).truth_iou is None
    by_hand = changed(Noise(20.0), before)
    assert points[1].unchanged == 1 - by_hand.share


def test_a_real_model_is_probed(model, rgb):
    before = answer(model, rgb)
    for kind in PROBES.values():
        probe = kind(kind.usual) if kind is not Patch else Patch(40, 65, 45)
        probed = probe.apply(rgb)
        found = changes(probe, before, answer(model, probed), probed, 0)
        assert found.after.labels.shape == rgb.shape[:2]
        assert (np.nanmax(np.abs(found.gain)) > 0) == (kind is not Probe)
        assert len(probe_steps.trace(found).steps) == 6


def test_a_class_without_a_region_is_averaged_over_the_picture(before):
    none = replace(before, logits=np.stack([before.logits[0] + 100, before.logits[1]]))
    found = changes(Probe(), none, none, before.rgb, 1)
    assert found.region.all()
    assert "over the picture" in probe_steps.trace(found).steps[probe_steps.GAIN].sentence.lower()
