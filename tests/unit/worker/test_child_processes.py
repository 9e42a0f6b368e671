"""Child processes of a cell can use its functions and classes, with every start method."""

from __future__ import annotations

import psutil
import pytest

from .conftest import Notebook

BEFORE = """
import dataclasses
factor = 10

@dataclasses.dataclass
class Item:
    value: int

def work(item):
    return Item(item.value * factor)

def fails(item):
    raise ValueError(f"bad {item.value}")
"""
POOL = """
import multiprocessing
with multiprocessing.get_context({method!r}).Pool(2) as pool:
    made = pool.map(work, [Item(1), Item(2)])
[type(item) is Item and item.value for item in made]
"""
EXECUTOR = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

class Own:
    def __init__(self, value):
        self.value = value
    def __call__(self):
        return Own(self.value * factor)

def call(own):
    return own()

with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context({method!r})) as pool:
    made = list(pool.map(call, [Own(1), Own(2)]))
[type(own) is Own and own.value for own in made]
"""
PROCESS = """
import multiprocessing
context = multiprocessing.get_context({method!r})
queue = context.Queue()

def child(item, queue):
    report(step=1)  # does nothing there
    queue.put((work(item), __name__, get_ipython().getoutput("echo {{item.value}}")))

process = context.Process(target=child, args=(Item(4), queue))
process.start()
item, name, said = queue.get()
process.join()
(item == Item(40), name, list(said), process.exitcode)
"""
METHODS = ["fork", "spawn", "forkserver"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("cell", [POOL, EXECUTOR], ids=["pool", "executor"])
def test_classes_and_functions_of_cells_are_pickled_in_both_directions(
    notebook: Notebook, cell: str, method: str
) -> None:
    notebook.run(BEFORE)
    assert notebook.job(cell.format(method=method)).result == [10, 20]


@pytest.mark.parametrize("method", METHODS)
def test_child_process_has_the_names_of_the_cell(notebook: Notebook, method: str) -> None:
    notebook.run(BEFORE)
    assert notebook.job(PROCESS.format(method=method)).result == (True, "__main__", ["4"], 0)


def test_traceback_of_a_child_process_shows_the_cell(notebook: Notebook) -> None:
    notebook.run(BEFORE)
    one_process = POOL.replace("Pool(2)", "Pool(1)")  # so that the first item fails first
    ran = notebook.job(one_process.format(method="spawn").replace("work", "fails"))
    assert (ran.code, ran.error["type"], ran.error["message"]) == (1, "ValueError", "bad 1")
    assert 'raise ValueError(f"bad {item.value}")' in ran.stderr


def test_unpicklable_name_does_not_affect_other_names(notebook: Notebook) -> None:
    cell = "import threading\nlock = threading.Lock()\ndef guarded():\n    with lock: return 1\n"
    notebook.run(BEFORE)
    assert notebook.job(cell + POOL.format(method="spawn")).result == [10, 20]


def test_torch_data_loader_works_with_every_start_method(notebook: Notebook) -> None:
    notebook.run("""
import torch
from torch.utils.data import DataLoader, Dataset

class Squares(Dataset):
    def __len__(self):
        return 4
    def __getitem__(self, place):
        return torch.tensor(place ** 2)

def together(items):
    return torch.stack(items)
""")
    cell = """
def numbers(method):
    loader = DataLoader(Squares(), 2, num_workers=2, multiprocessing_context=method, collate_fn=together)
    return [batch.tolist() for batch in loader]
(numbers("fork"), numbers("spawn"))
"""
    assert notebook.job(cell).result == ([[0, 1], [4, 9]],) * 2


@pytest.mark.parametrize("method", METHODS)
def test_unclosed_pool_ends_with_the_job(notebook: Notebook, method: str) -> None:
    notebook.run(BEFORE)
    cell = f"""
import multiprocessing
pool = multiprocessing.get_context({method!r}).Pool(2)
pool.map(work, [Item(1)])
[process.pid for process in pool._pool]
"""
    assert not any(psutil.pid_exists(pid) for pid in notebook.job(cell).result)
