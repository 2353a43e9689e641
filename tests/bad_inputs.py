#!/usr/bin/env python3
"""Gives the real binary what it should never be given, and looks at what it makes of it.

At start every bad input has to end in a message that names it and a status that is not 0, with nothing touched. While the
daemon runs, every bad input has to end in a message, a metric, and a daemon that still tells people. Everything is on
loopback and ends by itself.
"""

import argparse
import http.server
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

PORT = 19600
troubles = []


def check(what, holds, detail=""):
    print(f"  {'ok' if holds else 'WRONG'}: {what}{'' if holds else f' — {detail}'}", flush=True)
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


# ------------------------------------------------------------------------------------------------------------ the fakes


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

# ------------------------------------------------------------------------------------------------------------- at start


def refused(binary, directory, what, config, expected, files=(), data=None, before=None, environment=None, prefix=()):
    """Starts the daemon, which has to end with a message that holds all of `expected`, and to touch nothing."""
    home = pathlib.Path(tempfile.mkdtemp(dir=directory))
    (home / "atalaya.yaml").write_text(config)
    for name, text in files:
        (home / name).write_text(text)
    data = data or home / "data"
    if before:
        before(home, data)
    kept = snapshot(data)
    command = [*prefix, str(binary), "run", "--config", str(home / "atalaya.yaml"), "--data-dir", str(data), "--listen",
               "127.0.0.1:0"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, env={**os.environ, **(environment or {})})
    except subprocess.TimeoutExpired:
        return check(what, False, "it started, or hung")
    missing = [word for word in expected if word not in done.stderr]
    check(f"{what}: ends with status {done.returncode} and says why", done.returncode not in (0, 101) and not missing,
          f"status {done.returncode}, missing {missing} in: {done.stderr[:600]}")
    check(f"{what}: touches nothing", snapshot(data) == kept, f"{kept} became {snapshot(data)}")


def snapshot(path):
    """What is in a directory, but for the lock file, which says nothing."""
    if path.is_file():
        return path.read_bytes()
    if not path.exists():
        return None
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*"))
            if file.is_file() and file.name != "atalaya.lock"}


def bad_starts(binary, directory):
    print("at start:")
    good = RECEIVERS + "rule_files: [rules.yaml]\n"
    rules = [("rules.yaml", RULES)]
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(8))
    refused(binary, directory, "a YAML bomb", bomb, ["atalaya.yaml"])
    refused(binary, directory, "a file that is not YAML", "route: [\n", ["atalaya.yaml:"])
    refused(binary, directory, "a misspelt setting and a bad rule at once", good + "rout: {}\n",
            ["did you mean `route`", "rules.yaml:", "expr"],
            [("rules.yaml", "groups: [{name: g, rules: [{alert: A, expr: 'sum by (a'}]}]\n")])
    refused(binary, directory, "a rule file that is missing", good, ["rules.yaml", "no such file"])
    refused(binary, directory, "a directory as a rule file", good, ["rules.yaml"], before=lambda home, data: (home / "rules.yaml").mkdir())
    refused(binary, directory, "a secret file that is missing", good.replace(
        "webhook_configs", "slack_configs: [{channel: a, bot_token_file: nowhere/token}]\n    webhook_configs"),
        ["bot_token", "nowhere/token", "No such file"], rules)
    refused(binary, directory, "a secret variable that is missing", good.replace(
        "webhook_configs", "slack_configs: [{channel: a, bot_token: '${ATALAYA_NOT_SET}'}]\n    webhook_configs"),
        ["bot_token", "ATALAYA_NOT_SET"], rules)

    def corrupt(home, data):
        data.mkdir()
        (data / "atalaya.db").write_bytes(b"SQLite format 3\0" + b"garbage " * 1000)

    def not_a_database(home, data):
        data.mkdir()
        (data / "atalaya.db").write_bytes(b"these are not the rows you are looking for\n" * 100)

    def newer(home, data):
        data.mkdir()
        with sqlite3.connect(data / "atalaya.db") as file:
            file.execute("CREATE TABLE x (y)")
            file.execute(f"PRAGMA application_id = {0x6174616c}")
            file.execute("PRAGMA user_version = 9999")
        file.close()

    refused(binary, directory, "a corrupt state file", good, ["atalaya.db", "damaged"], rules, before=corrupt)
    refused(binary, directory, "a state file that is none", good, ["atalaya.db", "damaged"], rules, before=not_a_database)
    refused(binary, directory, "a state file of a later version", good, ["atalaya.db", "9999"], rules, before=newer)
    refused(binary, directory, "a data directory that is a file", good, ["data"], rules,
            before=lambda home, data: data.write_text("mine"))
    if os.geteuid() == 0 and shutil.which("setpriv"):
        def read_only(home, data):
            data.mkdir(mode=0o555)
            home.chmod(0o755)
            pathlib.Path(directory).chmod(0o755)
        public = pathlib.Path(directory) / "atalaya"
        shutil.copy(binary, public)
        refused(public, directory, "a read-only data directory", good, ["data", "ermission"], rules, before=read_only,
                prefix=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        home = pathlib.Path(tempfile.mkdtemp(dir=directory))
        (home / "atalaya.yaml").write_text(good)
        (home / "rules.yaml").write_text(RULES)
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = subprocess.run([str(binary), "run", "--config", str(home / "atalaya.yaml"), "--data-dir", str(home / "data"),
                               "--listen", address], capture_output=True, text=True, timeout=30)
        check("a port that is taken", done.returncode == 1 and address in done.stderr, done.stderr[:300])


# -------------------------------------------------------------------------------------------------------- while running


class Daemon:
    def __init__(self, binary, directory, config, files, page, environment=None):
        self.home = pathlib.Path(tempfile.mkdtemp(dir=directory))
        (self.home / "atalaya.yaml").write_text(config)
        for name, text in files:
            (self.home / name).write_text(text)
        self.url = f"http://127.0.0.1:{page}"
        self.log_path = self.home / "log"
        self.process = subprocess.Popen(
            [str(binary), "run", "--config", str(self.home / "atalaya.yaml"), "--data-dir", str(self.home / "data"),
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
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            check("it ends when asked to", False, "it had to be killed")

    def log(self):
        return re.sub(r"\x1b\[[0-9;]*m", "", self.log_path.read_text())

    def metric(self, pattern):
        """The sum of the series whose line begins as this pattern does."""
        found = re.findall(rf"^{pattern}[^ ]* ([0-9.e+-]+)$", get(self.url + "/metrics")[1], re.MULTILINE)
        return sum(map(float, found))

    def works(self, what):
        check(f"{what}: the daemon still works",
              self.process.poll() is None and get(self.url + "/-/healthy")[0] == 200, self.log()[-500:])


def bad_targets(binary, directory):
    print("targets:")
    paths = ["good", "slow", "large", "endless", "html", "duplicates", "backwards", "broken", "status"]
    jobs = "".join(
        f"  - {{job_name: {name}, metrics_path: /{name}, static_configs: [{{targets: ['127.0.0.1:{PORT}']}}]}}\n" for name in paths)
    config = ("global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s, body_size_limit: 1MB}\n"
              + RECEIVERS + "rule_files: [rules.yaml]\nscrape_configs:\n" + jobs
              + "  - {job_name: unreachable, static_configs: [{targets: ['127.0.0.1:1']}]}\n")
    rules = RULES + "".join(f"      - {{alert: Seen_{name}, expr: '{name} > 0', for: 1h}}\n" for name in
                            ["good", "slow", "large", "endless", "twice", "backwards", "broken"])
    Fake.webhook.clear()
    with Daemon(binary, directory, config, [("rules.yaml", rules)], PORT + 1) as daemon:
        check("Watchdog is told", wait_until(15, lambda: Fake.webhook), daemon.log()[-800:])
        time.sleep(6)
        targets = json.loads(get(daemon.url + "/api/v1/targets")[1])["data"]["activeTargets"]
        by_job = {target["labels"]["job"]: target for target in targets}
        for job, word in [("slow", "1s"), ("large", "1"), ("endless", "1"), ("html", "HTML"), ("broken", "line 2"),
                          ("status", "500"), ("unreachable", "connect")]:
            target = by_job[job]
            check(f"{job}: down, and says `{word}`", target["health"] == "down" and word in target["lastError"], str(target))
            check(f"{job}: the log names it", job in daemon.log())
        for job in ("good", "duplicates", "backwards"):
            check(f"{job}: up", by_job[job]["health"] == "up", str(by_job[job]))
        check("failed scrapes are counted", daemon.metric(r'atalaya_scrapes_total\{.*error') >= 7)
        dropped = daemon.metric("atalaya_scrape_samples_dropped_total")
        check("dropped samples are counted", dropped >= 2, f"{dropped}")
        daemon.works("bad targets")


def many_rules(binary, directory):
    print("a group of 10,000 rules:")
    rules = RULES + "".join(f"      - {{alert: A{n}, expr: 'rate(m{n}[5m]) > {n}', labels: {{n: '{n}'}}}}\n" for n in range(10_000))
    config = "global: {evaluation_interval: 1s}\n" + RECEIVERS + "rule_files: [rules.yaml]\n"
    Fake.webhook.clear()
    with Daemon(binary, directory, config, [("rules.yaml", rules)], PORT + 2) as daemon:
        check("Watchdog is told", wait_until(30, lambda: Fake.webhook), daemon.log()[-800:])
        check("all are evaluated", wait_until(15, lambda: daemon.metric(r'atalaya_rule_evaluations_total\{.*ok') >= 10_001))
        daemon.works("10,000 rules")


def bad_slack(binary, directory):
    print("Slack:")
    token = pathlib.Path(tempfile.mkdtemp(dir=directory)) / "token"
    token.write_text("xoxb-right\n")
    config = ("global: {evaluation_interval: 1s}\n" + RECEIVERS.replace(
        "    webhook_configs",
        f"    slack_configs: [{{channel: a, bot_token_file: {token}, api_url: 'http://127.0.0.1:{PORT}/slack'}}]\n    webhook_configs")
        + "rule_files: [rules.yaml]\n")
    Fake.slack.clear()
    Fake.slack_answers[:] = [(429, [("Retry-After", "2")], '{"ok": false, "error": "ratelimited"}'),
                             (500, [], "oops"), (200, [], "<html>garbage</html>")]
    began = time.monotonic()
    with Daemon(binary, directory, config, [("rules.yaml", RULES)], PORT + 3) as daemon:
        check("429, 500 and garbage are tried again until it takes the message", wait_until(
            40, lambda: daemon.metric(r'atalaya_notifications_total\{.*slack.*delivered') >= 1), daemon.log()[-800:])
        check("Retry-After is waited for", time.monotonic() - began >= 2)
        check("retries are counted", daemon.metric(r'atalaya_notifications_total\{.*slack.*retry') >= 3)
        daemon.works("Slack in trouble")

        token.unlink()
        (daemon.home / "rules.yaml").write_text(RULES + "      - {alert: Second, expr: vector(2)}\n")
        get(daemon.url + "/-/reload", "POST")
        check("a secret file that goes away is named in the log", wait_until(20, lambda: "bot_token" in daemon.log()
              and "No such file" in daemon.log()), daemon.log()[-800:])
        token.write_text("xoxb-rotated\n")
        Fake.slack_token = "xoxb-rotated"
        get(daemon.url + "/-/reload", "POST")
        check("the new secret is used without a restart", wait_until(
            60, lambda: any(used == "xoxb-rotated" for _, used in Fake.slack)), daemon.log()[-800:])
        Fake.slack_token = "xoxb-right"

    token.write_text("xoxb-wrong\n")
    Fake.slack.clear()
    Fake.webhook.clear()
    with Daemon(binary, directory, config, [("rules.yaml", RULES)], PORT + 4) as daemon:
        check("a wrong token is named in the log", wait_until(20, lambda: "invalid_auth" in daemon.log()), daemon.log()[-500:])
        check("and counted", wait_until(5, lambda: daemon.metric(r'atalaya_notifications_total\{.*slack.*gave_up') >= 1))
        check("the other integration was told", bool(Fake.webhook))
        daemon.works("a wrong token")
        check("no token is in the log", "xoxb-" not in daemon.log())


def full_disk(binary, directory):
    print("a disk that takes no more:")
    config = "global: {evaluation_interval: 1s}\n" + RECEIVERS + "rule_files: [rules.yaml]\n"
    with Daemon(binary, directory, config, [("rules.yaml", RULES)], PORT + 5) as daemon:
        check("Watchdog is told", wait_until(15, lambda: any(
            alert["labels"]["alertname"] == "Watchdog" for told in Fake.webhook for alert in told["alerts"])))
        Fake.webhook.clear()
        (daemon.home / "rules.yaml").write_text(RULES + "      - {alert: Late, expr: vector(1)}\n")
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        # The log is a file, too: it stays silent while the limit holds.
        get(daemon.url + "/-/reload", "POST")
        told = lambda: any(alert["labels"]["alertname"] == "Late" for told in Fake.webhook for alert in told["alerts"])
        check("a page leaves all the same", wait_until(15, told))
        check("the metric says so", wait_until(5, lambda: "atalaya_state_writable 0" in get(daemon.url + "/metrics")[1]))
        daemon.works("a full disk")
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        check("it recovers by itself", wait_until(15, lambda: "atalaya_state_writable 1" in get(daemon.url + "/metrics")[1]))


def bad_reload(binary, directory):
    print("reload:")
    config = "global: {evaluation_interval: 1s}\n" + RECEIVERS + "rule_files: [rules.yaml]\n"
    with Daemon(binary, directory, config, [("rules.yaml", RULES)], PORT + 6) as daemon:
        (daemon.home / "rules.yaml").write_text("groups: [{name: g, rules: [{alert: A, expr: 'sum by (a'}]}]\n")
        status, text = get(daemon.url + "/-/reload", "POST")
        check("a bad one is answered with its errors", status >= 400 and "rules.yaml:1" in text, f"{status} {text}")
        check("and counted", "atalaya_config_last_reload_successful 0" in get(daemon.url + "/metrics")[1])
        rules = json.loads(get(daemon.url + "/api/v1/rules")[1])["data"]["groups"]
        check("and changes nothing", [rule["name"] for rule in rules[0]["rules"]] == ["Watchdog"], str(rules)[:300])
        (daemon.home / "rules.yaml").write_text(RULES.replace("Watchdog", "Other"))
        check("a good one is", get(daemon.url + "/-/reload", "POST")[0] == 200)
        rules = json.loads(get(daemon.url + "/api/v1/rules")[1])["data"]["groups"]
        check("in use at once", [rule["name"] for rule in rules[0]["rules"]] == ["Other"], str(rules)[:300])
        (daemon.home / "rules.yaml").write_text(RULES.replace("Watchdog", "Third"))
        names = lambda: [rule["name"] for group in json.loads(get(daemon.url + "/api/v1/rules")[1])["data"]["groups"]
                         for rule in group["rules"]]
        check("a file that changes is noticed", wait_until(30, lambda: names() == ["Third"]), str(names()))
        daemon.works("reloads")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("binary", type=pathlib.Path)
    arguments.add_argument("--only", help="one of the functions by name")
    options = arguments.parse_args()
    binary = options.binary.resolve()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Fake)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    directory = tempfile.mkdtemp(prefix="atalaya-bad-")
    try:
        for part in (bad_starts, bad_targets, many_rules, bad_slack, bad_reload, full_disk):
            if options.only in (None, part.__name__):
                part(binary, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(f"{len(troubles)} wrong" if troubles else "all as it should be")
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
