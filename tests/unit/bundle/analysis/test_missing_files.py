"""Files that code names and that are not sent with the job."""

from __future__ import annotations

import ast
import types
from pathlib import Path

import pytest

from jupyter_trainjob.bundle.analysis import missing_files
from jupyter_trainjob.bundle.analysis.local_modules import JobModule


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data" / "deep").mkdir(parents=True)
    for name in ("a.csv", "data/b.csv", "data/deep/c.txt", "model.pt", "weights", "c.txt"):
        (tmp_path / name).write_text("1")
    return tmp_path


MISSED: dict[str, tuple[str, list[str]]] = {
    "one that is read": ("open('a.csv')", ["a.csv"]),
    "one in a folder": ("pd.read_csv('data/b.csv')", ["data/b.csv"]),
    "one that is sent": ("open('data/deep/c.txt')", []),
    "one that is sent, written in another way": ("open('./data/../data/deep/c.txt')", []),
    "torch.load": ("net.load_state_dict(torch.load('model.pt', map_location='cpu'))", ["model.pt"]),
    "torch.load by keyword": ("torch.load(f='model.pt')", ["model.pt"]),
    "torch.load of a Path": ("torch.load(Path('model.pt'))", ["model.pt"]),
    "joblib.load": ("joblib.load('model.pt')", ["model.pt"]),
    "joblib.load by keyword, without a suffix": ("joblib.load(filename='weights')", ["weights"]),
    "numpy.load": ("numpy.load('model.pt', mmap_mode='r')", ["model.pt"]),
    "numpy.load by keyword": ("np.load(file='weights')", ["weights"]),
    "numpy.memmap": ("np.memmap('weights', mode='r+')", ["weights"]),
    "pd.read_csv by keyword": ("pd.read_csv(filepath_or_buffer='a.csv')", ["a.csv"]),
    "pd.read_parquet": ("pd.read_parquet('./a.csv')", ["./a.csv"]),
    "pickle.load": ("pickle.load(open('weights', 'rb'))", ["weights"]),
    "h5py.File": ("h5py.File('weights', 'r')", ["weights"]),
    "an image": ("Image.open('model.pt')", ["model.pt"]),
    "a path of parts": ("pd.read_csv(Path('data') / 'b.csv')", ["data/b.csv"]),
    "parts that are joined": ("pd.read_csv(os.path.join('data', 'b.csv'))", ["data/b.csv"]),
    "parts of a Path": ("Path('data', 'deep').joinpath('c.txt').read_text()", []),
    "a name that is no path": ("plot(label='weights')", []),
    "one that is written": ("df.to_csv('a.csv'); open('a.csv', 'w'); np.save('a.csv', x)", []),
    "one that is written by keyword": (
        "torch.save(obj=net, f='model.pt'); joblib.dump(net, filename='model.pt'); df.to_csv(path_or_buf='a.csv')",
        [],
    ),
    "one that is opened for writing": (
        "open(file='a.csv', mode='w'); Path('a.csv').open('w'); h5py.File('weights', 'w')",
        [],
    ),
    "one that is written as a Path": ("torch.save(net, Path('model.pt')); Path('a.csv').write_text('b.csv')", []),
    "one that is written before it is read": ("torch.save(net, 'model.pt')\ntorch.load('model.pt')", []),
    "one that is read before it is written": ("torch.load('model.pt')\ntorch.save(net, 'model.pt')", ["model.pt"]),
    "one that is read for what is written": ("np.save('a.csv', np.load('model.pt'))", ["model.pt"]),
    "a URL": ("read('https://a.csv')", []),
    "a text": ("print('a.csv is read')", []),
    "one that lies elsewhere": ("open('/etc/hosts')", []),
    "none": ("open('b.csv')", []),
}


@pytest.mark.parametrize(("source", "names"), MISSED.values(), ids=MISSED.keys())
def test_unsent_files_named_by_a_cell(folder: Path, source: str, names: list[str]) -> None:
    assert (
        list(missing_files.existing_unsent(missing_files.named_paths(ast.parse(source)), folder, ["data/deep/c.txt"]))
        == names
    )


FUNCTIONS: dict[str, tuple[str, list[str]]] = {
    "one that a function reads": ("def f():\n    return open('a.csv')", ["a.csv"]),
    "one that a function writes": ("def f(d):\n    d.to_csv('a.csv')", []),
    "one that a function within it reads": ("def f():\n    def g(): open('a.csv')\n    return g", ["a.csv"]),
    "one below a decorator": ("import functools\n@functools.cache\ndef f():\n    return open('a.csv')", ["a.csv"]),
    "a lambda's": ("f = lambda: open('a.csv')", ["a.csv"]),
    "one that only another function names": ("def f(): pass\n\ndef g(): open('a.csv')", []),
    "one of parts": ("import os\ndef f():\n    return open(os.path.join('data', 'b.csv'))", ["data/b.csv"]),
    "what torch loads": ("def f(torch):\n    return torch.load(f='model.pt')", ["model.pt"]),
    "a docstring": ("def f():\n    'Reads a.csv.'", []),
}


@pytest.mark.parametrize("known", [True, False], ids=["with its source", "without"])
@pytest.mark.parametrize(("source", "names"), FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_unsent_files_named_by_functions(folder: Path, source: str, names: list[str], known: bool) -> None:
    variables: dict[str, types.FunctionType] = {}
    exec(compile(source, "<cell>", "exec"), variables)
    function = getattr(variables["f"], "__wrapped__", variables["f"])
    paths = missing_files.paths_named_by_functions([function.__code__], {"<cell>": source} if known else {})
    if not known and "to_csv" in source:
        names = ["a.csv"]  # What happens to it is not in the code's constants.
    if not known and "join" in source:
        names = []  # Nor is what is made of it.
    assert list(missing_files.existing_unsent(paths, folder, [])) == names


def test_unsent_files_named_by_modules(folder: Path) -> None:
    path = folder / "helpers.py"
    path.write_text("NAMES = ['a.csv']\ndef rows():\n    open('data/deep/c.txt', 'w')\n    return open('data/b.csv')\n")
    broken = folder / "broken.py"
    broken.write_text("def rows(:\n")
    local = JobModule("helpers", by_value=True, files=(("helpers.py", path), ("broken.py", broken)))
    named = missing_files.paths_named_by_modules([local])
    assert list(missing_files.existing_unsent(named, folder, [])) == ["data/b.csv"]
    path.write_text("def net(torch):\n    return torch.load(f='model.pt'), open(Path('data') / 'b.csv')\n")
    assert list(missing_files.existing_unsent(missing_files.paths_named_by_modules([local]), folder, [])) == [
        "data/b.csv",
        "model.pt",
    ]
