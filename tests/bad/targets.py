"""Targets that do not answer as they should."""

import json
import pathlib
import tempfile
import time

from bad import wild
from bad.fakes import Fake
from bad.harness import PORT, RECEIVERS, RULES, Daemon, check, get, wait_until


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


def resident_mb(daemon):
    status = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def wild_targets(binary, directory):
    """Servers that do not keep to HTTP, all at once, beside one that is well."""
    print("targets that do not keep to HTTP:")
    plain, secret = PORT + 30, PORT + 31
    wild.serve(plain)
    here = tempfile.mkdtemp(dir=directory)
    wild.serve(secret, wild.certificate(here, "localhost", 1))
    expected = {path: word for path, (_, word) in wild.PATHS.items()}
    jobs = "".join(f"  - {{job_name: {path}, metrics_path: /{path}, static_configs: [{{targets: ['127.0.0.1:{plain}']}}]}}\n"
                   for path in expected)
    for name, settings, port, word in [
        ("tls-to-plain", "scheme: https", plain, "1s"),
        ("plain-to-tls", "scheme: http", secret, ""),
        ("unknown-signer", "scheme: https", secret, "certificate"),
        ("wrong-name", f"scheme: https, tls_config: {{ca_file: {here}/localhost.pem}}", secret, "certificate"),
        ("right-name", f"scheme: https, tls_config: {{ca_file: {here}/localhost.pem, server_name: localhost}}", secret, None),
        ("no-check", "scheme: https, tls_config: {insecure_skip_verify: true}", secret, None),
        ("no-such-host", "scheme: http", None, "lookup"),
    ]:
        target = f"127.0.0.1:{port}" if port else "nowhere.invalid:80"
        jobs += f"  - {{job_name: {name}, {settings}, static_configs: [{{targets: ['{target}']}}]}}\n"
        expected[name] = word
    config = ("global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s, body_size_limit: 1MB}\n"
              + RECEIVERS + "rule_files: [rules.yaml]\nstore: {retain: all}\nscrape_configs:\n" + jobs
              + f"  - {{job_name: good, metrics_path: /good, static_configs: [{{targets: ['127.0.0.1:{PORT}']}}]}}\n")
    with Daemon(binary, directory, config, [("rules.yaml", RULES)], PORT + 7) as daemon:
        healthy = [get(daemon.url + "/-/healthy")[0] for _ in range(8) if not time.sleep(1)]
        check("it is healthy all the while", healthy == [200] * 8, str(healthy))
        targets = json.loads(get(daemon.url + "/api/v1/targets")[1])["data"]["activeTargets"]
        by_job = {target["labels"]["job"]: target for target in targets}
        check("all targets are shown", len(by_job) == len(expected) + 1, str(len(by_job)))
        log = daemon.log()
        for job, word in expected.items():
            target = by_job[job]
            if word is None:
                check(f"{job}: taken", target["health"] == "up", f"{target['health']}: {target['lastError']}")
            else:
                check(f"{job}: down, says why, and is in the log", target["health"] == "down" and target["lastError"]
                      and word in target["lastError"] and job in log, f"{target['health']}: {target['lastError']}")
        up = json.loads(get(daemon.url + "/api/v1/query?query=up%7Bjob%3D%22good%22%7D")[1])["data"]["result"]
        check("the good target is scraped", [series["value"][1] for series in up] == ["1"], str(up))
        check("failed scrapes are counted", daemon.metric(r"atalaya_scrapes_total\{.*error") >= 3 * 40)
        check("the log does not drown", len(log) < 100_000, f"{len(log)} bytes")
        check("nor the memory", resident_mb(daemon) < 200, f"{resident_mb(daemon):.0f} MB")
        daemon.works("wild targets")
