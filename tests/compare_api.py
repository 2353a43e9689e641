#!/usr/bin/env python3
"""Asks Atalaya and a real Prometheus the same, over the same samples, and compares what they answer.

    python3 tests/compare_api.py target/release/atalaya [--keep]

A page is scraped by both, twice a second. Its samples have their own times, and it goes a step further when both have seen
it, so both hold the same. Then the same requests go to both: data must be equal, and so must the status and the kind of
an error. Prometheus is Debian's 2.42, so a few things are allowed for, here and nowhere else:

- its windows are closed on both sides: windows have half a second too many, so that none begins at a sample;
- it sums less exactly, so numbers may differ by a billionth;
- it tells no annotations, formats with fewer blanks, and keeps names with `atan2`, which is not asked;
- its lists go by blocks of time, ours by samples, so all samples lie within what is asked for, or none;
- an instant vector has no order, but when it is sorted.

Everything is on loopback and ends by itself.
"""

import argparse
import http.server
import json
import math
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

STEP = 15
PAGES = 24
PATIENCE = 40

RULES = """groups:
  - name: kept
    interval: 1s
    rules:
      - record: kept:series
        expr: count({__name__=~".+"} offset 1h)
      - alert: Busy
        expr: queue_length{queue="b"} > 5
        for: 1h
        labels: {severity: page}
        annotations: {summary: "{{ $labels.queue }} is long"}
      - alert: Quiet
        expr: queue_length > 1000
"""


def page(base, number):
    """The page of a step: counters with a reset, gauges with a gap, a classic histogram, odd values and names."""
    at = int((base + number * STEP) * 1000)
    lines = [
        "# HELP requests_total Requests that were \\\\answered\\n, by code.",
        "# TYPE requests_total counter",
    ]
    for code, each in (("200", 37), ("404", 3), ("500", 0.5)):
        for pod in ("a", "b"):
            seen = number if not (pod == "b" and number >= 12) else number - 12
            lines.append(f'requests_total{{code="{code}",pod="{pod}"}} {100 + each * seen} {at}')
    lines += ["# HELP queue_length How many wait.", "# TYPE queue_length gauge"]
    for queue, value in (("a", 5 * math.sin(number)), ("b", 7 + number % 5), ("c", -0.25 * number)):
        if queue != "c" or not 5 <= number < 9:
            lines.append(f'queue_length{{queue="{queue}"}} {value!r} {at}')
    lines += ["# TYPE latency_seconds histogram"]
    for pod, slow in (("a", 1), ("b", 4)):
        total = 0
        for bound, share in (("0.1", 10), ("0.5", 3), ("2.5", slow), ("+Inf", 1)):
            total += share * (number + 1)
            lines.append(f'latency_seconds_bucket{{pod="{pod}",le="{bound}"}} {total} {at}')
        lines.append(f'latency_seconds_sum{{pod="{pod}"}} {total * 0.07!r} {at}')
        lines.append(f'latency_seconds_count{{pod="{pod}"}} {total} {at}')
    lines += [
        "# TYPE odd untyped",
        f'odd{{kind="nan"}} NaN {at}',
        f'odd{{kind="inf"}} +Inf {at}',
        f'odd{{kind="large"}} 1.5e300 {at}',
        f'odd{{kind="small"}} 1.25e-9 {at}',
        f'odd{{kind="q\\"uo\\\\te\\n"}} 0.1 {at}',
        f'odd{{kind="ü"}} -0 {at}',
        f"build_info{{version=\"1.2.3\"}} 1 {at}",
    ]
    return "\n".join(lines) + "\n"


class Exposition:
    """Shows a page to two scrapers, and the next one when both have seen it."""

    def __init__(self, base):
        self.base, self.number, self.seen = base, 0, set()
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = outer.shown(self.headers.get("User-Agent", "").split("/")[0]).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def shown(self, who):
        with self.lock:
            if len(self.seen) == 2 and self.number < PAGES:
                self.number, self.seen = self.number + 1, set()
            self.seen.add(who)
            return page(self.base, min(self.number, PAGES - 1))

    def is_over(self):
        with self.lock:
            return self.number == PAGES and len(self.seen) == 2


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def ask(port, path, parameters=(), method="GET"):
    """The status, and the JSON if it is some."""
    form = urllib.parse.urlencode(parameters)
    url = f"http://127.0.0.1:{port}/api/v1/{path}"
    if method == "GET":
        request = urllib.request.Request(f"{url}?{form}" if form else url)
    else:
        request = urllib.request.Request(url, data=form.encode(), method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        body = error.read()
        try:
            return error.code, json.loads(body)
        except ValueError:
            return error.code, {"errorType": None, "text": body.decode(errors="replace")}


def plain(value):
    """Texts that are numbers as numbers, since both may write a sum with another last digit."""
    if isinstance(value, dict):
        return {name: value if name in ("metric", "labels") else plain(value) for name, value in value.items()}
    if isinstance(value, list):
        return [plain(it) for it in value]
    if isinstance(value, str) and re.fullmatch(r"[-+]?(\d+(\.\d*)?(e[-+]?\d+)?|Inf|NaN)", value):
        return ("number", float(value.replace("Inf", "inf").replace("NaN", "nan")), value)
    return value


def same(left, right):
    if isinstance(left, tuple) and isinstance(right, tuple):
        a, b = left[1], right[1]
        # Whoever writes the same number writes it in the same way.
        return left[2] == right[2] if a == b else math.isclose(a, b, rel_tol=1e-9) or (a != a and b != b)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right))
    return left == right


def ordered(data):
    """An instant vector by labels."""
    if isinstance(data, dict) and data.get("resultType") == "vector":
        return {**data, "result": sorted(data["result"], key=lambda it: json.dumps(it["metric"], sort_keys=True))}
    return data


def instants(at):
    """Expressions of every kind at a moment."""
    expressions = [
        "1", "-1.5e-7", "1e21", "1e300 * 1e300", "0/0", "-1/0", '"a text\\n"', "time()", "vector(time())", "requests_total",
        "requests_total offset 1m", "queue_length", "-queue_length", "odd", "odd * 2", "{job='api', __name__=~'odd|build.*'}",
        "queue_length > bool 1", "queue_length > 1", "queue_length{queue=~'a|c'} offset 2m", "requests_total[62s500ms]",
        "queue_length[1m33s500ms] offset 1m", "nosuch", "nosuch[5m]", "absent(nosuch{a='b'})", "absent(queue_length)",
        "rate(requests_total[62s500ms])", "increase(requests_total[5m2s500ms])", "irate(requests_total[2m2s500ms])", "delta(queue_length[3m2s500ms])",
        "resets(requests_total[10m2s500ms])", "changes(queue_length[10m2s500ms])", "deriv(queue_length[5m2s500ms])",
        "predict_linear(queue_length[5m2s500ms], 600)", "sum(requests_total)", "sum by (code) (rate(requests_total[2m2s500ms]))",
        "avg without (pod, instance) (requests_total)", "min by (pod) (requests_total)", "max(requests_total)", "count(requests_total)",
        "group by (code) (requests_total)", "stddev(requests_total)", "stdvar by (code) (requests_total)",
        "count_values('value', requests_total)", "quantile(0.9, requests_total)", "quantile(0.5, queue_length)",
        "requests_total{code='500'} / on (pod) group_left () sum by (pod) (requests_total)",
        "sum by (pod) (requests_total) / on (pod) sum by (pod) (rate(requests_total[2m2s500ms]))",
        "requests_total and on (pod) requests_total{pod='a'}", "queue_length or requests_total", "requests_total unless requests_total{pod='a'}",
        "histogram_quantile(0.9, sum by (le) (rate(latency_seconds_bucket[2m2s500ms])))",
        "histogram_quantile(0.5, latency_seconds_bucket)", "histogram_quantile(0.99, rate(latency_seconds_bucket[2m2s500ms]))",
        "max_over_time(queue_length[3m2s500ms])", "min_over_time(queue_length[3m2s500ms])", "avg_over_time(queue_length[3m2s500ms])",
        "sum_over_time(queue_length[3m2s500ms])", "count_over_time(queue_length[3m2s500ms])", "last_over_time(queue_length[3m2s500ms])",
        "stddev_over_time(queue_length[3m2s500ms])", "quantile_over_time(0.5, queue_length[3m2s500ms])", "present_over_time(queue_length[3m2s500ms])",
        "absent_over_time(nosuch[3m2s500ms])", "max_over_time(rate(requests_total[62s500ms])[5m2s500ms:20s])", "abs(queue_length)", "ceil(queue_length)",
        "floor(queue_length)", "round(queue_length, 0.5)", "clamp(queue_length, 0, 3)", "exp(queue_length)", "ln(requests_total)",
        "sqrt(requests_total)", "sgn(queue_length)", "timestamp(queue_length)", "minute()", "day_of_week(vector(1e9))",
        "label_replace(queue_length, 'q', '$1-x', 'queue', '(.*)')", "label_join(queue_length, 'j', '-', 'queue', 'job')",
        "scalar(build_info)", "requests_total * on () group_left (version) build_info", "sort(requests_total)", "sort_desc(requests_total)",
        f"queue_length @ {at - 60}", "queue_length @ start()", "rate(requests_total[62s500ms] @ end())", "sum(requests_total) by (code) > 100",
        "(queue_length)", "queue_length % 3", "queue_length ^ 2", "2 ^ queue_length", 
        "topk(2, requests_total{code='200'})", "bottomk(1, queue_length)", "pi()",
    ]
    for expression in expressions:
        yield "query", [("query", expression), ("time", str(at))]
    for moment in (f"{at:.3f}", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)), f"{at}.1239"):
        yield "query", [("query", "queue_length"), ("time", moment)]
    yield "query", [("query", "queue_length"), ("time", str(at + 200)), ("timeout", "5s")]
    yield "query", [("query", "queue_length"), ("time", str(at + 400))]


def ranges(at):
    expressions = [
        "1", "time()", "requests_total", "queue_length", "rate(requests_total[62s500ms])", "sum by (code) (rate(requests_total[2m2s500ms]))",
        "histogram_quantile(0.9, sum by (le, pod) (rate(latency_seconds_bucket[2m2s500ms])))", "queue_length > 7", "queue_length offset 1m",
        "odd", "absent(queue_length{queue='c'})", "queue_length @ start()", "queue_length - queue_length @ end()", "nosuch",
        "topk(1, queue_length)", "count_values('v', round(queue_length))", "max_over_time(queue_length[1m3s500ms:10s])", "vector(1) or queue_length",
    ]
    for expression in expressions:
        yield "query_range", [("query", expression), ("start", str(at - 301)), ("end", str(at)), ("step", "14")]
    yield "query_range", [("query", "queue_length"), ("start", str(at)), ("end", str(at)), ("step", "1m")]
    yield "query_range", [("query", "queue_length"), ("start", str(at - 100.5)), ("end", str(at)), ("step", "7.5")]
    yield "query_range", [("query", "1"), ("start", "0"), ("end", "11000"), ("step", "1")]


def lists(at):
    span = [("start", str(at - 200)), ("end", str(at + 600))]
    yield "labels", []
    yield "labels", span
    yield "labels", [("match[]", "queue_length")]
    yield "labels", [("match[]", "queue_length"), ("match[]", "{code='200'}")]
    yield "labels", [("match[]", "nosuch")]
    yield "labels", [("start", "0"), ("end", "1")]
    for label in ("__name__", "code", "le", "kind", "job", "nosuch"):
        yield f"label/{label}/values", []
    yield "label/__name__/values", span + [("match[]", "{job='api'}")]
    yield "label/queue/values", [("match[]", "queue_length{queue!='a'}")]
    yield "label/pod/values", [("match[]", "requests_total{code='500'}"), ("match[]", "latency_seconds_sum")]
    yield "label/code/values", [("start", "0"), ("end", "1")]
    yield "series", [("match[]", "queue_length")]
    yield "series", span + [("match[]", "{job='api'}")]
    yield "series", [("match[]", "odd"), ("match[]", '{__name__=~"o.*"}'), ("match[]", "build_info")]
    yield "series", [("match[]", "nosuch")]
    yield "series", [("match[]", "queue_length"), ("start", "0"), ("end", "1")]
    yield "metadata", []
    yield "metadata", [("metric", "requests_total")]
    yield "metadata", [("metric", "nosuch")]
    yield "metadata", [("limit", "0")]
    yield "query_exemplars", [("query", "requests_total"), ("start", str(at - 200)), ("end", str(at))]


def formats():
    long = "x" * 50
    for expression in (
        "sum(a)by(b)", "a+b*c", f"sum by (job) (rate(a_{long}[5m])) / on (job) group_left (x) sum by (job) (rate(b_{long}[5m]))",
        f"topk(3, a_{long}{{x='1'}} > bool b_{long})", f"label_replace(a_{long}, 'a', '$1', 'b', '(.*)') or (b_{long} unless c_{long})",
        f"max_over_time((a_{long} + b_{long})[1h:5m] offset 1h)", "1", "'a'", "-a", "a{b='c',d!~'e'}[5m]", "a @ end() offset 1m",
    ):
        yield "format_query", [("query", expression)]


def errors(at):
    start, end = ("start", str(at - 60)), ("end", str(at))
    for expression in ("", "sum(", "a b", "{}", "rate(a)", "a[5m] + 1", "nosuchfunction(a)", "a{b=~'('}", "1 + 'a'", "(" * 10000):
        yield "query", [("query", expression)]
    yield "query", [("query", "a" * 1_000_000 + "(")]
    yield "query", [("query", "up"), ("time", "yesterday")]
    yield "query", [("query", "up"), ("timeout", "x")]
    yield "query", [("query", "label_replace(queue_length, 'queue', 'x', '', '')"), ("time", str(at))]
    yield "query", [("query", "requests_total + on (code) requests_total"), ("time", str(at))]
    yield "query_range", [("query", "up"), end, ("step", "1")]
    yield "query_range", [("query", "up"), start, ("step", "1")]
    yield "query_range", [("query", "up"), start, end]
    yield "query_range", [("query", "up"), start, end, ("step", "0")]
    yield "query_range", [("query", "up"), start, end, ("step", "-1")]
    yield "query_range", [("query", "up"), start, end, ("step", "x")]
    yield "query_range", [("query", "up"), ("start", str(at)), ("end", str(at - 1)), ("step", "1")]
    yield "query_range", [("query", "up"), ("start", "0"), ("end", "11001"), ("step", "1")]
    yield "query_range", [("query", "up[5m]"), start, end, ("step", "1")]
    yield "query_range", [("query", "'a'"), start, end, ("step", "1")]
    yield "query_range", [("query", "sum("), start, end, ("step", "1")]
    yield "series", []
    yield "series", [("match[]", "{}")]
    yield "series", [("match[]", "sum(a)")]
    yield "series", [("match[]", "a["), start]
    yield "series", [("match[]", "a"), ("start", "x")]
    yield "labels", [("match[]", "{")]
    yield "labels", [("end", "x")]
    yield "label/a/values", [("match[]", "{")]
    yield "label/a/values", [("start", "x")]
    yield "metadata", [("limit", "x")]
    yield "format_query", [("query", "sum(")]
    yield "query_exemplars", [("query", "sum("), start, end]
    yield "query_exemplars", [("query", "a"), ("start", str(at)), ("end", str(at - 1))]
    yield "rules", [("type", "x")]


def without_course(value):
    """Rules and alerts without what no two evaluators have in common, and without what is ours."""
    drop = {"evaluationTime", "lastEvaluation", "activeAt", "unknownSince", "value", "source"}
    if isinstance(value, dict):
        return {name: without_course(it) for name, it in value.items() if name not in drop}
    return [without_course(it) for it in value] if isinstance(value, list) else value


def compare(path, parameters, method, prometheus, atalaya):
    """What differs, if anything does."""
    status, expected = ask(prometheus, path, parameters, method)
    ours_status, ours = ask(atalaya, path, parameters, method)
    if status != ours_status or expected.get("errorType") != ours.get("errorType"):
        return f"{status} {expected.get('errorType')} {expected.get('error')!r:.200}, ours {ours_status} {ours.get('errorType')} {ours.get('error')!r:.200}"
    if status != 200:
        return None if ours.get("error") else "ours says nothing"
    left, right = expected.get("data"), ours.get("data")
    if path == "format_query":
        left, right = (re.sub(r" +", "", text) for text in (left, right))
    if path == "query_exemplars":
        left, right = left or [], right or []
    if path.startswith(("rules", "alerts")):
        left, right = without_course(left), without_course(right)
    if path == "metadata":
        left, right = ({name: sorted(map(json.dumps, ({k: it[k] for k in sorted(it)} for it in all_of)))
                        for name, all_of in it.items()} for it in (left, right))
    if not re.search(r"^(sort|topk|bottomk)", dict(parameters).get("query", "")):
        left, right = ordered(left), ordered(right)
    if same(plain(left), plain(right)):
        return None
    return f"\n  prometheus {json.dumps(left)[:1500]}\n  atalaya    {json.dumps(right)[:1500]}"


def wait_for(what, holds):
    until = time.time() + PATIENCE
    while time.time() < until:
        try:
            if holds():
                return
        except (OSError, ValueError):
            pass
        time.sleep(0.1)
    sys.exit(f"waited in vain for {what}")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("atalaya")
    arguments.add_argument("--keep", action="store_true", help="keep the daemons until Enter is pressed")
    arguments = arguments.parse_args()
    started = time.time()
    # The last page is a little in the past, and samples stand at whole steps.
    base = (int(started) // STEP - PAGES - 1) * STEP
    exposition = Exposition(base)
    children = []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "rules.yaml").write_text(RULES)
        common = f"""global: {{scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 1s}}
rule_files: ['{folder}/rules.yaml']
scrape_configs:
  - {{job_name: api, static_configs: [{{targets: ['127.0.0.1:{exposition.port}']}}]}}
"""
        (folder / "prometheus.yaml").write_text(common)
        (folder / "atalaya.yaml").write_text(common + "store: {retain: all}\n")
        ports = prometheus, atalaya = free_port(), free_port()
        try:
            log = open(folder / "log", "wb")
            children.append(subprocess.Popen(
                ["prometheus", f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/tsdb",
                 f"--web.listen-address=127.0.0.1:{prometheus}", "--log.level=error"], stdout=log, stderr=log))
            children.append(subprocess.Popen(
                [arguments.atalaya, "run", "--config", f"{folder}/atalaya.yaml", "--data-dir", f"{folder}/data",
                 "--listen", f"127.0.0.1:{atalaya}"], stdout=log, stderr=log))
            try:
                wait_for("both to answer", lambda: all(ask(port, "query", [("query", "1")])[0] == 200 for port in ports))
                wait_for("both to have seen all pages", exposition.is_over)
                alerting = lambda port: ask(port, "alerts")[1]["data"]["alerts"]
                wait_for("both to have an alert", lambda: all(alerting(port) for port in ports))
            except SystemExit:
                print((folder / "log").read_text(errors="replace")[-4000:])
                raise
            time.sleep(1)
            # Between two samples of the last pages.
            at = base + (PAGES - 2) * STEP + 7
            requests = [(path, parameters, "GET") for path, parameters in
                        [*instants(at), *ranges(at), *lists(at), *formats(), *errors(at)]
                        if sum(len(value) for _, value in parameters) < 8000]
            requests += [(path, parameters, "POST") for path, parameters in
                         [*list(instants(at))[::7], *list(ranges(at))[::3], *formats(), *errors(at), *lists(at)]
                         if path in ("query", "query_range", "series", "labels", "format_query", "query_exemplars")]
            requests += [(path, [], "GET") for path in ("rules", "alerts", "rules?type=alert", "rules?type=record")]
            wrong = 0
            for path, parameters, method in requests:
                difference = compare(path, parameters, method, prometheus, atalaya)
                if difference:
                    wrong += 1
                    print(f"{method} {path} {str(parameters):.300}: {difference}")
            print(f"{len(requests)} requests, {wrong} answered in another way, in {time.time() - started:.0f} s")
            if arguments.keep:
                input(f"prometheus http://127.0.0.1:{prometheus}, atalaya http://127.0.0.1:{atalaya}: Enter ends them")
            return 1 if wrong else 0
        finally:
            for child in children:
                child.terminate()
            for child in children:
                child.wait(20)


if __name__ == "__main__":
    sys.exit(main())
