//! Round times along a scale, as d3 finds them.

use super::{Civil, DAY, HOUR, MINUTE, SECOND};
use crate::svg::number;

/// Most steps that are looked at, whatever is asked for.
const MAX_STEPS: usize = 10_000;

/// What lies between two ticks.
#[derive(Clone, Copy, Debug)]
enum Interval {
    /// So many milliseconds, counted from the beginning of the day.
    Clock(f64),
    /// So many days, counted from the first of the month.
    Days(i64),
    /// From Sunday to Sunday.
    Week,
    Months(i64),
    Years(i64),
}

/// The intervals by their length.
const INTERVALS: [(f64, Interval); 17] = [
    (SECOND, Interval::Clock(SECOND)),
    (5.0 * SECOND, Interval::Clock(5.0 * SECOND)),
    (15.0 * SECOND, Interval::Clock(15.0 * SECOND)),
    (30.0 * SECOND, Interval::Clock(30.0 * SECOND)),
    (MINUTE, Interval::Clock(MINUTE)),
    (5.0 * MINUTE, Interval::Clock(5.0 * MINUTE)),
    (15.0 * MINUTE, Interval::Clock(15.0 * MINUTE)),
    (30.0 * MINUTE, Interval::Clock(30.0 * MINUTE)),
    (HOUR, Interval::Clock(HOUR)),
    (3.0 * HOUR, Interval::Clock(3.0 * HOUR)),
    (6.0 * HOUR, Interval::Clock(6.0 * HOUR)),
    (12.0 * HOUR, Interval::Clock(12.0 * HOUR)),
    (DAY, Interval::Days(1)),
    (2.0 * DAY, Interval::Days(2)),
    (7.0 * DAY, Interval::Week),
    (30.0 * DAY, Interval::Months(1)),
    (90.0 * DAY, Interval::Months(3)),
];

const YEAR: f64 = 365.0 * DAY;

/// About `count` round times between two, the earlier first.
pub fn ticks(start: f64, stop: f64, count: f64) -> Vec<f64> {
    let target = (stop - start) / count;
    let next = INTERVALS.iter().position(|(length, _)| *length > target);
    let interval = match next {
        Some(0) => return number::ticks(start, stop, count),
        Some(at) if target / INTERVALS[at - 1].0 < INTERVALS[at].0 / target => INTERVALS[at - 1].1,
        Some(at) => INTERVALS[at].1,
        None if target < (90.0 * DAY * YEAR).sqrt() => Interval::Months(3),
        None => {
            Interval::Years((number::tick_step(start / YEAR, stop / YEAR, count) as i64).clamp(1, 1_000_000))
        }
    };
    let mut time = interval.floor(start);
    let mut found = Vec::new();
    for _ in 0..MAX_STEPS {
        if time > stop {
            break;
        }
        if time >= start && interval.has(time) {
            found.push(time);
        }
        time = interval.next(time);
    }
    found
}

impl Interval {
    /// The beginning of the smallest whole stretch, at or before a time.
    fn floor(self, time: f64) -> f64 {
        let Civil { year, month, day, .. } = Civil::from_time(time);
        let today = Civil::date(year, month, day).time();
        match self {
            Self::Clock(length) => today + ((time - today) / length).floor() * length,
            Self::Days(_) | Self::Week => today,
            Self::Months(_) => Civil::date(year, 1, 1).time(),
            Self::Years(count) => Civil::date(year.div_euclid(count) * count, 1, 1).time(),
        }
    }

    fn next(self, time: f64) -> f64 {
        let civil = Civil::from_time(time);
        match self {
            Self::Clock(length) => time + length,
            Self::Days(_) | Self::Week => time + DAY,
            Self::Months(count) => Civil { month: civil.month + count, ..civil }.time(),
            Self::Years(count) => Civil { year: civil.year + count, ..civil }.time(),
        }
    }

    /// Whether a stretch begins there, as some steps are finer.
    fn has(self, time: f64) -> bool {
        let civil = Civil::from_time(time);
        match self {
            Self::Days(count) => (civil.day - 1) % count == 0,
            Self::Week => civil.weekday() == 0,
            Self::Clock(_) | Self::Months(_) | Self::Years(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::svg::time::{automatic, parse};

    fn labels(start: &str, stop: &str) -> Vec<String> {
        let time = |text| parse(text).expect("it is a time");
        ticks(time(start), time(stop), 6.0).into_iter().map(automatic).collect()
    }

    #[test]
    fn ticks_are_as_coarse_as_the_stretch_is_long() {
        assert_eq!(labels("2000", "2010"), ["2000", "2002", "2004", "2006", "2008", "2010"]);
        assert_eq!(labels("2012-01-10", "2012-07-10"), ["February", "March", "April", "May", "June", "July"]);
        assert_eq!(
            labels("2012-01-01", "2012-01-02"),
            ["2012", "03 AM", "06 AM", "09 AM", "12 PM", "03 PM", "06 PM", "09 PM", "Mon 02"]
        );
        assert!(ticks(-8.64e15, 8.64e15, 6.0).len() < 20);
    }
}
