"""Receivers that do not answer as they should."""

import pathlib
import tempfile
import time

from bad import answers
from bad.fakes import Fake
from bad.harness import PORT, RECEIVERS, RULES, Daemon, check, get, say, wait_until


def bad_slack(binary, directory):
    say("Slack:")
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


def bad_answers(binary, directory):
    """Every bad answer to every kind of receiver at once, beside a webhook that is well."""
    say("answers of receivers:")
    makes = {
        "slack": "slack_configs: [{{channel: a, bot_token: 'xoxb-1', api_url: '{}'}}]",
        "hook": "slack_configs: [{{api_url: '{}'}}]",
        "pagerduty": "pagerduty_configs: [{{routing_key: '0123456789abcdef0123456789abcdef', url: '{}'}}]",
        "webhook": "webhook_configs: [{{url: '{}'}}]",
    }
    cases = [(kind, name) for kind in makes for name, (_, kinds, _) in answers.ANSWERS.items() if kind in kinds]
    heard = answers.serve(PORT + 32)
    url = f"http://127.0.0.1:{PORT + 32}"
    routes = "".join(f"    - {{receiver: {kind}-{name}, continue: true}}\n" for kind, name in cases)
    receivers = "".join(f"  - name: {kind}-{name}\n    {makes[kind].format(f'{url}/{kind}/{name}')}\n" for kind, name in cases)
    config = ("global: {evaluation_interval: 1s}\nroute:\n  receiver: good\n  group_wait: 0s\n  group_interval: 4s\n  routes:\n"
              + routes + "    - {receiver: good}\nreceivers:\n" + receivers
              + f"  - name: good\n    webhook_configs: [{{url: '{url}/good/200'}}]\nrule_files: [rules.yaml]\n")
    with Daemon(binary, directory, config, [("rules.yaml", RULES)], PORT + 8) as daemon:
        check("the good receiver is told", wait_until(15, lambda: heard.get("/good/200")), daemon.log()[-500:])
        time.sleep(9)
        log = daemon.log()
        for kind, name in cases:
            calls = sum(len(times) for path, times in heard.items() if f"{path}/".startswith(f"/{kind}/{name}/"))
            _, _, fate = answers.ANSWERS[name]
            words = {"retry": f"cannot tell {kind}-{name}/", "gave up": f"gave up telling {kind}-{name}/",
                     "told": f"told {kind}-{name}/"}
            # What hangs is told when it is given up, after ten seconds.
            check(f"{kind} {name}: {fate}", words[fate] in log or name == "hangs", f"{calls} calls: "
                  + " | ".join(line for line in log.splitlines() if f"{kind}-{name}/" in line)[-400:])
            check(f"{kind} {name}: called, and not too often", 1 <= calls <= 6, f"{calls} calls")
        check("retries are counted", daemon.metric(r"atalaya_notifications_total\{.*retry") >= 50)
        check("so is what was given up", daemon.metric(r"atalaya_notifications_total\{.*gave_up") >= 30)
        daemon.works("bad answers")
