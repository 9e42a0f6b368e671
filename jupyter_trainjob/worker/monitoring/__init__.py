"""Background threads of a rank: resource usage, hangs, ranks that train alone."""
