"""Targets and receivers that answer by path, and keep to HTTP."""

import http.server
import json
import threading
import time

from bad.harness import PORT


class Fake(http.server.BaseHTTPRequestHandler):
    """Targets and receivers, by path."""

    protocol_version = "HTTP/1.1"
    looks = 0
    webhook = []
    slack = []
    slack_answers = []
    slack_token = "xoxb-right"

    def do_GET(self):
        path = self.path
        if path == "/good":
            self.answer(200, "good 1\nhttp_requests_total 5\n")
        elif path == "/slow":
            time.sleep(3)
            self.answer(200, "slow 1\n")
        elif path == "/large":
            self.answer(200, "".join(f'large{{n="{n}"}} 1\n' for n in range(60_000)))
        elif path == "/endless":
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Connection", "close")
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"endless 1\n" * 100)
                    time.sleep(0.01)
            except OSError:
                pass
        elif path == "/html":
            self.answer(200, "<!DOCTYPE html><html><body>Sign in</body></html>", "text/html")
        elif path == "/duplicates":
            self.answer(200, 'twice{a="b"} 1\ntwice{a="b"} 2\n')
        elif path == "/backwards":
            Fake.looks += 1
            at = round(time.time() * 1000) - 10_000 * Fake.looks
            self.answer(200, f"backwards 1 {at}\n")
        elif path == "/broken":
            self.answer(200, 'good 1\nbroken{a="b} 1\n')
        elif path == "/status":
            self.answer(500, "no")
        else:
            self.answer(404, "no such fake")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/webhook":
            Fake.webhook.append(json.loads(body))
            return self.answer(200, "")
        if self.path.startswith("/slack/"):
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            Fake.slack.append((self.path, token))
            if token != Fake.slack_token:
                return self.answer(200, json.dumps({"ok": False, "error": "invalid_auth"}), "application/json")
            if Fake.slack_answers:
                status, headers, text = Fake.slack_answers.pop(0)
                return self.answer(status, text, "application/json", headers)
            return self.answer(200, json.dumps({"ok": True, "channel": "C1", "ts": "1700000000.000100"}), "application/json")
        self.answer(404, "")

    def answer(self, status, text, kind="text/plain; version=0.0.4", headers=()):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass

    def log_message(self, *arguments):
        pass


def serve():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Fake)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
