"""How bags are to be processed: the same for all of them, and plain enough to be sent elsewhere."""
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from difflib import get_close_matches
import json
from pathlib import Path
from typing import Any

from ..files.bag_reader import BagReader
from ..files.bag_types import BagError
from ..node.parameter_table import NAME, PARAMETERS, check_together, own_parameters
from ..ros.parameters import ParameterError, Settings

OUTPUTS = ('depth/image', 'depth/camera_info', 'depth_node/status')
MORE_OUTPUTS = ('points', 'points/clearing', 'depth/confidence', 'disparity/image', 'depth/preview',
                'depth/slice')
# of what the topic of pictures is called, where none is named
NOT_PICTURES = ('depth', 'disparity', 'infra', 'mask')


@dataclass(frozen=True)
class CameraTopics:
    """One camera of a bag: its name among the parameters, '' for the only one, and its topics.

    namespace: of what is written.
    """

    name: str
    image: str
    info: str
    namespace: str


@dataclass(frozen=True)
class Recipe:
    """What is made of a bag, and how.

    values: the node's parameters that differ from their defaults. topics: image topics, or image
    and camera_info with a colon between; none: the only images that there are. more: outputs
    besides the usual ones. compress: depth/image as compressedDepth, png or rvl. originals: copy
    the bag's own topics. namespace: before the names of what is written. remaps: other topics for
    relative names, such as odom. piece: frames after which a piece of the bag ends.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    topics: Sequence[str] = ()
    more: Sequence[str] = ()
    compress: str | None = None
    originals: bool = True
    namespace: str = ''
    remaps: Mapping[str, str] = field(default_factory=dict)
    piece: int = 500

    def about(self) -> dict:
        """Return all of it that changes what is made."""
        about = asdict(self)
        del about['piece']
        return about

    def same_about(self) -> dict:
        """Return `about` as a manifest holds it."""
        return json.loads(json.dumps(self.about()))

    def cameras(self, reader: BagReader) -> list[CameraTopics]:
        """Return the cameras of a bag that are asked for; BagError."""
        chosen = list(self.topics) or [_only(reader)]
        pairs = []
        for text in chosen:
            image, _, info = text.partition(':')
            image = reader.require(image).name
            base = image.removesuffix('/compressed')
            info = '/' + info.lstrip('/') if info else f'{base.rpartition("/")[0]}/camera_info'
            pairs.append((image, base, info))
        spaces = _spaces([base for _, base, _ in pairs])
        names = _names(spaces) if len(pairs) > 1 else ['']
        prefix = '/' + self.namespace.strip('/') if self.namespace else ''
        return [CameraTopics(name, image, info, prefix + space)
                for name, space, (image, _, info) in zip(names, spaces, pairs, strict=True)]


def _only(reader: BagReader) -> str:
    images = [each.name for each in reader.images()
              if not any(word in each.name.lower() for word in NOT_PICTURES)]
    raw = {name.removesuffix('/compressed') for name in images}
    if len(raw) == 1:
        return min(images)  # the raw one, where both are there
    if not images:
        reader.require('image')
    raise BagError(f'{reader.path} has images on {", ".join(images)}: choose with --topics')


def _names(spaces: list[str]) -> list[str]:
    """Return the shortest ends of namespaces that tell them apart, as parameters can have them."""
    parts = [[part for part in space.split('/') if part] or ['camera'] for space in spaces]
    for length in range(1, 1 + max(map(len, parts))):
        names = ['_'.join(each[-length:]) for each in parts]
        if len(set(names)) == len(names):
            break
    return [name if NAME.fullmatch(name) else f'camera_{name}' for name in names]


def one_camera(recipe: Recipe) -> list[tuple[str, Recipe]]:
    """Return a recipe for each of the cameras that a recipe names, with the camera's name.

    Only the first copies the bag's own topics. ValueError where fewer than two are named.
    """
    if len(recipe.topics) < 2:
        raise ValueError('--by-camera needs the cameras: name them with --topics')
    bases = ['/' + text.partition(':')[0].strip('/').removesuffix('/compressed')
             for text in recipe.topics]
    names = _names(_spaces(bases))
    recipes = []
    for number, (name, topic) in enumerate(zip(names, recipe.topics, strict=True)):
        foreign = tuple(f'{other}.' for other in names if other != name)
        values = {key.removeprefix(f'{name}.'): value for key, value in recipe.values.items()
                  if not key.startswith(foreign)}
        recipes.append((name, replace(recipe, topics=[topic], values=values,
                                      originals=recipe.originals and number == 0)))
    return recipes


def _spaces(bases: list[str]) -> list[str]:
    """Return namespaces for image topics: those above them, if they tell them apart."""
    spaces = [base.rpartition('/')[0] for base in bases]
    return bases if len(set(spaces)) < len(spaces) else spaces


def settings_of(values: Mapping[str, Any], cameras: Sequence[str]) -> Settings:
    """Return the node's parameters of some cameras, with the values that are given; ParameterError.

    An integer where a float is wanted is accepted, as the node does.
    """
    table = {**PARAMETERS, **own_parameters(cameras)}
    settings = {name: None if row.optional else row.default for name, row in table.items()}
    for name, value in values.items():
        row = table.get(name)
        if row is None:
            near = get_close_matches(name, table, 1, 0.7)
            raise ParameterError(f'there is no parameter {name}'
                                 + (f': is {near[0]} meant?' if near else ''))
        if isinstance(row.default, float) and type(value) is int:
            value = float(value)
        if problem := row.problem(value):
            raise ParameterError(problem)
        settings[name] = value
    settings['cameras'] = list(cameras)
    if problem := check_together(settings):
        raise ParameterError(problem)
    return settings


def values_of(file: Path) -> dict[str, Any]:
    """Read a parameters file as the node takes it: those of any node; ParameterError."""
    import yaml
    try:
        content = yaml.safe_load(file.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ParameterError(f'the parameters file {file} cannot be read: {error}') from error
    values: dict[str, Any] = {}
    for node in (content or {}).values():
        if isinstance(node, dict):
            values |= _flat(node.get('ros__parameters') or {}, '')
    return values


def _flat(tree: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f'{prefix}{name}.')
        else:
            flat[prefix + name] = value
    return flat
