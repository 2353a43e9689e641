#!/usr/bin/env python3
"""Runs `atalaya run` with the README's ten-line configuration against Debian's real prometheus-node-exporter.

It passes when, for the given time, every look at the page finds the target up and no more, and the webhook of the
configuration has been told, in Alertmanager's form, that Watchdog fires. Everything is on loopback and ends by itself.
"""

import argparse
import http.server
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXPORTER = "127.0.0.1:9100"
WEBHOOK = ("127.0.0.1", 9099)
PAGE = "127.0.0.1:9095"

told = []


class Webhook(http.server.BaseHTTPRequestHandler):
    """Takes what it is told."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        told.append(json.loads(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments):
        pass


def get(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()


def wait_for(url, seconds):
    end = time.monotonic() + seconds
    while True:
        try:
            return get(url)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("binary", type=pathlib.Path)
    arguments.add_argument("--seconds", type=float, default=600)
    options = arguments.parse_args()

    server = http.server.ThreadingHTTPServer(WEBHOOK, Webhook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    data = tempfile.mkdtemp(prefix="atalaya-node-")
    exporter = subprocess.Popen(
        ["prometheus-node-exporter", f"--web.listen-address={EXPORTER}", "--log.level=error"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    daemon = None
    try:
        wait_for(f"http://{EXPORTER}/metrics", 10)
        daemon = subprocess.Popen(
            [str(options.binary.resolve()), "run", "--config", str(ROOT / "rules/first-config.yaml"), "--data-dir", data,
             "--listen", PAGE])
        wait_for(f"http://{PAGE}/-/ready", 10)
        end = time.monotonic() + options.seconds
        looks = 0
        while time.monotonic() < end:
            time.sleep(1)
            assert daemon.poll() is None, "the daemon ended by itself"
            page = get(f"http://{PAGE}/")
            assert ">DOWN<" not in page, "the target is down"
            looks += 1
        metrics = get(f"http://{PAGE}/metrics")
        scrapes = next(line for line in metrics.splitlines() if line.startswith('atalaya_scrapes_total{result="ok"}'))
        status = pathlib.Path(f"/proc/{daemon.pid}/status").read_text()
        rss = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    finally:
        for process in (daemon, exporter):
            if process is not None:
                process.send_signal(signal.SIGTERM)
        codes = [process.wait(timeout=15) for process in (daemon, exporter) if process is not None]
        server.shutdown()
        shutil.rmtree(data, ignore_errors=True)

    assert codes[0] == 0, f"the daemon ended with {codes[0]} when it was told to stop"
    firing = [alert for note in told for alert in note["alerts"] if alert["status"] == "firing"]
    names = {alert["labels"]["alertname"] for alert in firing}
    assert "Watchdog" in names, f"the webhook was told of {names or 'nothing'}"
    print(f"{looks} looks, {scrapes}, resident {int(rss) / 1024:.1f} MiB, told of {sorted(names)} in {len(told)} requests")
    return 0


if __name__ == "__main__":
    sys.exit(main())
