"""What TensorRT has made of a graph: the layers of a plan, and which attention it has fused."""
from dataclasses import dataclass
import json
from typing import Any

# of the one kernel that does both products and the softmax, such as _gemm_mha_v2_myl0_12
FUSED = ('mha', 'flash_attention', 'flashattention')


@dataclass(frozen=True)
class PlanLayers:
    """The layers of a plan. fused: names of those that are a whole attention."""

    number: int
    fused: tuple[str, ...]


def inspect(library: Any, plan: Any, context: Any = None) -> PlanLayers:
    """Ask the library for the layers of a plan, built `detailed`.

    context: that runs it, of TensorRT for RTX, which chooses kernels only there.
    """
    inspector = plan.create_engine_inspector()
    if context is not None:
        inspector.execution_context = context
    return read_layers(inspector.get_engine_information(library.LayerInformationFormat.JSON))


def read_layers(text: str) -> PlanLayers:
    """Read what an engine inspector writes: JSON with layers as objects, or their names alone."""
    fused, layers = [], json.loads(text)['Layers']
    for layer in layers:
        fields = layer if isinstance(layer, dict) else {'Name': layer}
        words = ' '.join(str(fields.get(key, '')) for key in ('Name', 'LayerType', 'TacticName'))
        if any(word in words.lower() for word in FUSED):
            fused.append(str(fields['Name']))
    return PlanLayers(len(layers), tuple(fused))
