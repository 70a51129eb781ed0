"""The papers' evaluation protocols: which frames, crops, caps and alignments they use.

This is one table of the authors' code: Tencent/DepthCrafter e518612, DepthAnything/
Video-Depth-Anything 4f5ae23 (VDA), tpc2233/FlashDepth 7bba1f3 and shawLyu/Streaming_DyFN 413b55e.
docs/evaluation.md tells them apart for users.
"""
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

Slices = tuple[slice, slice]  # rows and columns
Crop = Callable[[int, int], Slices]  # of an array of this height and width
ALL = slice(None)


def whole(height: int, width: int) -> Slices:
    """Return all of an array."""
    return ALL, ALL


def to_even(height: int, width: int) -> Slices:
    """Return the largest part from the top left that has even sides."""
    return slice(height // 2 * 2), slice(width // 2 * 2)


def part(top: int, bottom: int, left: int, right: int) -> Crop:
    """Return the crop [top:bottom, left:right] of an array of any size."""
    def crop(height: int, width: int) -> Slices:
        return slice(top, bottom), slice(left, right)
    return crop


@dataclass(frozen=True)
class Cut:
    """What a protocol takes of a dataset.

    cap: farther truth does not count, in metres. frames: of the sequence's own list of frames.
    picture, truth: their crops. scored: of the frames that a network sees. most: sequences, in the
    order of their names. names: sequences by name, where they are there. caps: of single sequences.
    by_position: the authors pair the i-th picture with the i-th truth, where stamps say otherwise.
    """

    cap: float
    frames: slice = field(default_factory=lambda: ALL)
    picture: Crop = whole
    truth: Crop = whole
    scored: slice = field(default_factory=lambda: ALL)
    most: int | None = None
    names: tuple[str, ...] = ()
    caps: dict[str, float] = field(default_factory=dict)
    by_position: bool = False


@dataclass(frozen=True)
class Protocol:
    """How sequences are scored.

    fit: what is fitted to the truth, by one scale and shift a sequence. counts_all: truth beyond
    the cap counts at the cap, and AbsRel and delta 1 are means over all pixels of a sequence
    together instead of over frames. resize: of a prediction to the truth's size: OpenCV's bilinear
    (half-pixel centres), or corner to corner. tae: the temporal alignment error is
    computed. released: flaws of the released code are kept.
    """

    name: str
    about: str
    cuts: dict[str, Cut]
    fit: Literal['inverse depth', 'depth'] = 'inverse depth'
    counts_all: bool = False
    resize: Literal['half-pixel', 'corners'] = 'half-pixel'
    tae: bool = False
    released: bool = False

    def cut(self, dataset: str) -> tuple[Cut, bool]:
        """Return what is taken of a dataset, and whether the authors' code says so."""
        dataset = dataset.removesuffix('-final')
        if dataset in self.cuts:
            return self.cuts[dataset], True
        return Cut(70.0 if self.counts_all else CAPS[dataset]), False


# m; indoors and outdoors, as the authors cap those that they evaluate
CAPS = {'kitti': 80.0, 'nyuv2': 10.0, 'bonn': 10.0, 'tum': 10.0, 'scannet': 10.0, 'sintel': 70.0,
        'waymo': 80.0}
SCANNET_CROP = part(8, -8, 11, -11)
NYU_CROP = part(45, 471, 41, 601)
KITTI_DRIVES = tuple(
    f'{drive}_sync' for drive in (
        *(f'2011_09_26_drive_{number}' for number in (
            '0002', '0005', '0013', '0020', '0023', '0036', '0079', '0095', '0113')),
        '2011_09_28_drive_0037', '2011_09_29_drive_0026', '2011_09_30_drive_0016',
        '2011_10_03_drive_0047'))
BONN_SEQUENCES = tuple(f'rgbd_bonn_{name}' for name in (
    'balloon2', 'crowd2', 'crowd3', 'person_tracking', 'synchronous'))
NYU_SCENES = ('basement_0001a', 'bookstore_0001a', 'cafe_0001a', 'classroom_0001a', 'kitchen_0003',
              'office_0004', 'playroom_0002', 'study_0002')
# of the validation segments, those that FlashDepth tests on
WAYMO_SEGMENTS = tuple(f'segment-{name}' for name in (
        '10203656353524179475_7625_000_7645_000', '1024360143612057520_3580_000_3600_000',
        '10289507859301986274_4200_000_4220_000', '10689101165701914459_2072_300_2092_300',
        '1071392229495085036_1844_790_1864_790', '10837554759555844344_6525_000_6545_000',
        '10868756386479184868_3000_000_3020_000', '11048712972908676520_545_000_565_000',
        '11356601648124485814_409_000_429_000', '11406166561185637285_1753_750_1773_750',
        '11434627589960744626_4829_660_4849_660', '11450298750351730790_1431_750_1451_750',
        '11616035176233595745_3548_820_3568_820', '12102100359426069856_3931_470_3951_470',
        '12134738431513647889_3118_000_3138_000', '12306251798468767010_560_000_580_000',
        '12374656037744638388_1412_711_1432_711', '12496433400137459534_120_000_140_000',
        '12820461091157089924_5202_916_5222_916', '12831741023324393102_2673_230_2693_230',
        '12940710315541930162_2660_000_2680_000', '13178092897340078601_5118_604_5138_604',
        '13299463771883949918_4240_000_4260_000', '13356997604177841771_3360_000_3380_000',
        '13469905891836363794_4429_660_4449_660', '13573359675885893802_1985_970_2005_970',
        '1405149198253600237_160_000_180_000', '14081240615915270380_4399_000_4419_000',
        '14127943473592757944_2068_000_2088_000', '14165166478774180053_1786_000_1806_000'))

_CRAFTER = {
    'sintel': Cut(70.0, slice(50)),
    'scannet': Cut(10.0, slice(0, 270, 3), SCANNET_CROP, SCANNET_CROP, most=100),
    'kitti': Cut(80.0, slice(110), to_even, to_even, names=KITTI_DRIVES),
    'bonn': Cut(10.0, slice(30, 140), to_even, to_even, names=BONN_SEQUENCES, by_position=True),
}
_VDA = {
    'sintel': Cut(70.0, slice(100), truth=part(0, 436, 0, 1024)),
    'scannet': Cut(10.0, slice(0, 270, 3), SCANNET_CROP, SCANNET_CROP, most=100),
    'kitti': Cut(80.0, slice(110), to_even, part(0, 374, 0, 1242)),
    'bonn': Cut(10.0, slice(30, 140), to_even, part(0, 480, 0, 640), by_position=True),
}
_VDA_500 = {
    'scannet': replace(_VDA['scannet'], frames=slice(500)),
    'kitti': replace(_VDA['kitti'], frames=slice(500)),
    'bonn': replace(_VDA['bonn'], frames=slice(500)),
    'nyuv2': Cut(10.0, slice(500), NYU_CROP, NYU_CROP, names=NYU_SCENES),
}
# the pictures are whole here; the predictions are cropped like the truth afterwards
_VDA_TAE = {
    'scannet': Cut(10.0, slice(192), truth=SCANNET_CROP, scored=slice(10, 180), most=20),
    'sintel': Cut(70.0),
}
_FLASHDEPTH = {'sintel': Cut(70.0), 'waymo': Cut(70.0, names=WAYMO_SEGMENTS)}

PROTOCOLS = {each.name: each for each in (
    Protocol('depthcrafter', "DepthCrafter's benchmark", _CRAFTER),
    Protocol('vda', "Video Depth Anything's benchmark, at most 110 frames", _VDA),
    Protocol('vda-500', "Video Depth Anything's benchmark, at most 500 frames", _VDA_500),
    Protocol('vda-tae', "Video Depth Anything's temporal alignment error", _VDA_TAE, tae=True),
    Protocol('vda-released', "vda with the released extraction's flaws: Sintel in whole metres, "
             'Bonn paired by position', _VDA, released=True),
    Protocol('flashdepth', "FlashDepth's validation", _FLASHDEPTH, counts_all=True,
             resize='corners'),
    Protocol('dyfn', "DyFN's evaluation, fitted in depth", {
        **_CRAFTER, 'sintel': Cut(70.0, caps={'mountain_1': 1000.0})}, fit='depth'),
)}


def as_released(dataset: str, depth: np.ndarray) -> np.ndarray:
    """Return the truth that VDA's released extraction makes: Sintel's in whole metres, scaled.

    It writes metres as integers into 16 bits and reads them back as steps of 650 / 65535 m.
    """
    if not dataset.startswith('sintel'):
        return depth
    return np.clip(depth, 0, 65535).astype(np.uint16) / (65535 / 650)
