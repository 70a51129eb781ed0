"""A picture of a cloud, as someone behind and above the camera would see it."""
import cv2
import numpy as np


def render_cloud(cloud: np.ndarray, height: int, width: int, far: float) -> np.ndarray | None:
    """Render points x, y, z and packed colours (N, 4) up to `far` metres: BGR (height, width, 3).

    None where there are no points.
    """
    import pyvista
    from vtkmodules.vtkCommonCore import vtkLogger
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_ERROR)  # it warns where there is no screen
    points = cloud[cloud[:, 2] < far]
    if not len(points):
        return None
    packed = points[:, 3].copy().view(np.uint32)
    colours = np.stack([packed >> 16 & 255, packed >> 8 & 255, packed & 255], 1).astype(np.uint8)
    plotter = pyvista.Plotter(off_screen=True, window_size=[width, height])
    plotter.set_background('#202024')  # type: ignore[arg-type]
    plotter.add_points(points[:, :3], scalars=colours, rgb=True, point_size=2)
    middle = float(np.median(points[:, 2]))
    plotter.camera.up = (0, -1, 0)  # y points down in an optical frame
    plotter.camera.focal_point = (0, 0, middle)
    plotter.camera.position = (0.2 * middle, -0.4 * middle, -0.5 * middle)
    picture = plotter.screenshot(return_img=True)
    plotter.close()
    return cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2BGR)
