"""Pickle tensors without a copy of their storage, and load them without a second one.

Torch itself copies a storage to a buffer, and that to bytes: two more copies of a model. Tensors that share a storage
still share it after unpickling. Used for the notebook's values and for results; pickles refer to the functions at the
end by this module's name in the notebook.
"""

from __future__ import annotations

import pickle
import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any

from .refused_values import RefusedValue

SENDABLE_DEVICES = ("cpu", "meta")
"""Device types whose tensors are sent as they are."""


class TensorReducer:
    """Reduces tensors and storages of one pickle."""

    def __init__(self, *, any_device: bool = False) -> None:
        self._any_device = any_device
        """Whether tensors on other devices are copied to main memory, instead of refused."""
        self._recomputed: set[int] = set()
        """Ids of tensors that a hook of their module computes before each use."""
        self._seen: dict[int, Any] = {}
        """One object per storage, kept alive while its address is in use."""

    def reduce(self, obj: Any) -> Any:
        """Return the reduction of a tensor, a storage in memory or a torch object, else `NotImplemented`.

        Raises `RefusedValue` for tensors on other devices, and for results with a graph.
        """
        torch = sys.modules.get("torch")
        if torch is None or not hasattr(torch, "Tensor"):  # torch is being imported.
            return NotImplemented
        if isinstance(obj, torch.Tensor):
            if obj.device.type not in SENDABLE_DEVICES and not self._any_device:
                raise RefusedValue(
                    f"it lies on {obj.device} of this computer, which a job does not see",
                    "Move it to main memory before, as by .cpu() or .to('cpu'), and to a rank's own device inside "
                    "{code}.",
                )
            if obj.grad_fn is not None and not self._any_device and id(obj) not in self._recomputed:
                raise RefusedValue(
                    f"it is the result of {obj.grad_fn.name()}, whose graph cannot be sent",
                    "Compute it inside {code}, or send its value alone, as by .detach().",
                )
            return _reduce_tensor(obj)
        if isinstance(obj, torch.nn.Module):
            self._recomputed |= set(_recomputed_tensors(obj))
        whole = _reduce_whole(obj)
        if whole is not NotImplemented:
            return whole
        if not isinstance(obj, (torch.UntypedStorage, torch.storage.TypedStorage)):
            return NotImplemented
        untyped = obj if isinstance(obj, torch.UntypedStorage) else obj._untyped_storage  # noqa: SLF001 - no public name
        if not (untyped.device.type == "cpu" or (self._any_device and untyped.device.type != "meta")):
            return NotImplemented
        if untyped is not obj:
            return make_typed_storage, (self._seen.setdefault(untyped._cdata, untyped), obj.dtype)  # noqa: SLF001
        self._seen.setdefault(obj._cdata, obj)  # noqa: SLF001
        storage = obj if obj.device.type == "cpu" else obj.cpu()
        self._seen.setdefault(storage._cdata, storage)  # noqa: SLF001
        size = storage.nbytes()
        if not size:
            return make_untyped_storage, (b"",)
        import ctypes  # Late: most ranks return no tensors.

        return make_untyped_storage, (pickle.PickleBuffer((ctypes.c_char * size).from_address(storage.data_ptr())),)


def iter_storages(value: Any, depth: int = 2) -> Iterator[Any]:
    """Yield the storages in this process's memory of the tensors in a value and its elements."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "Tensor"):
        return
    if type(value) in (torch.Tensor, torch.nn.Parameter):
        if value.device.type == "cpu" and value.layout is torch.strided and value.numel():
            yield value.untyped_storage()
    elif depth and isinstance(value, (list, tuple, dict)):
        for item in list(value.values() if isinstance(value, dict) else value)[:1000]:
            yield from iter_storages(item, depth - 1)


def _recomputed_tensors(module: Any) -> Iterator[int]:
    """Yield ids of tensors that hooks such as ``weight_norm`` and ``spectral_norm`` set at each call."""
    for hook in list(module._forward_pre_hooks.values()):  # noqa: SLF001 - no public name
        name = getattr(hook, "name", None)
        if isinstance(name, str) and name in vars(module):
            yield id(vars(module)[name])


def _reduce_tensor(tensor: Any) -> Any:
    """Return the reduction of a tensor, with its gradient and its hooks, which torch omits."""
    attributes = {
        name: value
        for name in ("grad", "_backward_hooks", "_post_accumulate_grad_hooks")
        if tensor.is_leaf and (value := getattr(tensor, name, None)) is not None
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Torch warns that hooks are not pickled.
        reduction = tensor.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    if type(tensor).__module__ == "torch":
        reduction = _make_readable(*reduction)
    return (*reduction, attributes, None, None, set_attributes) if attributes and len(reduction) == 2 else reduction


def _reduce_whole(obj: Any) -> Any:
    """Return the reduction of torch objects that torch pickles in part or not at all."""
    optimizers, parametrize, dynamo = (
        sys.modules.get(name) for name in ("torch.optim", "torch.nn.utils.parametrize", "torch._dynamo.eval_frame")
    )
    if optimizers is not None and isinstance(obj, getattr(optimizers, "Optimizer", ())):
        reduction = obj.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
        cut = getattr(type(obj), "__getstate__", None) is optimizers.Optimizer.__getstate__ and isinstance(
            reduction, tuple
        )
        return (*reduction[:2], {**vars(obj)}, *reduction[3:]) if cut else reduction
    if parametrize is not None and "ParametrizationList" in vars(parametrize) and _is_parametrized(obj, parametrize):
        return make_parametrized, (type(obj).__bases__[0],), {**vars(obj)}, None, None, fill_parametrized
    if dynamo is not None and isinstance(obj, types.FunctionType) and "_torchdynamo_orig_callable" in vars(obj):
        for cell in obj.__closure__ or ():
            if isinstance(cell.cell_contents, dynamo._TorchDynamoContext):  # noqa: SLF001 - compiled modules pickle it too
                return make_compiled, (vars(obj)["_torchdynamo_orig_callable"], cell.cell_contents)
    return NotImplemented


def _is_parametrized(obj: Any, parametrize: Any) -> bool:
    return type(obj).__module__ == parametrize.__name__ and bool(parametrize.is_parametrized(obj))


def _make_readable(make: Any, arguments: tuple[Any, ...], *rest: Any) -> tuple[Any, ...]:
    """Return a readable reduction: torch writes tensors of newer types, such as float8, but cannot read them."""
    if make.__name__ == "_rebuild_tensor_v3":
        import torch

        arguments = make_typed_storage(arguments[0], torch.uint8), *arguments[1:]
    return make, arguments, *rest


def make_untyped_storage(data: Any) -> Any:
    """Return a storage that uses `data` as its memory."""
    import torch

    return torch.frombuffer(data, dtype=torch.uint8).untyped_storage() if data else torch.UntypedStorage(0)


def make_typed_storage(storage: Any, dtype: Any) -> Any:
    """Return a storage with its type."""
    import torch

    return torch.storage.TypedStorage(wrap_storage=storage, dtype=dtype, _internal=True)


def set_attributes(obj: Any, attributes: dict[str, Any]) -> None:
    """Set attributes of an object."""
    for name, value in attributes.items():
        setattr(obj, name, value)


def make_parametrized(cls: Any) -> Any:
    """Return an empty module, which `fill_parametrized` completes."""
    return cls.__new__(cls)


def fill_parametrized(module: Any, attributes: dict[str, Any]) -> None:
    """Fill a module, and restore its parametrizations."""
    from torch.nn.utils import parametrize

    vars(module).update(attributes)
    parametrize._inject_new_class(module)  # noqa: SLF001 - register_parametrization would initialise again
    for name in module.parametrizations:
        parametrize._inject_property(module, name)  # noqa: SLF001


def make_compiled(function: Any, context: Any) -> Any:
    """Return a function that torch compiles at its first call."""
    return context(function)


# In a pod this module has another name; pickles must contain this one.
for _function in (
    make_untyped_storage,
    make_typed_storage,
    set_attributes,
    make_parametrized,
    fill_parametrized,
    make_compiled,
):
    _function.__module__ = "jupyter_trainjob.worker.pickling.tensor_storages"
