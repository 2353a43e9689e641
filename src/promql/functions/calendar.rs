//! Parts of the date, in UTC, of times in seconds.

use crate::model::Timestamp;

const SECONDS_A_DAY: i64 = 86_400;

/// A day of the proleptic Gregorian calendar.
struct Date {
    year: i64,
    /// From 1.
    month: i64,
    /// From 1.
    day: i64,
}

fn whole_seconds(seconds: f64) -> i64 {
    Timestamp::from_seconds(seconds.trunc()).millis().div_euclid(1000)
}

fn days(seconds: f64) -> i64 {
    whole_seconds(seconds).div_euclid(SECONDS_A_DAY)
}

fn second_of_day(seconds: f64) -> i64 {
    whole_seconds(seconds).rem_euclid(SECONDS_A_DAY)
}

/// The date that many days after the epoch. Years are counted from the first of March, so that the leap day is the last of
/// its year.
fn date(days: i64) -> Date {
    const DAYS_IN_400_YEARS: i64 = 146_097;
    let since_march_of_year_0 = days + 719_468;
    let cycle = since_march_of_year_0.div_euclid(DAYS_IN_400_YEARS);
    let of_cycle = since_march_of_year_0.rem_euclid(DAYS_IN_400_YEARS);
    let year = (of_cycle - of_cycle / 1460 + of_cycle / 36_524 - of_cycle / 146_096) / 365;
    let of_year = of_cycle - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    Date { year: cycle * 400 + year + i64::from(month <= 2), month, day }
}

fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[expect(clippy::cast_precision_loss, reason = "parts of dates are small")]
fn part(seconds: f64, part: impl Fn(i64) -> i64) -> f64 {
    part(days(seconds)) as f64
}

pub(super) fn year(seconds: f64) -> f64 {
    part(seconds, |days| date(days).year)
}

pub(super) fn month(seconds: f64) -> f64 {
    part(seconds, |days| date(days).month)
}

pub(super) fn day_of_month(seconds: f64) -> f64 {
    part(seconds, |days| date(days).day)
}

pub(super) fn days_in_month(seconds: f64) -> f64 {
    part(seconds, |days| {
        let Date { year, month, .. } = date(days);
        month_length(year, month)
    })
}

pub(super) fn day_of_year(seconds: f64) -> f64 {
    part(seconds, |days| {
        let Date { year, month, day } = date(days);
        (1..month).map(|month| month_length(year, month)).sum::<i64>() + day
    })
}

/// From Sunday, which is 0. The epoch was a Thursday.
pub(super) fn day_of_week(seconds: f64) -> f64 {
    part(seconds, |days| (days + 4).rem_euclid(7))
}

pub(super) fn hour(seconds: f64) -> f64 {
    part(seconds, |_| second_of_day(seconds) / 3600)
}

pub(super) fn minute(seconds: f64) -> f64 {
    part(seconds, |_| second_of_day(seconds) / 60 % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_fall_apart() {
        let check = |seconds: f64, want: [f64; 8]| {
            let parts = [year, month, day_of_month, day_of_year, days_in_month, day_of_week, hour, minute];
            assert_eq!(parts.map(|part| part(seconds)), want, "{seconds}");
        };
        check(0.0, [1970.0, 1.0, 1.0, 1.0, 31.0, 4.0, 0.0, 0.0]);
        check(1_136_239_445.0, [2006.0, 1.0, 2.0, 2.0, 31.0, 1.0, 22.0, 4.0]);
        check(1_483_191_420.0, [2016.0, 12.0, 31.0, 366.0, 31.0, 6.0, 13.0, 37.0]);
        check(1_456_790_399.5, [2016.0, 2.0, 29.0, 60.0, 29.0, 1.0, 23.0, 59.0]);
        check(-1.0, [1969.0, 12.0, 31.0, 365.0, 31.0, 3.0, 23.0, 59.0]);
    }
}
