//! Go's `time.Time` and `time.Duration`: moments with a zone, their parts, and how they print.

use std::fmt;
use std::sync::Arc;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::layout;
use crate::model::Timestamp;

const SECONDS_A_DAY: i64 = 86_400;

/// Seconds from Go's year 1 to the epoch.
const YEAR_ONE: i64 = -62_135_596_800;

/// A moment with nanoseconds and a zone. Arithmetic saturates.
#[derive(Clone, Debug)]
pub struct Moment {
    /// Since the epoch.
    pub(super) seconds: i64,
    /// Below a second.
    pub(super) nanoseconds: u32,
    pub(super) zone: Zone,
}

/// Where a clock hangs that shows a moment.
#[derive(Clone, Debug)]
pub(super) enum Zone {
    Utc,
    /// A fixed offset in seconds, with its abbreviation; empty if it has none.
    Fixed(i32, Arc<str>),
    Named(TimeZone),
}

/// What a clock and a calendar show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) nanosecond: u32,
    /// From 0 for Sunday.
    pub(super) weekday: i64,
    /// From 1.
    pub(super) year_day: i64,
    /// Seconds east of UTC.
    pub(super) offset: i32,
    pub(super) abbreviation: String,
}

impl Moment {
    /// Go's zero time: the beginning of the year 1.
    pub(super) const ZERO: Self = Self { seconds: YEAR_ONE, nanoseconds: 0, zone: Zone::Utc };

    /// A moment in UTC.
    pub fn new(at: Timestamp) -> Self {
        let nanoseconds = u32::try_from(at.millis().rem_euclid(1000) * 1_000_000).unwrap_or(0);
        Self { seconds: at.millis().div_euclid(1000), nanoseconds, zone: Zone::Utc }
    }

    /// The moment that a calendar shows in UTC.
    pub(super) fn from_civil(date: (i64, i64, i64), time: (i64, i64, i64), nanoseconds: u32) -> Self {
        let days = days_from_civil(date.0, date.1, date.2);
        let seconds = days.saturating_mul(SECONDS_A_DAY).saturating_add(time.0 * 3600 + time.1 * 60 + time.2);
        Self { seconds, nanoseconds, zone: Zone::Utc }
    }

    pub(super) fn is_zero(&self) -> bool {
        self.seconds == YEAR_ONE && self.nanoseconds == 0
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }

    /// What orders moments.
    pub(super) fn parts(&self) -> (i64, u32) {
        (self.seconds, self.nanoseconds)
    }

    /// Nanoseconds since the epoch.
    pub(super) fn total(&self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanoseconds)
    }

    fn with_total(&self, total: i128) -> Self {
        let seconds = i64::try_from(total.div_euclid(1_000_000_000)).unwrap_or(i64::MAX);
        let nanoseconds = u32::try_from(total.rem_euclid(1_000_000_000)).unwrap_or(0);
        Self { seconds, nanoseconds, zone: self.zone.clone() }
    }

    /// This moment moved by a duration.
    pub(super) fn plus(&self, duration: i64) -> Self {
        self.with_total(self.total() + i128::from(duration))
    }

    /// How long after the other it is.
    pub(super) fn minus(&self, other: &Self) -> i64 {
        let difference = self.total() - other.total();
        i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
    }

    /// The last multiple of a duration since the year 1, or the nearest one.
    pub(super) fn to_multiple(&self, duration: i64, nearest: bool) -> Self {
        if duration <= 0 {
            return self.clone();
        }
        let step = i128::from(duration);
        let since = self.total() - i128::from(YEAR_ONE) * 1_000_000_000;
        let rest = since.rem_euclid(step);
        let up = nearest && rest * 2 >= step;
        self.with_total(self.total() - rest + if up { step } else { 0 })
    }

    /// This moment moved by years, months and days of the calendar, as Go's `AddDate` counts them.
    pub(super) fn plus_date(&self, years: i64, months: i64, days: i64) -> Self {
        let civil = self.civil();
        let months =
            civil.year.saturating_add(years).saturating_mul(12).saturating_add(civil.month - 1).saturating_add(months);
        let first = days_from_civil(months.div_euclid(12), months.rem_euclid(12) + 1, 1);
        let day = first.saturating_add(civil.day - 1).saturating_add(days);
        let time = civil.hour * 3600 + civil.minute * 60 + civil.second;
        let local = day.saturating_mul(SECONDS_A_DAY).saturating_add(time);
        let guess = local.saturating_sub(i64::from(civil.offset));
        let (offset, _) = self.zone.at(guess);
        Self {
            seconds: local.saturating_sub(i64::from(offset)),
            nanoseconds: self.nanoseconds,
            zone: self.zone.clone(),
        }
    }

    /// The same moment in UTC.
    pub(super) fn utc(&self) -> Self {
        Self { zone: Zone::Utc, ..self.clone() }
    }

    /// The same moment in a zone of the time zone database, which is bundled.
    pub(super) fn in_zone(&self, name: &str) -> Result<Self, String> {
        let zone = match name {
            "" | "UTC" => Zone::Utc,
            _ => {
                let found = TimeZoneDatabase::bundled().get(name);
                let unknown = |_| format!("there is no time zone `{}`", super::shown(name));
                Zone::Named(found.map_err(unknown)?)
            }
        };
        Ok(Self { zone, ..self.clone() })
    }

    /// What a clock and a calendar in its zone show.
    pub(super) fn civil(&self) -> Civil {
        let (offset, abbreviation) = self.zone.at(self.seconds);
        let local = self.seconds.saturating_add(i64::from(offset));
        let (days, time) = (local.div_euclid(SECONDS_A_DAY), local.rem_euclid(SECONDS_A_DAY));
        let (year, month, day) = civil_from_days(days);
        Civil {
            year,
            month,
            day,
            hour: time / 3600,
            minute: time / 60 % 60,
            second: time % 60,
            nanosecond: self.nanoseconds,
            weekday: (days + 4).rem_euclid(7),
            year_day: days - days_from_civil(year, 1, 1) + 1,
            offset,
            abbreviation,
        }
    }

    /// RFC 3339 with as many decimals as are needed, as JSON has it.
    pub(super) fn rfc_3339(&self) -> String {
        layout::format(&self.civil(), "2006-01-02T15:04:05.999999999Z07:00")
    }
}

/// As Go prints a moment: `2015-06-23 13:19:44.128 +0000 UTC`.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&layout::format(&self.civil(), "2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

impl Zone {
    /// Seconds east of UTC at a moment, and the abbreviation.
    fn at(&self, seconds: i64) -> (i32, String) {
        match self {
            Self::Utc => (0, "UTC".to_owned()),
            Self::Fixed(offset, name) => (*offset, name.to_string()),
            Self::Named(zone) => match jiff::Timestamp::from_second(seconds) {
                Ok(at) => {
                    let info = zone.to_offset_info(at);
                    (info.offset().seconds(), info.abbreviation().to_owned())
                }
                // Years that no calendar of ours knows are in no zone.
                Err(_) => (0, "UTC".to_owned()),
            },
        }
    }
}

/// Days since the epoch of a date; the month may be any, the day too.
pub(super) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years are counted from March, so that the leap day is the last of its year.
    let year = year.clamp(-1_000_000_000_000, 1_000_000_000_000) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// A duration as Go prints it: `1h30m0s`, `1.5s`, `2ms`.
pub(super) fn duration(nanoseconds: i64) -> String {
    let magnitude = nanoseconds.unsigned_abs();
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let with_fraction = |unit: u64| {
        let digits = unit.ilog10() as usize;
        let fraction = format!("{:0digits$}", magnitude % unit);
        let fraction = fraction.trim_end_matches('0');
        let whole = magnitude / unit;
        if fraction.is_empty() || digits == 0 { whole.to_string() } else { format!("{whole}.{fraction}") }
    };
    match magnitude {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{magnitude}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", with_fraction(1_000)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", with_fraction(1_000_000)),
        _ => {
            let minutes = magnitude / 60_000_000_000;
            let (hours, minutes) = (minutes / 60, minutes % 60);
            let fraction = format!("{:09}", magnitude % 1_000_000_000);
            let fraction = fraction.trim_end_matches('0');
            let seconds = magnitude / 1_000_000_000 % 60;
            let seconds = if fraction.is_empty() { seconds.to_string() } else { format!("{seconds}.{fraction}") };
            match (hours, minutes) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, _) => format!("{sign}{minutes}m{seconds}s"),
                _ => format!("{sign}{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// A duration as a multiple of another: the last one towards zero, or the nearest.
pub(super) fn duration_to_multiple(nanoseconds: i64, step: i64, nearest: bool) -> i64 {
    if step <= 0 {
        return nanoseconds;
    }
    let rest = nanoseconds % step;
    let down = nanoseconds - rest;
    if nearest && rest.unsigned_abs() * 2 >= step.unsigned_abs() {
        return down.saturating_add(if nanoseconds < 0 { -step } else { step });
    }
    down
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

pub(super) fn month_name(month: i64) -> &'static str {
    usize::try_from(month - 1).ok().and_then(|at| MONTHS.get(at)).unwrap_or(&"%!Month")
}

pub(super) fn weekday_name(day: i64) -> &'static str {
    usize::try_from(day).ok().and_then(|at| WEEKDAYS.get(at)).unwrap_or(&"%!Weekday")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Moment {
        Moment::new(Timestamp::from_millis(ms))
    }

    #[test]
    fn prints_as_go() {
        assert_eq!(Moment::ZERO.to_string(), "0001-01-01 00:00:00 +0000 UTC");
        assert_eq!(at(1_435_065_584_128).to_string(), "2015-06-23 13:19:44.128 +0000 UTC");
        assert_eq!(at(-1000).to_string(), "1969-12-31 23:59:59 +0000 UTC");
        let paris = at(1_704_096_930_000).in_zone("Europe/Paris").unwrap();
        assert_eq!(paris.to_string(), "2024-01-01 09:15:30 +0100 CET");
        assert_eq!(paris.rfc_3339(), "2024-01-01T09:15:30+01:00");
        let summer = at(1_719_821_730_000).in_zone("America/New_York").unwrap();
        assert_eq!(summer.to_string(), "2024-07-01 04:15:30 -0400 EDT");
        assert_eq!(at(0).in_zone("Mars/Olympus").unwrap_err(), "there is no time zone `Mars/Olympus`");
    }

    #[test]
    fn calendars_agree_with_another() {
        for days in (-800_000..800_000).step_by(997) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
            let Ok(other) = jiff::Timestamp::from_second(days * SECONDS_A_DAY) else { continue };
            let date = other.to_zoned(TimeZone::UTC).date();
            assert_eq!((i64::from(date.year()), i64::from(date.month()), i64::from(date.day())), (year, month, day));
            let civil = at(days * SECONDS_A_DAY * 1000).civil();
            assert_eq!(i64::from(date.weekday().to_sunday_zero_offset()), civil.weekday);
            assert_eq!(i64::from(date.day_of_year()), civil.year_day);
        }
    }

    #[test]
    fn counts() {
        let day = at(1_706_659_200_000);
        assert_eq!(day.to_string(), "2024-01-31 00:00:00 +0000 UTC");
        assert_eq!(day.plus_date(0, 1, 0).to_string(), "2024-03-02 00:00:00 +0000 UTC");
        assert_eq!(day.plus_date(-1, 0, 1).to_string(), "2023-02-01 00:00:00 +0000 UTC");
        assert_eq!(day.plus(i64::MAX).minus(&day), i64::MAX);
        assert_eq!(day.plus(1).to_multiple(3_600_000_000_000, false).to_string(), day.to_string());
        assert_eq!(Moment::ZERO.minus(&day), i64::MIN);
        let far = Moment { seconds: i64::MAX, nanoseconds: 0, zone: Zone::Utc };
        assert!(!far.plus(i64::MAX).plus_date(i64::MAX, i64::MAX, i64::MAX).to_string().is_empty());
    }

    #[test]
    fn durations_print_as_go() {
        let check = |nanoseconds: i64, expected: &str| assert_eq!(duration(nanoseconds), expected);
        check(0, "0s");
        check(1, "1ns");
        check(1_100, "1.1µs");
        check(2_200_000, "2.2ms");
        check(3_300_000_000, "3.3s");
        check(245_000_000_000, "4m5s");
        check(1_800_000_000_000, "30m0s");
        check(18_367_001_000_000, "5h6m7.001s");
        check(-1_000, "-1µs");
        check(i64::MAX, "2562047h47m16.854775807s");
        check(i64::MIN, "-2562047h47m16.854775808s");
        assert_eq!(duration_to_multiple(-1_500, 1_000, true), -2_000);
        assert_eq!(duration_to_multiple(1_499, 1_000, true), 1_000);
    }
}
