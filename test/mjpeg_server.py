"""An IP camera on loopback that sends JPEGs over http, and misbehaves when it is told to."""
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import threading
import time

import cv2
from video_files import picture


class MjpegServer:
    """Sends 20 pictures a second; `mode`: run, stall (silence), drop (mid-picture), end, refuse."""

    def __init__(self, port: int = 0):
        self.mode = 'run'
        self.requests = 0
        jpegs = [cv2.imencode('.jpg', picture(i)[..., ::-1])[1].tobytes() for i in range(8)]
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                camera.requests += 1
                if camera.mode == 'refuse':
                    self.send_error(503)
                    return
                self.send_response(200)
                self.send_header('Content-Type', 'multipart/x-mixed-replace; boundary=frame')
                self.end_headers()
                i = 0
                while not camera.closed.wait(0.05):
                    jpeg = jpegs[i % 8]
                    if camera.mode == 'stall':
                        continue
                    if camera.mode in ('end', 'refuse'):
                        return
                    if camera.mode == 'drop':
                        jpeg = jpeg[:len(jpeg) // 2]
                    try:
                        self.wfile.write(b'--frame\r\nContent-Type: image/jpeg\r\nContent-Length: '
                                         b'%d\r\n\r\n%s\r\n' % (len(jpegs[i % 8]), jpeg))
                    except OSError:
                        return
                    if camera.mode == 'drop':
                        return
                    i += 1

        self.closed = threading.Event()
        self._server = ThreadingHTTPServer(('127.0.0.1', port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.closed.set()
        self._server.shutdown()
        self._server.server_close()


if __name__ == '__main__':
    import sys
    server = MjpegServer(8765)
    for line in sys.stdin:
        server.mode = line.strip()
    time.sleep(1000)
