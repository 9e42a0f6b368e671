"""What a job was sent with, in words."""

from __future__ import annotations

from jupyter_trainjob.client import details
from tests.ui.scenes.details import MANIFEST, RECORD

TEXT = """\
Values
  data   numpy.ndarray (1797, 64) float64  0.92 MB
  lr     float                             12 B     0.01
  np     module numpy                      41 B     import numpy as np
  train  function                          1,842 B  Cell [3], line 2
Modules
  mylib          travelled, 0.01 MB
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


def test_the_details_of_a_job_fit_a_terminal() -> None:
    text = details.text(details.described(MANIFEST, RECORD))
    assert text == TEXT
    assert max(map(len, text.splitlines())) <= 80


def test_a_job_that_ran_once_more_says_of_which() -> None:
    record = {**RECORD, "rerun_of": "digits-abcde", "rerun_time": "2026-11-24T00:00:00Z", "rerun_user": "bob"}
    assert "digits-abcde at 2026-11-24T00:00:00Z by bob" in details.text(details.described(MANIFEST, record))


def test_a_job_that_was_sent_without_a_record_has_what_its_manifest_says() -> None:
    bare = MANIFEST._replace(seed=None, modules=(), files=(), values=())
    titles = [section.title for section in details.described(bare, {})]
    assert titles == ["Sent with", "Record"]


def test_a_job_in_yaml_says_that_it_has_none() -> None:
    assert "stands in its YAML" in details.text([])
