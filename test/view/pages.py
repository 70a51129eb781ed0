"""Pages without a browser: they connect as viser's client does, and count the frames they get."""
import asyncio
import threading

import msgspec
import viser
from viser._messages import ViewerCameraMessage
import websockets.asyncio.client

PROTOCOL = f'viser-v{viser.__version__}'
# what a page tells first; a page is open from then on
CAMERA = msgspec.msgpack.encode(ViewerCameraMessage(
    (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 1.0, 0.01, 1000.0, 600, 800, (1.0, 0.0, 0.0),
    (0.0, 0.0, 1.0)).as_serializable_dict())


class Pages:
    """So many pages of one address, open while this is a context.

    received: bytes by all of them. slow: pages that read nothing, besides.
    """

    def __init__(self, address: str, count: int, slow: int = 0):
        self._address = address.rstrip('/').replace('http:', 'ws:')
        self._count, self._slow = count, slow
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self.open = self.received = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        self._loop.run_until_complete(self._all())

    async def _all(self) -> None:
        await asyncio.gather(*(self._one(read=index < self._count)
                               for index in range(self._count + self._slow)))

    async def _one(self, read: bool) -> None:
        async with websockets.asyncio.client.connect(
                self._address, subprotocols=[PROTOCOL], max_size=None, max_queue=1) as connection:
            await connection.send(CAMERA)
            self.open += 1
            ended = asyncio.create_task(self._end.wait())
            while not ended.done():
                tasks = {ended} | ({asyncio.create_task(connection.recv())} if read else set())
                for task in (await asyncio.wait(tasks, return_when='FIRST_COMPLETED'))[0] - {ended}:
                    self.received += len(task.result())

    def __enter__(self) -> 'Pages':
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(30)
