//! Made-up expressions over the metrics of a made-up world.

use super::dice::Dice;

const RANGES: [&str; 6] = ["30s", "1m", "2m", "5m", "8m", "20s"];

/// Something of every kind, so that none is left to chance.
pub(super) const EVERY: &[&str] = &[
    "sort_desc(g)",
    "sort(rate(c[2m]))",
    "irate(c[2m])",
    "clamp_min(g, 2) + clamp_max(g, 5)",
    "abs(g)",
    "c ^ 2",
    "g % 3",
    "2 ^ g",
    "ts_of_first_over_time(d[1m])",
    "ts_of_last_over_time(d[1m]) - ts_of_min_over_time(g[5m])",
    "hour(c) + on (job, pod) group_left () minute(d)",
    "histogram_fraction(0.1, 2, sum by (le) (rate(h_bucket[2m])))",
    "label_join(g, 'both', '/', 'job', 'pod')",
    "quantile by (job) (0.3, g)",
    "stddev by (job) (d) + stdvar by (job) (d)",
    "group by (job) (c) + count by (job) (c)",
    "limitk by (job) (2, c) or bottomk(1, d)",
    "resets(c[8m]) + changes(c[8m])",
    "mad_over_time(g[5m]) - stddev_over_time(g[5m])",
    "predict_linear(g[5m], 60) - deriv(g[5m])",
    "timestamp(g) - timestamp(rate(d[1m]) * 0)",
    "present_over_time(c[1m]) unless idelta(c[1m]) != 0",
    "clamp(g, 1, 5) >= bool 2",
    "round(g, 0.5) <= -1",
    "-{job=~'a|b', __name__!='role'}",
    "absent_over_time(c{pod='nosuch'}[5m])",
    "first_over_time(g[1m]) == g",
    "sum_over_time(g[8m]) / count_over_time(g[8m]) - avg_over_time(g[8m])",
    "max_over_time(g[8m]) - min_over_time(g[8m])",
    "delta(g[2m]) > -1 and increase(c[2m]) < 100",
    "label_replace(c, 'code', '$1xx', 'code', '(.)..') * on (job) group_left (role) role",
    "double_exponential_smoothing(g[2m], 0.5, 0.1) + (g atan2 d)",
    "-g / last_over_time(g[2m])",
    "avg by (job) (g) + min by (job) (d) - max by (job) (d)",
    "label_replace(c, 'pod', 'x$1', 'pod', 'p(.*)') / ignoring (code) group_left () sum without (code) (c)",
];

/// What only the interpreter knows.
pub(super) const INTERPRETED: &[&str] = &[
    "max_over_time(rate(c[1m])[3m:1m])",
    "count_values('v', g)",
    "g @ 60",
    "g @ end()",
    "{__name__=~'c|d'} + 1",
    "rate(c[1m] anchored)",
    "increase(c[2m] smoothed)",
    "g smoothed",
    "g + on (job, pod) fill (0) e",
    "g * on (job) group_left (role) fill_right (1) role",
    "info(c)",
    "info(g, {role=~'.*'})",
    "limit_ratio(0.5, c)",
    "rate(c[step() + 1m])",
    "histogram_quantiles(h_bucket, 'q', 0.5, 0.9)",
    "start_timestamp(c)",
    "sort_by_label(g, 'pod')",
    "n >/ 1",
    "histogram_count(rate(n[2m]))",
    "histogram_avg(n)",
];

/// What has something to tell, or fails, or meets native histograms where there are any.
pub(super) const TELLING: &[&str] = &[
    "rate(g[2m])",
    "increase(d[1m * 2] offset (15s + 15s))",
    "quantile by (job) (2, g)",
    "quantile_over_time(-1, g[1m])",
    "limit_ratio(3, g)",
    "histogram_quantile(NaN, h_bucket)",
    "histogram_quantile(0.9, g)",
    "double_exponential_smoothing(g[2m], 0.5, 1.5)",
    "double_exponential_smoothing(nosuch[2m], 0, 1)",
    "topk(scalar(nosuch), g)",
    "bottomk(1e30, g)",
    "label_join(g, 'both', '/', '')",
    "label_replace(g, '', 'x', 'job', '.*')",
    "histogram_quantile(0.9, sum by (job) (rate(n[2m])))",
    "histogram_quantile(0.5, {__name__=~'n|h_bucket'})",
    "rate(n[1m])",
    "sum(n)",
    "sum by (job) (e)",
    "n - n",
    "n == n offset 30s",
    "count(n) or count(e)",
    "avg_over_time(e[5m])",
    "max_over_time(e[5m])",
    "last_over_time(e[5m]) > 0",
    "timestamp(n)",
    "absent(n)",
    "absent_over_time(n[30s])",
    "topk(2, {__name__=~'e|n|g'})",
    "scalar(n) + count_values('v', n)",
    "changes(e[5m]) + resets(n[5m])",
];

/// An expression.
pub(super) fn expression(dice: &mut Dice) -> String {
    let depth = dice.below(4);
    if dice.percent(4) { scalar(dice, depth) } else { vector(dice, depth) }
}

fn metric(dice: &mut Dice) -> &'static str {
    dice.pick(&["c", "c", "c", "d", "d", "g", "g", "g", "e", "e", "r:x", "role", "n"])
}

fn selector(dice: &mut Dice) -> String {
    if dice.percent(4) {
        return dice
            .pick(&["{__name__=~'c|d'}", "{__name__=~'g|r:x',job='a'}", "{job=~'a|b',__name__!='role'}"])
            .to_owned();
    }
    let name = metric(dice);
    let braces =
        dice.pick(&["", "", "", "{job='a'}", "{job!='a'}", "{pod=~'p[0-3]'}", "{job='nosuch'}", "{code=~'5..'}"]);
    format!("{name}{braces}")
}

fn offset(dice: &mut Dice) -> &'static str {
    dice.pick(&["", "", "", "", " offset 1m", " offset 45s", " offset -30s"])
}

fn window(dice: &mut Dice) -> String {
    let function = dice.pick(&[
        "rate",
        "rate",
        "rate",
        "increase",
        "increase",
        "irate",
        "delta",
        "idelta",
        "resets",
        "changes",
        "min_over_time",
        "max_over_time",
        "count_over_time",
        "present_over_time",
        "first_over_time",
        "last_over_time",
        "sum_over_time",
        "avg_over_time",
        "ts_of_first_over_time",
        "ts_of_last_over_time",
        "stddev_over_time",
        "stdvar_over_time",
        "deriv",
        "mad_over_time",
        "absent_over_time",
        "ts_of_max_over_time",
    ]);
    let range = format!("{}[{}]{}", selector(dice), dice.pick(&RANGES.each_ref().map(|it| *it)), offset(dice));
    match dice.below(14) {
        0 => format!("quantile_over_time(0.9, {range})"),
        1 => format!("predict_linear({range}, 60)"),
        _ => format!("{function}({range})"),
    }
}

fn grouping(dice: &mut Dice) -> &'static str {
    dice.pick(&[
        "",
        " by (job)",
        " by (job, pod)",
        " without (pod)",
        " by (nosuch)",
        " without (code, le)",
        " by (__name__)",
    ])
}

fn vector(dice: &mut Dice, depth: u32) -> String {
    if depth == 0 {
        return match dice.below(12) {
            0 => format!("vector({})", scalar(dice, 0)),
            1..=5 => format!("{}{}", selector(dice), offset(dice)),
            _ => window(dice),
        };
    }
    let below = depth - 1;
    let inner = |dice: &mut Dice| vector(dice, below);
    match dice.below(25) {
        0..=3 => {
            let op = dice.pick(&["sum", "sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"]);
            format!("{op}{} ({})", grouping(dice), inner(dice))
        }
        4 => {
            let op = dice.pick(&["topk", "bottomk", "limitk"]);
            format!("{op}{} ({}, {})", grouping(dice), dice.below(4), inner(dice))
        }
        5 => format!("quantile{} (0.5, {})", grouping(dice), inner(dice)),
        6 | 7 => {
            let op = dice.pick(&[">", "<", "==", "!=", ">=", "<=", "> bool", "== bool", "*", "-", "/", "%", "^"]);
            let (number, inner) = (scalar(dice, below.min(1)), inner(dice));
            if dice.percent(40) { format!("{number} {op} ({inner})") } else { format!("({inner}) {op} {number}") }
        }
        8 => {
            let function = dice.pick(&["abs", "ceil", "floor", "exp", "ln", "sqrt", "sgn", "hour", "day_of_week", "-"]);
            format!("{function}({})", inner(dice))
        }
        9 => match dice.below(5) {
            0 => format!("clamp_min({}, 2)", inner(dice)),
            1 => format!("clamp_max({}, {})", inner(dice), scalar(dice, 0)),
            2 => format!("clamp({}, 1, {})", inner(dice), scalar(dice, 0)),
            3 => format!("round({}, 0.5)", inner(dice)),
            _ => format!("round({})", inner(dice)),
        },
        10 | 11 => {
            let op = dice.pick(&["+", "-", "/", "*", ">", "<", "== bool", "!=", ">= bool"]);
            let matching = dice.pick(&[
                "",
                "",
                "on (job)",
                "on (pod)",
                "ignoring (code)",
                "ignoring (code, pod)",
                "on (job, pod)",
                "on (job) group_left ()",
                "on (job) group_right ()",
                "on (pod) group_left (job)",
                "ignoring (code) group_left ()",
            ]);
            format!("({}) {op} {matching} ({})", inner(dice), inner(dice))
        }
        12 => {
            let by = dice.pick(&["by (job)", "by (job, pod)", "by (pod)"]);
            let op = dice.pick(&["/", "-", "+", ">", "< bool", "*"]);
            format!("sum {by} ({}) {op} sum {by} ({})", inner(dice), inner(dice))
        }
        13 => {
            let include = dice.pick(&["role", "role, pod", "code"]);
            let op = dice.pick(&["*", "*", ">", "+"]);
            format!(
                "({}) {op} on (job) group_left ({include}) {}",
                inner(dice),
                dice.pick(&["role", "max by (job, role) (role)"])
            )
        }
        14..=16 => {
            let op = dice.pick(&["and", "or", "or", "unless"]);
            let matching = dice.pick(&["", "", "on (job)", "on (job, pod)", "ignoring (pod)", "on ()"]);
            format!("({}) {op} {matching} ({})", inner(dice), inner(dice))
        }
        17 | 18 => {
            let q = dice.pick(&["0.5", "0.95", "0", "2", "scalar(g)"]);
            let of = dice.pick(&[
                "rate(h_bucket[2m])",
                "sum by (le) (rate(h_bucket[1m]))",
                "sum by (le, job) (increase(h_bucket[5m]))",
                "h_bucket",
            ]);
            if dice.percent(80) {
                format!("histogram_quantile({q}, {of})")
            } else {
                format!("histogram_fraction(0.5, {q}, {of})")
            }
        }
        19 => match dice.below(4) {
            0 => format!("label_replace({}, 'new', 'x$1', 'pod', 'p(.*)')", inner(dice)),
            1 => format!("label_replace({}, 'pod', '', '', '')", inner(dice)),
            2 => format!("label_replace({}, 'job', '$1', 'code', '(.).*')", inner(dice)),
            _ => format!("label_join({}, 'both', '/', 'job', 'pod')", inner(dice)),
        },
        20 => format!("{}({})", dice.pick(&["absent", "sort", "sort_desc", "timestamp", "timestamp"]), inner(dice)),
        21 => {
            // Only the interpreter knows these.
            let part = dice.pick(INTERPRETED);
            match dice.below(3) {
                0 => part.to_owned(),
                1 => format!("sum by (job) ({part})"),
                _ => format!("({part}) and on (job) ({})", inner(dice)),
            }
        }
        22 => format!("absent({})", selector(dice)),
        23 => (*dice.pick(TELLING)).to_owned(),
        _ => format!("vector({})", scalar(dice, below)),
    }
}

fn scalar(dice: &mut Dice, depth: u32) -> String {
    if depth == 0 {
        return match dice.below(6) {
            0 => "time()".to_owned(),
            1 => "0".to_owned(),
            2 => "-1.5".to_owned(),
            _ => dice.below(20).to_string(),
        };
    }
    match dice.below(4) {
        0 => format!("scalar({})", vector(dice, depth - 1)),
        1 => format!(
            "({} {} {})",
            scalar(dice, depth - 1),
            dice.pick(&["+", "*", "> bool", "-"]),
            scalar(dice, depth - 1)
        ),
        2 => format!("-max_of({}, {})", scalar(dice, depth - 1), scalar(dice, depth - 1)),
        _ => scalar(dice, 0),
    }
}
