"""At the start: every bad input ends in a message that names it and a status that is not 0, with nothing touched."""

import concurrent.futures
import os
import pathlib
import shutil
import socket
import sqlite3
import subprocess
import tempfile

from bad.harness import RECEIVERS, RULES, check, snapshot


GOOD = RECEIVERS + "rule_files: [rules.yaml]\n"
FILES = [("rules.yaml", RULES)]
# How many daemons are started at once, and how long one may take to say no.
AT_ONCE = 3
PATIENCE = 30


def refused(binary, directory, what, config, expected, files=(), data=None, before=None, environment=None, prefix=(),
            options=("--listen", "127.0.0.1:0"), is_changing=False):
    """Starts the daemon, which has to end with a message that holds all of `expected`, and to touch nothing."""
    home = pathlib.Path(tempfile.mkdtemp(dir=directory))
    file = home / "atalaya.yaml"
    if isinstance(config, bytes):
        file.write_bytes(config)
    elif config is not None:
        file.write_text(config)
    for name, text in files:
        (home / name).write_text(text)
    data = data or home / "data"
    if before:
        before(home, data)
    kept = snapshot(data)
    command = [*prefix, str(binary), "run", "--config", str(file), "--data-dir", str(data), *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE,
                              env={**os.environ, **(environment or {})})
    except subprocess.TimeoutExpired:
        return check(what, False, "it started, or hung")
    missing = [word for word in expected if word not in done.stderr]
    check(f"{what}: ends with status {done.returncode} and says why", done.returncode not in (0, 101) and not missing,
          f"status {done.returncode}, missing {missing} in: {done.stderr[:600]}")
    check(f"{what}: touches nothing", is_changing or snapshot(data) == kept, f"{kept} became {snapshot(data)}")


class AtOnce:
    """Refusals side by side."""

    def __init__(self, binary, directory):
        self.pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
        self.under_way, self.common = [], (binary, directory)

    def refused(self, *arguments, **named):
        self.under_way.append(self.pool.submit(refused, *self.common, *arguments, **named))

    def wait(self):
        for each in self.under_way:
            each.result()


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


def bad_places(binary, directory):
    print("at start, files that are none:")
    starts = AtOnce(binary, directory)
    no_file = "no file"

    def instead(path, make):
        def before(home, data):
            if path == "atalaya.yaml":
                (home / path).unlink(missing_ok=True)
            make(home / path)
        return before

    starts.refused("a configuration that is missing", None, ["atalaya.yaml", "no such file"])
    starts.refused("a directory as the configuration", None, ["atalaya.yaml", "directory"],
                   before=instead("atalaya.yaml", lambda path: path.mkdir()))
    starts.refused("a pipe as the configuration", None, ["atalaya.yaml", no_file], before=instead("atalaya.yaml", os.mkfifo))
    starts.refused("a device as the configuration", None, ["atalaya.yaml", no_file],
                   before=instead("atalaya.yaml", lambda path: path.symlink_to("/dev/zero")))
    starts.refused("a link to itself as the configuration", None, ["atalaya.yaml", "symbolic links"],
                   before=instead("atalaya.yaml", lambda path: path.symlink_to(path)))
    starts.refused("a pipe as a rule file", GOOD, ["atalaya.yaml:6", "rules.yaml", no_file], before=instead("rules.yaml", os.mkfifo))
    starts.refused("a pipe among the rule files of a pattern", GOOD.replace("rules.yaml", "'*.rules'"), ["one.rules", no_file],
                   before=instead("one.rules", os.mkfifo))
    starts.refused("a rule file that is a link to nowhere", GOOD, ["rules.yaml", "no such file"],
                   before=instead("rules.yaml", lambda path: path.symlink_to("nowhere")))

    starts.refused("an empty configuration", "", ["atalaya.yaml", "nothing in the file"])
    starts.refused("a configuration of blanks", " \n" * 9999, ["atalaya.yaml", "nothing in the file"])
    starts.refused("a configuration of 100 MB", b"a: '" + b"x" * 100_000_000 + b"'", ["atalaya.yaml", "16777216"])
    starts.refused("a binary as the configuration", bytes(range(256)) * 100, ["atalaya.yaml", "UTF-8"])
    starts.refused("a configuration in UTF-16", GOOD.encode("utf-16"), ["atalaya.yaml", "UTF-8"], FILES)
    starts.refused("a NUL in the configuration", GOOD.replace("all", "a\0ll").encode(), ["atalaya.yaml:2:", "u{0}"], FILES)
    starts.refused("a binary as a rule file", GOOD, ["rules.yaml", "UTF-8"],
                   before=instead("rules.yaml", lambda path: path.write_bytes(bytes(range(256)))))
    starts.refused("lists in lists", "a: " + "[" * 100_000, ["atalaya.yaml:1:", "limit"])
    starts.refused("mappings in mappings", "".join(" " * n + "a:\n" for n in range(3000)), ["atalaya.yaml:25:", "24 deep"])
    starts.refused("an alias in itself", "route: &a {receiver: x, routes: [*a]}\n", ["atalaya.yaml:1:34"])
    starts.refused("an anchor that is repeated", "a: &a '" + "x" * 1_000_000 + "'\nb: [" + "*a, " * 100 + "]\n", ["atalaya.yaml:2:"])
    starts.refused("a name that is no mark", GOOD + "x: *nothing\n", ["atalaya.yaml:7:", "nothing"], FILES)
    starts.refused("a setting that is there twice", GOOD + "route: {receiver: all}\n", ["atalaya.yaml:7:", "`route`", "twice"], FILES)
    starts.refused("two documents in one file", GOOD + "---\nroute: {}\n", ["atalaya.yaml:8:", "second"], FILES)
    starts.refused("tabs", "route:\n\treceiver: all\n", ["atalaya.yaml:2:"])
    starts.refused("a text where a list should be", GOOD.replace("[rules.yaml]", "{a: b}"), ["atalaya.yaml:6:", "rule_files"], FILES)
    starts.refused("a list that does not end", "rule_files: [" + "x, " * 100_000 + "]\n", ["atalaya.yaml:1:"])
    starts.refused("an expression that nests", GOOD, ["rules.yaml:5:"],
                   [("rules.yaml", RULES.replace("vector(1)", "'" + "(" * 100_000 + "'"))])
    starts.refused("a template that is not closed", GOOD, ["rules.yaml:5:"],
                   [("rules.yaml", RULES.replace("vector(1)", "vector(1), annotations: {a: '{{ if true }}'}"))])

    for address, word in [("localhost:9095", "127.0.0.1:9095"), (":9095", "0.0.0.0:9095"), ("127.0.0.1:99999", "127.0.0.1:9090"),
                          ("203.0.113.1:9095", "203.0.113.1:9095")]:
        starts.refused(f"--listen {address}", GOOD, ["listen", word], FILES, options=("--listen", address))
        starts.refused(f"web.listen {address}", GOOD + f"web: {{listen: '{address}'}}\n", ["listen", word], FILES, options=())
    starts.refused("an option that there is not", GOOD, ["--no-wach", "--no-watch"], FILES, options=("--no-wach",))
    if os.geteuid() == 0 and shutil.which("setpriv"):
        public = pathlib.Path(directory) / "atalaya-public"
        shutil.copy(binary, public)
        pathlib.Path(directory).chmod(0o755)
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]

        def unreadable(home, data):
            home.chmod(0o755)
            (home / "atalaya.yaml").chmod(0o000)
        starts.under_way.append(starts.pool.submit(
            refused, public, directory, "a configuration that is not for us to read", GOOD, ["atalaya.yaml", "ermission"], FILES,
            before=unreadable, prefix=nobody))
    starts.wait()


def bad_secret_files(binary, directory):
    print("at start, secrets:")
    starts = AtOnce(binary, directory)
    config = GOOD.replace("webhook_configs", "slack_configs: [{channel: a, bot_token_file: token}]\n    webhook_configs")

    def token(make):
        return lambda home, data: make(home / "token")

    for what, make, words in [
        ("a directory", lambda path: path.mkdir(), ["directory"]),
        ("a pipe", os.mkfifo, ["no file"]),
        ("an endless device", lambda path: path.symlink_to("/dev/zero"), ["no file"]),
        ("empty", lambda path: path.write_text(""), ["empty"]),
        ("a line break", lambda path: path.write_text("\n"), ["empty"]),
        ("blanks", lambda path: path.write_text("  \n"), ["white space"]),
        ("two lines", lambda path: path.write_text("xoxb-hidden-1\nxoxb-hidden-2\n"), ["more than one line"]),
        ("a NUL", lambda path: path.write_bytes(b"xoxb-\0hidden"), ["cannot be sent"]),
        ("binary", lambda path: path.write_bytes(bytes(range(256))), ["UTF-8"]),
        ("a megabyte", lambda path: path.write_text("x" * 1_000_000), ["65536"]),
    ]:
        starts.refused(f"a token that is {what}", config, ["bot_token", "token", *words], FILES, before=token(make))
    starts.refused("a variable that is empty", config.replace("bot_token_file: token", "bot_token: '${ATALAYA_EMPTY}'"),
                   ["bot_token", "ATALAYA_EMPTY", "empty"], FILES, environment={"ATALAYA_EMPTY": ""})
    scraped = GOOD + "scrape_configs: [{job_name: j, scheme: https, tls_config: {ca_file: ca.pem}, static_configs: [{targets: ['a:1']}]}]\n"
    starts.refused("a CA that is missing", scraped, ["ca.pem", "No such file"], FILES)
    starts.refused("a CA that is none", scraped, ["ca.pem", "PEM"], [*FILES, ("ca.pem", "hello\n")])
    starts.wait()
