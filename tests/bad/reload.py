"""Files that change under a daemon that runs, and a disk that takes no more."""

import json
import os
import resource
import time

from bad.fakes import Fake
from bad.harness import PORT, RECEIVERS, RULES, Daemon, check, get, say, wait_until


def bad_reload(binary, directory):
    say("reload:")
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


def full_disk(binary, directory):
    say("a disk that takes no more:")
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


def bad_files(binary, directory):
    """Files that change, vanish or are half written while the daemon runs."""
    say("files while it runs:")
    config = ("global: {evaluation_interval: 1s, scrape_interval: 1s, scrape_timeout: 1s}\n" + RECEIVERS
              + "rule_files: [rules.yaml, '*.more']\nscrape_configs:\n"
              + f"  - {{job_name: good, metrics_path: /good, static_configs: [{{targets: ['127.0.0.1:{PORT}']}}]}}\n")
    with Daemon(binary, directory, config, [("rules.yaml", RULES), ("one.more", RULES.replace("watch", "more"))], PORT + 9) as daemon:
        rules, main = daemon.home / "rules.yaml", daemon.home / "atalaya.yaml"
        names = lambda: sorted(group["name"] for group in json.loads(get(daemon.url + "/api/v1/rules")[1])["data"]["groups"])
        failed = lambda: "atalaya_config_last_reload_successful 0" in get(daemon.url + "/metrics")[1]
        check("both files are read", names() == ["more", "watch"], str(names()))
        reload = lambda: get(daemon.url + "/-/reload", "POST")

        def refused(what, change, mend, *words):
            change()
            status, text = reload()
            missing = [word for word in words if word not in text]
            check(f"{what}: refused with its reason", status == 500 and not missing, f"{status} {missing} {text[:300]}")
            check(f"{what}: counted, logged, and nothing changed", failed() and names() == ["more", "watch"]
                  and all(word in daemon.log() for word in words))
            mend()
            check(f"{what}: mended", reload()[0] == 200 and not failed())

        def put_back(path, text):
            if path.is_dir():
                path.rmdir()
            path.unlink(missing_ok=True)
            path.write_text(text)

        for path, text in [(rules, RULES), (main, config)]:
            mend = lambda path=path, text=text: put_back(path, text)
            for what, change, words in [
                ("gone", lambda path: path.unlink(), ["no such file"]),
                ("a directory", lambda path: (path.unlink(), path.mkdir()), ["directory"]),
                ("a pipe", lambda path: (path.unlink(), os.mkfifo(path)), ["no file"]),
                ("a device", lambda path: (path.unlink(), path.symlink_to("/dev/zero")), ["no file"]),
                ("binary", lambda path: path.write_bytes(bytes(range(256))), ["UTF-8"]),
                ("large", lambda path: path.write_text("#" * 17_000_000), ["16777216"]),
                ("torn", lambda path: path.write_text("groups: ["), [":1:"]),
            ]:
                refused(f"{path.name} is {what}", lambda change=change, path=path: change(path), mend, path.name, *words)
        refused("atalaya.yaml is empty", lambda: main.write_text(""), lambda: main.write_text(config), "atalaya.yaml", "nothing")

        # Written over in place: empty for a moment, then half of it, then all.
        text = RULES.replace("watch", "later")
        before = daemon.metric(r"atalaya_config_reloads_total\{")
        rules.write_text("")
        check("a rule file that is emptied is told", wait_until(10, lambda: "has become empty" in daemon.log()), daemon.log()[-500:])
        check("and its rules stay", names() == ["more", "watch"], str(names()))
        rules.write_text(text)
        check("until it is written", wait_until(15, lambda: names() == ["later", "more"]), str(names()))
        check("in one reload", daemon.metric(r"atalaya_config_reloads_total\{") == before + 1)
        for at in range(12):
            rules.write_text(RULES.replace("watch", f"half{at}"))
            time.sleep(0.5)
        rules.write_text(RULES)
        check("a file that is being written is read when it rests", wait_until(20, lambda: names() == ["more", "watch"]), str(names()))
        check("and not before", not any(f"half{at}" in str(names()) for at in range(12)))
        (daemon.home / "one.more").unlink()
        check("a file that is gone from a pattern is noticed", wait_until(15, lambda: names() == ["watch"]), str(names()))
        before = daemon.metric(r"atalaya_config_reloads_total\{")
        (daemon.home / "none of ours").write_text("x")
        time.sleep(7)
        check("a file that no pattern means is no reason to reload", daemon.metric(r"atalaya_config_reloads_total\{") == before)
        daemon.works("bad files")


def bad_secrets(binary, directory):
    """Secret files that come and go while the daemon runs."""
    say("secrets while it runs:")
    config = "global: {evaluation_interval: 1s}\n" + RECEIVERS + "rule_files: [rules.yaml]\n"
    with Daemon(binary, directory, config, [("rules.yaml", RULES)], PORT + 10) as daemon:
        token = daemon.home / "token"
        (daemon.home / "atalaya.yaml").write_text(config.replace(
            "webhook_configs", f"slack_configs: [{{channel: a, bot_token_file: token, api_url: 'http://127.0.0.1:{PORT}/slack'}}]\n    webhook_configs"))
        failed = lambda: "atalaya_config_last_reload_successful 0" in get(daemon.url + "/metrics")[1]
        check("a configuration is refused whose secret is missing", wait_until(15, failed))
        check("and says so", "bot_token" in daemon.log() and "No such file" in daemon.log(), daemon.log()[-500:])
        token.write_text("\n")
        time.sleep(5)
        check("an empty one is no better", failed() and "is empty" in daemon.log(), daemon.log()[-500:])
        token.write_text("xoxb-right\n")
        check("it is tried again when the secret comes", wait_until(15, lambda: not failed()), daemon.log()[-500:])
        token.unlink()
        check("a secret that goes is told before it is needed", wait_until(
            25, lambda: "atalaya_secrets_missing 1" in get(daemon.url + "/metrics")[1]), daemon.log()[-500:])
        check("in the log as well", "until they are there again" in daemon.log())
        daemon.works("a secret that is gone")
        token.write_text("xoxb-right\n")
        check("and so is its return", wait_until(25, lambda: "atalaya_secrets_missing 0" in get(daemon.url + "/metrics")[1]))
        check("no token is in the log", "xoxb-" not in daemon.log())
