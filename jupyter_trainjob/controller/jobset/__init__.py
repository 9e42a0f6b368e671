"""JobSets become Jobs and a headless Service: the step below, where no JobSet controller is installed.

``reconciler`` reads and writes; ``decision`` says what is to be done, and asks one file per policy: `children` (what
each Job counts as), `startup` and `depends_on` (which Jobs may exist yet), `success` and `failure` (how it ends or
begins anew), `network`, `claims`, `suspend`, `ttl`. ``jobs`` and ``labels`` make the Jobs. All of it but the
reconciler is pure.

What JobSet v0.12 has behind feature gates that are off (restarts of single Jobs, in-place restarts, elastic JobSets) is
not here; a JobSet that asks for it is refused at admission, or fails with that reason where nobody refused it.
"""
