//! What is kept in memory: `store`.

use crate::model::parse_bytes;
use crate::promql::{self, ExprKind, Reading, Shift};
use crate::store::Retain;

use super::StoreOptions;
use super::expression::expression;
use super::place::Sheet;
use super::raw::{OneOrMany, RawStore, Text};

/// Checks `store`.
pub(super) fn store(sheet: &mut Sheet, raw: &RawStore) -> StoreOptions {
    let series_max = raw.series_max.as_ref().and_then(|max| {
        if max.value == 0 {
            sheet.note(max, "store.series_max", "must be more than 0");
        }
        usize::try_from(max.value).ok()
    });
    StoreOptions {
        retain: retain(sheet, raw.retain.as_ref()),
        series_max,
        memory_max: raw.memory_max.as_ref().and_then(|text| size(sheet, "store.memory_max", text)),
    }
}

/// A size that is more than nothing.
fn size(sheet: &mut Sheet, path: &str, text: &Text) -> Option<u64> {
    let (what, hint) = match parse_bytes(&text.value) {
        Some(0) => ("must be more than 0".to_owned(), None),
        Some(bytes) => return Some(bytes),
        None => (format!("not a valid size: `{}`", text.value), Some("write it like `512MB` or `4GB`")),
    };
    sheet.note(text, path, what).hint = hint.map(str::to_owned);
    None
}

fn retain(sheet: &mut Sheet, raw: Option<&OneOrMany>) -> Retain {
    let selectors = match raw {
        None => return Retain::Nothing,
        Some(OneOrMany::One(text)) if text.value == "all" => return Retain::All,
        Some(OneOrMany::One(text)) => std::slice::from_ref(text),
        Some(OneOrMany::Many(texts)) => texts,
    };
    let mut kept = Vec::new();
    for (at, text) in selectors.iter().enumerate() {
        let path = format!("store.retain[{at}]");
        let Some((expr, _)) = expression(sheet, &path, text) else { continue };
        match expr.kind {
            ExprKind::Selector(promql::Selector { matchers, shift, reading: Reading::Plain })
                if shift == Shift::default() =>
            {
                kept.push(matchers);
            }
            _ => {
                sheet.note(text, &path, "expected `all` or selectors of series").hint =
                    Some("write a selector like `'{__name__=~\"node_.*\"}'`, without a range or a function".to_owned());
            }
        }
    }
    Retain::Matchers(kept)
}
