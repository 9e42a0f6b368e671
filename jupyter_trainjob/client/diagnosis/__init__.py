"""Explain why a job waits, hangs or failed, from conditions, events, exit codes and the ranks' reports."""
