"""The suites of ``scripts/test``: what each runs, and how a failure by chance is told apart from a fault.

``scripts/test`` runs ``python -m tests.suites``. The way of one run::

    main ─► table (which suite is which tests) ─► pytest_run (one pytest process; events, limits)
         ─► reruns (what failed, by itself, twice) ─► verdict (failed, flaky, quarantined) ─► one table

``.ci/run`` runs ``python -m tests.suites.gate``, which needs nothing but Python: it installs what the suites need.
"""
