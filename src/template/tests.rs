//! The language as a whole, on texts of rules.

use super::*;
use crate::model::{Labels, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_353_755_652_000);

/// Two elements for `up`, none for `none`, a failure for anything else.
struct Host;

impl QueryHost for Host {
    fn query(&self, expression: &str) -> Result<Vec<QuerySample>, QueryError> {
        let sample = |job: &str, value| QuerySample { labels: Labels::from_pairs([("job", job)]), value };
        match expression {
            "up" => Ok(vec![sample("b", 1.0), sample("a", 0.0)]),
            "none" => Ok(Vec::new()),
            _ => Err("it is broken".to_owned().into()),
        }
    }
}

fn expand(source: &str) -> Result<String, String> {
    let labels = Labels::from_pairs([("instance", "web-1:9100"), ("job", "node"), ("path", "a b\n\"c\"")]);
    let external_labels = Labels::from_pairs([("region", "eu")]);
    let external_url = "https://atalaya.example/x";
    let data =
        TemplateData { labels: &labels, external_labels: &external_labels, external_url, value: 1_234_567.5, now: NOW };
    let template = Template::parse(source).map_err(|error| match &error.hint {
        Some(hint) => format!("{error} ({hint})"),
        None => error.to_string(),
    })?;
    template.expand(&data, &Host).map_err(|error| format!("expand: {error}"))
}

#[test]
fn expands() {
    let check = |source: &str, expected: &str| assert_eq!(expand(source).as_deref(), Ok(expected), "{source}");
    check("", "");
    check("plain } text }} { é", "plain } text }} { é");
    check("{{ $labels.instance }} of {{ .Labels.job }}", "web-1:9100 of node");
    check("{{$labels.instance}}", "web-1:9100");
    check("{{ $.Labels.job }}", "node");
    check("[{{ $labels.missing }}]", "[]");
    check("{{ $labels }}", "map[instance:web-1:9100 job:node path:a b\n\"c\"]");
    check("{{ $externalLabels.region }}{{ .ExternalLabels.region }}", "eueu");
    check("{{ $externalURL }} {{ .ExternalURL }}", "https://atalaya.example/x https://atalaya.example/x");
    check("{{ $value }} {{ .Value }}", "1.2345675e+06 1.2345675e+06");
    check("{{ $value | printf \"%.2f\" }}", "1234567.50");
    check("{{ printf \"%s is %.1f\" $labels.job .Value }}", "node is 1234567.5");
    check("{{ printf \"%s\" $value }}", "%!s(float64=1.2345675e+06)");
    check("{{ printf \"%d\" 1.5 }}", "%!d(float64=1.5)");
    check("{{ humanize $value }} {{ $value | humanize1024 }}", "1.235M 1.177Mi");
    check("{{ $value | humanizeDuration }}", "14d 6h 56m 7s");
    check("{{ $labels.instance | stripPort | toUpper }}", "WEB-1");
    check("{{ printf \"%s\" ($labels.job | toUpper) }}", "NODE");
    check("{{ (((1))) }}", "1");
    check("{{ true }} {{ 1.0 }} {{ -3 }} {{ 1e3 }} {{ .5 }}", "true 1 -3 1000 0.5");
    check("{{ \"a\\t\\u00e9\\\"\" }}{{ `\\n}}` }}", "a\té\"\\n}}");
    check("a {{- 1 -}} b", "a1b");
    check("a\n\t {{- /* no */ -}} \n b", "ab");
    check("a {{/* }} */}} b", "a  b");
    check("{{-3}}", "-3");
    check("{{ printf\n\"%d\"\n1 }}", "1");
    check("{{ print 1 2 \"a\" \"b\" 3 }}", "1 2ab3");
    check("{{ println \"a\" 1 }}", "a 1\n");
    check("{{ index $labels \"job\" }}{{ index $labels \"none\" }}", "node");
    check("{{ len $labels }} {{ len \"é\" }}", "3 2");
    check("{{ urlquery $labels.path \"&\" }}", "a+b%0A%22c%22%26");
    check("{{ match \"^web\" $labels.instance }}", "true");
    check("{{ reReplaceAll \"(.*):.*\" \"$1!\" $labels.instance }}", "web-1!");
    check(
        "{{ eq $labels.job \"a\" \"node\" }} {{ ne 1 2 }} {{ lt 1.5 2.5 }} {{ ge \"a\" \"b\" }}",
        "true true true false",
    );
    check("{{ and 1 0 }} {{ or \"\" \"x\" }} {{ not true }} {{ and false (humanize \"x\") }}", "0 x false false");
    check("{{ externalURL }}{{ pathPrefix }}", "https://atalaya.example/x/x");
    check("{{ printf \"%s\" externalURL }}", "https://atalaya.example/x");
}

#[test]
fn speaks_the_whole_language() {
    let check = |source: &str, expected: &str| assert_eq!(expand(source).as_deref(), Ok(expected), "{source}");
    check("{{ if $labels.job }}a{{ else }}b{{ end }}{{ if $labels.no }}a{{ else }}b{{ end }}", "ab");
    check("{{ if false }}1{{ else if eq $labels.job \"node\" }}2{{ else }}3{{ end }}", "2");
    check("{{ if $x := $labels.no }}{{ else if $y := \"q\" }}[{{ $x }}{{ $y }}]{{ end }}", "[q]");
    check("{{ with $labels.job }}{{ . }} {{ $.Value }}{{ end }}", "node 1.2345675e+06");
    check("{{ with $labels.no }}a{{ else with $labels.job }}{{ . }}{{ else }}c{{ end }}", "node");
    check("{{ with $labels.no }}a{{ else }}{{ .Value }}{{ end }}", "1.2345675e+06");
    check("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ $x := 3 }}{{ $x }}{{ end }}{{ $x }}", "32");
    check("{{ range $labels }}{{ len . }},{{ end }}", "10,4,7,");
    check("{{ range $k, $v := $externalLabels }}{{ $k }}={{ $v }};{{ end }}", "region=eu;");
    check("{{ range 3 }}{{ . }}{{ else }}none{{ end }}{{ range 0 }}x{{ else }}none{{ end }}", "012none");
    check("{{ range $i := 3 }}{{ if eq $i 1 }}{{ continue }}{{ end }}{{ $i }}{{ end }}", "02");
    check("{{ range 9 }}{{ if gt . 2 }}{{ break }}{{ end }}{{ . }}{{ end }}!", "012!");
    check("{{ range $i := 2 }}{{ range 9 }}{{ break }}{{ end }}{{ $i }}{{ end }}", "01");
    check("{{ $s := \"\" }}{{ range $k, $_ := $labels }}{{ $s = print $s $k }}{{ end }}{{ $s }}", "instancejobpath");
    check("{{ range $i, $s := query \"up\" }}{{ $i }}{{ $s.Labels.job }}{{ $s.Value }} {{ end }}", "0b1 1a0 ");
    check("{{ range query \"up\" | sortByLabel \"job\" }}{{ . | label \"job\" }}{{ . | value }} {{ end }}", "a0 b1 ");
    check("{{ with query \"none\" }}{{ . | first | value }}{{ else }}none{{ end }}", "none");
    check("{{ (query \"up\" | first).Labels.job }} {{ query \"up\" | first }}", "b {map[job:b] 1}");
    check(
        "{{ define \"x\" }}<{{ . }}{{ $ }}>{{ end }}{{ template \"x\" 7 }}{{ template \"x\" }}",
        "<77><<no value><no value>>",
    );
    check("{{ define \"x\" }}{{ .arg0 }}-{{ .arg1.job }}{{ end }}{{ template \"x\" (args 1 $labels) }}", "1-node");
    check("{{ block \"x\" .Labels }}{{ .job }}{{ end }}{{ tmpl \"x\" $externalLabels }}", "node");
    check(
        "{{ define \"x\" }}{{ end }}{{ define \"x\" }}a{{ end }}{{ define \"x\" }} {{ end }}{{ template \"x\" }}",
        "a",
    );
    check(
        "{{ template \"x\" 1 }}{{ define \"x\" }}{{ if lt . 4 }}{{ . }}{{ template \"x\" (len (printf \"%*d\" . 0 | printf \"%s0\")) }}{{ end }}{{ end }}",
        "123",
    );
    check(
        "{{ 'a' }} {{ 0x1F }} {{ 0o17 }} {{ 017 }} {{ 0b11 }} {{ 1_000 }} {{ '\\n' }} {{ 0x1p4 }}",
        "97 31 15 15 3 1000 10 16",
    );
    check("{{ eq $labels.no nil }} {{ print nil }} {{ not nil }}", "false <nil> true");
    check("{{ ($labels).job }} {{ (printf \"%d\" 1) }} {{ (index $labels \"job\") | toUpper }}", "node 1 NODE");
    check("{{ $labels.job | printf \"%s-%s\" \"a\" | printf \"%q\" }}", "\"a-node\"");
    check(
        "{{ slice \"abcdef\" 1 3 }} {{ slice \"abc\" 1 }} {{ index \"abc\" 1 }} {{ slice \"é\" 0 1 }}",
        "bc bc 98 \u{fffd}",
    );
    check("{{ html \"<a>\" \"&\" }} {{ js \"it's\" }} {{ \"<\" | safeHtml }}", "&lt;a&gt;&amp; it\\'s <");
    check(
        "{{ gt 2 1 }} {{ ge 1 1 }} {{ le 1.5 1.0 }} {{ eq 1 2 3 1 }} {{ eq true true }}",
        "true true false true true",
    );
    check("{{ printf \"%[2]s %[1]v\" 1 \"a\" }} {{ printf \"%T\" $labels }}", "a 1 map[string]string");
    check("{{ (now | toTime).Format \"2006-01-02 15:04\" }} {{ now }}", "2012-11-24 11:14 1.353755652e+09");
    check("{{ parseDuration \"1h30m\" | toDuration }} {{ (toDuration 90).Minutes }}", "1h30m0s 1.5");
    check("{{ $value | humanize }}{{- /* trim */ -}}\n\n {{- \"!\" }}", "1.235M!");
    check("{{ and 1 2 }} {{ or 0 \"\" 3 }} {{ and 1 0 (index 1) }} {{ 0 | or 5 }}", "2 3 0 5");
    check("{{if true}}{{if false}}{{else}}x{{end}}{{end}}{{with 1}}{{.}}{{end}}", "x1");
}

#[test]
fn refuses_with_a_place() {
    let check = |source: &str, expected: &str| assert_eq!(expand(source).unwrap_err(), expected, "{source}");
    check("{{ range . }}x{{ end }}", "line 1, column 4: `range` cannot go over the data");
    check("é\n {{- if true }}", "line 2, column 6: this `if` is never closed (it needs an `{{ end }}`)");
    check("{{ if 1 }}{{ else }}", "line 1, column 4: this `if` is never closed (it needs an `{{ end }}`)");
    let nothing_open = "there is no open `if`, `with`, `range`, `block` or `define`";
    check("{{ end }}", &format!("line 1, column 4: this `end` belongs to nothing ({nothing_open})"));
    check("{{ else }}", &format!("line 1, column 4: this `else` belongs to nothing ({nothing_open})"));
    check("{{ if 1 }}{{ else }}{{ else }}{{ end }}", "line 1, column 24: this `if` has an `else` already");
    check("{{ if 1 }}{{ else }}{{ else if 1 }}{{ end }}", "line 1, column 24: this `if` has an `else` already");
    check(
        "{{ if 1 }}{{ else with 1 }}{{ end }}",
        "line 1, column 19: an `else with` cannot follow `if` (write `{{ else }}{{ with … }}` and one `{{ end }}` more)",
    );
    check("{{ if }}{{ end }}", "line 1, column 4: nothing follows this `if`");
    check("{{ if 1 }}{{ end if }}", "line 1, column 18: nothing may follow `end` here");
    check("{{ break }}", "line 1, column 4: a `break` can only stand within a `range`");
    check("{{ range 1 }}{{ end }}{{ continue }}", "line 1, column 26: a `continue` can only stand within a `range`");
    check(
        "{{ range 1 }}{{ block \"x\" . }}{{ break }}{{ end }}{{ end }}",
        "line 1, column 34: a `break` can only stand within a `range`",
    );
    check(
        "{{ if 1 }}{{ define \"x\" }}{{ end }}{{ end }}",
        "line 1, column 14: a `define` cannot stand within another block (move it to the top level of the text)",
    );
    check(
        "{{ define x }}{{ end }}",
        "line 1, column 11: a name must follow `define` (write it in quotes: `define \"name\"`)",
    );
    check("{{ define \"x\" }}", "line 1, column 4: this `define` is never closed (it needs an `{{ end }}`)");
    check("{{ define \"x\" }}{{ else }}{{ end }}", "line 1, column 20: a `define` has no `else`");
    check(
        "{{ define \"x\" }}a{{ end }}{{ define \"x\" }}b{{ end }}",
        "line 1, column 30: the template `x` is defined twice",
    );
    check("{{ template \"x\" }}", "line 1, column 4: there is no template `x` (`define` makes one)");
    check(
        "{{ define \"header\" }}{{ end }}{{ template \"haeder\" }}",
        "line 1, column 34: there is no template `haeder` (did you mean `header`?)",
    );
    check("{{ tmpl \"x\" . }}", "line 1, column 4: there is no template `x` (`define` makes one)");
    check(
        "{{ block \"x\" }}{{ end }}",
        "line 1, column 4: a `block` needs a value for its `.` (write `{{ block \"name\" . }}`)",
    );
    check("{{ $x = 1 }}", "line 1, column 4: there is no variable `$x` (`:=` makes a new variable)");
    check("{{ $x := $x }}", "line 1, column 10: there is no variable `$x`");
    check("{{ if 1 }}{{ $x := 1 }}{{ end }}{{ $x }}", "line 1, column 36: there is no variable `$x`");
    check("{{ define \"x\" }}{{ $labels.job }}{{ end }}", "line 1, column 20: there is no variable `$labels`");
    check("{{ $ := 1 }}", "line 1, column 4: `$` itself cannot be set (give the variable a name, such as `$x`)");
    check("{{ $x := }}", "line 1, column 7: nothing follows this sign");
    check("{{ $x, $y := 1 }}", "line 1, column 6: only `range` sets two variables at once");
    check("{{ range $x, $y, $z := 1 }}{{ end }}", "line 1, column 16: a `range` sets two variables at most");
    check("{{ print ($x := 1) }}", "line 1, column 11: there is no variable `$x`");
    check(
        "{{ 1 := 2 }}",
        "line 1, column 6: a variable cannot be set here (write `{{ $x := … }}` at the beginning of an action)",
    );
    check(
        "{{ match \"a\", \"b\" }}",
        "line 1, column 13: unexpected `,` (arguments stand side by side, with spaces between them)",
    );
    check("{{ nil }}", "line 1, column 4: `nil` alone is not a value (it can be compared with: `eq .X nil`)");
    check(
        "{{ 'ab' }}",
        "line 1, column 4: between single quotes stands one character (write a string with double quotes)",
    );
    check("{{ \"a\".b }}", "line 1, column 7: expected a space, `|`, `)` or `}}` before `.`");
    check("{{ print if }}", "line 1, column 10: `if` can only stand at the beginning of an action");
    check(
        "{{ toJson . }}",
        "line 1, column 4: there is no function `toJson` (only texts of notifications can call it)",
    );
    check("{{ (query \"up\").x }}", "line 1, column 16: what a query gave has no field `.x`");
    check(
        "{{ (query \"up\" | first).Labls.job }}",
        "line 1, column 24: an element of what a query gave has no field `.Labls` (did you mean `.Labels`?)",
    );
    check("{{ now.Year }}", "line 1, column 7: a number has no field `.Year`");
    check("{{ (now | toTime).Add }}", "line 1, column 18: `.Add` takes 1 argument, not 0");
    check("{{ with $value }}{{ .x }}{{ end }}", "line 1, column 21: a number has no field `.x`");
    check("{{ range $labels }}{{ .x }}{{ end }}", "line 1, column 23: a string has no field `.x`");
    check("{{ humanise $value }}", "line 1, column 4: there is no function `humanise` (did you mean `humanize`?)");
    check("{{ frobnicate }}", "line 1, column 4: there is no function `frobnicate`");
    check("{{ labels.job }}", "line 1, column 4: there is no function `labels` (did you mean `$labels`?)");
    check("{{ $label.job }}", "line 1, column 4: there is no variable `$label` (did you mean `$labels`?)");
    check(
        "{{ .Foo }}",
        "line 1, column 4: there is no field `.Foo` (there are `.Labels`, `.ExternalLabels`, `.ExternalURL` and `.Value`)",
    );
    check("{{ .labels.job }}", "line 1, column 4: there is no field `.labels` (did you mean `.Labels`?)");
    check("{{ $value.x }}", "line 1, column 10: a number has no field `.x`");
    check("{{ $labels.job.x }}", "line 1, column 15: a string has no field `.x`");
    check("a {{ $value", "line 1, column 3: this `{{` is never closed by `}}`");
    check("{{", "line 1, column 1: this `{{` is never closed by `}}`");
    check("{{ \"a }}", "line 1, column 4: this string is never closed");
    check("{{ `a }}", "line 1, column 4: this string is never closed");
    check("{{/* a }}", "line 1, column 1: this comment is never closed by `*/}}`");
    check("{{/* a */ 1 }}", "line 1, column 1: a comment cannot share its braces with anything else");
    check("{{ /* a */}}", "line 1, column 4: a comment must follow its `{{` directly");
    check("{{ }}", "line 1, column 1: there is nothing between these braces");
    check("{{ 1 | }}", "line 1, column 6: nothing follows this `|`");
    check("{{ | 1 }}", "line 1, column 4: nothing precedes this `|`");
    check("{{ () }}", "line 1, column 4: there is nothing between these parentheses");
    check("{{ (1 }}", "line 1, column 4: this `(` is never closed");
    check("{{ 1) }}", "line 1, column 5: this `)` closes nothing");
    check("{{ 1 2 }}", "line 1, column 4: `1` is not a function and takes no arguments");
    check("{{ 1 | 2 }}", "line 1, column 8: `2` is not a function, so nothing can be piped into it");
    check("{{ 1\"a\" }}", "line 1, column 5: expected a space, `|`, `)` or `}}` before `\"`");
    check("{{ humanize(1) }}", "line 1, column 12: expected a space, `|`, `)` or `}}` before `(`");
    check("{{\u{a0}1 }}", "line 1, column 3: unexpected character U+00A0 (use plain spaces)");
    check("{{ % }}", "line 1, column 4: unexpected character `%`");
    check("{{ 1x }}", "line 1, column 4: `1x` is not a number");
    check("{{ 99999999999999999999 }}", "line 1, column 4: `99999999999999999999` is too big for a whole number");
    check("{{ \"\\q\" }}", "line 1, column 5: unknown escape `\\q` (use `\\\\` for a backslash)");
    check("{{ humanize }}", "line 1, column 4: `humanize` takes 1 argument, not 0");
    check("{{ humanize 1 2 }}", "line 1, column 4: `humanize` takes 1 argument, not 2");
    check("{{ 1 | match \"a\" \"b\" }}", "line 1, column 8: `match` takes 2 arguments, not 3");
    check("{{ eq 1 }}", "line 1, column 4: `eq` takes at least 2 arguments, not 1");
    check("{{ match \"(\" \"b\" }}", "line 1, column 10: `(` is not a regular expression: unclosed group");
}

#[test]
fn fails_with_a_place_in_one_line() {
    let check = |source: &str, expected: &str| assert_eq!(expand(source).unwrap_err(), expected, "{source}");
    check("{{ humanize \"a\\nb\" }}", "expand: line 1, column 4: `humanize`: `a\\nb` is not a number");
    check("\n{{ 1 | toUpper }}", "expand: line 2, column 8: `toUpper`: wants a string, not the int `1`");
    check(
        "{{ eq $value 1 }}",
        "expand: line 1, column 4: `eq`: cannot compare float64 with int; write a whole number as `1.0` to compare it with a float",
    );
    check("{{ lt true false }}", "expand: line 1, column 4: `lt`: cannot order bool");
    check("{{ index \"abc\" 3 }}", "expand: line 1, column 4: `index`: index 3 is out of range: there are 3");
    check("{{ index $labels 1 }}", "expand: line 1, column 4: `index`: wants a string, not the int `1`");
    check("{{ query \"x\" }}", "expand: line 1, column 4: `query`: `x`: it is broken");
    check("{{ query \"none\" | first }}", "expand: line 1, column 19: `first`: the query gave no elements");
    check("{{ call 1 }}", "expand: line 1, column 4: `call`: an int is not a function");
    check("{{ range $i, $x := 3 }}{{ end }}", "expand: line 1, column 4: `range` over int gives one variable, not two");
    check(
        "{{ define \"x\" }}\n{{ .a.b }}{{ end }}{{ template \"x\" $labels }}",
        "expand: line 2, column 6: a string has no field `.b`",
    );
    check(
        "{{ match $labels.path \"(\" }}{{ match (print \"(\") \"\" }}",
        "expand: line 1, column 32: `match`: `(` is not a regular expression: unclosed group",
    );
    check(
        "{{ 1e10 | humanizeTimestamp }}",
        "expand: line 1, column 11: `humanizeTimestamp`: 1e+10 cannot be represented as a nanoseconds timestamp since it overflows int64",
    );
}

#[test]
fn is_bounded() {
    let check = |source: &str, expected: &str| {
        let error = expand(source).unwrap_err();
        assert!(error.contains(expected), "{error}");
    };
    let (open, close) = ("(".repeat(100_000), ")".repeat(100_000));
    check(&"x".repeat(SOURCE_BYTES_MAX + 1), "the template has more than 65536 bytes");
    check(&format!("{{{{ {}1{} }}}}", &open[..30_000], &close[..30_000]), "nested more than 40 deep");
    check(&format!("{{{{ 1 {} }}}}", "| print ".repeat(41)), "nested more than 40 deep");
    check(&format!("{{{{ {open}1{close} }}}}"), "the template has more than 65536 bytes");
    check(&"{{ printf \"%1000d\" 1 }}".repeat(100), "makes more than 65536 bytes");
    check(
        &format!("{{{{ printf \"{}\" {} }}}}", "%1000d".repeat(100), "1 ".repeat(100)),
        "makes more than 65536 bytes",
    );
    check("{{ range 1000000000 }}{{ end }}", "takes more than 100000 steps");
    check("{{ define \"x\" }}{{ template \"x\" }}{{ end }}{{ template \"x\" }}", "nested more than 150 deep");
    check("{{ define \"x\" }}{{ tmpl \"x\" 1 }}{{ end }}{{ tmpl \"x\" 1 }}", "nested more than 150 deep");
    check("{{ $x := \"0123456789\" }}{{ range 30 }}{{ $x = print $x $x }}{{ end }}", "makes more than 65536 bytes");
    check("{{ $x := 1 }}{{ range 100 }}{{ $x = args $x $x }}{{ end }}", "nests lists and maps more than 32 deep");
    check(
        "{{ $x := printf \"%1000d\" 1 }}{{ range 2000 }}{{ $y := print $x }}{{ end }}",
        "makes more than 1048576 bytes on its way",
    );
    check("{{ range 1000 }}{{ $p := print . }}{{ $m := match $p \"\" }}{{ end }}", "takes more than 100000 steps");
    check(&format!("{}{}", "{{ if 1 }}".repeat(41), "{{ end }}".repeat(41)), "nested more than 40 deep");
    check(&format!("{{{{ $labels{} }}}}", ".a".repeat(30_000)), "nested more than 40 deep");
    assert_eq!(expand(&format!("{}x{}", "{{ if 1 }}".repeat(40), "{{ end }}".repeat(40))).as_deref(), Ok("x"));
    assert_eq!(expand(&format!("{{{{ if 0 }}}}{}{{{{ end }}}}", "{{ else if 0 }}".repeat(500))).as_deref(), Ok(""));
    check("{{ printf \"%999999999d\" 1 }}", "width or precision of more than 1000");
    let long = "x".repeat(1000);
    check(&format!("{{{{ reReplaceAll \"x\" \"{long}\" \"{long}\" }}}}"), "makes more than 65536 bytes");
    let shallow = format!("{{{{ {}1{} }}}}", "(".repeat(40), ")".repeat(40));
    assert_eq!(expand(&shallow).as_deref(), Ok("1"));
    assert_eq!(expand(&"x".repeat(SOURCE_BYTES_MAX)).map(|text| text.len()), Ok(SOURCE_BYTES_MAX));
}

#[test]
fn a_comment_leaves_nothing() {
    assert_eq!(expand("plain").as_deref(), Ok("plain"));
    assert_eq!(expand("a{{/* b */}}").as_deref(), Ok("a"));
    assert_eq!(expand("{{ $value }}").as_deref(), Ok("1.2345675e+06"));
}

#[test]
fn pending_queries_are_expanded_in_two_goes() {
    let template = Template::parse("{{ query \"up\" | len }}{{ query (print \"no\" \"ne\") | len }}").unwrap();
    assert_eq!(template.queries().collect::<Vec<_>>(), ["up"]);
    let labels = Labels::empty();
    let data = TemplateData { labels: &labels, external_labels: &labels, external_url: "", value: 0.0, now: NOW };
    let mut known = KnownAnswers::new();
    known.insert("up".to_owned(), Host.query("up").map_err(|_| String::new()));
    let answers = Answers::new(&known);
    let error = template.expand(&data, &answers).unwrap_err();
    assert!(error.is_pending, "{error}");
    let asked = answers.asked();
    assert_eq!(asked.iter().collect::<Vec<_>>(), ["none"]);
    known.insert("none".to_owned(), Ok(Vec::new()));
    assert_eq!(template.expand(&data, &Answers::new(&known)).as_deref(), Ok("20"));
    known.insert("none".to_owned(), Err("timed out".to_owned()));
    let failed = template.expand(&data, &Answers::new(&known)).unwrap_err();
    assert_eq!((failed.is_pending, failed.what.as_str()), (false, "`query`: `none`: timed out"));
}
