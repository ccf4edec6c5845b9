"""Somebody on the way: passes requests on to the server, and lies."""

import http.server
import sys
import urllib.error
import urllib.request

LIE, SERVER = sys.argv[1:]
FIRST = []


class Liar(http.server.BaseHTTPRequestHandler):
    def passed_on(self, body=None):
        request = urllib.request.Request(f"http://{SERVER}{self.path}", data=body)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if LIE == "old":
            # What the server said to another question, signed by it.
            self.path = self.path.split("nonce=")[0] + "nonce=00000000000000000000"
        status, body = self.passed_on()
        if LIE == "address":
            lines = [b"address 198.51.100.66" if line.startswith(b"address ") else line
                     for line in body.split(b"\n")]
            body = b"\n".join(lines)
        FIRST.append(body)
        self.answer(status, body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if LIE == "done":
            # The update is swallowed; what the server says is signed, but not
            # about this update.
            return self.answer(200, FIRST[0])
        if LIE == "update":
            body = b"\n".join(b"v4 198.51.100.66" if line.startswith(b"v4 ") else line
                              for line in body.split(b"\n"))
        self.answer(*self.passed_on(body))

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("192.0.2.54", 80), Liar)
print("r", end="", flush=True)
server.serve_forever()
