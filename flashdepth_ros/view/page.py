"""The page: pictures, cloud, controls and health, laid out with viser.

All pages that are open show the same: what one operator sets, the others see.
"""
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import viser

from .controls import Controls
from .guard import Server
from .health import LINES, Health
from .look import BACKGROUNDS, Look
from .pictures import FRAME_HTML, Shown
from .remote import Descriptors
from .scene import Scene

COLOURS = ('#e67700', '#1c7ed6', '#2b8a3e')  # of LINES


@dataclass(frozen=True)
class Actions:
    """What a page may ask for; each is called on a thread of viser's."""

    choose: Callable[[str], None]       # a camera
    set: Callable[[str, Any], None]     # a parameter
    reset: Callable[[], None]
    change_state: Callable[[str], None]
    record: Callable[[], None]          # begin, or end


class Page:
    """Everything that browsers see.

    look: how the picture is to be shown. with_slice, with_confidence, with_light: whether that
    part is wanted.
    """

    def __init__(self, server: Server, actions: Actions):
        self._server, self._gui, self._actions = server, server.gui, actions
        self._controls: Controls | None = None
        self._cameras: Any = None
        self._look = Look()
        self._gui.configure_theme(
            show_logo=False, show_share_button=False, dark_mode=True, control_width='large')
        self._gui.main_panel.dock_left()
        self._gui.main_panel.set_width(560)
        self._headline = self._gui.add_html('')
        self._camera_place = self._gui.add_html('')  # keeps the place of the cameras' buttons
        self._gui.add_html(FRAME_HTML)
        self._frame = self._gui.add_html('')
        tabs = self._gui.add_tab_group()
        self._looks = tabs.add_tab('Look')
        with self._looks:
            self._add_effects()
        self._settings = tabs.add_tab('Node')
        with self._settings:
            self._add_buttons()
            self._no_settings = self._gui.add_html(
                '<p style="margin:8px">no parameters are known yet</p>')
        with tabs.add_tab('Health'):
            self._plot = self._gui.add_uplot(
                (np.array([-60.0, 0.0]), *(np.zeros(2) for _ in LINES)),
                ({'label': 's'}, *({'label': f'{line} ms', 'stroke': colour, 'width': 2}
                                   for line, colour in zip(LINES, COLOURS, strict=True))),
                scales={'x': {'time': False}}, aspect=2.6)
            self._health = self._gui.add_html('')
        self._scene = Scene(server)

    def _add_buttons(self) -> None:
        asked = self._gui.add_button_group('ask it to', ('reset', 'activate', 'deactivate'))
        self._record = self._gui.add_button('Record a bag')

        @asked.on_click
        def _(event: viser.GuiEvent) -> None:
            if asked.value == 'reset':
                self._actions.reset()
            elif asked.value in ('activate', 'deactivate'):
                self._actions.change_state(asked.value)

        @self._record.on_click
        def _(event: viser.GuiEvent) -> None:
            self._actions.record()

    def _add_effects(self) -> None:
        gui = self._gui
        self._slice = gui.add_checkbox(
            'show the slice', True, hint='What lies between slice.near and slice.far, in green.')
        self._sure = gui.add_checkbox(
            'darken what is not sure', False, visible=False, hint='By depth/confidence.')
        self._background = gui.add_dropdown(
            'background', BACKGROUNDS, initial_value=BACKGROUNDS[0],
            hint='What stands behind the depth below.')
        self._behind = gui.add_slider('behind (m)', 0.1, 20.0, 0.1, 4.0)
        self._lamp = gui.add_checkbox(
            'lamp', False, hint='Light the picture anew; the lamp stands in the cloud: drag it.')

    @property
    def look(self) -> Look:
        """How the picture is wanted, without the slice, whose ends are the node's."""
        background = self._background.value
        return replace(
            self._look, background=background if background in BACKGROUNDS else BACKGROUNDS[0],
            behind=float(self._behind.value),
            light=self._scene.light if self._lamp.value else None)

    @property
    def with_slice(self) -> bool:
        return bool(self._slice.value)

    @property
    def with_confidence(self) -> bool:
        return bool(self._sure.value)

    def offer_confidence(self, there: bool) -> None:
        self._sure.visible = there

    def show(self, shown: Shown) -> None:
        """Show a frame."""
        self._frame.content = shown.html
        self._scene.show(shown, bool(self._lamp.value))

    def show_view(self, vertical: float, aspect: float) -> None:
        """Show the camera's field of view, in radians, and width / height."""
        self._scene.show_view(vertical, aspect)

    def show_health(self, health: Health) -> None:
        self._headline.content = health.headline()
        self._health.content = health.html()
        self._plot.data = health.plot()

    def show_recording(self, running: bool) -> None:
        self._record.label = 'Stop recording' if running else 'Record a bag'
        self._record.color = 'red' if running else None

    def offer_cameras(self, cameras: list[str]) -> None:
        """Offer cameras, one beside the other; a single one needs no choice."""
        if self._cameras is not None:
            self._cameras.remove()
            self._cameras = None
        if len(cameras) < 2:
            return
        self._cameras = buttons = self._gui.add_button_group(
            'camera', tuple(cameras), order=self._camera_place.order)

        @buttons.on_click
        def _(event: viser.GuiEvent) -> None:
            if buttons.value in cameras:
                self._actions.choose(buttons.value)

    def offer_parameters(self, parameters: Descriptors) -> None:
        """Make controls for parameters, in place of those that are there."""
        if self._controls is not None:
            self._controls.remove()
        self._no_settings.visible = not parameters
        self._controls = Controls(
            self._gui, {'': self._settings, 'slice': self._looks}, parameters, self._actions.set)

    def show_parameter(self, name: str, value: Any) -> None:
        if self._controls is not None:
            self._controls.show(name, value)

    def tell(self, well: bool, words: str) -> None:
        """Tell every operator what became of a wish."""
        for client in self._server.get_clients().values():
            client.add_notification(
                'Done' if well else 'Not done', words, auto_close_seconds=4.0 if well else 15.0,
                color='green' if well else 'red')
