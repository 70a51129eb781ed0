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
_VDA = 'Video Depth Anything (arXiv 2501.12375), Table 1'
_VDA_SHORT = 'Video Depth Anything (arXiv 2501.12375), Table 7'
_VDA_README = "Video Depth Anything's README"
_FLASH = 'FlashDepth (arXiv 2504.07093), as a summary of the paper has its tables'
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
# up to 500 frames; Sintel has up to 50
_VDA_ROWS = {
    'kitti': (('vda-s', .086, .942), ('vda-l', .083, .944), ('depth-anything-v2-l', .137, .815),
              ('NVDS', .233, .614), ('ChronoDepth', .243, .576), ('DepthCrafter', .164, .753)),
    'scannet': (('vda-s', .110, .876), ('vda-l', .089, .926), ('depth-anything-v2-l', .150, .768),
                ('NVDS', .207, .628), ('ChronoDepth', .199, .665), ('DepthCrafter', .169, .730)),
    'bonn': (('vda-s', .083, .950), ('vda-l', .071, .959), ('depth-anything-v2-l', .127, .864),
             ('NVDS', .199, .674), ('ChronoDepth', .199, .665), ('DepthCrafter', .153, .803)),
    'nyuv2': (('vda-s', .077, .959), ('vda-l', .062, .971), ('depth-anything-v2-l', .094, .928),
              ('NVDS', .217, .598), ('ChronoDepth', .173, .771), ('DepthCrafter', .141, .822)),
    'sintel': (('vda-s', .339, .584), ('vda-l', .295, .644), ('depth-anything-v2-l', .390, .541),
               ('NVDS', .408, .464), ('ChronoDepth', .192, .673), ('DepthCrafter', .299, .695),
               ('DepthAnyVideo', .405, .659)),
}
# 110 frames of KITTI and Bonn, 90 of ScanNet
_VDA_SHORT_ROWS = {
    'kitti': (('vda-l', .079, .950), ('DepthCrafter', .111, .885), ('DepthAnyVideo', .073, .957)),
    'bonn': (('vda-l', .053, .972), ('DepthCrafter', .066, .979), ('DepthAnyVideo', .051, .981)),
    'scannet': (('vda-l', .075, .954), ('DepthCrafter', .125, .848), ('DepthAnyVideo', .112, .883)),
}
_FLASH_ROWS = {
    'sintel': (('flashdepth', .642), ('flashdepth-l', .642), ('Video Depth Anything', .660),
               ('DepthCrafter', .697), ('Depth Anything V2', .561), ('CUT3R', .509)),
    'waymo': (('flashdepth', .916), ('flashdepth-l', .924), ('flashdepth-s', .898),
              ('Video Depth Anything', .944), ('DepthCrafter', .790), ('Depth Anything V2', .897),
              ('CUT3R', .902)),
}

PUBLISHED: dict[tuple[str, str], tuple[Published, ...]] = {
    **{('depthcrafter', dataset): tuple(Published(*row, _CRAFTER) for row in rows)
       for dataset, rows in _CRAFTER_ROWS.items()},
    **{('dyfn', dataset): tuple(Published(*row, _DYFN) for row in rows)
       for dataset, rows in _DYFN_ROWS.items()},
    **{('vda', dataset): tuple(Published(*row, _VDA_SHORT) for row in rows)
       for dataset, rows in _VDA_SHORT_ROWS.items()},
    ('vda', 'sintel'): tuple(Published(*row, _VDA) for row in _VDA_ROWS['sintel']),
    **{('vda-500', dataset): tuple(Published(*row, _VDA) for row in rows)
       for dataset, rows in _VDA_ROWS.items()},
    ('vda-tae', 'scannet'): (
        *(Published(method, None, None, _VDA, tae) for method, tae in (
            ('vda-s', .703), ('vda-l', .570), ('depth-anything-v2-l', 1.140),
            ('NVDS', 2.176), ('ChronoDepth', 1.022), ('DepthCrafter', .639),
            ('DepthAnyVideo', .967))),
        *(Published(method, None, None, _VDA_README, tae) for method, tae in (
            ('vda-metric-s', 1.48), ('vda-metric-b', 1.26), ('vda-metric-l', 1.09)))),
    **{('flashdepth', dataset): tuple(
        Published(method, None, delta1, _FLASH) for method, delta1 in rows)
       for dataset, rows in _FLASH_ROWS.items()},
}


def published(protocol: str, dataset: str) -> tuple[Published, ...]:
    """Return what was published for a dataset under a protocol; none is often the case."""
    return PUBLISHED.get((protocol, dataset.removesuffix('-final')), ())
