"""Miniature datasets in each dataset's own layout and formats, of scenes whose depth is known."""
import json
from pathlib import Path

import cv2
import numpy as np

FRAMES = 24


def scene(frame: int, height: int, width: int, nearest: float = 1.5) -> np.ndarray:
    """Return depth (height, width) in metres that differs in every frame: a wall that recedes."""
    y, x = np.mgrid[:height, :width]
    depth = nearest + 0.05 * frame + 3 * (x + y) / (height + width)
    depth[height // 4:height // 2, (2 * frame) % width:(2 * frame) % width + width // 6] = nearest
    return depth


def picture(frame: int, height: int, width: int) -> np.ndarray:
    image = np.random.default_rng(frame).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.GaussianBlur(image, (0, 0), 3)


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), array)


def steps(depth: np.ndarray, per_metre: float) -> np.ndarray:
    return np.round(depth * per_metre).astype(np.uint16)


def kitti(root: Path, frames: int = FRAMES, size=(63, 121), missing=()) -> Path:
    """Write drives of which truth begins at frame 5, and ends five before the end."""
    for drive in ('2011_09_26_drive_0002_sync', '2011_10_03_drive_0047_sync'):
        for i in range(frames):
            name = f'{i:010d}.png'
            save(root / 'raw_data' / drive[:10] / drive / 'image_02/data' / name,
                 picture(i, *size))
            if 5 <= i < frames - 5 and i not in missing:
                depth = scene(i, *size, nearest=4)
                depth[:, ::3] = 0  # sparse
                save(root / 'data_depth_annotated/val' / drive
                     / 'proj_depth/groundtruth/image_02' / name, steps(depth, 256))
    (root / 'raw_data/2011_09_26/calib_cam_to_cam.txt').write_text(
        'calib_time: 09-Jan-2012\nP_rect_02: 7.2e+02 0 6.0e+01 4.4e+01 0 7.2e+02 3.1e+01 0.2 '
        '0 0 1 0.003\n')
    return root


def scannet(root: Path, frames: int = FRAMES, step: float = 0.0, colour=(76, 102), size=(60, 80),
            ) -> Path:
    """Write scenes with colour larger than depth; the camera moves by step metres a frame."""
    for name in ('scene0707_00', 'scene0708_00'):
        folder = root / 'scans_test' / name
        for i in range(frames):
            save(folder / f'color/{i}.jpg', picture(i, *colour))
            depth = np.full(size, 3.0) - step * i if step else scene(i, *size)
            save(folder / f'depth/{i}.png', steps(depth, 1000))
            pose = np.eye(4)
            pose[2, 3] = step * i
            (folder / 'pose').mkdir(exist_ok=True)
            np.savetxt(folder / f'pose/{i}.txt', pose)
        (folder / 'intrinsic').mkdir()
        camera = np.eye(4)
        camera[:2, :3] = [[70, 0, 39.5], [0, 70, 29.5]]
        np.savetxt(folder / 'intrinsic/intrinsic_depth.txt', camera)
    return root


def tum(root: Path, name: str = 'rgbd_bonn_balloon2', frames: int = FRAMES, lists: bool = True,
        offset: float = 0.01, size=(60, 80)) -> Path:
    """Write pictures whose depth comes `offset` s later; depth also before the first picture."""
    folder = root / name
    rgb, depth = [], []
    for i in range(-1, frames):
        stamp = 1548266469.0 + i / 30
        if i >= 0:
            file = f'rgb/{stamp:.6f}.png'
            save(folder / file, picture(i, *size))
            rgb.append(f'{stamp:.6f} {file}')
        file = f'depth/{stamp + offset:.6f}.png'
        save(folder / file, steps(scene(max(i, 0), *size), 5000))
        depth.append(f'{stamp + offset:.6f} {file}')
    if lists:
        (folder / 'rgb.txt').write_text('# color images\n' + '\n'.join(rgb) + '\n')
        (folder / 'depth.txt').write_text('# depth maps\n' + '\n'.join(depth) + '\n')
    (folder / 'groundtruth.txt').write_text('# timestamp tx ty tz qx qy qz qw\n' + '\n'.join(
        f'{line.split()[0]} 0 0 0.5 0 0 0.70710678 0.70710678' for line in rgb) + '\n')
    return root


def dpt(path: Path, depth: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(np.float32(202021.25).tobytes()
                     + np.array(depth.shape[::-1], '<i4').tobytes()
                     + depth.astype('<f4').tobytes())


def sintel(root: Path, frames: int = FRAMES, size=(60, 98), sky: float = 1e10) -> Path:
    """Write clean and final pictures, depth with sky, and cameras that move back by 0.1 m."""
    for i in range(1, frames + 1):
        for kind in ('clean', 'final'):
            save(root / f'training/{kind}/alley_1/frame_{i:04d}.png', picture(i, *size))
        depth = scene(i, *size)
        depth[:6] = sky
        dpt(root / f'training/depth/alley_1/frame_{i:04d}.dpt', depth)
        camera = root / f'training/camdata_left/alley_1/frame_{i:04d}.cam'
        camera.parent.mkdir(parents=True, exist_ok=True)
        camera.write_bytes(
            np.float32(202021.25).tobytes()
            + np.array([[112, 0, 48.5], [0, 112, 29.5], [0, 0, 1]], '<f8').tobytes()
            + np.hstack([np.eye(3), [[0], [0], [0.1 * i]]]).astype('<f8').tobytes())
    return root


def waymo(root: Path, frames: int = FRAMES, size=(64, 96)) -> Path:
    """Write projected points: column, row, metres; one of them outside of the picture."""
    folder = root / 'waymo/val/segment-10203656353524179475_7625_000_7645_000/FRONT'
    for i in range(frames):
        save(folder / f'rgb/original/{i}.jpg', picture(i, *size))
        rows, columns = np.mgrid[0:size[0]:2, 0:size[1]:3]
        points = np.stack([columns.ravel() + 0.4, rows.ravel() + 0.7,
                           scene(i, *size, nearest=4)[rows, columns].ravel()], axis=1)
        (folder / 'depth').mkdir(exist_ok=True)
        np.save(folder / f'depth/{i}.npy',
                np.vstack([points, [size[1] + 1, 0, 9]]).astype(np.float32))
    return root


def nyuv2(root: Path, frames: int = 6, size=(60, 80)) -> Path:
    """Write the labelled frames, transposed as MATLAB's arrays lie in HDF5."""
    import h5py
    with h5py.File(root / 'nyu_depth_v2_labeled.mat', 'w') as file:
        file['images'] = np.stack([picture(i, *size).transpose(2, 1, 0) for i in range(frames)])
        file['depths'] = np.stack([scene(i, *size).T.astype(np.float32) for i in range(frames)])
    return root


def nyuv2_scenes(root: Path, frames: int = FRAMES, size=(480, 640)) -> Path:
    for i in range(1, frames + 1):
        save(root / f'kitchen_0003/rgb/{i:05d}.jpg', picture(i, *size))
        save(root / f'kitchen_0003/depth/{i:05d}.png', steps(scene(i, *size), 6000))
    return root


def nyuv2_raw(root: Path, frames: int = 4, missing=()) -> Path:
    """Write a Kinect's own frames: a wall at 2 m + 0.1 m a frame and a box at 1 m before it.

    Depth comes 9 ms after its picture, the first one before any. missing: pictures left out.
    """
    folder = root / 'cafe_0001a'
    folder.mkdir(parents=True)
    for i in range(-1, frames):
        stamp = 1294886362.665769 + i / 30
        if i >= 0 and i not in missing:
            image = picture(i, 480, 640)
            (folder / f'r-{stamp:.6f}-{3118787619 + 2000000 * i}.ppm').write_bytes(
                b'P6 640 480 255\n' + image[..., ::-1].tobytes())
        depth = np.full((480, 640), 2 + 0.1 * max(i, 0))
        depth[200:300, 250:400] = 1.0
        raw = np.round(1092.5 - 351.3 / depth)
        raw[:, :40] = 2047  # no depth
        (folder / f'd-{stamp + 0.009:.6f}-{3118800000 + 2000000 * i}.pgm').write_bytes(
            b'P5 640 480 65535\n' + raw.astype('<u2').tobytes())
    (folder / 'a-1294886362.665769-3164794231.dump').write_bytes(b'accelerometer')
    return root


def vda_index(root: Path, frames: int = FRAMES, size=(62, 120)) -> Path:
    """Write Video Depth Anything's own extraction of KITTI with its index; return the index."""
    items = []
    for i in range(5, 5 + frames):
        name = f'2011_09_26_drive_0002_sync/%s/{i:010d}.png'
        save(root / 'kitti' / (name % 'rgb'), picture(i, *size))
        save(root / 'kitti' / (name % 'depth'),
             steps(scene(i, size[0] + 1, size[1] + 1, nearest=4), 256))
        items.append({'image': name % 'rgb', 'gt_depth': name % 'depth', 'factor': 256.0})
    index = root / 'kitti/kitti_video.json'
    index.write_text(json.dumps({'kitti': [{'2011_09_26_drive_0002_sync': items}]}))
    return index
