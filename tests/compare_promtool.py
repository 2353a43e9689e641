"""Made-up rules over made-up series: what `atalaya test` finds must be what the real promtool finds.

    python3 tests/compare_promtool.py target/release/atalaya [--tests N] [--seed S]

Each test first expects nothing, and `atalaya test --diff` says what there is. That is written into the file as what is
expected, and then both must pass it; with one expectation altered both must fail it. promtool is Debian's, of Prometheus
2.42: its windows and its lookback are closed on both sides and groups come in any order, so here none begins at a sample, and the
order of groups is always given. Nothing gives NaN, which no test can expect.
"""

import argparse
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

RULES = """groups:
  - name: first
    rules:
      - record: job:m:sum
        expr: sum by (job) (m)
      - record: job:m:rate
        expr: sum by (job) (rate(c[95s550ms]))
        labels: {kind: rate}
      - record: job:m:max
        expr: max_over_time(job:m:sum[3m5s550ms:])
  - name: second
    rules:
      - alert: High
        expr: job:m:sum > 10
        for: 2m
        labels: {severity: '{{ if gt $value 20.0 }}page{{ else }}ticket{{ end }}'}
        annotations: {text: '{{ $labels.job }} has {{ $value }} of {{ $externalLabels.cluster }}'}
      - alert: High
        expr: job:m:rate > 1
        keep_firing_for: 2m
        annotations: {text: '{{ $value | humanize }}'}
      - alert: Gone
        expr: absent(m{job="a"})
        for: 1m
      - alert: Told
        expr: ALERTS{alertstate="firing", alertname!="Told"} unless on (alertname) (count by (alertname) (ALERTS{alertstate="pending"}))
        annotations: {since: '{{ with query "time() - max(ALERTS_FOR_STATE)" }}{{ . | first | value }}{{ end }}'}
"""

EXPRESSIONS = [
    "m", "c", "job:m:sum", "job:m:rate", "job:m:max", "ALERTS", "ALERTS_FOR_STATE", "timestamp(m)", "time()",
    "sum without (pod) (m)", "rate(c[95s550ms])", "increase(c[4m5s550ms])", "m > bool 3", "topk(1, m)", "count_values('v', m)",
    "m offset 1m", "m @ 60", "max_over_time(m[2m5s550ms])", "min_over_time(job:m:sum[2m5s550ms:20s])", "absent(m)", "count(m != scalar(m))",
    "quantile(0.3, m)", "job:m:sum * on (job) group_left () job:m:max", "changes(m[3m5s550ms])", "count(m) or vector(0)",
    "last_over_time(m[2m5s550ms])", "deriv(c[3m5s550ms])",
]


def values(rng, is_counter):
    """A sequence as a test writes it. Nothing stands at 0, where windows might begin; counters begin high and never fall,
    since how far rates are taken to reach back to zero has changed."""
    items = ["_"]
    least = 100000 if is_counter else 0
    for _ in range(rng.randint(1, 5)):
        kind = rng.randrange(6)
        first = least + rng.randint(0, 30)
        last = first
        if kind == 0:
            items.append(f"_x{rng.randint(1, 6)}")
            continue
        if kind == 1 and not is_counter:
            items.append("stale")
        elif kind == 2:
            items.append(f"{first}x{rng.randint(0, 6)}")
        elif kind == 3:
            items.append(str(first))
        elif kind == 4 and not is_counter:
            items.append(f"{first}-{rng.choice(['1', '0.5', '2.25'])}x{rng.randint(1, 8)}")
        else:
            step, times = rng.choice(["1", "60", "0.1", "37.5"]), rng.randint(1, 12)
            items.append(f"{first}+{step}x{times}")
            last = first + int(float(step) * times) + 1
        least = last if is_counter else 0
    return " ".join(items)


class Test:
    """A test and what it expects: for each question the answers, as lines of YAML."""

    def __init__(self, rng, number):
        self.name = f"t{number}"
        self.interval = rng.choice(["15s101ms", "30s101ms", "1m101ms", "7s101ms"])
        self.series = []
        for name in ("m", "c"):
            for job in ("a", "b"):
                for pod in range(rng.randint(0, 2)):
                    self.series.append((f'{name}{{job="{job}", pod="{pod}"}}', values(rng, name == "c")))
        self.alerts = [(f"{rng.randint(0, 600)}s", name) for name in ("High", "Gone", "Told") for _ in range(2)]
        self.exprs = [(f"{rng.randint(0, 600)}s", rng.choice(EXPRESSIONS)) for _ in range(8)]
        self.expected_alerts = [[] for _ in self.alerts]
        self.expected_samples = [[] for _ in self.exprs]

    def lines(self):
        yield f"  - name: {self.name}"
        yield f"    interval: {self.interval}"
        yield "    external_labels: {cluster: eu}"
        yield "    input_series:"
        for series, sequence in self.series:
            yield f"      - {{series: '{series}', values: '{sequence}'}}"
        if not self.series:
            yield "      []"
        yield "    alert_rule_test:"
        for (at, name), expected in zip(self.alerts, self.expected_alerts):
            yield f"      - eval_time: {at}"
            yield f"        alertname: {name}"
            yield "        exp_alerts:" + ("" if expected else " []")
            yield from expected
        yield "    promql_expr_test:"
        for (at, expr), expected in zip(self.exprs, self.expected_samples):
            yield f"      - eval_time: {at}"
            yield "        expr: " + '"' + expr.replace('"', '\\"') + '"'
            yield "        exp_samples:" + ("" if expected else " []")
            yield from expected


class File:
    """A file of tests, with the lines on which each question stands."""

    def __init__(self, tests, folder, evaluation_interval):
        self.tests, self.folder, self.evaluation_interval = tests, folder, evaluation_interval

    def write(self):
        lines = ["rule_files: [rules.yaml]", f"evaluation_interval: {self.evaluation_interval}"]
        lines += ["group_eval_order: [first, second]", "tests:"]
        self.places = {}
        for test in self.tests:
            questions = iter([("alert", i) for i in range(len(test.alerts))] + [("expr", i) for i in range(len(test.exprs))])
            for line in test.lines():
                lines.append(line)
                if line.startswith("      - eval_time:"):
                    self.places[len(lines)] = (test, *next(questions))
        self.folder.joinpath("t.yaml").write_text("\n".join(lines) + "\n")

    def run(self, *command):
        return subprocess.run([*command, "t.yaml"], cwd=self.folder, capture_output=True, text=True)

    def learn(self, told):
        """Takes what there is, as `--diff` tells it, for what is expected."""
        here = None
        fields = []

        def close():
            if here and fields:
                test, kind, index = here
                labels = [(name, text) for name, text in fields if not name.startswith("annotation ") and name != "value"]
                if kind == "alert":
                    inner = ", ".join(f"{name}: {text}" for name, text in labels if name != "alertname")
                    notes = [(n.removeprefix("annotation "), t) for n, t in fields if n.startswith("annotation ")]
                    notes = ", ".join(f"{name}: {text}" for name, text in notes)
                    test.expected_alerts[index].append(f"          - {{exp_labels: {{{inner}}}, exp_annotations: {{{notes}}}}}")
                else:
                    inner = ",".join(f"{name}={text}" for name, text in labels)
                    value = dict(fields)["value"].replace("+Inf", ".inf").replace("-Inf", "-.inf")
                    quoted = ("{" + inner + "}").replace("'", "''")
                    test.expected_samples[index].append(f"          - {{labels: '{quoted}', value: {value}}}")
            fields.clear()

        for line in told.splitlines():
            heading = re.match(r"  t\.yaml:(\d+):\d+: .*: \d+ (is|are) not expected$", line)
            field = re.match(r"    \+ (annotation \w+|\w+): (.*)$", line)
            if heading:
                close()
                here = self.places[int(heading[1])]
            elif field:
                name = field[1]
                # Fields of one item are in order: labels, annotations, the value. One that is not begins the next item.
                if fields and self.rank(name) <= self.rank(fields[-1][0]):
                    close()
                fields.append((name, field[2]))
            elif line.strip() == "+ {}":
                close()
            elif line and not line.startswith(("FAILED", "t.yaml")):
                raise SystemExit(f"not understood: {line}")
        close()

    @staticmethod
    def rank(name):
        return (2 if name == "value" else 1 if name.startswith("annotation ") else 0, name)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("atalaya")
    parser.add_argument("--tests", type=int, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    arguments = parser.parse_args()
    atalaya = [str(Path(arguments.atalaya).resolve()), "test"]
    promtool = ["promtool", "test", "rules"]
    rng = random.Random(arguments.seed)
    print(f"seed {arguments.seed}")
    asked = found = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        folder.joinpath("rules.yaml").write_text(RULES)
        for start in range(0, arguments.tests, 20):
            tests = [Test(rng, start + i) for i in range(min(20, arguments.tests - start))]
            file = File(tests, folder, rng.choice(["20s", "30s", "1m"]))
            file.write()
            learnt = file.run(*atalaya, "--diff")
            # What a test shows at most of one question is more than there is here.
            file.learn(learnt.stdout)
            file.write()
            for command in (atalaya, promtool):
                result = file.run(*command)
                if result.returncode != 0:
                    print(folder.joinpath("t.yaml").read_text())
                    sys.exit(f"{command[0]} does not agree, with --seed {arguments.seed}:\n{result.stdout}{result.stderr}")
            asked += sum(len(test.alerts) + len(test.exprs) for test in tests)
            found += sum(len(answers) for test in tests for answers in test.expected_alerts + test.expected_samples)
            test = rng.choice([test for test in tests if any(test.expected_samples)])
            rng.choice([answers for answers in test.expected_samples if answers]).pop()
            file.write()
            for command in (atalaya, promtool):
                if file.run(*command).returncode != 1:
                    sys.exit(f"{command[0]} does not notice what is missing, with --seed {arguments.seed}")
    print(f"{asked} questions, {found} answers: promtool agrees")


main()
