"""What the authors published for their protocols, beside which own results are shown."""
from typing import NamedTuple


class Published(NamedTuple):
    """One row of a table: AbsRel, delta 1 and TAE in percent, None where it has none."""

    method: str
    abs_rel: float | None
    delta1: float | None
    source: str
    tae_percent: float | None = None


_CRAFTER = "DepthCrafter's README"
_DYFN = "DyFN's README"
_VDA = 'Video Depth Anything, Table 1, as others cite it'
_FLASH = 'FlashDepth, its main table, as others cite it'
# where a network has a name in this package, the method is that name
_CRAFTER_ROWS = {
    'sintel': (('Marigold', .532, .515), ('Depth Anything V2', .367, .554),
               ('DepthCrafter', .270, .697)),
    'scannet': (('Marigold', .166, .769), ('Depth Anything V2', .135, .822),
                ('DepthCrafter', .123, .856)),
    'kitti': (('Marigold', .149, .796), ('Depth Anything V2', .140, .804),
              ('DepthCrafter', .104, .896)),
    'bonn': (('Marigold', .091, .931), ('Depth Anything V2', .106, .921),
             ('DepthCrafter', .071, .972)),
}
_DYFN_ROWS = {
    'sintel': (('dyfn', .180, .730), ('flashdepth-l', .265, .642), ('VDA', .300, .633),
               ('DepthCrafter', .270, .697)),
    'scannet': (('dyfn', .073, .966), ('flashdepth-l', .101, .903), ('VDA', .075, .954),
                ('DepthCrafter', .123, .856)),
    'kitti': (('dyfn', .062, .973), ('flashdepth-l', .103, .895), ('VDA', .079, .950),
              ('DepthCrafter', .104, .896)),
    'bonn': (('dyfn', .044, .984), ('flashdepth-l', .053, .980), ('VDA', .051, .981),
             ('DepthCrafter', .071, .972)),
}

PUBLISHED: dict[tuple[str, str], tuple[Published, ...]] = {
    **{('depthcrafter', dataset): tuple(Published(*row, _CRAFTER) for row in rows)
       for dataset, rows in _CRAFTER_ROWS.items()},
    **{('dyfn', dataset): tuple(Published(*row, _DYFN) for row in rows)
       for dataset, rows in _DYFN_ROWS.items()},
    ('vda-500', 'scannet'): (
        Published('vda-s', .110, .876, _VDA), Published('vda-l', .089, .926, _VDA),
        Published('DepthCrafter', .169, .730, _VDA)),
    ('vda-tae', 'scannet'): (
        Published('vda-s', None, None, _VDA, .703), Published('vda-l', None, None, _VDA, .570),
        Published('DepthCrafter', None, None, _VDA, .639),
        Published('vda-metric-s', None, None, "Video Depth Anything's README", 1.48),
        Published('vda-metric-b', None, None, "Video Depth Anything's README", 1.26),
        Published('vda-metric-l', None, None, "Video Depth Anything's README", 1.09)),
    ('flashdepth', 'sintel'): (
        Published('flashdepth', None, .642, _FLASH), Published('flashdepth-l', None, .642, _FLASH),
        Published('vda-l', None, .660, _FLASH), Published('DepthCrafter', None, .697, _FLASH)),
    ('flashdepth', 'waymo'): (
        Published('flashdepth', None, .916, _FLASH), Published('flashdepth-l', None, .924, _FLASH),
        Published('flashdepth-s', None, .898, _FLASH), Published('vda-l', None, .944, _FLASH),
        Published('DepthCrafter', None, .790, _FLASH)),
}


def published(protocol: str, dataset: str) -> tuple[Published, ...]:
    """Return what was published for a dataset under a protocol; none is often the case."""
    return PUBLISHED.get((protocol, dataset.removesuffix('-final')), ())
