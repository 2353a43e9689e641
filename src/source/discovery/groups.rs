//! Lists of targets as files and URLs give them: `[{"targets": ["host:port"], "labels": {"name": "value"}}]`.

use serde::Deserialize;

use crate::model::Labels;

use super::super::job::{ADDRESS, TargetGroup};

/// So many targets may one list have.
const TARGETS_MAX: usize = 200_000;

/// A group as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGroup {
    #[serde(default)]
    targets: Option<Vec<String>>,
    #[serde(default)]
    labels: Option<std::collections::BTreeMap<String, String>>,
}

/// Reads a list in JSON.
pub(super) fn read_json(text: &str) -> Result<Vec<TargetGroup>, String> {
    let raw: Option<Vec<Option<RawGroup>>> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let groups = raw.unwrap_or_default().into_iter().map(|raw| {
        let raw = raw.ok_or_else(|| "an entry of the list is empty".to_owned())?;
        let targets = raw.targets.unwrap_or_default().into_iter();
        let targets = targets.map(|address| Labels::from_pairs([(ADDRESS, address)])).collect();
        Ok(TargetGroup { targets, labels: Labels::from_pairs(raw.labels.unwrap_or_default()) })
    });
    groups.collect()
}

/// Adds a label to every group that says where it is from. A list may have only so many targets.
pub(super) fn marked(mut groups: Vec<TargetGroup>, meta: &str, from: &str) -> Result<Vec<TargetGroup>, String> {
    if groups.iter().map(|group| group.targets.len()).sum::<usize>() > TARGETS_MAX {
        return Err(format!("the list has more than {TARGETS_MAX} targets"));
    }
    for group in &mut groups {
        let mut labels = group.labels.edit();
        labels.set(meta, from);
        group.labels = labels.build();
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lists() {
        let check = |text: &str, want: Result<&str, &str>| {
            let groups = read_json(text).and_then(|groups| marked(groups, "__meta_url", "u"));
            let shown = groups.map(|groups| {
                let show = |group: &TargetGroup| {
                    let targets: Vec<_> = group.targets.iter().map(|it| it.get(ADDRESS)).collect();
                    format!("{targets:?} {}", group.labels)
                };
                groups.iter().map(show).collect::<Vec<_>>().join("; ")
            });
            match (shown, want) {
                (Ok(shown), Ok(want)) => assert_eq!(shown, want, "{text}"),
                (Err(error), Err(want)) => assert!(error.contains(want), "{text}: {error}"),
                (got, want) => panic!("{text}: {got:?} instead of {want:?}"),
            }
        };
        let both = r#"["a:1", "b"] {__meta_url="u", env="x"}; ["c"] {__meta_url="u"}"#;
        check(r#"[{"targets": ["a:1", "b"], "labels": {"env": "x"}}, {"targets": ["c"]}]"#, Ok(both));
        check("[]", Ok(""));
        check("null", Ok(""));
        check("", Err("EOF"));
        check(r#"[{"targets": ["a"], "lables": {}}]"#, Err("unknown field `lables`"));
        check("[null]", Err("an entry of the list is empty"));
        check(r#"{"targets": ["a"]}"#, Err("expected a sequence"));
        check(r#"[{"targets": "a"}]"#, Err("expected a sequence"));
        check(r#"[{"targets": ["a"]}] trailing"#, Err("trailing"));
        let many = format!("[{{\"targets\": [{}\"a\"]}}]", "\"a\",".repeat(TARGETS_MAX));
        check(&many, Err("more than 200000 targets"));
    }
}
