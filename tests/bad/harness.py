"""What every part of the bad inputs needs: a daemon, a look at its metrics, and a count of what is wrong."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

PORT = 19600
# How long a daemon may take to end; calls that hang are given five seconds.
ENDS_WITHIN = 10
troubles = []
lock = threading.Lock()
# Where a part writes that runs beside others: its lines stay together.
own = threading.local()


def say(text):
    print(text, file=getattr(own, "lines", sys.stdout), flush=True)


def check(what, holds, detail=""):
    with lock:
        note(what, holds, detail)


def note(what, holds, detail):
    say(f"  {'ok' if holds else 'WRONG'}: {what}{'' if holds else f' — {detail}'}")
    if not holds:
        troubles.append(what)


def get(url, method="GET"):
    request = urllib.request.Request(url, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def wait_until(seconds, condition):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if condition():
                return True
        except OSError:
            pass
        time.sleep(0.2)
    return False


RECEIVERS = f"""
route: {{receiver: all, group_by: [alertname], group_wait: 0s, group_interval: 2s, repeat_interval: 1h}}
receivers:
  - name: all
    webhook_configs: [{{url: 'http://127.0.0.1:{PORT}/webhook'}}]
"""
RULES = """
groups:
  - name: watch
    rules:
      - {alert: Watchdog, expr: vector(1)}
"""


def snapshot(path):
    """What is in a directory, but for the lock file, which says nothing."""
    if path.is_file():
        return path.read_bytes()
    if not path.exists():
        return None
    def what(file):
        return file.read_bytes() if file.is_file() else str(file.lstat().st_mode)
    return {str(file.relative_to(path)): what(file) for file in sorted(path.rglob("*")) if file.name != "atalaya.lock"}


class Daemon:
    def __init__(self, binary, directory, config, files, page, environment=None, data=None):
        self.home = pathlib.Path(tempfile.mkdtemp(dir=directory))
        (self.home / "atalaya.yaml").write_text(config)
        for name, text in files:
            (self.home / name).write_text(text)
        self.url = f"http://127.0.0.1:{page}"
        self.log_path = self.home / "log"
        self.process = subprocess.Popen(
            [str(binary), "run", "--config", str(self.home / "atalaya.yaml"), "--data-dir", str(data or self.home / "data"),
             "--listen", f"127.0.0.1:{page}"],
            stderr=self.log_path.open("w"), stdout=subprocess.DEVNULL, env={**os.environ, **(environment or {})},
            # A write beyond a limit is to fail, as on a full disk, and not to end the process.
            preexec_fn=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN))

    def __enter__(self):
        if not wait_until(20, lambda: get(self.url + "/-/ready")[0] == 200):
            print(self.log())
            self.end()
            sys.exit("the daemon did not become ready")
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        if self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            check("it ends when asked to", False, f"it had to be killed: {self.log()[-500:]}")

    def log(self):
        return re.sub(r"\x1b\[[0-9;]*m", "", self.log_path.read_text())

    def metric(self, pattern):
        """The sum of the series whose line begins as this pattern does."""
        found = re.findall(rf"^{pattern}[^ ]* ([0-9.e+-]+)$", get(self.url + "/metrics")[1], re.MULTILINE)
        return sum(map(float, found))

    def works(self, what):
        check(f"{what}: the daemon still works",
              self.process.poll() is None and get(self.url + "/-/healthy")[0] == 200, self.log()[-500:])
