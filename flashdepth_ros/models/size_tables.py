"""Tables that depend on a frame's size alone, kept on the device that computes with them.

A step must need nothing from the host: on a GPU each such copy waits for all that came before, and
a CUDA graph cannot contain one.
"""
from collections.abc import Callable, Hashable

import torch
from torch import Tensor, nn

MOST_TABLES = 16  # of one layer: a publisher may send any number of sizes


class SizeTables:
    """The tables of one layer that were used last, by what they depend on."""

    def __init__(self) -> None:
        self._tables: dict[Hashable, Tensor] = {}

    def get(self, key: Hashable, like: Tensor, make: Callable[[], Tensor]) -> Tensor:
        """Return the table of a key, of the type and on the device of `like`, made where new.

        While a network is traced, and where gradients are wanted, it is made each time.
        """
        if type(like) not in (Tensor, nn.Parameter) or (
                like.requires_grad and torch.is_grad_enabled()):
            return make().to(like)
        key = key, like.device, like.dtype
        table = self._tables.pop(key, None)
        if table is None:
            with torch.inference_mode(False), torch.no_grad():  # may be of use in training too
                table = make().to(like)
        self._tables[key] = table
        while len(self._tables) > MOST_TABLES:
            self._tables.pop(next(iter(self._tables)))
        return table

    def now(self) -> list[Tensor]:
        return list(self._tables.values())

    def __deepcopy__(self, memo: dict) -> 'SizeTables':
        return SizeTables()


def tables_of(model: nn.Module) -> list[Tensor]:
    """Return the tables that the layers of a model keep now, for who uses them for longer."""
    return [table for layer in model.modules()
            if isinstance(tables := getattr(layer, 'tables', None), SizeTables)
            for table in tables.now()]
