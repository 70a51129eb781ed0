"""Whether two pictures in a row can be of one scene. No ROS here.

A mere shift explains most pairs, and is cheap to find. Where it does not, parts of the picture
before are sought one by one: a camera that turns or drives, and what passes before it, leaves some
that moved alike, and another scene does not.
"""
import cv2
import numpy as np

SIZE = 32, 24    # width and height at which pictures are shifted over each other,
SHIFTS = 10, 6   # by so many pixels at most,
DISTANCE = 0.2   # and from which distance they may be of two scenes

GRID = 5, 7      # rows and columns of parts, at half the size of a thumbnail,
PART = 12        # of so many pixels to each side:
PARTS = 20       # those with the most contrast are sought, at most so many,
CONTRAST = 6     # of such a standard deviation in levels at least.
FEW = 8          # With fewer of them a picture cannot tell
ALIKE = 0.85     # correlation from which a part is found again
TOGETHER = 5     # width in pixels within which parts have moved alike

_INSIDE = cv2.copyMakeBorder(
    np.ones(SIZE[::-1], np.float32), SHIFTS[1], SHIFTS[1], SHIFTS[0], SHIFTS[0],
    cv2.BORDER_CONSTANT)
_ONES = np.ones(SIZE[::-1], np.float32)
_NEAR = np.ones((TOGETHER, TOGETHER), np.uint8)


def scene_distance(now: np.ndarray, before: np.ndarray) -> float:
    """Return 0 (the same scene) to 1 (another): how few parts of `before` are found again in `now`.

    Thumbnails (h, w) uint8 in grey of one size, such as picture_statistics.thumbnail makes them.
    It is the share of parts that are not among the most that can have moved alike; or 0 where a
    mere shift explains enough, and where there are too few parts with anything to see.
    """
    if shift_distance(now, before) <= DISTANCE:
        return 0.0
    now, before = _half(now), _half(before)
    parts = _parts(before)
    if len(parts) < FEW:
        return 0.0
    # votes for each way in which a part may have moved: all of those that it looks like, since
    # stripes and tiles look like many
    height, width = (side - PART + 1 for side in now.shape)
    votes = np.zeros((2 * height - 1, 2 * width - 1), np.uint8)
    for y, x in parts:
        found = cv2.matchTemplate(now, before[y:y + PART, x:x + PART], cv2.TM_CCOEFF_NORMED)
        alike = cv2.dilate((found > ALIKE).astype(np.uint8), _NEAR)
        votes[height - 1 - y:2 * height - 1 - y, width - 1 - x:2 * width - 1 - x] += alike
    return 1 - int(votes.max()) / len(parts)


def _half(grey: np.ndarray) -> np.ndarray:
    """Return a picture at half its size, without specks."""
    height, width = (max(1, side // 2) for side in grey.shape)
    return cv2.resize(cv2.medianBlur(grey, 3), (width, height), interpolation=cv2.INTER_AREA)


def _parts(picture: np.ndarray) -> list[tuple[int, int]]:
    """Return the rows and columns at which the parts with the most contrast begin."""
    if min(picture.shape) < 2 * PART:
        return []
    rows, columns = (np.linspace(0, side - PART, count).astype(int)
                     for side, count in zip(picture.shape, GRID, strict=True))
    found = [(float(picture[y:y + PART, x:x + PART].std()), int(y), int(x))
             for y in rows for x in columns]
    return [(y, x) for contrast, y, x in sorted(found, reverse=True)[:PARTS]
            if contrast >= CONTRAST]


def shift_distance(now: np.ndarray, before: np.ndarray) -> float:
    """Return 1 - the best correlation of two pictures (h, w) shifted over each other, 0 to 2."""
    a, b = (cv2.resize(each, SIZE, interpolation=cv2.INTER_AREA).astype(np.float32) - 128
            for each in (now, before))
    still = 1 - _correlation(a, b)
    if still <= DISTANCE:  # as mostly: no shift need be tried
        return still
    padded = cv2.copyMakeBorder(
        b, SHIFTS[1], SHIFTS[1], SHIFTS[0], SHIFTS[0], cv2.BORDER_CONSTANT)

    def sums(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        """Sum the products over the overlap, for each shift."""
        return cv2.matchTemplate(image, kernel, cv2.TM_CCORR).astype(np.float64)

    count = sums(_INSIDE, _ONES)
    of_a, of_b = sums(_INSIDE, a) / count, sums(padded, _ONES) / count
    squares_a, squares_b = sums(_INSIDE, a * a) / count, sums(padded * padded, _ONES) / count
    covariance = sums(padded, a) / count - of_a * of_b
    variance = np.maximum(squares_a - of_a ** 2, 1e-3) * np.maximum(squares_b - of_b ** 2, 1e-3)
    return float(1 - (covariance / np.sqrt(variance)).max())


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return that of two pictures; 1 where there is nothing to tell them by."""
    a, b = (each.astype(np.float32) - float(each.mean()) for each in (a, b))
    product = cv2.norm(a) * cv2.norm(b)
    return float((a * b).sum()) / product if product > 1 else 1.0
