"""Detection of array views that overlap in memory, compared with NumPy."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from jupyter_trainjob.worker.pickling.array_views import _overlap

WHOLE = np.arange(48.0).reshape(6, 8)
VIEWS = {
    "rows that follow one another": [WHOLE[:3], WHOLE[3:]],
    "rows that share one": [WHOLE[:4], WHOLE[3:]],
    "the whole and a part": [WHOLE, WHOLE[2:3]],
    "the same twice": [WHOLE[1], WHOLE[1]],
    "backwards and the rest": [WHOLE[2::-1], WHOLE[3:]],
    "reversed, and a slice of it": [WHOLE[4::-1], WHOLE[1]],
    "a slice of an empty array": [WHOLE[:0], WHOLE],
    "one inside another that is long": [WHOLE[5], WHOLE[:5], WHOLE[1]],
    "turned": [WHOLE.T[:2], WHOLE[3:]],
    "each row separately": list(WHOLE),
    "one value": [WHOLE[0, :1], WHOLE[0, 1:]],
    "seen a thousand times": [np.broadcast_to(WHOLE[0, 0], 1000), WHOLE[1]],
}


@pytest.mark.parametrize("views", VIEWS.values(), ids=VIEWS)
def test_overlap_equals_numpys(views: list[np.ndarray]) -> None:
    assert _overlap(views) == any(np.may_share_memory(one, other) for one, other in combinations(views, 2))
