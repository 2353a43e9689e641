//! Go's time layouts: a reference moment, `Mon Jan 2 15:04:05 MST 2006`, written as moments shall be written.

use std::sync::Arc;

use super::moment::{self, Civil, Moment, Zone};

/// A piece of a layout that stands for a part of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    LongMonth,
    Month,
    NumericMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    SpaceDay,
    ZeroDay,
    SpaceYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperNoon,
    LowerNoon,
    ZoneName,
    Offset(Offset),
    /// So many digits, all or without trailing zeros.
    Fraction {
        comma: bool,
        digits: usize,
        all: bool,
    },
}

/// How an offset from UTC is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offset {
    /// `Z` when it is zero.
    z: bool,
    colon: bool,
    minutes: bool,
    seconds: bool,
}

const fn offset(z: bool, colon: bool, minutes: bool, seconds: bool) -> Part {
    Part::Offset(Offset { z, colon, minutes, seconds })
}

/// What pieces are written as; of two that begin alike the longer stands first.
const PARTS: [(&str, Part); 33] = [
    ("January", Part::LongMonth),
    ("Jan", Part::Month),
    ("Monday", Part::LongWeekday),
    ("Mon", Part::Weekday),
    ("MST", Part::ZoneName),
    ("002", Part::ZeroYearDay),
    ("01", Part::ZeroMonth),
    ("02", Part::ZeroDay),
    ("03", Part::ZeroHour12),
    ("04", Part::ZeroMinute),
    ("05", Part::ZeroSecond),
    ("06", Part::Year),
    ("15", Part::Hour),
    ("1", Part::NumericMonth),
    ("2006", Part::LongYear),
    ("2", Part::Day),
    ("__2", Part::SpaceYearDay),
    ("_2", Part::SpaceDay),
    ("3", Part::Hour12),
    ("4", Part::Minute),
    ("5", Part::Second),
    ("PM", Part::UpperNoon),
    ("pm", Part::LowerNoon),
    ("-07:00:00", offset(false, true, true, true)),
    ("-070000", offset(false, false, true, true)),
    ("-07:00", offset(false, true, true, false)),
    ("-0700", offset(false, false, true, false)),
    ("-07", offset(false, false, false, false)),
    ("Z07:00:00", offset(true, true, true, true)),
    ("Z070000", offset(true, false, true, true)),
    ("Z07:00", offset(true, true, true, false)),
    ("Z0700", offset(true, false, true, false)),
    ("Z07", offset(true, false, false, false)),
];

/// The first part in a layout: the text before it, the part, and what follows.
fn next(layout: &str) -> Option<(&str, Part, &str)> {
    for (at, c) in layout.char_indices() {
        let rest = &layout[at..];
        if matches!(c, '.' | ',')
            && let Some((part, length)) = fraction(rest, c == ',')
        {
            return Some((&layout[..at], part, &rest[length..]));
        }
        let Some((text, part)) = PARTS.iter().find(|(text, _)| rest.starts_with(text)) else { continue };
        let after = &rest[text.len()..];
        match part {
            // `Janet` and `Month` are no months and days.
            Part::Month | Part::Weekday if after.starts_with(|c: char| c.is_ascii_lowercase()) => {}
            // `_2006` is an underscore and a year.
            Part::SpaceDay if rest.starts_with("_2006") => {}
            _ => return Some((&layout[..at], *part, after)),
        }
    }
    None
}

/// `.000` or `,999` that no other digit follows.
fn fraction(rest: &str, comma: bool) -> Option<(Part, usize)> {
    let digit = rest[1..].chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let digits = rest[1..].chars().take_while(|c| *c == digit).count();
    if rest[1 + digits..].starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    Some((Part::Fraction { comma, digits, all: digit == '0' }, 1 + digits))
}

/// The moment as the layout writes it.
pub(super) fn format(civil: &Civil, layout: &str) -> String {
    let mut text = String::new();
    let mut rest = layout;
    while let Some((before, part, after)) = next(rest) {
        text.push_str(before);
        text.push_str(&print(civil, part));
        rest = after;
    }
    text.push_str(rest);
    text
}

fn print(civil: &Civil, part: Part) -> String {
    let hour12 = if civil.hour % 12 == 0 { 12 } else { civil.hour % 12 };
    let short = |name: &str| name.chars().take(3).collect();
    match part {
        Part::LongMonth => moment::month_name(civil.month).to_owned(),
        Part::Month => short(moment::month_name(civil.month)),
        Part::NumericMonth => civil.month.to_string(),
        Part::ZeroMonth => format!("{:02}", civil.month),
        Part::LongWeekday => moment::weekday_name(civil.weekday).to_owned(),
        Part::Weekday => short(moment::weekday_name(civil.weekday)),
        Part::Day => civil.day.to_string(),
        Part::SpaceDay => format!("{:2}", civil.day),
        Part::ZeroDay => format!("{:02}", civil.day),
        Part::SpaceYearDay => format!("{:3}", civil.year_day),
        Part::ZeroYearDay => format!("{:03}", civil.year_day),
        Part::Hour => format!("{:02}", civil.hour),
        Part::Hour12 => hour12.to_string(),
        Part::ZeroHour12 => format!("{hour12:02}"),
        Part::Minute => civil.minute.to_string(),
        Part::ZeroMinute => format!("{:02}", civil.minute),
        Part::Second => civil.second.to_string(),
        Part::ZeroSecond => format!("{:02}", civil.second),
        Part::LongYear if civil.year < 0 => format!("-{:04}", -civil.year),
        Part::LongYear => format!("{:04}", civil.year),
        Part::Year => format!("{:02}", civil.year.rem_euclid(100)),
        Part::UpperNoon => if civil.hour >= 12 { "PM" } else { "AM" }.to_owned(),
        Part::LowerNoon => if civil.hour >= 12 { "pm" } else { "am" }.to_owned(),
        Part::ZoneName if civil.abbreviation.is_empty() => {
            let whole_hours = civil.offset % 3600 == 0;
            print_offset(civil.offset, Offset { z: false, colon: false, minutes: !whole_hours, seconds: false })
        }
        Part::ZoneName => civil.abbreviation.clone(),
        Part::Offset(form) => print_offset(civil.offset, form),
        Part::Fraction { comma, digits, all } => {
            let digits = digits.min(9);
            let nanoseconds = format!("{:09}", civil.nanosecond);
            let shown = &nanoseconds[..digits];
            let shown = if all { shown } else { shown.trim_end_matches('0') };
            let point = if comma { ',' } else { '.' };
            if shown.is_empty() { String::new() } else { format!("{point}{shown}") }
        }
    }
}

fn print_offset(seconds: i32, form: Offset) -> String {
    if form.z && seconds == 0 {
        return "Z".to_owned();
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let magnitude = seconds.unsigned_abs();
    let colon = if form.colon { ":" } else { "" };
    let mut text = format!("{sign}{:02}", magnitude / 3600);
    if form.minutes {
        text.push_str(&format!("{colon}{:02}", magnitude / 60 % 60));
    }
    if form.seconds {
        text.push_str(&format!("{colon}{:02}", magnitude % 60));
    }
    text
}

/// What has been read of a moment.
#[derive(Default)]
struct Read {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanoseconds: u32,
    afternoon: Option<bool>,
    offset: Option<i32>,
    zone: Option<String>,
}

/// Reads a moment that is written as the layout says; one without a zone is in UTC.
pub(super) fn parse(layout: &str, text: &str) -> Result<Moment, String> {
    let wrong = || format!("`{}` is not written as `{}`", super::shown(text), super::shown(layout));
    let mut read = Read::default();
    let (mut form, mut rest) = (layout, text);
    while let Some((before, part, after)) = next(form) {
        rest = literal(before, rest).ok_or_else(wrong)?;
        rest = read.part(part, after, rest).ok_or_else(wrong)?;
        form = after;
    }
    let rest = literal(form, rest).ok_or_else(wrong)?;
    if !rest.is_empty() {
        return Err(wrong());
    }
    read.moment().ok_or_else(|| format!("`{}` is no moment of any calendar", super::shown(text)))
}

/// Skips what stands between parts; a run of spaces in the layout means any number of them.
fn literal<'t>(expected: &str, text: &'t str) -> Option<&'t str> {
    let (mut expected, mut text) = (expected, text);
    while let Some(c) = expected.chars().next() {
        if c == ' ' {
            if !text.is_empty() && !text.starts_with(' ') {
                return None;
            }
            expected = expected.trim_start_matches(' ');
            text = text.trim_start_matches(' ');
            continue;
        }
        text = text.strip_prefix(c)?;
        expected = &expected[c.len_utf8()..];
    }
    Some(text)
}

/// A number of `min` to `max` digits at the beginning.
fn digits(text: &str, min: usize, max: usize) -> Option<(i64, &str)> {
    let length = text.bytes().take(max).take_while(u8::is_ascii_digit).count();
    if length < min {
        return None;
    }
    Some((text[..length].parse().ok()?, &text[length..]))
}

/// Which of these names stands at the beginning, in any case.
fn name(text: &str, names: impl Iterator<Item = String>) -> Option<(i64, &str)> {
    for (at, name) in (0..).zip(names) {
        if let Some(start) = text.get(..name.len())
            && start.eq_ignore_ascii_case(&name)
        {
            return Some((at, &text[name.len()..]));
        }
    }
    None
}

impl Read {
    /// Reads one part; `after` is the layout behind it. Answers what is left of the text.
    fn part<'t>(&mut self, part: Part, after: &str, text: &'t str) -> Option<&'t str> {
        let months = |length: usize| (1..=12).map(move |at| moment::month_name(at).chars().take(length).collect());
        let weekdays = |length: usize| (0..7).map(move |at| moment::weekday_name(at).chars().take(length).collect());
        const WHOLE: usize = 9;
        let in_range = |value: i64, from: i64, to: i64| (from..=to).contains(&value).then_some(value);
        let (value, rest) = match part {
            Part::LongMonth => name(text, months(WHOLE))?,
            Part::Month => name(text, months(3))?,
            Part::LongWeekday => name(text, weekdays(WHOLE))?,
            Part::Weekday => name(text, weekdays(3))?,
            Part::NumericMonth | Part::Day | Part::Hour12 | Part::Minute | Part::Second => digits(text, 1, 2)?,
            Part::SpaceDay => digits(text.strip_prefix(' ').unwrap_or(text), 1, 2)?,
            Part::ZeroMonth | Part::ZeroMinute | Part::ZeroSecond | Part::Year => digits(text, 2, 2)?,
            Part::ZeroDay | Part::Hour | Part::ZeroHour12 => digits(text, 1, 2)?,
            Part::SpaceYearDay => digits(text.trim_start_matches(' '), 1, 3)?,
            Part::ZeroYearDay => digits(text, 3, 3)?,
            Part::LongYear => digits(text, 4, 4)?,
            Part::UpperNoon => name(text, ["AM", "PM"].map(str::to_owned).into_iter())?,
            Part::LowerNoon => name(text, ["am", "pm"].map(str::to_owned).into_iter())?,
            Part::ZoneName => return self.zone_name(text),
            Part::Offset(form) => return self.offset(form, text),
            Part::Fraction { all, digits, .. } => return self.fraction(text, all.then_some(digits)),
        };
        match part {
            Part::LongMonth | Part::Month => self.month = Some(value + 1),
            Part::NumericMonth | Part::ZeroMonth => self.month = Some(in_range(value, 1, 12)?),
            Part::Day | Part::SpaceDay | Part::ZeroDay => self.day = Some(in_range(value, 1, 31)?),
            Part::SpaceYearDay | Part::ZeroYearDay => self.year_day = Some(in_range(value, 1, 366)?),
            Part::Hour => self.hour = in_range(value, 0, 23)?,
            Part::Hour12 | Part::ZeroHour12 => self.hour = in_range(value, 0, 12)?,
            Part::Minute | Part::ZeroMinute => self.minute = in_range(value, 0, 59)?,
            Part::Second | Part::ZeroSecond => {
                self.second = in_range(value, 0, 59)?;
                // Go takes a fraction behind the seconds whether the layout has one or not.
                let has_own = matches!(next(after), Some(("", Part::Fraction { .. }, _)));
                let follows = rest.starts_with(['.', ',']) && rest[1..].starts_with(|c: char| c.is_ascii_digit());
                if follows && !has_own {
                    return self.fraction(rest, None);
                }
            }
            Part::LongYear => self.year = Some(value),
            Part::Year => self.year = Some(if value >= 69 { 1900 + value } else { 2000 + value }),
            Part::UpperNoon | Part::LowerNoon => self.afternoon = Some(value == 1),
            _ => {}
        }
        Some(rest)
    }

    fn fraction<'t>(&mut self, text: &'t str, exactly: Option<usize>) -> Option<&'t str> {
        let Some(rest) = text.strip_prefix(['.', ',']) else { return exactly.is_none().then_some(text) };
        let length = rest.bytes().take_while(u8::is_ascii_digit).count();
        let length = exactly.map_or(length, |exactly| exactly.min(length));
        if exactly.is_some_and(|exactly| exactly != length) || length == 0 {
            return None;
        }
        let kept = length.min(9);
        let value: u32 = rest[..kept].parse().ok()?;
        self.nanoseconds = value * 10u32.pow(u32::try_from(9 - kept).ok()?);
        Some(&rest[length..])
    }

    fn offset<'t>(&mut self, form: Offset, text: &'t str) -> Option<&'t str> {
        if form.z
            && let Some(rest) = text.strip_prefix('Z')
        {
            self.offset = Some(0);
            return Some(rest);
        }
        let rest = text.strip_prefix(['+', '-'])?;
        let (hours, mut rest) = digits(rest, 2, 2)?;
        let mut seconds = hours * 3600;
        for (wanted, unit) in [(form.minutes, 60), (form.seconds, 1)] {
            if wanted {
                let (value, after) = digits(if form.colon { rest.strip_prefix(':')? } else { rest }, 2, 2)?;
                seconds += value * unit;
                rest = after;
            }
        }
        let seconds = i32::try_from(seconds).ok()?;
        self.offset = Some(if text.starts_with('-') { -seconds } else { seconds });
        Some(rest)
    }

    fn zone_name<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let length = text.bytes().take(5).take_while(u8::is_ascii_uppercase).count();
        if length < 3 {
            return None;
        }
        self.zone = Some(text[..length].to_owned());
        Some(&text[length..])
    }

    fn moment(self) -> Option<Moment> {
        let hour = match self.afternoon {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let year = self.year.unwrap_or(0);
        let (month, day) = match (self.year_day, self.month, self.day) {
            (Some(year_day), None, None) => (1, year_day),
            (_, month, day) => (month.unwrap_or(1), day.unwrap_or(1)),
        };
        let mut moment = Moment::from_civil((year, month, day), (hour, self.minute, self.second), self.nanoseconds);
        let civil = moment.civil();
        if self.year_day.is_none() && (civil.month, civil.day) != (month, day) {
            return None;
        }
        if let Some(offset) = self.offset {
            moment.seconds = moment.seconds.saturating_sub(i64::from(offset));
        }
        moment.zone = match (self.offset, self.zone) {
            (Some(0) | None, None) => Zone::Utc,
            (_, Some(name)) if name == "UTC" => Zone::Utc,
            (offset, name) => Zone::Fixed(offset.unwrap_or(0), Arc::from(name.unwrap_or_default())),
        };
        Some(moment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn writes_as_go() {
        let at = Moment::new(Timestamp::from_millis(1_353_755_652_050));
        let check = |layout: &str, expected: &str| assert_eq!(format(&at.civil(), layout), expected, "{layout}");
        check("Mon Jan 2 15:04:05 2006", "Sat Nov 24 11:14:12 2012");
        check("Monday, 02-Jan-06 15:04:05 MST", "Saturday, 24-Nov-12 11:14:12 UTC");
        check("2006-01-02T15:04:05.999999999Z07:00", "2012-11-24T11:14:12.05Z");
        check("15:04:05.000 -0700 -07:00 Z0700", "11:14:12.050 +0000 +00:00 Z");
        check("3:04PM 03:4:5 pm", "11:14AM 11:14:12 am");
        check("_2 __2 002 1 January Janet Month", "24 329 329 11 November Janet Month");
        check("2006_2006", "2012_2012");
        check("é 15h", "é 11h");
        check("15:04:05,999", "11:14:12,05");
        check("", "");
        let zone = at.in_zone("Asia/Kolkata").unwrap();
        assert_eq!(format(&zone.civil(), "15:04 -07 -0700 -07:00:00 MST"), "16:44 +05 +0530 +05:30:00 IST");
    }

    #[test]
    fn reads_what_it_writes() {
        let check = |layout: &str, text: &str, expected: &str| {
            assert_eq!(parse(layout, text).map(|moment| moment.to_string()).as_deref(), Ok(expected), "{layout}");
        };
        check("2006-01-02", "2024-03-15", "2024-03-15 00:00:00 +0000 UTC");
        check("2006-01-02T15:04:05Z07:00", "2024-03-15T10:00:00.25+02:00", "2024-03-15 10:00:00.25 +0200 +02");
        check("Jan _2 15:04:05 2006 MST", "Mar  5 01:02:03 2024 UTC", "2024-03-05 01:02:03 +0000 UTC");
        check("3:04PM", "12:30am", "0000-01-01 00:30:00 +0000 UTC");
        check("02 January 06", "29 february 24", "2024-02-29 00:00:00 +0000 UTC");
        for (layout, text) in [
            ("2006-01-02", "not-a-date"),
            ("2006-01-02", "2023-02-29"),
            ("2006-01-02", "2023-13-01"),
            ("15:04", "24:00"),
            ("2006", "20240"),
            ("15:04:05.000", "10:00:00.1"),
        ] {
            assert!(parse(layout, text).is_err(), "{text}");
        }
    }
}
