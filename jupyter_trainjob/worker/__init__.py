"""What runs inside a pod, on every rank: it loads the captured values, runs the cell, and speaks in frames.

Comes after the bundle, which packs this folder into ``job.pyz`` under the name `protocol.PACKAGE`; goes to the pod's
log, which `metrics` reads. Standard library only, relative imports only: a pod has nothing else of this project.
"""
