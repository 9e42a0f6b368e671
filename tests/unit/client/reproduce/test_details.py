"""The details of a job: its values, modules, files and record."""

from __future__ import annotations

from jupyter_trainjob.client.reproduce import details
from tests.ui.scenes.details import MANIFEST, RECORD

TEXT = """\
Values
  data   numpy.ndarray (1797, 64) float64  0.92 MB
  lr     float                             12 B     0.01
  np     module numpy                      41 B     import numpy as np
  train  function                          1,842 B  Cell [3], line 2
Modules
  mylib          sent as files, 0.01 MB
  numpy  2.4.6   by name, from the runtime
  torch  2.15.0  by name, from the runtime
Files
  config.toml
Sent with
  cloudpickle       3.1.2
  jupyter_trainjob  0.1.0
  python            3.11.7
Record
  code      Cell [12], sha256 a92826ee5a3da014
  sent      2026-11-23T09:00:00Z by ada
  notebook  /home/ada/digits/train.ipynb
  folder    /home/ada/digits
  git       725c1437a2cb on main, with changes
  runtime   torch-distributed
  options   nodes 8
  seed      757497613"""


def test_details_of_a_job_fit_a_terminal() -> None:
    text = details.format_details(details.describe_bundle(MANIFEST, RECORD))
    assert text == TEXT
    assert max(map(len, text.splitlines())) <= 80


def test_details_of_a_rerun_name_the_original_job() -> None:
    record = {**RECORD, "rerun_of": "digits-abcde", "rerun_time": "2026-11-24T00:00:00Z", "rerun_user": "bob"}
    assert "digits-abcde at 2026-11-24T00:00:00Z by bob" in details.format_details(
        details.describe_bundle(MANIFEST, record)
    )


def test_details_without_a_record_come_from_the_manifest() -> None:
    bare = MANIFEST._replace(seed=None, modules=(), files=(), values=())
    titles = [section.title for section in details.describe_bundle(bare, {})]
    assert titles == ["Sent with", "Record"]


def test_details_of_a_yaml_job_refer_to_its_yaml() -> None:
    assert "is in its YAML" in details.format_details([])
