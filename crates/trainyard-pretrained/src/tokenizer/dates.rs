//! Dates as templates of chats write them: C's `strftime`, in universal time.

use std::fmt::Write;
use std::time::SystemTime;

const DAY_S: u64 = 24 * 60 * 60;

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

/// From the day of the week of 1970's first day.
const DAYS: [&str; 7] =
    ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// A time in a format; what a `%` does not know stays as it stands.
pub(super) fn strftime(seconds: u64, format: &str) -> String {
    let (days, of_day) = (seconds / DAY_S, seconds % DAY_S);
    let (year, month, day, of_year) = date(days);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
    let name_of_month = MONTHS.get(month as usize - 1).copied().unwrap_or_default();
    let name_of_day = DAYS.get((days % 7) as usize).copied().unwrap_or_default();
    let mut text = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        // Writing into a text does not fail.
        let _written = match letters.next() {
            Some('Y') => write!(text, "{year}"),
            Some('y') => write!(text, "{:02}", year % 100),
            Some('m') => write!(text, "{month:02}"),
            Some('d') => write!(text, "{day:02}"),
            Some('e') => write!(text, "{day:2}"),
            Some('j') => write!(text, "{of_year:03}"),
            Some('B') => write!(text, "{name_of_month}"),
            Some('b' | 'h') => write!(text, "{}", name_of_month.get(..3).unwrap_or_default()),
            Some('A') => write!(text, "{name_of_day}"),
            Some('a') => write!(text, "{}", name_of_day.get(..3).unwrap_or_default()),
            Some('H') => write!(text, "{hour:02}"),
            Some('I') => write!(text, "{twelve:02}"),
            Some('M') => write!(text, "{minute:02}"),
            Some('S') => write!(text, "{second:02}"),
            Some('p') => write!(text, "{}", if hour < 12 { "AM" } else { "PM" }),
            Some('F') => write!(text, "{year}-{month:02}-{day:02}"),
            Some('T') => write!(text, "{hour:02}:{minute:02}:{second:02}"),
            Some('Z') => write!(text, "UTC"),
            Some('z') => write!(text, "+0000"),
            Some('%') | None => write!(text, "%"),
            Some(other) => write!(text, "%{other}"),
        };
    }
    text
}

/// Year, month and day of a month, from 1, and day of the year, from 1, of a day since 1970.
fn date(days: u64) -> (u64, u64, u64, u64) {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let (mut year, mut left) = (1970, days);
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if left < length {
            break;
        }
        left -= length;
        year += 1;
    }
    let of_year = left + 1;
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1, of_year)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_that_date_prints() {
        // From `date -u -d @N '+…'`.
        let all = "%Y-%m-%d %H:%M:%S %A %a %B %b %j %y %e %I %p %F %T %% %Q";
        assert_eq!(
            strftime(951_825_599, all),
            "2000-02-29 11:59:59 Tuesday Tue February Feb 060 00 29 11 AM 2000-02-29 11:59:59 % %Q"
        );
        assert_eq!(strftime(0, "%d %b %Y %I%p, a %A"), "01 Jan 1970 12AM, a Thursday");
        assert_eq!(strftime(1_735_689_599, "%d %B %Y %j"), "31 December 2024 366");
        assert_eq!(strftime(1_735_689_600, "%e %b %Y"), " 1 Jan 2025");
        assert_eq!(strftime(4_107_542_400, "%F"), "2100-03-01");
    }
}
