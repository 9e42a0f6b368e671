"""Objects of the embedded cluster: an index in memory over a log of changes in SQLite."""
