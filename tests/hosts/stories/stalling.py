"""An application that answers checks over HTTP, and stands still for as long as it is told."""
import http.server
import threading
import time


class Stalling:
    """Listens on a port of 127.0.0.1 of its own choice; to be closed."""

    def __init__(self):
        self.asked, self.until = 0, 0.0
        outer = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked += 1
                wait = outer.until - time.monotonic()
                if wait > 0:
                    time.sleep(wait)
                try:
                    self.send_response(200)
                    self.send_header("content-length", "0")
                    self.end_headers()
                except OSError:
                    pass                                                       # who asked has given up

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.address = self.server.server_address
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stall(self, seconds):
        """What is asked until then is answered then; returns when that is over."""
        self.until = time.monotonic() + seconds
        time.sleep(seconds)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
