"""What travels: the cell with the notebook's values that it uses, packed as an archive and as Secrets.

Comes after the client's `submit`; goes to the API as Secrets and as the patch that mounts them, and into the pod as
``job.pyz``, which `worker` is the inside of. `capture` finds and pickles, `archive` packs, `delivery` addresses.
"""
