#!/usr/bin/env python3
"""Watches the same targets in three ways and compares who fires when.

Six targets play a day of ENOVA's: error bursts, slow answers, slow chat, a busy pod, restarts, counters that are set back.
They are watched by a real Prometheus with `rules/enova.yaml`, by Atalaya scraping them itself, and by Atalaya asking that
Prometheus. It passes when all three saw the same alerts, and Atalaya's two began and ended each within one evaluation
interval of one another, plus a scrape interval, since no two scrapers look at the same moment. While targets cannot be
scraped Prometheus lets their alerts resolve and Atalaya does not, so what agrees with such a target is compared between
Atalaya's two only. `--scale 10` makes every duration a tenth, so that an hour takes six minutes; `--seed` plays another
story. Everything is on loopback and ends by itself.
"""

import argparse
import http.server
import json
import math
import pathlib
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
ARMS = [(service, track) for service in ("gateway", "frontend", "chat") for track in ("legacy", "canary")]
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0)

# What goes wrong, in seconds of the story: (what, service, track, from, to).
STORY = [
    ("errors", "gateway", "canary", 300, 900),
    ("errors", "frontend", "legacy", 700, 1000),
    ("errors", "frontend", "canary", 2400, 2950),
    ("slow", "frontend", "legacy", 400, 1100),
    ("slow", "gateway", "canary", 2000, 2500),
    ("slow-chat", "chat", "canary", 500, 900),
    ("slow-chat", "chat", "canary", 1500, 1800),
    ("busy", "gateway", "legacy", 900, 1900),
    ("restarts", "chat", "legacy", 600, 900),
    ("reset", "gateway", "canary", 600, 601),
    ("reset", "frontend", "canary", 2600, 2601),
    ("rush", "gateway", "legacy", 3000, 3550),
    ("slow", "chat", "legacy", 200, 800),
    ("down", "chat", "legacy", 620, 760),
    ("slow", "chat", "legacy", 2000, 2400),
    ("down", "chat", "legacy", 2350, 2500),
]


def random_story(seed, seconds):
    """Another story: each arm has troubles of every kind, in no order, and is out for a while now and then."""
    chance = random.Random(seed)
    story = []
    for service, track in ARMS:
        for what in ("errors", "slow", "slow-chat", "busy", "restarts", "reset", "rush", "down"):
            if what == "slow-chat" and service != "chat":
                continue
            at = chance.uniform(0, seconds)
            while at < seconds and chance.random() < 0.7:
                lasts = {"reset": 1, "down": chance.uniform(20, 300)}.get(what, chance.uniform(100, 1200))
                story.append((what, service, track, at, at + lasts))
                at += lasts + chance.uniform(300, 1500)
    return story


class Target:
    """One arm of one service. Its counters go on by themselves, a step at each look, by the time that has passed."""

    def __init__(self, service, track, scale, started):
        self.service, self.track, self.scale, self.started = service, track, scale, started
        self.last = started
        self.lock = threading.Lock()
        self.clear()
        self.cpu = 0.0
        self.restarts = 0.0
        self.was_reset = False

    def clear(self):
        self.ok = self.failed = 0.0
        self.requests = [0.0] * (len(BUCKETS) + 1)
        self.messages = [0.0] * (len(BUCKETS) + 1)

    def holds(self, what, at):
        return any(w == what and s == self.service and t == self.track and begin <= at < end
                   for w, s, t, begin, end in STORY)

    def advance(self, now):
        while self.last < now:
            step = min(0.1, now - self.last)
            at = (self.last - self.started) * self.scale
            seconds = step * self.scale
            rate = (400 if self.holds("rush", at) else 100) / self.scale
            failing = 0.3 if self.holds("errors", at) else 0.0
            self.ok += seconds * rate * (1 - failing)
            self.failed += seconds * rate * failing
            slow = BUCKETS.index(1.0) if self.holds("slow", at) else BUCKETS.index(0.1)
            self.requests[slow] += seconds * rate
            slow_chat = BUCKETS.index(0.25) if self.holds("slow-chat", at) else BUCKETS.index(0.05)
            self.messages[slow_chat] += seconds * rate
            self.cpu += step * (0.95 if self.holds("busy", at) else 0.3)
            if self.holds("restarts", at):
                self.restarts += seconds / 50
            is_reset = self.holds("reset", at)
            if is_reset and not self.was_reset:
                self.clear()
            self.was_reset = is_reset
            self.last += step

    def is_down(self):
        return self.holds("down", (time.time() - self.started) * self.scale)

    def page(self):
        with self.lock:
            self.advance(time.time())
            lines = [
                "# TYPE http_requests_total counter",
                f'http_requests_total{{status="200"}} {self.ok}',
                f'http_requests_total{{status="500"}} {self.failed}',
                "# TYPE container_cpu_usage_seconds_total counter",
                f'container_cpu_usage_seconds_total{{pod="{self.pod()}",container="app"}} {self.cpu}',
                "# TYPE container_spec_cpu_quota gauge",
                f'container_spec_cpu_quota{{pod="{self.pod()}",container="app"}} 100000',
                "# TYPE container_spec_cpu_period gauge",
                f'container_spec_cpu_period{{pod="{self.pod()}",container="app"}} 100000',
                "# TYPE kube_pod_container_status_restarts_total counter",
                f'kube_pod_container_status_restarts_total{{pod="{self.pod()}",container="app"}} {math.floor(self.restarts)}',
            ]
            histograms = [("http_request_duration_seconds", self.requests)]
            if self.service == "chat":
                histograms.append(("chat_message_duration_seconds", self.messages))
            for name, counts in histograms:
                lines.append(f"# TYPE {name} histogram")
                total = 0.0
                for bound, count in zip([*map(str, BUCKETS), "+Inf"], counts):
                    total += count
                    lines.append(f'{name}_bucket{{le="{bound}"}} {total}')
                lines += [f"{name}_sum {total}", f"{name}_count {total}"]
            return "\n".join(lines) + "\n"

    def pod(self):
        return f"{self.service}-{self.track}-0"


def free_port():
    """A port that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def serve(target):
    """Starts a server for a target, and returns its port."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = target.page().encode()
            self.send_response(503 if target.is_down() else 200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def get(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()


def wait_for(url, seconds, process):
    end = time.monotonic() + seconds
    while True:
        try:
            return get(url)
        except OSError:
            if process.poll() is not None:
                sys.exit(f"{process.args[0]} ended with status {process.returncode}")
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def duration_ms(text):
    units = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)(ms|s|m|h)", text))


def scaled_rules(scale):
    """The rules with every window, offset and `for` a fraction of what it is."""
    text = (ROOT / "rules/enova.yaml").read_text()
    shorter = lambda found: f"{found[1]}{round(duration_ms(found[2]) / scale)}ms{found[3]}"
    for pattern in (r"(\[)([0-9a-z]+)(\])", r"(offset )([0-9a-z]+)(\b)", r"(for: )([0-9a-z]+)(\b)"):
        text = re.sub(pattern, shorter, text)
    return text


class Watcher:
    """Remembers when each alert was seen to begin and to cease to fire."""

    def __init__(self, name, url):
        self.name, self.url = name, url
        self.open, self.past = {}, []

    def look(self, now):
        alerts = json.loads(get(self.url + "/api/v1/alerts"))["data"]["alerts"]
        firing = set()
        for alert in alerts:
            if alert["state"] == "firing":
                firing.add(tuple(sorted(alert["labels"].items())))
        for key in firing - self.open.keys():
            self.open[key] = now
        for key in self.open.keys() - firing:
            self.past.append((key, self.open.pop(key), now))

    def intervals(self, until):
        """When each alert fired, as far as that was seen before `until`: later news may not have reached all."""
        found = {}
        for key, begin, end in self.past + [(key, begin, None) for key, begin in self.open.items()]:
            if begin < until:
                found.setdefault(key, []).append((begin, end if end and end < until else None))
        return {key: sorted(spans) for key, spans in found.items()}


def name_of(key):
    labels = dict(key)
    rest = " ".join(value for label, value in key if label not in ("alertname", "severity"))
    return f'{labels["alertname"]} {rest}'


def was_down(key):
    """Whether an alert agrees with a target that the story takes away."""
    labels = dict(key)
    return any(what == "down" and labels.get("service", service) == service and labels.get("track", track) == track
               for what, service, track, _, _ in STORY)


def compare(one, two, scale, tolerance, until):
    """The worst difference between two watchers, and what is different altogether."""
    troubles, worst, count = [], 0.0, 0
    ours, theirs = one.intervals(until), two.intervals(until)
    with_prometheus = "Prometheus" in (one.name, two.name)
    for key in sorted(ours.keys() | theirs.keys()):
        if with_prometheus and was_down(key):
            continue
        a, b = ours.get(key, []), theirs.get(key, [])
        if len(a) != len(b):
            troubles.append(f"{name_of(key)}: {one.name} saw it {len(a)} times, {two.name} {len(b)} times")
            continue
        for (begin_a, end_a), (begin_b, end_b) in zip(a, b):
            ends = [(begin_a, begin_b)] + ([(end_a, end_b)] if end_a and end_b else [])
            if (end_a is None) != (end_b is None) and (end_a or end_b) < until - tolerance:
                troubles.append(f"{name_of(key)}: at the end it still fires for one of {one.name}, {two.name} only")
            for x, y in ends:
                count += 1
                worst = max(worst, abs(x - y))
                if abs(x - y) > tolerance:
                    troubles.append(f"{name_of(key)}: {abs(x - y) * scale:.0f}s of the story between {one.name} and {two.name}")
    return troubles, worst, count


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("binary", type=pathlib.Path)
    arguments.add_argument("--scale", type=float, default=1, help="how many times faster than in life")
    arguments.add_argument("--story", type=float, default=3600, help="how many seconds of the story to play")
    arguments.add_argument("--seed", type=int, help="play a story made from this number")
    options = arguments.parse_args()
    scale = options.scale
    if options.seed is not None:
        STORY[:] = random_story(options.seed, options.story)
    scrape_s, evaluate_s = 5 / scale, 15 / scale
    look_s = min(0.5, evaluate_s / 10)
    # No two scrapers look at the same moment, and on a busy machine a look takes its time.
    tolerance = evaluate_s + scrape_s + 2 * look_s + 0.2
    ms = lambda seconds: f"{round(seconds * 1000)}ms"

    directory = pathlib.Path(tempfile.mkdtemp(prefix="atalaya-compare-"))
    started = time.time() + 60 / scale
    targets = []
    for service, track in ARMS:
        port = serve(Target(service, track, scale, started))
        targets.append({"targets": [f"127.0.0.1:{port}"], "labels": {"service": service, "track": track}})
    (directory / "rules.yaml").write_text(scaled_rules(scale))
    common = {
        "global": {"scrape_interval": ms(scrape_s), "scrape_timeout": ms(scrape_s), "evaluation_interval": ms(evaluate_s)},
        "rule_files": ["rules.yaml"],
    }
    scrapes = {"scrape_configs": [{"job_name": "enova", "static_configs": targets}]}
    told = {"route": {"receiver": "none"}, "receivers": [{"name": "none"}]}
    prometheus_port, embedded_port, remote_port = free_port(), free_port(), free_port()
    apis = {"source": {"default": "prometheus",
                       "apis": [{"name": "prometheus", "url": f"http://127.0.0.1:{prometheus_port}"}]}}
    for name, config in [("prometheus", common | scrapes), ("embedded", common | scrapes | told),
                         ("remote", common | apis | told)]:
        (directory / f"{name}.yaml").write_text(json.dumps(config, indent=1))

    processes = []
    try:
        processes.append(subprocess.Popen(
            ["prometheus", f"--config.file={directory}/prometheus.yaml", f"--storage.tsdb.path={directory}/tsdb",
             f"--web.listen-address=127.0.0.1:{prometheus_port}", "--log.level=error"]))
        wait_for(f"http://127.0.0.1:{prometheus_port}/-/ready", 30, processes[-1])
        for name, port in [("embedded", embedded_port), ("remote", remote_port)]:
            processes.append(subprocess.Popen(
                [str(options.binary.resolve()), "run", "--config", f"{directory}/{name}.yaml", "--data-dir",
                 f"{directory}/{name}", "--listen", f"127.0.0.1:{port}", "--log-level", "warn"]))
            wait_for(f"http://127.0.0.1:{port}/-/ready", 30, processes[-1])
        watchers = [Watcher(name, f"http://127.0.0.1:{port}") for name, port in
                    [("Prometheus", prometheus_port), ("embedded", embedded_port), ("remote", remote_port)]]
        end, said = started + options.story / scale, 0
        while time.time() < end:
            for watcher in watchers:
                watcher.look(time.time())
            if time.time() - said > 30:
                said = time.time()
                counts = ", ".join(f"{len(watcher.open)} for {watcher.name}" for watcher in watchers)
                print(f"{(said - started) * scale:5.0f}s of the story: firing {counts}", flush=True)
            time.sleep(look_s)
        by_name = {watcher.name: watcher for watcher in watchers}
        for key, spans in sorted(by_name["embedded"].intervals(end).items()):
            for begin, last in spans:
                until = f"{(last - started) * scale:.0f}s" if last else "the end"
                print(f"  {name_of(key)}: {(begin - started) * scale:.0f}s to {until}")
        failed = False
        for one, two in [("embedded", "remote"), ("embedded", "Prometheus"), ("remote", "Prometheus")]:
            troubles, worst, count = compare(by_name[one], by_name[two], scale, tolerance, end - tolerance)
            print(f"{one} and {two}: {count} beginnings and ends, at most {worst * scale:.1f}s of the story apart "
                  f"(interval {evaluate_s * scale:.0f}s)")
            for trouble in troubles:
                print(f"  {trouble}")
            failed |= bool(troubles) or count == 0
        return 1 if failed else 0
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(timeout=30)
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
