"""The code that runs in a pod, on every rank: load the captured values, run the cell, write frames.

The bundle packs this folder into ``job.pyz`` under the name `protocol.PACKAGE`; `metrics` reads the frames from the
pod's log. Standard library and relative imports only: the rest of this project is not installed in the pod.
"""
