//! Holds `docs/promql.md` to the table of functions. `ATALAYA_BLESS=1` rewrites it.

use std::fmt::Write;
use std::path::Path;

use atalaya::promql::{AggregateOp, BinaryOp, DEPTH_MAX, LENGTH_MAX, LOOKBACK, SAMPLES_MAX, functions};

fn words<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" ")
}

fn page() -> String {
    let mut page = format!(
        "# PromQL\n\n\
        Expressions have the grammar of Prometheus 3.14, those of its features that it has behind flags included. What is\n\
        marked *not yet* is understood, and refused when it is loaded; nothing is evaluated wrongly. The tests run\n\
        Prometheus's own scripts (`tests/promqltest.rs`).\n\n\
        An instant selector looks back {} minutes. A subquery without a step has one a minute. `step()` and `range()` are 0,\n\
        `start()` and `end()` the moment itself, because every evaluation is for one moment. A fixed moment (`@ 1700000000`)\n\
        keeps its series in memory from then on.\n\n\
        An expression may be {} KiB long and {DEPTH_MAX} levels deep; an evaluation may look at {SAMPLES_MAX} samples.\n\n\
        ## Operators\n\n\
        {}\n\n\
        `bool`, `on`, `ignoring`, `group_left`, `group_right`, `fill`, `fill_left` and `fill_right` may stand behind them.\n\
        With `group_right`, `fill_left` fills the right side, as in Prometheus. {} are *not yet* evaluated, nor are\n\
        `anchored` and `smoothed` behind a range.\n\n\
        ## Aggregations\n\n{}\n\n\
        ## Functions\n\n\
        `v` are values in order of time, `t` times in seconds, `n` how many there are; *flag*: Prometheus has it behind a flag.\n\n\
        | function | what it gives | formula | |\n| --- | --- | --- | --- |\n",
        LOOKBACK.as_secs() / 60,
        LENGTH_MAX / 1024,
        words(BinaryOp::ALL.iter().map(|op| op.as_str())),
        words(BinaryOp::ALL.iter().filter(|op| op.is_trim()).map(|op| op.as_str())),
        words(AggregateOp::ALL.iter().map(|op| op.as_str())),
    );
    for function in functions() {
        let flags = match (function.is_experimental(), function.is_supported()) {
            (true, true) => "flag",
            (true, false) => "flag, not yet",
            (false, true) => "",
            (false, false) => "not yet",
        };
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
