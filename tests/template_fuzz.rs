//! Templates that are mutated: whatever the text, there is a template or an error that lies within it, and an expansion
//! that ends, within its limits.

mod template_maker;

use atalaya::model::{Alert, AlertStatus, GroupKey, GroupNotification, Labels, NotifyReason, ReceiverName, Timestamp};
use atalaya::template::{
    DEPTH_MAX, Dialect, FreeContext, FreeTemplate, Library, NotificationData, NotificationTemplate, OUTPUT_BYTES_MAX,
    QueryError, QueryHost, QuerySample, Template, TemplateData, Value,
};
use template_maker::{Chance, Maker, data};

/// How many texts are tried.
const TEXTS: u64 = 6_000;

/// Texts as people write them, to be mutated.
const SEEDS: &[&str] = &[
    "{{ $labels.instance }} is {{ printf \"%.2f\" $value }} ({{ $value | humanizePercentage }})",
    "{{ with query (printf \"up{job='%s'}\" $labels.job) }}{{ . | first | value | humanize }}{{ else }}-{{ end }}",
    "{{ range query \"up\" | sortByLabel \"job\" }}{{ .Labels.job }}={{ .Value }} {{ end }}",
    "{{ define \"x\" }}{{ .arg0 }}{{ template \"y\" . }}{{ end }}{{ define \"y\" }}{{ .arg1 }}{{ end }}{{ template \"x\" (args 1 2) }}",
    "{{ define \"x\" }}{{ template \"x\" . }}{{ end }}{{ template \"x\" . }}",
    "{{ range $i, $x := $labels }}{{ if eq $i \"a\" }}{{ break }}{{ else if $x }}{{ continue }}{{ end }}{{ end }}",
    "{{ $x := \"ab\" }}{{ range 99 }}{{ $x = print $x $x }}{{ end }}{{ $x }}",
    "{{ (now | toTime).Format \"Mon Jan _2 15:04:05.000 MST 2006\" }} {{ (toDuration 90).Round 3 }}",
    "{{ range .Alerts.Firing }}{{ .Labels.SortedPairs.Names.Join \", \" }}{{ .StartsAt | tz \"Asia/Tokyo\" | date \"3PM\" }}{{ end }}",
    "{{ .CommonLabels.Remove (stringSlice \"job\") }} {{ toJson .Alerts }} {{ (index .Alerts 0).EndsAt.Sub now }}",
    "{{ $l := list }}{{ range 50 }}{{ $l = append $l (dict \"a\" $l) }}{{ end }}{{ $l | toJson }}",
    "{{- /* c */ -}} {{ 'a' }} {{ `raw` }} {{ 0x1p-2 }} {{ \"\\u00e9\\xff\" | printf \"%+q %[1]*v\" 5 }}",
    "{{ mustToDate \"2006-01-02\" \"2024-02-29\" | since | humanizeDuration }}{{ reReplaceAll \"(.)\" \"$1$1\" .Status }}",
];

/// Pieces that are put in.
const PIECES: &[&str] = &[
    "{{",
    "}}",
    "{{-",
    "-}}",
    "{{ end }}",
    "{{ else }}",
    "(",
    ")",
    "|",
    ".",
    "$",
    "$x",
    ":=",
    "=",
    ",",
    "\"",
    "`",
    "'",
    "\\",
    "é",
    "\n",
    "{{ range 1000000 }}",
    "{{ if . }}",
    "{{ with . }}",
    "{{ break }}",
    " nil ",
    " 9223372036854775807 ",
    " -1 ",
    "%[3]*.[2]*[1]f",
    "{{ define \"x\" }}",
    "{{ template \"x\" . }}",
    "{{ block \"b\" . }}",
    " printf \"%999d\" ",
    "/*",
    "*/",
    "\u{0}",
    "\u{202e}",
    " 1e308 ",
    "slice ",
    "index ",
    "query ",
    "tmpl ",
    "date ",
    "toDate ",
    "AddDate ",
    "html ",
    "js ",
    ".Labels",
    ".Alerts",
];

struct Two;

impl QueryHost for Two {
    fn query(&self, expression: &str) -> Result<Vec<QuerySample>, QueryError> {
        let sample = |value| QuerySample { labels: Labels::from_pairs([("job", "node")]), value };
        if expression.len().is_multiple_of(3) {
            Err(QueryError::Pending)
        } else {
            Ok(vec![sample(1.0), sample(f64::NAN)])
        }
    }
}

fn mutated(source: &str, chance: &mut Chance) -> String {
    let mut chars: Vec<char> = source.chars().collect();
    for _ in 0..chance.below(6) {
        let at = chance.below(chars.len() + 1);
        match chance.below(4) {
            0 => drop(chars.splice(at..at, chance.pick(PIECES).chars())),
            1 => drop(chars.drain(at..(at + chance.below(8)).min(chars.len()))),
            2 => {
                let to = (at + chance.below(30)).min(chars.len());
                let copy: Vec<char> = chars[at..to].to_vec();
                chars.splice(at..at, copy);
            }
            _ => chars.truncate(at.max(chars.len() / 2)),
        }
    }
    chars.into_iter().collect()
}

fn group() -> GroupNotification {
    let alert = Alert {
        labels: Labels::from_pairs([("alertname", "A"), ("job", "node")]),
        annotations: Labels::from_pairs([("summary", "s")]),
        status: AlertStatus::Firing,
        starts_at: Timestamp::from_millis(1_767_323_045_000),
        generator_url: "http://a/".to_owned(),
    };
    let resolved = Alert { status: AlertStatus::Resolved { at: Timestamp::from_millis(i64::MAX) }, ..alert.clone() };
    GroupNotification {
        key: GroupKey::new("{}"),
        receiver: ReceiverName::new("r"),
        group_labels: Labels::empty(),
        reason: NotifyReason::First,
        at: Timestamp::from_millis(0),
        alerts: vec![alert, resolved],
        rollbacks: Vec::new(),
    }
}

#[test]
fn no_text_makes_it_panic_or_run_on() {
    let (labels, group, library) = (Labels::from_pairs([("job", "node"), ("a", "b")]), group(), Library::new());
    let now = Timestamp::from_millis(1_767_330_245_000);
    let free_data = Value::from_json(&data()).expect("small data");
    let (mut parsed, mut expanded) = (0, 0);
    for seed in 1..=TEXTS {
        let mut maker = Maker::new(seed);
        let whole = if seed.is_multiple_of(3) { maker.template(3) } else { maker.chance.pick(SEEDS).to_owned() };
        let source = mutated(&whole, &mut maker.chance);
        let widths: Vec<_> = source.split('\n').map(|line| line.chars().count()).collect();
        let within = |line: u32, column: u32| {
            let width = widths.get(line as usize - 1);
            width.is_some_and(|width| (1..=width + 1).contains(&(column as usize)))
        };
        let rule_data =
            TemplateData { labels: &labels, external_labels: &labels, external_url: "http://x/", value: 1.5, now };
        let notification_data = NotificationData { group: &group, external_url: "http://x/", route_labels: &[], now };
        let context = FreeContext { now, external_url: "", host: &Two, escapes_html: seed.is_multiple_of(2) };
        let results = [
            Template::parse(&source).map(|template| template.expand(&rule_data, &Two)),
            NotificationTemplate::parse(&source, &library).map(|template| template.expand(&notification_data)),
            FreeTemplate::parse(&source, Dialect::Rule).map(|template| template.expand(free_data.clone(), context)),
        ];
        for (at, result) in results.into_iter().enumerate() {
            match result {
                Err(error) => assert!(within(error.line, error.column), "seed {seed}: {error}: {source}"),
                Ok(Err(error)) => {
                    parsed += 1;
                    assert!(within(error.line, error.column), "seed {seed}: {error}: {source}");
                    assert!(!error.to_string().contains('\n'), "seed {seed}: {error}");
                }
                Ok(Ok(text)) => {
                    parsed += 1;
                    expanded += 1;
                    let bytes_max = if at == 0 { OUTPUT_BYTES_MAX } else { 16 * OUTPUT_BYTES_MAX };
                    assert!(text.len() <= bytes_max, "seed {seed}");
                }
            }
        }
    }
    println!("{parsed} parsed, {expanded} expanded");
    assert!(parsed > TEXTS / 4 && expanded > TEXTS / 10, "{parsed} parsed, {expanded} expanded");
}

#[test]
fn what_nests_as_deep_as_it_may_needs_little_stack() {
    const STACK_BYTES: usize = 1536 * 1024;
    let parentheses = format!("{{{{ {}1{} }}}}", "(print ".repeat(DEPTH_MAX - 1), ")".repeat(DEPTH_MAX - 1));
    let blocks = format!("{}{parentheses}{}", "{{ if 1 }}".repeat(DEPTH_MAX - 1), "{{ end }}".repeat(DEPTH_MAX - 1));
    let recursion =
        "{{ define \"x\" }}{{ range 1 }}{{ with tmpl \"x\" (args 1) }}{{ end }}{{ end }}{{ end }}{{ tmpl \"x\" 1 }}";
    let fields = format!("{{{{ {}$labels{} }}}}", "(".repeat(DEPTH_MAX - 1), ").a".repeat(DEPTH_MAX - 1));
    for source in [blocks, recursion.to_owned(), fields] {
        let run = move || {
            let labels = Labels::empty();
            let now = Timestamp::default();
            let data = TemplateData { labels: &labels, external_labels: &labels, external_url: "", value: 1.5, now };
            Template::parse(&source).map(|template| template.expand(&data, &Two).is_ok()).is_ok()
        };
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(run).unwrap();
        thread.join().unwrap();
    }
}

#[test]
fn what_is_looked_at_again_and_again_costs() {
    let (group, library) = (group(), Library::new());
    let big = "{{ $x := printf \"%999s\" \"\" }}{{ range 9 }}{{ $x = print $x $x }}{{ end }}{{ range 900000 }}";
    for looked in
        ["{{ $m := match \"b\" $x }}", "{{ $m := eq $x $x }}", "{{ $m := trimSpace $x }}", "{{ $m := $x | len }}"]
    {
        let template = NotificationTemplate::parse(&format!("{big}{looked}{{{{ end }}}}"), &library).unwrap();
        let now = Timestamp::default();
        let error =
            template.expand(&NotificationData { group: &group, external_url: "", route_labels: &[], now }).unwrap_err();
        assert!(error.what.contains("takes more than 1000000 steps"), "{looked}: {error}");
    }
}
