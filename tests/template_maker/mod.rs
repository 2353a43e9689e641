//! Templates that are made up, the same at every run, and the data that they speak of.

use serde_json::{Value as Json, json};

/// A small generator of numbers, the same at every run.
pub(crate) struct Chance(u64);

impl Chance {
    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.next() % count as u64).expect("it is small")
    }

    /// One of these.
    pub(crate) fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// What templates speak of.
pub(crate) fn data() -> Json {
    json!({
        "text": "web-1:9100", "empty": "", "mark": "a<b>&\"'", "whole": 42, "negative": -7, "zero": 0, "yes": true,
        "no": false, "fraction": 1234.5678, "large": 12_345_678.9, "small": 0.000_012_3,
        "list": ["x", "y", "z"], "numbers": [3, 1, 2], "none": [],
        "map": {"b": "two", "a": "one"}, "deep": {"inner": {"leaf": "found"}},
    })
}

/// Makes templates by a grammar, and remembers the variables that are known.
pub(crate) struct Maker {
    /// What it decides by.
    pub(crate) chance: Chance,
    variables: Vec<String>,
}

impl Maker {
    /// A maker that makes other templates for every seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self { chance: Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)), variables: Vec::new() }
    }

    /// A template whose blocks are nested so deep at most.
    pub(crate) fn template(&mut self, depth: usize) -> String {
        let known = self.variables.len();
        let pieces = 1 + self.chance.below(4);
        let text = (0..pieces).map(|_| self.piece(depth)).collect();
        self.variables.truncate(known);
        text
    }

    fn piece(&mut self, depth: usize) -> String {
        let (open, close) = (self.chance.pick(&["{{", "{{ ", "{{- "]), self.chance.pick(&["}}", " }}", " -}}"]));
        let end = self.chance.pick(&["{{end}}", "{{- end }}", "{{ end -}}"]);
        match if depth == 0 { self.chance.below(5) } else { self.chance.below(12) } {
            0 => self
                .chance
                .pick(&[" plain ", "\n\ttext\n", "}} {", "é", "{{/* no */}}", " {{- /* no */ -}} "])
                .to_owned(),
            1..=3 => format!("{open}{}{close}", self.pipeline(depth)),
            4 => {
                let pipeline = self.pipeline(depth);
                let name = format!("$v{}", self.variables.len());
                self.variables.push(name.clone());
                format!("{open}{name} := {pipeline}{close}{{{{{name}}}}}")
            }
            5 | 6 => {
                let (test, then, other) = (self.pipeline(depth), self.template(depth - 1), self.template(depth - 1));
                match self.chance.below(3) {
                    0 => format!("{open}if {test}{close}{then}{end}"),
                    1 => format!("{open}if {test}{close}{then}{{{{else}}}}{other}{end}"),
                    _ => {
                        let second = self.pipeline(depth);
                        format!("{open}if {test}{close}{then}{{{{else if {second}}}}}{other}{end}")
                    }
                }
            }
            7 => {
                let field = self.chance.pick(&["$.map", "$.deep", "$.deep.inner", "$.none"]);
                format!("{open}with {field}{close}[{{{{ . }}}}]{{{{else}}}}nothing{end}")
            }
            8 | 9 => {
                let over = self.chance.pick(&["$.list", "$.numbers", "$.map", "$.none", "4", "$.whole"]);
                let inner = self.template(depth - 1);
                let jump = self.chance.pick(&["", "{{break}}", "{{continue}}", "{{if .}}{{continue}}{{end}}"]);
                if over == "4" || over == "$.whole" || self.chance.below(2) == 0 {
                    format!("{open}range {over}{close}{{{{.}}}}{jump}{inner}{{{{else}}}}-{end}")
                } else {
                    format!("{open}range $i, $e := {over}{close}{{{{$i}}}}={{{{$e}}}}{jump}{inner}{end}")
                }
            }
            10 => match self.variables.last().cloned() {
                Some(name) => format!("{open}{name} = {}{close}{{{{{name}}}}}", self.pipeline(depth)),
                None => String::new(),
            },
            _ => {
                let value = self.operand(depth);
                format!("{open}block \"b{}\" {value}{close}({{{{ . }}}}){end}", self.chance.next() % 1_000_000)
            }
        }
    }

    fn pipeline(&mut self, depth: usize) -> String {
        let mut text = self.command(depth);
        while self.chance.below(4) == 0 {
            text.push_str(self.chance.pick(&[
                " | print",
                " | len",
                " | not",
                " | printf \"%v\"",
                " | html",
                " | urlquery",
            ]));
        }
        text
    }

    fn command(&mut self, depth: usize) -> String {
        let operand = |maker: &mut Self| maker.operand(depth.saturating_sub(1));
        match self.chance.below(9) {
            0..=2 => operand(self),
            3 => {
                let function = self.chance.pick(&["eq", "ne", "lt", "le", "gt", "ge"]);
                format!("{function} {} {}", operand(self), operand(self))
            }
            4 => {
                let function = self.chance.pick(&["and", "or", "print", "println"]);
                format!("{function} {} {} {}", operand(self), operand(self), operand(self))
            }
            5 => {
                // By the type of the argument: what does not fit is printed wrong by the other.
                let call = self.chance.pick(&[
                    "\"%v\" $.list",
                    "\"%v\" $.deep",
                    "\"%5v|\" $.whole",
                    "\"%-8v|\" $.text",
                    "\"%t\" $.yes",
                    "\"%v\" $.no",
                    "\"%d\" $.whole",
                    "\"%5d|\" $.negative",
                    "\"%+d\" $.whole",
                    "\"% d\" $.zero",
                    "\"%08d\" $.negative",
                    "\"%x\" 255",
                    "\"%X\" 255",
                    "\"%#x\" 255",
                    "\"%o\" 8",
                    "\"%#o\" 8",
                    "\"%b\" 5",
                    "\"%c\" 'a'",
                    "\"%U\" 'a'",
                    "\"%q\" 'a'",
                    "\"%f\" $.fraction",
                    "\"%08.3f\" $.fraction",
                    "\"%6.2f|\" 1.5",
                    "\"%-9.1f|\" $.large",
                    "\"%e\" $.small",
                    "\"%.2E\" $.large",
                    "\"%g\" $.fraction",
                    "\"%.3g\" $.large",
                    "\"%G\" $.small",
                    "\"%+.1f\" 2.25",
                    "\"% .1f\" 2.25",
                    "\"%s\" $.text",
                    "\"%q\" $.mark",
                    "\"%x\" $.text",
                    "\"%X\" $.text",
                    "\"%.2s\" $.text",
                    "\"%5s|\" $.map.a",
                    "\"%-5s|\" $.map.a",
                    "\"%5.1s|\" $.text",
                    "\"%s %d\" $.text 1",
                    "\"%d\"",
                    "\"%d %d\" 1",
                    "\"%d\" 1 2",
                    "\"%%\"",
                    "\"%s\" 1",
                    "\"%d\" \"x\"",
                    "\"%*d|\" 5 1",
                    "\"%.*f\" 2 1.5",
                    "\"%[2]d %[1]d\" 1 2",
                    "\"%[3]d\" 1",
                    "\"%!\"",
                    "\"%z\" 1",
                    "\"é%sé\" \"ü\"",
                ]);
                format!("printf {call}")
            }
            6 => {
                let call = self.chance.pick(&[
                    "index $.list 1",
                    "index $.map \"a\"",
                    "index $.numbers 9",
                    "index $.deep \"inner\" \"leaf\"",
                    "slice $.text 1 3",
                    "slice $.list 1",
                    "len $.list",
                    "len $.text",
                    "js $.mark",
                    "html $.mark",
                    "urlquery $.mark",
                ]);
                call.to_owned()
            }
            7 => format!("not {}", operand(self)),
            _ => format!("printf \"%[2]v %[1]v\" {} {}", operand(self), operand(self)),
        }
    }

    fn operand(&mut self, depth: usize) -> String {
        if depth > 0 && self.chance.below(5) == 0 {
            return format!("({})", self.pipeline(depth - 1));
        }
        if self.chance.below(4) == 0
            && let Some(name) = self.variables.last()
        {
            return name.clone();
        }
        let constants = [
            "$.text",
            "$.empty",
            "$.mark",
            "$.whole",
            "$.negative",
            "$.zero",
            "$.yes",
            "$.no",
            "$.fraction",
            "$.list",
            "$.numbers",
            "$.none",
            "$.map",
            "$.map.a",
            "$.deep.inner.leaf",
            "($.deep).inner",
            "1",
            "-3",
            "0x1F",
            "1.5",
            "1e3",
            "'a'",
            "\"text\"",
            "\"\\t\\u00e9\"",
            "`raw\\n`",
            "true",
            "false",
            "1_000",
            "0b11",
            "0o17",
        ];
        self.chance.pick(&constants).to_owned()
    }
}
