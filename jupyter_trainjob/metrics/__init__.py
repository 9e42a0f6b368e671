"""Frames in pod logs become telemetry: `log_lines` finds them, `telemetry` reads them, `history` stores them."""
