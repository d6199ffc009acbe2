//! Times in words.

use super::{Civil, Part, TimeUnit};

pub(super) const MONTHS: [&str; 12] = [
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

pub(super) const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A format of strftime's kind, of which every directive is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeFormat(String);

impl TimeFormat {
    /// Reads a format; `None` has a directive that is not understood.
    pub fn parse(format: &str) -> Option<Self> {
        let mut characters = format.chars();
        while let Some(character) = characters.next() {
            if character == '%'
                && !characters.next().is_some_and(|directive| "YymbBdeaAHIpMSLjq%".contains(directive))
            {
                return None;
            }
        }
        Some(Self(format.to_owned()))
    }

    /// How times of a unit are written.
    pub fn of_unit(unit: &TimeUnit) -> Self {
        let format = match unit.parts() {
            [Part::Year, Part::Month] => "%b %Y".to_owned(),
            [Part::Year, Part::Month, Part::Date, rest @ ..] => format!("%b %d, %Y {}", of_parts(rest)),
            parts => of_parts(parts),
        };
        Self(format.trim().to_owned())
    }

    /// Writes a time.
    pub fn write(&self, time: f64) -> String {
        let civil = Civil::from_time(time);
        let mut written = String::new();
        let mut characters = self.0.chars();
        while let Some(character) = characters.next() {
            match character {
                '%' => written.push_str(&directive(characters.next().unwrap_or('%'), &civil)),
                other => written.push(other),
            }
        }
        written
    }
}

fn of_parts(parts: &[Part]) -> String {
    let clock = match (
        parts.contains(&Part::Hours),
        parts.contains(&Part::Minutes),
        parts.contains(&Part::Seconds),
    ) {
        (_, true, true) => "%H:%M:%S",
        (true, true, false) => "%H:%M",
        (true, false, _) => "%H:00",
        (false, true, false) => "00:%M",
        (false, false, true) => ":%S",
        (false, false, false) => "",
    };
    let dates = parts.iter().filter_map(|part| match part {
        Part::Year => Some("%Y"),
        Part::Month => Some("%b"),
        Part::Date => Some("%d"),
        Part::Hours | Part::Minutes | Part::Seconds => None,
    });
    dates.chain((!clock.is_empty()).then_some(clock)).collect::<Vec<_>>().join(" ")
}

fn directive(directive: char, civil: &Civil) -> String {
    let twelve = (civil.hour + 11) % 12 + 1;
    let month = MONTHS[usize::try_from(civil.month - 1).unwrap_or(0) % 12];
    let weekday = WEEKDAYS[usize::try_from(civil.weekday()).unwrap_or(0) % 7];
    match directive {
        'Y' => civil.year.to_string(),
        'y' => format!("{:02}", civil.year.rem_euclid(100)),
        'm' => format!("{:02}", civil.month),
        'b' => month[..3].to_owned(),
        'B' => month.to_owned(),
        'd' => format!("{:02}", civil.day),
        'e' => format!("{:>2}", civil.day),
        'a' => weekday[..3].to_owned(),
        'A' => weekday.to_owned(),
        'H' => format!("{:02}", civil.hour),
        'I' => format!("{twelve:02}"),
        'p' => if civil.hour < 12 { "AM" } else { "PM" }.to_owned(),
        'M' => format!("{:02}", civil.minute),
        'S' => format!("{:02}", civil.second),
        'L' => format!("{:03}", civil.millisecond),
        'j' => format!(
            "{:03}",
            super::days_to(civil.year, civil.month) - super::days_to(civil.year, 1) + civil.day
        ),
        'q' => ((civil.month + 2) / 3).to_string(),
        other => other.to_string(),
    }
}

/// A time on an axis, as coarse as it is round.
pub fn automatic(time: f64) -> String {
    let civil = Civil::from_time(time);
    let format = match civil {
        Civil { millisecond: 1.., .. } => ".%L",
        Civil { second: 1.., .. } => ":%S",
        Civil { minute: 1.., .. } => "%I:%M",
        Civil { hour: 1.., .. } => "%I %p",
        Civil { day: 2.., .. } if civil.weekday() == 0 => "%b %d",
        Civil { day: 2.., .. } => "%a %d",
        Civil { month: 2.., .. } => "%B",
        _ => "%Y",
    };
    TimeFormat(format.to_owned()).write(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_their_unit_or_their_roundness_asks() {
        let time = super::super::parse("2024-02-05T13:07:09").expect("it is a time");
        let of = |unit: &str| TimeFormat::of_unit(&TimeUnit::parse(unit).expect("it is known")).write(time);
        assert_eq!(of("yearmonth"), "Feb 2024");
        assert_eq!(of("yearmonthdate"), "Feb 05, 2024");
        assert_eq!(of("utcyearmonthdatehoursminutes"), "Feb 05, 2024 13:07");
        assert_eq!(of("hours"), "13:00");
        assert_eq!(automatic(time), ":09");
        assert_eq!(
            TimeFormat::parse("%a %e. %B %y, %I %p, day %j").expect("it is known").write(time),
            "Mon  5. February 24, 01 PM, day 036"
        );
        assert_eq!(TimeFormat::parse("%Q"), None);
        assert_eq!(TimeFormat::parse("100%"), None);
    }
}
