//! The routing tree: which receivers hear of an alert, and with what it is grouped. Semantics are Alertmanager's.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{GroupKey, Labels, Matcher, ReceiverName};

/// A node of the tree as the configuration gives it; what is not set is inherited.
#[derive(Clone, Debug, Default)]
pub struct RouteSpec {
    /// Who hears of the alerts that end here.
    pub receiver: Option<ReceiverName>,
    /// What an alert must match, all of it.
    pub matchers: Vec<Matcher>,
    /// By which labels alerts are grouped.
    pub group_by: Option<GroupBy>,
    /// How long a new group waits for more alerts.
    pub group_wait: Option<Duration>,
    /// How often a group looks for news.
    pub group_interval: Option<Duration>,
    /// After what time an unchanged group is told again.
    pub repeat_interval: Option<Duration>,
    /// Whether siblings after this node are tried although it matched.
    pub continue_matching: bool,
    /// The children, tried in order.
    pub routes: Vec<RouteSpec>,
}

/// The labels by which alerts are grouped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// By all: each alert is a group of its own (`['...']`).
    All,
    /// By these; by none at all there is one group.
    Labels(Vec<String>),
}

/// A node with everything it inherits.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its place in the tree by matchers: `{}/{service="chat"}`.
    pub key: String,
    /// Who hears of the alerts that end here.
    pub receiver: ReceiverName,
    /// By which labels alerts are grouped.
    pub group_by: GroupBy,
    /// How long a new group waits for more alerts.
    pub group_wait: Duration,
    /// How often a group looks for news.
    pub group_interval: Duration,
    /// After what time an unchanged group is told again.
    pub repeat_interval: Duration,
    matchers: Vec<Matcher>,
    continue_matching: bool,
    children: Vec<usize>,
}

impl Route {
    /// The labels of the group that an alert with these labels joins.
    pub fn group_labels(&self, alert: &Labels) -> Labels {
        match &self.group_by {
            GroupBy::All => alert.clone(),
            GroupBy::Labels(names) => alert.filter(|name| names.iter().any(|other| other == name)),
        }
    }

    /// The key of the group with these labels.
    pub fn group_key(&self, group: &Labels) -> GroupKey {
        GroupKey::new(format!("{}:{group}", self.key))
    }
}

/// The whole tree; the root matches every alert. Without a root no alert goes anywhere.
#[derive(Clone, Debug, Default)]
pub struct RouteTree {
    /// Parents before children; the root first.
    nodes: Vec<Route>,
}

impl RouteTree {
    /// Builds the tree. A root without a receiver is none.
    pub fn new(root: &RouteSpec) -> Self {
        let Some(default) = &root.receiver else { return Self::default() };
        let inherited = Route {
            key: String::new(),
            receiver: default.clone(),
            group_by: GroupBy::Labels(Vec::new()),
            group_wait: Duration::from_secs(30),
            group_interval: Duration::from_secs(300),
            repeat_interval: Duration::from_secs(4 * 3600),
            matchers: Vec::new(),
            continue_matching: false,
            children: Vec::new(),
        };
        let mut nodes = Vec::new();
        add(&mut nodes, root, &inherited);
        make_keys_unique(&mut nodes);
        Self { nodes }
    }

    /// The routes at which an alert ends: depth first, the first match and whatever `continue` adds.
    pub fn route(&self, labels: &Labels) -> Vec<&Route> {
        let mut found = Vec::new();
        if !self.nodes.is_empty() {
            self.descend(0, labels, &mut found);
        }
        found
    }

    /// The route with this key.
    pub fn by_key(&self, key: &str) -> Option<&Route> {
        self.nodes.iter().find(|node| node.key == key)
    }

    /// The root.
    pub fn root(&self) -> Option<&Route> {
        self.nodes.first()
    }

    fn descend<'a>(&'a self, at: usize, labels: &Labels, found: &mut Vec<&'a Route>) -> bool {
        let node = &self.nodes[at];
        if !node.matchers.iter().all(|matcher| matcher.matches(labels)) {
            return false;
        }
        let before = found.len();
        for child in &node.children {
            if self.descend(*child, labels, found) && !self.nodes[*child].continue_matching {
                break;
            }
        }
        if found.len() == before {
            found.push(node);
        }
        true
    }
}

fn add(nodes: &mut Vec<Route>, spec: &RouteSpec, parent: &Route) -> usize {
    let mut matchers = spec.matchers.clone();
    matchers.sort();
    let own = matchers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let slash = if parent.key.is_empty() { "" } else { "/" };
    let route = Route {
        key: format!("{}{slash}{{{own}}}", parent.key),
        receiver: spec.receiver.clone().unwrap_or_else(|| parent.receiver.clone()),
        group_by: spec.group_by.clone().unwrap_or_else(|| parent.group_by.clone()),
        group_wait: spec.group_wait.unwrap_or(parent.group_wait),
        group_interval: spec.group_interval.unwrap_or(parent.group_interval),
        repeat_interval: spec.repeat_interval.unwrap_or(parent.repeat_interval),
        matchers,
        continue_matching: spec.continue_matching,
        children: Vec::new(),
    };
    let at = nodes.len();
    nodes.push(route.clone());
    let children = spec.routes.iter().map(|child| add(nodes, child, &route)).collect();
    nodes[at].children = children;
    at
}

/// Two nodes with the same matchers under one parent would share their groups; the later ones get a number.
fn make_keys_unique(nodes: &mut [Route]) {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for node in nodes {
        let count = seen.entry(node.key.clone()).or_default();
        *count += 1;
        if *count > 1 {
            node.key = format!("{}#{count}", node.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(receiver: &str, matchers: &str, routes: Vec<RouteSpec>) -> RouteSpec {
        RouteSpec {
            receiver: (!receiver.is_empty()).then(|| ReceiverName::new(receiver)),
            matchers: Matcher::parse_list(matchers).unwrap(),
            routes,
            ..RouteSpec::default()
        }
    }

    fn tree() -> RouteTree {
        let continued = RouteSpec { continue_matching: true, ..spec("log", "team=b", vec![]) };
        let root = RouteSpec {
            group_by: Some(GroupBy::Labels(vec!["alertname".to_owned()])),
            ..spec(
                "default",
                "",
                vec![
                    spec("a", "team=a", vec![spec("a-page", "severity=page", vec![])]),
                    continued,
                    spec("b", "team=b", vec![]),
                    spec("", "team=c", vec![]),
                ],
            )
        };
        RouteTree::new(&root)
    }

    fn check(labels: &[(&str, &str)], expected: &[(&str, &str)]) {
        let labels = Labels::from_pairs(labels.iter().copied());
        let tree = tree();
        let got: Vec<_> =
            tree.route(&labels).iter().map(|route| (route.receiver.to_string(), route.key.clone())).collect();
        let expected: Vec<_> =
            expected.iter().map(|(receiver, key)| ((*receiver).to_owned(), (*key).to_owned())).collect();
        assert_eq!(got, expected, "{labels}");
    }

    #[test]
    fn finds_the_deepest_match_and_goes_on_when_told() {
        check(&[], &[("default", "{}")]);
        check(&[("team", "a")], &[("a", r#"{}/{team="a"}"#)]);
        check(&[("team", "a"), ("severity", "page")], &[("a-page", r#"{}/{team="a"}/{severity="page"}"#)]);
        check(&[("team", "b")], &[("log", r#"{}/{team="b"}"#), ("b", r#"{}/{team="b"}#2"#)]);
        check(&[("team", "c")], &[("default", r#"{}/{team="c"}"#)]);
    }

    #[test]
    fn names_groups_as_alertmanager_does() {
        let tree = tree();
        let labels = Labels::from_pairs([("team", "a"), ("alertname", "x"), ("pod", "p")]);
        let route = tree.route(&labels)[0];
        assert_eq!(route.group_key(&route.group_labels(&labels)).as_str(), r#"{}/{team="a"}:{alertname="x"}"#);
    }
}
