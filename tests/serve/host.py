"""A small server for tests of the editors: the labeling page's files, a page that hosts an editor, and pictures."""

import io
import threading
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from PIL import Image, ImageDraw

HERE = Path(__file__).parent
WEB = HERE.parents[1] / "roundtruth/serve/web"
TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@cache
def picture(width: int, height: int) -> bytes:
    """A PNG with a gradient, a grid each 100 pixels, and a white object of 8 x 6 pixels at (width/2, height/2)."""
    across = Image.linear_gradient("L").rotate(90).resize((width, height))
    down = Image.linear_gradient("L").resize((width, height))
    image = Image.merge("RGB", (across.point(lambda value: 60 + value // 2), down, across.point(lambda value: 90)))
    draw = ImageDraw.Draw(image)
    for x in range(0, width, 100):
        draw.line([(x, 0), (x, height)], fill=(200, 200, 200))
    for y in range(0, height, 100):
        draw.line([(0, y), (width, y)], fill=(200, 200, 200))
    draw.rectangle([width // 2, height // 2, width // 2 + 7, height // 2 + 5], fill="white")
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()


def found(path: str) -> tuple[bytes, str] | None:
    """What is at the path, and its type: /static/NAME, /NAME of this folder, /pictures/WIDTHxHEIGHT."""
    folder, _, name = path.rpartition("/")
    if folder == "/pictures":
        width, height = name.split("x")
        return picture(int(width), int(height)), "image/png"
    file = (WEB if folder == "/static" else HERE) / name
    return (file.read_bytes(), TYPES[file.suffix]) if file.is_file() else None


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        answer = found(self.path)
        if answer is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", answer[1])
        self.send_header("Content-Length", str(len(answer[0])))
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(answer[0])

    def log_message(self, format, *args):
        pass


@contextmanager
def serving():
    """The address of the server while the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()
