"""Tensors in pickles: the bytes of their storage go in from where they are, and become the new storage where they are.

Torch itself packs a storage into a buffer, and that into bytes: two more copies of a model. Also, what shares a storage
here still shares it there. Used by the pickler of the notebook's values and by that of results; the functions at the
end are named in what these write, under the name that this module has in the notebook.
"""

from __future__ import annotations

import pickle
import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any

HERE = ("cpu", "meta")
"""Types of devices whose tensors can travel as they are."""


class OnDevice(TypeError):
    """A tensor that lies in the memory of a device of this computer."""


class Storages:
    """The storages that one pickle holds."""

    def __init__(self, *, bring_home: bool = False) -> None:
        self._bring_home = bring_home
        """Whether what lies on another device becomes an ordinary tensor."""
        self._seen: dict[int, Any] = {}
        """One object for every storage, also to keep it alive as long as its address is in use."""

    def reduce(self, obj: Any) -> Any:
        """Return how `obj` is to be pickled if it is a storage that lies in memory, else `NotImplemented`."""
        torch = sys.modules.get("torch")
        if torch is None or not hasattr(torch, "Tensor"):  # While it is imported.
            return NotImplemented
        if isinstance(obj, torch.Tensor):
            if obj.device.type not in HERE and not self._bring_home:
                raise OnDevice(f"it lies on {obj.device} of this computer, which a job does not see")
            return _of_tensor(obj)
        whole = _of_what_torch_cuts(obj)
        if whole is not NotImplemented:
            return whole
        if not isinstance(obj, (torch.UntypedStorage, torch.storage.TypedStorage)):
            return NotImplemented
        untyped = obj if isinstance(obj, torch.UntypedStorage) else obj._untyped_storage  # noqa: SLF001 - no public name
        if not (untyped.device.type == "cpu" or (self._bring_home and untyped.device.type != "meta")):
            return NotImplemented
        if untyped is not obj:
            return typed, (self._seen.setdefault(untyped._cdata, untyped), obj.dtype)  # noqa: SLF001
        self._seen.setdefault(obj._cdata, obj)  # noqa: SLF001
        here = obj if obj.device.type == "cpu" else obj.cpu()
        self._seen.setdefault(here._cdata, here)  # noqa: SLF001
        size = here.nbytes()
        if not size:
            return untyped_storage, (b"",)
        import ctypes  # Late: most ranks send back no tensors.

        return untyped_storage, (pickle.PickleBuffer((ctypes.c_char * size).from_address(here.data_ptr())),)


def storages(value: Any, depth: int = 2) -> Iterator[Any]:
    """Yield what the tensors among a value and what it contains lie in, where that is this process's memory."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "Tensor"):
        return
    if type(value) in (torch.Tensor, torch.nn.Parameter):
        if value.device.type == "cpu" and value.layout is torch.strided and value.numel():
            yield value.untyped_storage()
    elif depth and isinstance(value, (list, tuple, dict)):
        for each in list(value.values() if isinstance(value, dict) else value)[:1000]:
            yield from storages(each, depth - 1)


def _of_tensor(tensor: Any) -> Any:
    """Return how a tensor is pickled, with its gradient and its hooks, which torch leaves behind."""
    kept = {
        name: value
        for name in ("grad", "_backward_hooks", "_post_accumulate_grad_hooks")
        if tensor.is_leaf and (value := getattr(tensor, name, None)) is not None
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It says that the hooks stay behind.
        how = tensor.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    if type(tensor).__module__ == "torch":
        how = _readable(*how)
    return (*how, kept, None, None, set_all) if kept and len(how) == 2 else how


def _of_what_torch_cuts(obj: Any) -> Any:
    """Return how is pickled what torch can copy whole, but pickles in part or not at all."""
    optimizers, parametrize, dynamo = (
        sys.modules.get(name) for name in ("torch.optim", "torch.nn.utils.parametrize", "torch._dynamo.eval_frame")
    )
    if optimizers is not None and isinstance(obj, getattr(optimizers, "Optimizer", ())):
        how = obj.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
        cut = getattr(type(obj), "__getstate__", None) is optimizers.Optimizer.__getstate__ and isinstance(how, tuple)
        return (*how[:2], {**vars(obj)}, *how[3:]) if cut else how
    if parametrize is not None and "ParametrizationList" in vars(parametrize) and _is_parametrized(obj, parametrize):
        return parametrized, (type(obj).__bases__[0],), {**vars(obj)}, None, None, set_parametrized
    if dynamo is not None and isinstance(obj, types.FunctionType) and "_torchdynamo_orig_callable" in vars(obj):
        for cell in obj.__closure__ or ():
            if isinstance(cell.cell_contents, dynamo._TorchDynamoContext):  # noqa: SLF001 - compiled modules pickle it too
                return compiled, (vars(obj)["_torchdynamo_orig_callable"], cell.cell_contents)
    return NotImplemented


def _is_parametrized(obj: Any, parametrize: Any) -> bool:
    return type(obj).__module__ == parametrize.__name__ and bool(parametrize.is_parametrized(obj))


def _readable(make: Any, arguments: tuple[Any, ...], *rest: Any) -> tuple[Any, ...]:
    """Return how a tensor is pickled. Those of newer types, such as float8, torch writes but does not read."""
    if make.__name__ == "_rebuild_tensor_v3":
        import torch

        arguments = typed(arguments[0], torch.uint8), *arguments[1:]
    return make, arguments, *rest


def untyped_storage(data: Any) -> Any:
    """Return the storage that `data` is; it lives on in it."""
    import torch

    return torch.frombuffer(data, dtype=torch.uint8).untyped_storage() if data else torch.UntypedStorage(0)


def typed(storage: Any, dtype: Any) -> Any:
    """Return a storage with its type."""
    import torch

    return torch.storage.TypedStorage(wrap_storage=storage, dtype=dtype, _internal=True)


def set_all(obj: Any, attributes: dict[str, Any]) -> None:
    """Give an object its attributes."""
    for name, value in attributes.items():
        setattr(obj, name, value)


def parametrized(cls: Any) -> Any:
    """Return an empty module that is to be parametrized."""
    return cls.__new__(cls)


def set_parametrized(module: Any, attributes: dict[str, Any]) -> None:
    """Fill a module, and let it compute its weights again."""
    from torch.nn.utils import parametrize

    vars(module).update(attributes)
    parametrize._inject_new_class(module)  # noqa: SLF001 - register_parametrization would initialise them anew
    for name in module.parametrizations:
        parametrize._inject_property(module, name)  # noqa: SLF001


def compiled(function: Any, context: Any) -> Any:
    """Return a function that torch compiles when it is called."""
    return context(function)


# In a pod this module has another name, but whoever reads knows it by this one.
for _each in (untyped_storage, typed, set_all, parametrized, set_parametrized, compiled):
    _each.__module__ = "jupyter_trainjob.worker.tensors"
