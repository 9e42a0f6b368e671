"""Side-by-side measurements against the peers, in one run on one machine: ``scripts/bench``."""
