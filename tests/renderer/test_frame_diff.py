"""When two ways to draw a frame agree, and which frames are looked at."""

from itertools import pairwise

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from helios.renderer.capture_trial import most_changing, probe_frames
from helios.renderer.frame_diff import BLOCK, THRESHOLD, block_means, largest_difference, total_difference
from helios.renderer.messages import Motion

Pixels = NDArray[np.uint8]
MOST = 9
"""The most frames that the probe looks at."""


def frame(pixels: Pixels) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="bgr0")


def difference(ones: Pixels, others: Pixels) -> int:
    return largest_difference(block_means(frame(ones)), block_means(frame(others)))


def plain(width: int, height: int, colour: tuple[int, int, int]) -> Pixels:
    return np.full((height, width, 3), colour, np.uint8)


@pytest.mark.parametrize(("columns", "rows"), [(4, 3), (11, 2), (1, 1), (20, 9)])
def test_every_block_of_gray_is_its_own_mean(columns: int, rows: int) -> None:
    shades = np.random.default_rng(1).integers(0, 256, (rows, columns), np.uint8)
    pixels = np.repeat(shades.repeat(BLOCK, 0).repeat(BLOCK, 1)[:, :, None], 3, 2)
    luma, blue, red = np.frombuffer(block_means(frame(pixels)), np.uint8).reshape(3, rows, columns)
    assert np.abs(luma.astype(int) - shades).max() <= 1
    assert np.abs(np.stack([blue, red]).astype(int) - 128).max() <= 1


@pytest.mark.parametrize("spot", [(0, 0), (3, 2), (1, 1)])
def test_a_block_of_another_shade_shows_as_it_is_and_nowhere_else(spot: tuple[int, int]) -> None:
    pixels = plain(4 * BLOCK, 3 * BLOCK, (100, 100, 100))
    other = pixels.copy()
    x, y = spot[0] * BLOCK, spot[1] * BLOCK
    other[y : y + BLOCK, x : x + BLOCK] += 40
    ones, others = (np.frombuffer(block_means(frame(one)), np.uint8).astype(int) for one in (pixels, other))
    changed = np.flatnonzero(ones != others)
    assert changed.tolist() == [spot[1] * 4 + spot[0]]
    assert abs(difference(pixels, other) - 40) <= 1
    assert (
        difference(pixels, other)
        == difference(other, pixels)
        == total_difference(bytes(ones.tolist()), bytes(others.tolist()))
    )


@pytest.mark.parametrize(
    "colours", [((255, 0, 0), (0, 130, 0)), ((0, 0, 255), (29, 29, 29)), ((200, 100, 0), (0, 150, 200))]
)
def test_another_colour_of_the_same_brightness_is_no_agreement(
    colours: tuple[tuple[int, int, int], tuple[int, int, int]],
) -> None:
    ones, others = (plain(4 * BLOCK, 2 * BLOCK, colour) for colour in colours)
    assert difference(ones, others) > 4 * THRESHOLD
    others[:, : 3 * BLOCK] = ones[:, : 3 * BLOCK]
    assert difference(ones, others) > 4 * THRESHOLD, "in one column"


@pytest.mark.parametrize("at", [(0, 0), (BLOCK + 5, 7), (3 * BLOCK - 1, 2 * BLOCK - 1)])
def test_a_single_pixel_hardly_counts(at: tuple[int, int]) -> None:
    pixels = plain(3 * BLOCK, 2 * BLOCK, (0, 0, 0))
    other = pixels.copy()
    other[at[1], at[0]] = 255
    assert difference(pixels, other) <= -(-255 // BLOCK**2) < THRESHOLD


def test_an_edge_that_is_antialiased_otherwise_agrees_and_one_that_is_elsewhere_does_not() -> None:
    pixels = plain(4 * BLOCK, 2 * BLOCK, (255, 255, 255))
    pixels[:, : BLOCK + 4] = 0
    softer = pixels.copy()
    softer[:, BLOCK + 4] = 200
    assert 0 < difference(pixels, softer) <= THRESHOLD
    moved = pixels.copy()
    moved[:, : BLOCK + 6] = 0
    assert difference(pixels, moved) > THRESHOLD


@pytest.mark.parametrize("size", [(320, 180), (1, 1), (BLOCK + 1, BLOCK - 1), (33, 50)])
def test_frames_of_any_size_are_compared_as_a_whole(size: tuple[int, int]) -> None:
    pixels = plain(*size, (90, 90, 90))
    means = block_means(frame(pixels))
    assert len(means) == 3 * -(-size[0] // BLOCK) * -(-size[1] // BLOCK)
    assert difference(pixels, pixels) == 0
    other = pixels.copy()
    other[-min(size[1], BLOCK) :, -min(size[0], BLOCK) :] = 250
    assert difference(pixels, other) > 4 * THRESHOLD, "in the last corner"


def test_differences_are_told_apart_from_their_sum() -> None:
    assert largest_difference(bytes([0, 9, 255]), bytes([3, 9, 250])) == 5
    assert largest_difference(bytes([0]), bytes([255])) == largest_difference(bytes([255]), bytes([0])) == 255
    assert total_difference(bytes([0, 9, 255]), bytes([3, 9, 250])) == 8


# Which frames.

lengths = st.integers(1, 1_000_000)


@given(lengths, st.sampled_from(["seek", "jump"]))
def test_the_whole_video_is_looked_at_where_that_costs_little(frames: int, motion: Motion) -> None:
    chosen = probe_frames(frames, motion)
    assert (chosen[0], chosen[-1]) == (0, frames - 1)
    gaps = [later - earlier for earlier, later in pairwise(chosen)]
    assert all(gap > 0 for gap in gaps), "in order, none of them twice"
    assert not gaps or max(gaps) - min(gaps) <= 1, "evenly"
    assert min(frames, 3) <= len(chosen) <= MOST


@given(lengths)
def test_of_a_page_that_is_stepped_only_the_beginning_is_looked_at(frames: int) -> None:
    chosen = probe_frames(frames, "step")
    assert list(chosen) == sorted(set(chosen))
    assert (chosen[0], chosen[-1]) == (0, min(frames - 1, max(10, frames // 20)))
    assert min(frames, 3) <= len(chosen) <= MOST


@given(st.sampled_from(["seek", "jump", "step"]), lengths, lengths)
def test_a_longer_video_is_looked_at_no_less(motion: Motion, one: int, other: int) -> None:
    shorter, longer = sorted((one, other))
    assert len(probe_frames(shorter, motion)) <= len(probe_frames(longer, motion))


def test_frames_to_look_at_by_example() -> None:
    assert probe_frames(1, "seek") == (0,)
    assert probe_frames(2, "jump") == (0, 1)
    assert probe_frames(101, "seek") == (0, 50, 100)
    assert probe_frames(900, "jump") == (0, 180, 360, 539, 719, 899)
    assert probe_frames(101, "step") == (0, 5, 10)
    assert len(probe_frames(100_000, "seek")) == MOST


def test_those_that_change_most_are_compared() -> None:
    frames = (0, 10, 20, 30, 40)
    means = [bytes([value, 100]) for value in (0, 1, 101, 111, 112)]
    assert most_changing(frames, means, 2) == (0, 20, 40), "one between first and last at least"
    assert most_changing(frames, means, 3) == (0, 20, 40)
    assert most_changing(frames, means, 4) == (0, 20, 30, 40)
    assert most_changing(frames, means, 99) == frames
    assert most_changing((0,), means[:1], 3) == (0,)
    assert most_changing((0, 7), means[:2], 3) == (0, 7)


@given(st.lists(st.binary(min_size=4, max_size=4), min_size=1, max_size=MOST), st.integers(1, MOST))
def test_first_and_last_are_always_compared(means: list[bytes], count: int) -> None:
    frames = tuple(range(0, 10 * len(means), 10))
    chosen = most_changing(frames, means, count)
    assert list(chosen) == sorted(set(chosen) & set(frames))
    assert (chosen[0], chosen[-1]) == (frames[0], frames[-1])
    assert len(chosen) <= max(count, 3)
    changes = {frames[k]: total_difference(means[k - 1], means[k]) for k in range(1, len(frames) - 1)}
    taken = [changes.pop(frame) for frame in chosen[1:-1]]
    assert all(left <= least for left in changes.values() for least in taken), "what is left out changes no more"
