//! Times: milliseconds since 1970 in universal time, so that a chart is the same picture everywhere.

mod format;
mod parse;
mod ticks;

pub use format::{TimeFormat, automatic};
pub use parse::parse;
pub use ticks::ticks;

const SECOND: f64 = 1_000.0;
const MINUTE: f64 = 60.0 * SECOND;
const HOUR: f64 = 60.0 * MINUTE;
const DAY: f64 = 24.0 * HOUR;

/// The last time that JavaScript has, and with it Vega-Lite.
pub const LAST: f64 = 8.64e15;

/// A time taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    year: i64,
    /// From 1.
    month: i64,
    /// From 1.
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    millisecond: i64,
}

impl Civil {
    const fn date(year: i64, month: i64, day: i64) -> Self {
        Self { year, month, day, hour: 0, minute: 0, second: 0, millisecond: 0 }
    }

    /// Takes a time apart.
    pub fn from_time(time: f64) -> Self {
        let time = time.clamp(-LAST, LAST).floor() as i64;
        let (days, rest) = (time.div_euclid(86_400_000), time.rem_euclid(86_400_000));
        let (year, month, day) = date_of(days);
        Self {
            hour: rest / 3_600_000,
            minute: rest / 60_000 % 60,
            second: rest / 1_000 % 60,
            millisecond: rest % 1_000,
            ..Self::date(year, month, day)
        }
    }

    /// Puts it together; months beyond December are those of later years, and so on.
    pub fn time(&self) -> f64 {
        let months = self.year * 12 + self.month - 1;
        let days = days_to(months.div_euclid(12), months.rem_euclid(12) + 1) + self.day - 1;
        let seconds = (days * 24 + self.hour) * 3_600 + self.minute * 60 + self.second;
        (seconds * 1_000 + self.millisecond) as f64
    }

    /// Days since a Sunday.
    fn weekday(&self) -> i64 {
        (days_to(self.year, self.month) + self.day - 1 + 4).rem_euclid(7)
    }
}

/// The time of a year, month and day, and of hours, minutes, seconds and milliseconds.
pub fn from_parts(date: [f64; 3], clock: [f64; 4]) -> f64 {
    let [year, month, day] = date.map(|part| part.clamp(-300_000.0, 300_000.0) as i64);
    let [hour, minute, second, millisecond] = clock.map(|part| part.clamp(-1e9, 1e9) as i64);
    Civil { year, month, day, hour, minute, second, millisecond }.time()
}

/// Days from 1970 to the first of a month, in the Gregorian calendar.
const fn days_to(year: i64, month: i64) -> i64 {
    // Years begin in March here, so that the leap day is their last.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

const fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let (month, day) = ((shifted + 2) % 12 + 1, of_year - (153 * shifted + 2) / 5 + 1);
    (era * 400 + year + if month <= 2 { 1 } else { 0 }, month, day)
}

/// A part of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// 2012, 2013, …
    Year,
    /// January, …
    Month,
    /// The day of the month.
    Date,
    /// Of the day.
    Hours,
    /// Of the hour.
    Minutes,
    /// Of the minute.
    Seconds,
}

/// The parts of times that are told apart, the larger first: of `yearmonth`, years and months.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeUnit(Vec<Part>);

impl TimeUnit {
    /// Reads a unit; `None` is one that is not understood.
    pub fn parse(name: &str) -> Option<Self> {
        const PARTS: [(&str, Part); 6] = [
            ("year", Part::Year),
            ("month", Part::Month),
            ("date", Part::Date),
            ("hours", Part::Hours),
            ("minutes", Part::Minutes),
            ("seconds", Part::Seconds),
        ];
        let mut rest = name.strip_prefix("utc").unwrap_or(name);
        let mut parts = Vec::new();
        for (word, part) in PARTS {
            if let Some(behind) = rest.strip_prefix(word) {
                parts.push(part);
                rest = behind;
            }
        }
        (rest.is_empty() && !parts.is_empty()).then_some(Self(parts))
    }

    /// Its parts.
    pub fn parts(&self) -> &[Part] {
        &self.0
    }

    /// The stretch that a time lies in. Parts that are not told apart are those of the first of January 2012.
    pub fn stretch(&self, time: f64) -> (f64, f64) {
        let civil = Civil::from_time(time);
        let mut start = Civil::date(2012, 1, 1);
        for part in &self.0 {
            match part {
                Part::Year => start.year = civil.year,
                Part::Month => start.month = civil.month,
                Part::Date => start.day = civil.day,
                Part::Hours => start.hour = civil.hour,
                Part::Minutes => start.minute = civil.minute,
                Part::Seconds => start.second = civil.second,
            }
        }
        (start.time(), self.after(start).time())
    }

    fn after(&self, mut start: Civil) -> Civil {
        match self.0.last() {
            Some(Part::Year) | None => start.year += 1,
            Some(Part::Month) => start.month += 1,
            Some(Part::Date) => start.day += 1,
            Some(Part::Hours) => start.hour += 1,
            Some(Part::Minutes) => start.minute += 1,
            Some(Part::Seconds) => start.second += 1,
        }
        start
    }

    /// How it is called in titles.
    pub fn title(&self) -> String {
        let names = self.0.iter().map(|part| match part {
            Part::Year => "year",
            Part::Month => "month",
            Part::Date => "date",
            Part::Hours => "hours",
            Part::Minutes => "minutes",
            Part::Seconds => "seconds",
        });
        names.collect::<Vec<_>>().join("-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_a_thousand_years_comes_back() {
        for days in (-200_000..200_000).step_by(17) {
            let (year, month, day) = date_of(days);
            assert_eq!(days_to(year, month) + day - 1, days);
        }
        assert_eq!(date_of(0), (1970, 1, 1));
        assert_eq!(date_of(11_016), (2000, 2, 29));
    }

    #[test]
    fn a_stretch_is_a_calendar_one() {
        let time = Civil { hour: 5, ..Civil::date(2024, 2, 10) }.time();
        let stretch = |unit: &str| TimeUnit::parse(unit).expect("it is known").stretch(time);
        let month = (Civil::date(2024, 2, 1).time(), Civil::date(2024, 3, 1).time());
        assert_eq!(stretch("yearmonth"), month);
        assert_eq!(stretch("utcyear"), (Civil::date(2024, 1, 1).time(), Civil::date(2025, 1, 1).time()));
        assert_eq!(stretch("hours").0, Civil { hour: 5, ..Civil::date(2012, 1, 1) }.time());
        assert_eq!(TimeUnit::parse("yearweek"), None);
    }
}
