"""The cloud to turn around, with the camera's frustum and the lamp, in viser's scene."""
import numpy as np
import viser

from .pictures import Shown

# from x right, y down, z ahead (optical) to x ahead, z up (REP 103), as w, x, y, z
OPTICAL = (0.5, -0.5, 0.5, -0.5)
ROOT = '/camera'
NEAREST = 0.05  # metres: a cloud of a camera that looks at a wall from close by has a size, too
LAMP_PLACE = (-0.6, -0.5, 0.2)  # of the lamp at first, in median depths
EYE, AIM = (-0.9, -0.35, 0.55), (1.0, 0.0, -0.05)  # of new pages, in median depths
COARSE = 75  # points side by side that are as wide as their depth, about
YELLOW = (255, 220, 90)


class Scene:
    """What stands in the three-dimensional part of the page.

    light: where the lamp stands, in metres in the optical frame.
    """

    def __init__(self, server: viser.ViserServer):
        self._server, self._scene = server, server.scene
        self._points = np.empty((0, 3), np.float32)
        self._reach = 0.0
        self._fov, self._aspect = 1.0, 4 / 3
        self.light = (0.0, 0.0, 0.0)
        self._scene.set_up_direction('+z')
        self._scene.add_frame(ROOT, wxyz=OPTICAL, show_axes=False)
        self._lamp = self._scene.add_transform_controls(
            f'{ROOT}/lamp', disable_rotations=True, visible=False)
        self._scene.add_icosphere(f'{ROOT}/lamp/bulb', 0.1, YELLOW)

        @server.on_client_connect
        def _(client: viser.ClientHandle) -> None:
            if client.camera.aspect < 1:
                self._place(client)

        @self._lamp.on_update
        def _(event: object) -> None:
            self.light = tuple(float(each) for each in self._lamp.position)

        @self._scene.on_click()
        def _(event: viser.SceneClickEvent) -> None:
            self._read(np.array(event.ray_origin), np.array(event.ray_direction))

    def show(self, shown: Shown, with_lamp: bool) -> None:
        """Show a frame's cloud."""
        if not 0.5 < shown.reach / max(self._reach, 1e-9) < 2 and shown.reach:
            self._fit(max(shown.reach, NEAREST))
        self._lamp.visible = with_lamp
        self._points = shown.points
        if len(shown.points):
            # made anew, so that points and colours come together
            self._scene.add_point_cloud(
                f'{ROOT}/cloud', shown.points, shown.colours, point_size=self._reach / COARSE,
                point_shape='square', point_shading='flat')

    def show_view(self, vertical: float, aspect: float) -> None:
        """Show the camera's field of view, in radians, and width / height."""
        if (vertical, aspect) != (self._fov, self._aspect):
            self._fov, self._aspect = vertical, aspect
            self._draw_frustum()

    def _draw_frustum(self) -> None:
        self._scene.add_camera_frustum(
            f'{ROOT}/frustum', self._fov, self._aspect, scale=0.12 * self._reach,
            color=(120, 180, 255))

    def _fit(self, reach: float) -> None:
        """Bring camera, lamp and new pages' eyes to the size of what is seen: its median depth."""
        self._reach = reach
        self._draw_frustum()
        self.light = tuple(reach * each for each in LAMP_PLACE)
        self._lamp.position, self._lamp.scale = self.light, 0.4 * reach
        eye, aim = _eye_and_aim(reach, 2.0)
        self._server.initial_camera.position = tuple(eye)
        self._server.initial_camera.look_at = tuple(aim)
        for client in self._server.get_clients().values():
            self._place(client)

    def _place(self, client: viser.ClientHandle) -> None:
        """Put a page's eye where it sees the cloud, also above the controls on a phone."""
        if self._reach:
            client.camera.position, client.camera.look_at = _eye_and_aim(
                self._reach, client.camera.aspect)

    def _read(self, origin: np.ndarray, direction: np.ndarray) -> None:
        """Write the depth beside the point of the cloud that a ray hits, in the world's frame."""
        points = self._points
        if not len(points):
            return
        world = np.stack([points[:, 2], -points[:, 0], -points[:, 1]], 1) - origin
        along = world @ direction
        ahead = along > 0
        if not ahead.any():
            return
        beside = np.linalg.norm(world - along[:, None] * direction, axis=1) / along
        beside[~ahead] = np.inf
        hit = points[np.argmin(beside)]
        self._scene.add_label(f'{ROOT}/read', f'{hit[2]:.2f} m', position=tuple(map(float, hit)))


def _eye_and_aim(reach: float, aspect: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the eye of a page and what it looks at, for what is seen of a median depth."""
    eye, aim = np.array(EYE) * reach, np.array(AIM) * reach
    if aspect < 1:  # a phone, whose lower part is covered
        eye, aim = eye * 1.3, aim - (0, 0, 0.75 * reach)
    return eye, aim
