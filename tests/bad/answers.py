"""Answers that a receiver should not give, by path: /kind/answer."""

import http.server
import json
import socket
import threading
import time

ALL = ("slack", "hook", "pagerduty", "webhook")
BOT = ("slack",)
OTHERS = ("hook", "pagerduty", "webhook")


def plain(status, body="", **headers):
    def answer(call):
        call.send_response(status)
        for name, value in headers.items():
            call.send_header(name.replace("_", "-"), value)
        call.send_header("Content-Length", str(len(body)))
        call.end_headers()
        call.wfile.write(body.encode())
    return answer


def raw(data):
    def answer(call):
        call.wfile.write(data)
        call.wfile.flush()
        call.connection.shutdown(socket.SHUT_RDWR)
    return answer


def endless(call):
    call.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while True:
        call.wfile.write(b"x" * 65536)


def no(code):
    return plain(200, json.dumps({"ok": False, "error": code}), Content_Type="application/json")


# What is answered, to which kinds of receivers, and what comes of it.
ANSWERS = {
    "429": (plain(429, "slow down"), ALL, "retry"),
    "429-soon": (plain(429, Retry_After="soon"), ALL, "retry"),
    "429-0": (plain(429, Retry_After="0"), ALL, "retry"),
    "429-minus-1": (plain(429, Retry_After="-1"), ALL, "retry"),
    "429-1e9": (plain(429, Retry_After="1000000000"), ALL, "retry"),
    "429-1e30": (plain(429, Retry_After="1" + "0" * 30), ALL, "retry"),
    "429-past": (plain(429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"), ALL, "retry"),
    "429-2099": (plain(429, Retry_After="Wed, 21 Oct 2099 07:28:00 GMT"), ALL, "retry"),
    "500": (plain(500, "oops"), ALL, "retry"),
    "503-1e9": (plain(503, Retry_After="1000000000"), ALL, "retry"),
    "400": (plain(400, "bad"), ALL, "gave up"),
    "401": (plain(401), ALL, "gave up"),
    "403": (plain(403), ALL, "gave up"),
    "404": (plain(404), ALL, "gave up"),
    "301": (plain(301, Location="/elsewhere"), ALL, "gave up"),
    # Where the address is a secret it is not carried elsewhere.
    "307": (plain(307, Location="/elsewhere"), tuple(kind for kind in ALL if kind != "webhook"), "gave up"),
    "307-followed": (plain(307, Location="/elsewhere", Connection="close"), ("webhook",), "told"),
    "302-circle": (plain(302, Location="302-circle"), ALL, "gave up"),
    "302-nowhere": (plain(302), ALL, "gave up"),
    "hangs": (lambda call: time.sleep(60), ALL, "retry"),
    "closes": (raw(b""), ALL, "retry"),
    "garbage": (raw(bytes(range(256)) * 4), ALL, "retry"),
    "closes-in-head": (raw(b"HTTP/1.1 200 OK\r\nContent-Le"), ALL, "retry"),
    # What came with a good status has arrived, unless an answer that says so is part of the protocol.
    "closes-in-body": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), BOT, "retry"),
    "endless": (endless, BOT, "retry"),
    "200-empty": (plain(200), BOT, "retry"),
    "200-html": (plain(200, "<!DOCTYPE html><html>Sign in</html>", Content_Type="text/html"), ("slack", "hook", "pagerduty"), "retry"),
    "200-html-arrived": (plain(200, "<!DOCTYPE html><html>Thanks</html>", Content_Type="text/html"), ("webhook",), "told"),
    "200-list": (plain(200, "[1]"), BOT, "retry"),
    "200-torn": (plain(200, '{"ok": tr'), BOT, "retry"),
    "204": (plain(204), BOT, "retry"),
    "202-arrived": (plain(202, "{}"), OTHERS, "told"),
    "closes-behind-status": (raw(b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\n{"), OTHERS, "told"),
    "endless-arrived": (endless, OTHERS, "told"),
} | {code: (no(code), BOT, "gave up") for code in (
    "channel_not_found", "not_in_channel", "is_archived", "invalid_auth", "not_authed", "account_inactive", "token_revoked",
    "token_expired", "missing_scope", "no_permission", "restricted_action", "msg_too_long", "no_text", "invalid_blocks")
} | {code: (no(code), BOT, "retry") for code in (
    "ratelimited", "rate_limited", "fatal_error", "internal_error", "service_unavailable", "something_new")}


def serve(port):
    """Answers by path, and gives the times at which each path was called."""
    heard = {}

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 200

        def handle_error(self, request, client_address):
            pass

    class Call(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            heard.setdefault(self.path, []).append(time.monotonic())
            self.close_connection = True
            name = self.path.split("/")[2] if self.path.count("/") >= 2 else ""
            try:
                ANSWERS.get(name, (plain(200),))[0](self)
            except OSError:
                pass

        def log_message(self, *arguments):
            pass

    threading.Thread(target=Server(("127.0.0.1", port), Call).serve_forever, daemon=True).start()
    return heard
