"""Tables of a dry run within 80 columns."""

from __future__ import annotations

from jupyter_trainjob.magics import dry_run


def test_long_names_types_and_origins_are_shortened() -> None:
    rows = [
        ("x", "int", "5 B", "notebook"),
        ("n" * 60, f"torch.utils.data.{'d' * 20}.Loader", "1,073,741,824 B", f"module {'m' * 60} 1.0"),
    ]
    short, long = dry_run.table(rows)
    assert max(len(short), len(long)) <= dry_run.MAX_COLUMNS
    assert short.split() == ["x", "int", "5", "B", "notebook"]
    assert "Loader" in long
    assert "1,073,741,824 B" in long


def test_columns_have_the_width_of_their_content() -> None:
    assert dry_run.table([("x", "int", "5 B", "Cell [3], line 2")]) == ["  x  int  5 B  Cell [3], line 2"]
