"""Servers that do not keep to HTTP, on plain sockets: each path misbehaves in its own way."""

import gzip
import socket
import ssl
import subprocess
import threading
import time
import zlib

TEXT = "Content-Type: text/plain; version=0.0.4\r\n"
OPEN = "Content-Type: application/openmetrics-text; version=1.0.0\r\n"


def head(extra="", status="200 OK", kind=TEXT):
    return f"HTTP/1.1 {status}\r\n{kind}Connection: close\r\n{extra}\r\n".encode()


def whole(body, extra="", status="200 OK", kind=TEXT):
    body = body if isinstance(body, bytes) else body.encode()
    return head(f"Content-Length: {len(body)}\r\n{extra}", status, kind) + body


def bomb(sock, piece):
    """Ten gigabytes of this, as ten megabytes or so."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    first = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)
    sock.sendall(head("Content-Encoding: gzip\r\n") + first)
    for _ in range(10_000_000_000 // len(piece)):
        sock.sendall(again)


def slowly(sock, text, pause=0.3):
    for byte in text.encode():
        sock.sendall(bytes([byte]))
        time.sleep(pause)


def for_ever(sock, begin, piece, pause=0.0):
    sock.sendall(begin)
    while True:
        sock.sendall(piece)
        time.sleep(pause)


def hang(sock, begin):
    sock.sendall(begin)
    sock.settimeout(60)
    sock.recv(1)


future = lambda ms: f"a 1 {ms}\n"
# What each path does, and a word of the message that it has to end in; None where the page is to be taken.
PATHS = {
    "hang-at-once": (lambda s: hang(s, b""), "1s"),
    "hang-in-head": (lambda s: hang(s, b"HTTP/1.1 200 OK\r\nContent-"), "1s"),
    "hang-in-body": (lambda s: hang(s, head("Content-Length: 1000\r\n") + b"a 1\nb "), "1s"),
    "slow-head": (lambda s: slowly(s, "HTTP/1.1 200 OK\r\n" + "X-Slow: yes\r\n" * 100), "1s"),
    "slow-body": (lambda s: (s.sendall(head()), slowly(s, "a 1\n" * 1000)), "1s"),
    "no-line-break": (lambda s: for_ever(s, head(), b"x" * 65536), "1"),
    "bomb-of-lines": (lambda s: bomb(s, b"bomb 1\n" * 150_000), "1"),
    "bomb-of-one-line": (lambda s: bomb(s, b"x" * 1_000_000), "1"),
    "not-gzip": (lambda s: s.sendall(whole("a 1\n", "Content-Encoding: gzip\r\n")), ""),
    "torn-gzip": (lambda s: s.sendall(whole(gzip.compress(b"a 1\n" * 9000)[:-20], "Content-Encoding: gzip\r\n")), ""),
    "brotli": (lambda s: s.sendall(whole("\x0b\x02a 1\n", "Content-Encoding: br\r\n")), ""),
    "closes-at-once": (lambda s: None, ""),
    "resets": (lambda s: s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"), ""),
    "closes-in-head": (lambda s: s.sendall(b"HTTP/1.1 200 OK\r\nContent-Ty"), ""),
    "closes-in-body": (lambda s: s.sendall(head("Content-Length: 1000\r\n") + b"a 1\n"), ""),
    "length-negative": (lambda s: s.sendall(head("Content-Length: -5\r\n") + b"a 1\n"), ""),
    "length-word": (lambda s: s.sendall(head("Content-Length: many\r\n") + b"a 1\n"), ""),
    "length-twice": (lambda s: s.sendall(head("Content-Length: 4\r\nContent-Length: 9\r\n") + b"a 1\nb 1\n"), ""),
    "length-huge": (lambda s: s.sendall(head("Content-Length: 99999999999999999999\r\n") + b"a 1\n"), ""),
    "chunks-garbage": (lambda s: s.sendall(head("Transfer-Encoding: chunked\r\n") + b"zz\r\na 1\n\r\n"), ""),
    "chunks-torn": (lambda s: s.sendall(head("Transfer-Encoding: chunked\r\n") + b"4\r\na 1\n\r\n"), ""),
    "chunk-huge": (lambda s: s.sendall(head("Transfer-Encoding: chunked\r\n") + b"ffffffffffffffff\r\na 1\n"), ""),
    "http-0.9": (lambda s: s.sendall(b"a 1\nb 2\n"), ""),
    "no-http": (lambda s: s.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), ""),
    "random": (lambda s: s.sendall(bytes(range(256)) * 10), ""),
    "head-huge": (lambda s: s.sendall(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 2_000_000 + b"\r\n\r\na 1\n"), ""),
    "heads-many": (lambda s: s.sendall(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000 + b"\r\na 1\n"), ""),
    "head-endless": (lambda s: for_ever(s, b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000), ""),
    "status-999": (lambda s: s.sendall(whole("a 1\n", status="999 What")), "999"),
    "status-204": (lambda s: s.sendall(b"HTTP/1.1 204 No Content\r\n\r\n"), "204"),
    "status-206": (lambda s: s.sendall(whole("a 1\n", status="206 Partial Content")), "206"),
    "continues": (lambda s: for_ever(s, b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01), "1s"),
    "redirect-loop": (lambda s: s.sendall(whole("", "Location: /redirect-loop\r\n", "302 Found")), "circles"),
    "redirect-nowhere": (lambda s: s.sendall(whole("", "Location: gopher://x\r\n", "302 Found")), ""),
    "redirect-without": (lambda s: s.sendall(whole("", "", "302 Found")), "302"),
    "upgrade": (lambda s: s.sendall(head("Upgrade: websocket\r\n", "101 Switching Protocols")), ""),
    "html": (lambda s: s.sendall(whole("<!DOCTYPE html>\n<html>Sign in</html>")), "HTML"),
    "json": (lambda s: s.sendall(whole('{"a": 1}', kind="Content-Type: application/json\r\n")), "application/json"),
    "utf-8-broken": (lambda s: s.sendall(whole(b'a{b="\xff\xfe"} 1\n')), "UTF-8"),
    "nul-in-name": (lambda s: s.sendall(whole(b"a\0b 1\n")), "line 1"),
    "nul-in-label": (lambda s: s.sendall(whole(b'a{b\0="c"} 1\n')), "line 1"),
    "value-huge": (lambda s: s.sendall(whole("a 1e999\n")), "line 1"),
    "value-word": (lambda s: s.sendall(whole("a 1\nb many\n")), "line 2"),
    "time-word": (lambda s: s.sendall(whole("a 1\nb 1 now\n")), "line 2"),
    "open-without-end": (lambda s: s.sendall(whole("# TYPE a gauge\na 1\n", kind=OPEN)), "EOF"),
    "label-twice": (lambda s: s.sendall(whole('a{b="c",b="d"} 1\n')), ""),
    "label-huge": (lambda s: s.sendall(whole('a{b="' + "c" * 900_000 + '"} 1\n')), None),
    "labels-many": (lambda s: s.sendall(whole("a{" + ",".join(f'l{n}="v"' for n in range(20_000)) + "} 1\n")), "labels"),
    "empty": (lambda s: s.sendall(whole("")), None),
    "far-future": (lambda s: s.sendall(whole("".join(map(future, [9_000_000_000_000, 9_223_372_036_854_775_807])))), None),
    "far-past": (lambda s: s.sendall(whole("".join(map(future, [0, 1, 2])))), None),
    "before-time": (lambda s: s.sendall(whole(future(-5))), "line 1"),
    "not-numbers": (lambda s: s.sendall(whole('a{b="NaN"} NaN\nc +Inf\nd -Inf\n')), None),
    "length-short": (lambda s: s.sendall(head("Content-Length: 4\r\n") + b"a 1\nb 1\n" * 1000), None),
    "kind-unknown": (lambda s: s.sendall(whole("a 1\n", kind="Content-Type: application/octet-stream\r\n")), "octet-stream"),
    "no-kind": (lambda s: s.sendall(whole("a 1\n", kind="")), "fallback_scrape_protocol"),
}


def serve(port, context=None):
    """Answers each request as its path asks for, and hangs up."""
    listener = socket.create_server(("127.0.0.1", port), backlog=200)

    def answer(sock):
        try:
            sock.settimeout(60)
            if context:
                sock = context.wrap_socket(sock, server_side=True)
            request = b""
            while b"\r\n\r\n" not in request and len(request) < 65536:
                piece = sock.recv(4096)
                if not piece:
                    return
                request += piece
            path = request.split(b" ")[1].decode().lstrip("/")
            PATHS.get(path, (lambda s: s.sendall(whole("a 1\n")), None))[0](sock)
        except (OSError, IndexError, ValueError):
            pass
        finally:
            sock.close()

    def accept():
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=answer, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def certificate(directory, name, days):
    """A certificate that nobody signed but itself; `days` may be past."""
    key, cert = f"{directory}/{name}.key", f"{directory}/{name}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", cert, "-days", str(days), "-subj", f"/CN={name}",
                    "-addext", f"subjectAltName=DNS:{name}"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context
