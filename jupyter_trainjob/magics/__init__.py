"""The magics: ``%%trainjob`` submits a cell (`cell_magic`), ``%trainjob`` manages jobs (`line_magic`).

`arguments` has the parsers of both; help, errors and the documentation are made from them.
"""
