"""What a dry run prints of values fits into 80 columns."""

from __future__ import annotations

from jupyter_trainjob.magics import review


def test_long_names_types_and_origins_are_cut_where_they_say_least() -> None:
    rows = [
        ("x", "int", "5 B", "notebook"),
        ("n" * 60, f"torch.utils.data.{'d' * 20}.Loader", "1,073,741,824 B", f"module {'m' * 60} 1.0"),
    ]
    short, long = review.table(rows)
    assert max(len(short), len(long)) <= review.COLUMNS
    assert short.split() == ["x", "int", "5", "B", "notebook"]
    assert "Loader" in long
    assert "1,073,741,824 B" in long


def test_columns_are_as_narrow_as_what_is_in_them() -> None:
    assert review.table([("x", "int", "5 B", "Cell [3], line 2")]) == ["  x  int  5 B  Cell [3], line 2"]
