"""A simulated scene: a MuJoCo model, its camera's closed path and what moves, functions of time.

Times are in seconds. The world is x, y on the floor and z up (REP 103), in metres.
"""
from collections.abc import Sequence
from dataclasses import dataclass, field
import math

import mujoco
import numpy as np

from ..images.poses import OPTICAL
from .paths import Path

AWAY = np.array([1000.0, 1000.0])  # farther than any camera sees


def turned(axis: int, angle: float) -> np.ndarray:
    """Return the rotation (3, 3) about axis x, y or z (0, 1, 2)."""
    c, s = math.cos(angle), math.sin(angle)
    rotation = np.eye(3)
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    rotation[i, i] = rotation[j, j] = c
    rotation[i, j], rotation[j, i] = -s, s
    return rotation


def optical_pose(place: Sequence[float] | np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Return the pose (4, 4) of a camera's optical frame at a place (3,).

    rotation: (3, 3) of its body frame, x ahead and z up.
    """
    pose = np.eye(4)
    pose[:3, :3] = rotation @ OPTICAL
    pose[:3, 3] = place
    return pose


@dataclass(frozen=True)
class Mover:
    """A thing that goes to and fro between two places, whole rounds in the path's period."""

    start: np.ndarray
    end: np.ndarray
    rounds: int
    phase: float

    def at(self, turn: float) -> tuple[np.ndarray, float]:
        """Return place (2,) and heading at a turn, 0 to 1, of the camera's path."""
        angle = 2 * math.pi * (self.rounds * turn + self.phase)
        way = self.end - self.start
        back = math.pi * (1 + math.tanh(-8 * math.sin(angle))) / 2  # turns around at the ends
        return (self.start + way * (1 - math.cos(angle)) / 2,
                math.atan2(way[1], way[0]) + back)


@dataclass(frozen=True)
class Visit:
    """A thing that stands at a place (2,) from one turn of the path to another, and else nowhere.

    size: length and depth of its footprint in metres, along x and y.
    """

    place: np.ndarray
    begin: float
    end: float
    size: tuple[float, float]

    def at(self, turn: float) -> tuple[np.ndarray, float]:
        """Return place (2,) and heading at a turn."""
        return self.place if self.begin <= turn < self.end else AWAY, 0.0


@dataclass(frozen=True)
class Carriage:
    """How the camera rides along its path: height in metres, angles in radians, bob in Hz."""

    height: float
    pitch: float
    nod: float
    roll: float
    bob: float
    sway: float
    frequency: float


@dataclass
class Scene:
    """A room, its camera's path and its changes. Make it with make_scene."""

    seed: int
    kind: str
    model: mujoco.MjModel
    path: Path
    carriage: Carriage
    movers: list[Mover | Visit]
    flicker: np.ndarray  # (lights, 3): amplitude, rounds in a period, phase
    visit: Visit | None = None  # among the movers
    data: mujoco.MjData = field(init=False, repr=False)

    def __post_init__(self):
        self.data = mujoco.MjData(self.model)
        self._diffuse = self.model.light_diffuse.copy()

    @property
    def period(self) -> float:
        """Seconds after which everything comes again."""
        return self.path.period

    def carriage_pose(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Return place (3,) and rotation (3, 3) of the camera's body frame, x ahead and z up.

        As wheels see it: of a camera that neither nods nor bobs nor rolls.
        """
        place, heading = self.path.at(time)
        heading += self.carriage.sway * math.sin(3 * 2 * math.pi * time / self.period)
        return (np.array([*place, self.carriage.height]),
                turned(2, heading) @ turned(1, self.carriage.pitch))

    def wheel_pose(self, stamp: int) -> np.ndarray:
        """Return what wheels tell of the camera's pose, as `pose`, at a time in ns."""
        return optical_pose(*self.carriage_pose(stamp / 1e9))

    def pose(self, time: float) -> np.ndarray:
        """Return the camera's pose, (4, 4): optical frame (x right, y down, z ahead) to world."""
        place, heading = self.path.at(time)
        ride = self.carriage
        # whole waves in a period, so that the loop closes
        waves = max(1, round(ride.frequency * self.period))
        angle = 2 * math.pi * waves * time / self.period
        slow = 2 * math.pi * time / self.period
        heading += ride.sway * math.sin(3 * slow)
        pitch = ride.pitch + ride.nod * (0.6 * math.sin(2 * slow + 1) + 0.4 * math.sin(angle))
        rotation = turned(2, heading) @ turned(1, pitch) @ turned(
            0, ride.roll * math.sin(angle / 2 if waves % 2 == 0 else angle))
        return optical_pose((*place, ride.height + ride.bob * math.sin(angle)), rotation)

    def set_time(self, time: float) -> None:
        """Bring what moves and the lights to a time."""
        turn = time / self.period
        for i, mover in enumerate(self.movers):
            place, heading = mover.at(turn)
            self.data.mocap_pos[i] = *place, 0
            self.data.mocap_quat[i] = math.cos(heading / 2), 0, 0, math.sin(heading / 2)
        amplitude, rounds, phase = self.flicker.T
        light = 1 + amplitude * np.sin(2 * math.pi * (rounds * turn + phase))
        self.model.light_diffuse[:] = self._diffuse * light[:, None]
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)
