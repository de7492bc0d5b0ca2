//! Dates and times: microseconds, the Gregorian calendar of the years 0001 to 9999, no time zone database.

use std::fmt;
use std::io;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::codec::invalid;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// 0001-01-01 and 9999-12-31, in days since 1970-01-01.
const DAYS_MIN: i32 = -719_162;
const DAYS_MAX: i32 = 2_932_896;

/// A day of the Gregorian calendar: days since 1970-01-01, years 0001 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct Date(i32);

/// A time of day: microseconds since midnight, before 24:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct Time(i64);

/// A day and a time: microseconds since 1970-01-01 00:00, years 0001 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct Timestamp(i64);

impl Date {
    /// Makes the day `days` after 1970-01-01, or nothing outside of the years 0001 to 9999.
    pub fn from_days(days: i32) -> Option<Date> {
        (DAYS_MIN..=DAYS_MAX).contains(&days).then_some(Date(days))
    }

    /// Makes a day, or nothing if the calendar has no such day, or the year is not in 1 to 9999.
    pub fn from_ymd(year: i32, month: u32, day: u32) -> Option<Date> {
        if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || day == 0 || day > month_days(year, month) {
            return None;
        }
        // Years count from March, so that the leap day comes last; 400 years have 146,097 days.
        let (month, day) = (i32::try_from(month).ok()?, i32::try_from(day).ok()?);
        let march_year = if month > 2 { year } else { year - 1 };
        let march_month = (month + 9) % 12;
        let day_of_year = (153 * march_month + 2) / 5 + day - 1;
        let days = march_year * 365 + march_year / 4 - march_year / 100 + march_year / 400 + day_of_year;
        Date::from_days(days - 719_468)
    }

    /// Days since 1970-01-01.
    pub fn days(self) -> i32 {
        self.0
    }

    /// Year, month and day.
    pub fn to_ymd(self) -> (i32, u32, u32) {
        let days = self.0 + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = (march_month + 2) % 12 + 1;
        let year = era * 400 + year_of_era + i32::from(month <= 2);
        (year, month.unsigned_abs(), day.unsigned_abs())
    }
}

fn month_days(year: i32, month: u32) -> u32 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl Time {
    /// Makes the time `micros` microseconds after midnight, or nothing if that is not within one day.
    pub fn from_micros(micros: i64) -> Option<Time> {
        (0..MICROS_PER_DAY).contains(&micros).then_some(Time(micros))
    }

    /// Makes a time, or nothing if a part is out of range; there is no second 60.
    pub fn from_hms_micro(hour: u32, minute: u32, second: u32, micro: u32) -> Option<Time> {
        if hour > 23 || minute > 59 || second > 59 || micro > 999_999 {
            return None;
        }
        Some(Time(i64::from(hour * 3_600 + minute * 60 + second) * MICROS_PER_SECOND + i64::from(micro)))
    }

    /// Microseconds since midnight.
    pub fn micros(self) -> i64 {
        self.0
    }
}

impl Timestamp {
    /// Makes the time `micros` microseconds after 1970-01-01 00:00, or nothing outside of the years 0001 to 9999.
    pub fn from_micros(micros: i64) -> Option<Timestamp> {
        let days = i32::try_from(micros.div_euclid(MICROS_PER_DAY)).ok()?;
        Date::from_days(days).map(|_| Timestamp(micros))
    }

    /// Joins a day and a time.
    pub fn from_date_time(date: Date, time: Time) -> Timestamp {
        Timestamp(i64::from(date.0) * MICROS_PER_DAY + time.0)
    }

    /// Microseconds since 1970-01-01 00:00.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// The day and the time of day.
    pub fn to_date_time(self) -> (Date, Time) {
        let days =
            i32::try_from(self.0.div_euclid(MICROS_PER_DAY)).expect("a timestamp's day was checked when it was made");
        (Date(days), Time(self.0.rem_euclid(MICROS_PER_DAY)))
    }

    /// The time `seconds` earlier, or nothing outside of the years 0001 to 9999.
    pub(crate) fn minus_seconds(self, seconds: i64) -> Option<Timestamp> {
        Timestamp::from_micros(self.0.checked_sub(seconds.checked_mul(MICROS_PER_SECOND)?)?)
    }
}

/// `2024-01-31`
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.to_ymd();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// `13:05:00`, with as many decimals as are needed, at most six.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.0 / MICROS_PER_SECOND, self.0 % MICROS_PER_SECOND);
        write!(f, "{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)?;
        if micros == 0 {
            return Ok(());
        }
        let digits = format!("{micros:06}");
        write!(f, ".{}", digits.trim_end_matches('0'))
    }
}

/// `2024-01-31 13:05:00`, decimals as in [`Time`].
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, time) = self.to_date_time();
        write!(f, "{date} {time}")
    }
}

impl BorshDeserialize for Date {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Date> {
        Date::from_days(i32::deserialize_reader(reader)?)
            .ok_or_else(|| invalid("a date outside of the years 1 to 9999"))
    }
}

impl BorshDeserialize for Time {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Time> {
        Time::from_micros(i64::deserialize_reader(reader)?).ok_or_else(|| invalid("a time outside of the day"))
    }
}

impl BorshDeserialize for Timestamp {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Timestamp> {
        Timestamp::from_micros(i64::deserialize_reader(reader)?)
            .ok_or_else(|| invalid("a timestamp outside of the years 1 to 9999"))
    }
}
