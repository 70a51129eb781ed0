"""What a camera remembers between two frames, as plain values that a file can hold.

Numbers, arrays and messages, and the objects of this package that are made of them, are taken as
they are found; what else there is (locks, publishers, engines) stays as it is.
"""
from collections import Counter, deque
from collections.abc import Callable
import dataclasses
import importlib
from typing import Any

import numpy as np
from rclpy.serialization import deserialize_message, serialize_message
import torch

from .camera import Camera

Arrays = dict[str, torch.Tensor]

# where the classes are that may be made again from a file
ROOMS = ('flashdepth_ros.metres.', 'flashdepth_ros.images.', 'flashdepth_ros.streams.')
STATE = '_state'    # of a stream, which may be on another device: DepthStream.remembered
_SKIPPED = object()


def remember(camera: Camera) -> tuple[dict, Arrays]:
    """Return what a camera remembers, for JSON, and the arrays that belong to it."""
    packer = _Packer()
    fields = {name: packer.fields(each) for name, each in _holders(camera).items()}
    return fields, {**packer.arrays, **{
        f'stream.{name}': value for name, value in camera.stream.remembered().items()}}


def recall(camera: Camera, fields: dict, arrays: Arrays) -> None:
    """Have a camera that was just made remember what another one did."""
    unpacker = _Unpacker(arrays)
    for name, each in _holders(camera).items():
        unpacker.into(each, fields[name])
    camera.stream.recall({name.removeprefix('stream.'): value for name, value in arrays.items()
                          if name.startswith('stream.')})


def _holders(camera: Camera) -> dict[str, Any]:
    source = camera.scale.source
    return {name: each for name, each in (
        ('input', camera.input), ('scale', camera.scale), ('outputs', camera.outputs),
        ('health', camera.health), ('stream', camera.stream), ('source', source),
        ('odometry', getattr(source, 'odometry', None)),
        ('gravity', getattr(source, 'gravity', None))) if each is not None}


class _Packer:
    """Turns values into what JSON can hold, and keeps their arrays. What is shared stays so."""

    def __init__(self) -> None:
        self.arrays: Arrays = {}
        # by id; the value too, so that it lives on
        self._known: dict[int, tuple[Any, Any]] = {}

    def fields(self, holder: Any) -> dict:
        """Pack an object's attributes, as far as they can be."""
        names = (field.name for field in dataclasses.fields(holder)) if dataclasses.is_dataclass(
            holder) else vars(holder)
        packed = {name: self.pack(getattr(holder, name)) for name in names if name != STATE}
        return {name: value for name, value in packed.items() if value is not _SKIPPED}

    def pack(self, value: Any) -> Any:
        if value is None or type(value) in (bool, int, float, str):
            return value
        if id(value) in self._known:
            return self._known[id(value)][0]
        number = len(self._known)
        self._known[id(value)] = {'same': number}, value
        packed = self._pack(value)
        if packed is _SKIPPED:
            self._known[id(value)] = _SKIPPED, value
            return _SKIPPED
        return {**packed, 'number': number}

    def _pack(self, value: Any) -> Any:
        kind = type(value)
        if isinstance(value, (np.ndarray, np.generic)):
            return {'array': self._keep(torch.from_numpy(np.array(value)))}
        if isinstance(value, torch.Tensor):
            return {'tensor': self._keep(value.cpu().clone())}
        if kind in (list, tuple, set, deque):
            values = [self.pack(each) for each in value]
            if any(each is _SKIPPED for each in values):
                return _SKIPPED
            return {kind.__name__: values, 'maxlen': getattr(value, 'maxlen', None)}
        if kind in (dict, Counter):
            pairs = [[self.pack(key), self.pack(each)] for key, each in value.items()]
            if any(each is _SKIPPED for pair in pairs for each in pair):
                return _SKIPPED
            return {kind.__name__: pairs}
        if hasattr(kind, 'get_fields_and_field_types'):  # a message
            data = np.frombuffer(serialize_message(value), np.uint8).copy()
            return {'message': [kind.__module__.partition('.')[0], kind.__name__],
                    'data': self._keep(torch.from_numpy(data))}
        if kind.__module__.startswith(ROOMS) and not isinstance(value, Callable):
            return {'object': [kind.__module__, kind.__qualname__], 'fields': self.fields(value)}
        return _SKIPPED

    def _keep(self, array: torch.Tensor) -> str:
        self.arrays[f'array.{len(self.arrays)}'] = array
        return f'array.{len(self.arrays) - 1}'


class _Unpacker:
    """Makes values again of what a packer made of them."""

    def __init__(self, arrays: Arrays):
        self._arrays = arrays
        self._known: dict[int, Any] = {}

    def into(self, holder: Any, fields: dict) -> None:
        """Set an object's attributes; those that are objects themselves keep their locks."""
        for name, packed in fields.items():
            before = getattr(holder, name, None)
            if isinstance(packed, dict) and 'object' in packed and not _is_frozen(before) and (
                    [type(before).__module__, type(before).__qualname__] == packed['object']):
                self._known[packed['number']] = before
                self.into(before, packed['fields'])
            else:
                object.__setattr__(holder, name, self.unpack(packed))

    def unpack(self, packed: Any) -> Any:
        if not isinstance(packed, dict):
            return packed
        if 'same' in packed:
            return self._known[packed['same']]
        value = self._known[packed['number']] = self._unpack(packed)
        return value

    def _unpack(self, packed: dict) -> Any:
        if 'array' in packed:
            array = self._arrays[packed['array']].numpy().copy()
            return array if array.ndim else array[()]
        if 'tensor' in packed:
            return self._arrays[packed['tensor']]
        if 'message' in packed:
            package, name = packed['message']
            kind = getattr(importlib.import_module(f'{package}.msg'), name)
            return deserialize_message(self._arrays[packed['data']].numpy().tobytes(), kind)
        if 'object' in packed:
            module, name = packed['object']
            if not module.startswith(ROOMS):
                raise ValueError(f'{module} holds nothing that is remembered')
            kind = getattr(importlib.import_module(module), name)
            value = object.__new__(kind)
            for field, each in packed['fields'].items():
                object.__setattr__(value, field, self.unpack(each))
            return value
        for kind in (dict, Counter):
            if kind.__name__ in packed:
                return kind({self.unpack(key): self.unpack(each)
                             for key, each in packed[kind.__name__]})
        if 'deque' in packed:
            return deque(map(self.unpack, packed['deque']), packed['maxlen'])
        for kind in (list, tuple, set):
            if kind.__name__ in packed:
                return kind(map(self.unpack, packed[kind.__name__]))
        raise ValueError(f'what was remembered cannot be read: {sorted(packed)}')


def _is_frozen(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and type(value).__dataclass_params__.frozen
