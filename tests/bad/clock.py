"""A clock that is set forward and back while the daemon runs."""

import glob
import json
import pathlib
import tempfile
import time

from bad.fakes import Fake
from bad.harness import PORT, RECEIVERS, RULES, Daemon, check, get, wait_until


def bad_clock(binary, directory):
    print("a clock that steps:")
    libraries = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    if not libraries:
        print("  (left out: libfaketime is not installed)")
        return
    step = pathlib.Path(tempfile.mkdtemp(dir=directory)) / "step"
    step.write_text("+0\n")
    config = ("global: {evaluation_interval: 1s, scrape_interval: 1s, scrape_timeout: 1s}\n" + RECEIVERS
              + "rule_files: [rules.yaml]\nscrape_configs:\n"
              + f"  - {{job_name: good, metrics_path: /good, static_configs: [{{targets: ['127.0.0.1:{PORT}']}}]}}\n")
    rules = RULES + "      - {alert: Good, expr: good == 1}\n      - {alert: Soon, expr: good == 1, for: 30m}\n"
    Fake.webhook.clear()
    environment = {"LD_PRELOAD": libraries[0], "FAKETIME_TIMESTAMP_FILE": str(step), "FAKETIME_NO_CACHE": "1",
                   "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    with Daemon(binary, directory, config, [("rules.yaml", rules)], PORT + 11, environment) as daemon:
        told = lambda name: [alert["status"] for note in Fake.webhook for alert in note["alerts"]
                             if alert["labels"]["alertname"] == name]
        check("Good is told", wait_until(20, lambda: told("Good")), daemon.log()[-500:])

        def goes_on(what):
            scrapes = daemon.metric(r"atalaya_scrapes_total\{.*ok")
            evaluations = daemon.metric(r"atalaya_rule_evaluations_total\{.*ok")
            check(f"{what}: it is scraped and evaluated", wait_until(10, lambda: daemon.metric(
                r"atalaya_scrapes_total\{.*ok") >= scrapes + 3 and daemon.metric(
                r"atalaya_rule_evaluations_total\{.*ok") >= evaluations + 6), daemon.log()[-500:])
            daemon.works(what)

        step.write_text("+3600\n")
        goes_on("an hour forward")
        step.write_text("-7200\n")
        goes_on("three hours back")
        check("the log says that the clock was set back", "set back" in daemon.log(), daemon.log()[-500:])
        step.write_text("+0\n")
        goes_on("where it was")
        check("Good is not resolved, and told again as after an hour", told("Good") in (["firing"], ["firing"] * 2), str(told("Good")))
        alerts = json.loads(get(daemon.url + "/api/v1/alerts")[1])["data"]["alerts"]
        check("every alert is still there", {alert["labels"]["alertname"] for alert in alerts} == {"Watchdog", "Good", "Soon"},
              str(alerts))
