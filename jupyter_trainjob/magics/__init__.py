"""The cell: ``%%trainjob`` sends it to a job (`cell`), ``%trainjob`` looks after jobs (`line`).

The options of both stand in `arguments`, so that help, errors and the README agree.
"""
