"""The bundle of a job: the cell and the notebook's values that it uses, packed as an archive and as Secrets.

`capture` finds and pickles the values, `archive` packs the `worker` and a manifest into ``job.pyz``, and `delivery`
makes the Secrets and the runtime patch that mounts them. The client's `submit` calls these.
"""
