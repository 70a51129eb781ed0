"""A folder of pictures with their depth in metres, as RTAB-Map and Open3D read it.

rgb/000000.jpg and depth/000000.png (millimetres) or .exr (metres), calibration.yaml for RTAB-Map,
camera_intrinsic.json for Open3D, and depth.json as of depth_folder.py.
"""
import json
from pathlib import Path

import cv2
import numpy as np

from ..images.intrinsics import Intrinsics
from .depth_folder import FrameRecord, check_free, write_sidecar
from .exr import write_exr

SUFFIXES = {'png16': '.png', 'exr': '.exr'}
MILLIMETRES = 1000.0
JPEG_QUALITY = 95


class RgbdWriter:
    """Writes frames as they come; nothing is kept in memory.

    intrinsics: of the pictures. file_format: png16 or exr, of the depth. about: more entries for
    depth.json, which may still change until the end. overwrite: replace a sequence that the folder
    holds. Raises DepthFolderError.
    """

    def __init__(self, folder: Path, intrinsics: Intrinsics, file_format: str, fps: float,
                 about: dict, overwrite: bool = False):
        check_free(folder, overwrite)
        self._folder, self._format, self._intrinsics = folder, file_format, intrinsics
        self.frames = self.out_of_range = 0
        for inside, suffixes in (('rgb', ('.jpg',)), ('depth', tuple(SUFFIXES.values()))):
            (folder / inside).mkdir(parents=True, exist_ok=True)
            for old in (folder / inside).iterdir():
                if old.suffix in suffixes:
                    old.unlink()
        self._about = {
            'layout': 'rgb-d', 'quantity': 'depth', 'unit': 'm', 'format': file_format,
            **({'scale': MILLIMETRES, 'no_value': 0} if file_format == 'png16' else {}),
            'height': intrinsics.height, 'width': intrinsics.width, 'fps': fps,
            'intrinsics': intrinsics.matrix.tolist()}
        self._more, self._record = about, FrameRecord()
        self._write_cameras()
        self.close(complete=False)

    @property
    def damaged(self) -> int:
        """How many frames of the source could not be decoded, as `about` says."""
        return self._more.get('damaged_frames', 0)

    def _write_cameras(self) -> None:
        camera = self._intrinsics
        # OpenCV's YAML in ROS's fields, as rtabmap's CameraModel reads it
        storage = cv2.FileStorage(
            str(self._folder / 'calibration.yaml'), cv2.FILE_STORAGE_WRITE)
        storage.write('camera_name', 'camera')
        storage.write('image_width', camera.width)
        storage.write('image_height', camera.height)
        projection = np.hstack([camera.matrix, np.zeros((3, 1))])
        for name, matrix in (('camera_matrix', camera.matrix),
                             ('distortion_coefficients', np.zeros((1, 5))),
                             ('rectification_matrix', np.eye(3)),
                             ('projection_matrix', projection)):
            storage.startWriteStruct(name, cv2.FILE_NODE_MAP)
            storage.write('rows', matrix.shape[0])
            storage.write('cols', matrix.shape[1])
            storage.startWriteStruct('data', cv2.FILE_NODE_SEQ | cv2.FILE_NODE_FLOW)
            for value in matrix.ravel():
                storage.write('', float(value))
            storage.endWriteStruct()
            storage.endWriteStruct()
        storage.write('distortion_model', 'plumb_bob')
        storage.release()
        (self._folder / 'camera_intrinsic.json').write_text(json.dumps({
            'width': camera.width, 'height': camera.height,
            'intrinsic_matrix': camera.matrix.T.ravel().tolist()}, indent=1) + '\n')  # by columns

    def write(
        self, rgb: np.ndarray, depth: np.ndarray, time: float | None = None,
        source_name: str | None = None,
    ) -> None:
        """Write a picture (h, w, 3) uint8 and its depth (h, w) in metres; not finite: no value.

        time: in seconds since the first. source_name: of the picture that it was.
        """
        name = f'{self.frames:06d}'
        picture = self._folder / 'rgb' / f'{name}.jpg'
        path = self._folder / 'depth' / f'{name}{SUFFIXES[self._format]}'
        known = np.isfinite(depth) & (depth > 0)
        if self._format == 'exr':
            write_exr(path, np.where(known, depth, 0))
            written = True
        else:
            millimetres = np.round(np.where(known, depth, 0) * MILLIMETRES)
            fits = millimetres <= 65535
            self.out_of_range += int(np.count_nonzero(~fits))
            written = cv2.imwrite(
                str(path), np.where(fits, millimetres, 0).astype(np.uint16),
                [cv2.IMWRITE_PNG_COMPRESSION, 1])
        written &= cv2.imwrite(str(picture), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR),
                               [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        if not written:
            raise OSError(f'{path} cannot be written: is the disk full or the folder read-only?')
        self._record.add(time, source_name)
        self.frames += 1

    def close(self, complete: bool) -> None:
        """Finish the files; complete: whether the whole source was written."""
        write_sidecar(self._folder, {
            **self._about, **self._more, **self._record.content(), 'frames': self.frames,
            'complete': complete,
            **({'out_of_range': self.out_of_range} if self._format == 'png16' else {})})
