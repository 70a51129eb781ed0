"""The parts of a network, which of them learn, and how fast."""
from torch import nn

# part: what its parameters' names begin with; the first that fits counts
PARTS = {
    'encoder': ('pretrained.', 'backbone.'),
    'temporal': ('mamba.', 'head.motion_modules.', 'head.stabilizer.'),
    'fusion': ('hybrid_fusion.',),
    'decoder': ('depth_head.', 'head.'),
}
# FlashDepth's learning rates (its code's configuration)
RATES = {'encoder': 5e-6, 'decoder': 5e-5, 'temporal': 1e-4, 'fusion': 1e-4}
# in the checkpoints, and without a part in the output: DistributedDataParallel would wait for them
UNUSED = ('mask_token', 'refinenet4.resConfUnit1.',
          *(f'hybrid_fusion.blocks.0.{block}.context_proj.' for block in (1, 2, 3)))


class PartError(ValueError):
    """A part was named that the model does not have; the message names those that there are."""


def part_of(name: str) -> str | None:
    """Return the part of a parameter by its name; None for what never learns (Full's teacher)."""
    for part, beginnings in PARTS.items():
        if name.startswith(beginnings) and not any(each in name for each in UNUSED):
            return part
    return None


def parameters_by_part(
    network: nn.Module, learn: tuple[str, ...],
) -> dict[str, dict[str, nn.Parameter]]:
    """Return the parameters of the parts that learn, by part and name; all others are frozen.

    learn: names of parts, or 'all'. Raises PartError.
    """
    found: dict[str, dict[str, nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        part = part_of(name)
        if part is not None:
            found.setdefault(part, {})[name] = parameter
    wanted = tuple(found) if 'all' in learn else learn
    for part in wanted:
        if part not in found:
            raise PartError(f"there is no part '{part}' to learn in this model; it has: "
                            f'{", ".join(found)}')
    network.requires_grad_(False)
    for part in wanted:
        for parameter in found[part].values():
            parameter.requires_grad_(True)
    return {part: found[part] for part in wanted}
