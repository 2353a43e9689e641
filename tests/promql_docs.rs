//! Holds `docs/promql.md` to the table of functions. `ATALAYA_BLESS=1` rewrites it.

use std::fmt::Write;
use std::path::Path;

use atalaya::promql::{AggregateOp, BinaryOp, DEPTH_MAX, LENGTH_MAX, LOOKBACK, MOMENTS_MAX, SAMPLES_MAX, functions};

fn words<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" ")
}

fn page() -> String {
    let mut page = format!(
        "# PromQL\n\n\
        Expressions are those of Prometheus 3.14: the whole language, what it has behind flags included. `cargo test --test\n\
        promqltest` runs Prometheus's own scripts, of which all have to pass (`tests/promqltest.floor`), and ours\n\
        (`tests/promql`); each of their instant queries is run again with `@` and as a range.\n\n\
        An instant selector looks back {} minutes. A subquery without a step has one a minute. A rule is evaluated for one\n\
        moment: there `step()` and `range()` are 0, `start()` and `end()` the moment itself. A fixed moment\n\
        (`@ 1700000000`) keeps its series in memory from then on.\n\n\
        A value is a number or a native histogram. Scrapes bring numbers only; histograms come of tests (`atalaya test`) and of rules\n\
        over them.\n\
        Metric names are dropped by each function and operator, as in a Prometheus without flags; start timestamps are not\n\
        looked at. Warnings and infos are Prometheus's, with the place in the expression.\n\n\
        An expression may be {} KiB long and {DEPTH_MAX} levels deep; an evaluation may look at {SAMPLES_MAX} samples, and a\n\
        query over a range may have {MOMENTS_MAX} moments.\n\n\
        ## Operators\n\n\
        {}\n\n\
        `bool`, `on`, `ignoring`, `group_left`, `group_right`, `fill`, `fill_left` and `fill_right` may stand behind them.\n\
        With `group_right`, `fill_left` fills the right side, as in Prometheus. `</` and `>/` cut native histograms off\n\
        above and below a value.\n\n\
        ## Aggregations\n\n{}\n\n\
        ## Functions\n\n\
        `v` are values in order of time, `t` times in seconds, `n` how many there are; *flag*: Prometheus has it behind a flag.\n\n\
        | function | what it gives | formula | |\n| --- | --- | --- | --- |\n",
        LOOKBACK.as_secs() / 60,
        LENGTH_MAX / 1024,
        words(BinaryOp::ALL.iter().map(|op| op.as_str())),
        words(AggregateOp::ALL.iter().map(|op| op.as_str())),
    );
    for function in functions() {
        let flags = if function.is_experimental() { "flag" } else { "" };
        let formula = function.formula().replace('|', "\\|");
        let (signature, source) = (function.signature(), function.source());
        writeln!(page, "| [`{signature}`]({source}) | {} | {formula} | {flags} |", function.meaning()).expect("fits");
    }
    page
}

#[test]
fn the_manual_lists_every_function() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/promql.md");
    let page = page();
    if std::env::var("ATALAYA_BLESS").is_ok_and(|value| value == "1") {
        std::fs::write(&file, &page).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == page,
        "docs/promql.md is not what the table says: run with ATALAYA_BLESS=1 and read the difference"
    );
}
