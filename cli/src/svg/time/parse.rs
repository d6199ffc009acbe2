//! Times as people and programs write them: ISO 8601, and what is common in English.

use super::{Civil, LAST};

/// Reads a time. One without a zone is universal.
pub fn parse(text: &str) -> Option<f64> {
    let time = iso(text.trim()).or_else(|| english(text))?;
    (time.abs() <= LAST).then_some(time)
}

/// `2012`, `2012-01`, `2012-01-31`, `2012-01-31T12:30:15.5Z`, with a blank for the T, with a zone.
fn iso(text: &str) -> Option<f64> {
    let (date, time) = match text.find(['T', ' ']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let numbers: Option<Vec<i64>> = date.split('-').map(digits).collect();
    let numbers = numbers?;
    let date = match (numbers.as_slice(), date.len()) {
        ([year], 4) => Civil::date(*year, 1, 1),
        ([year, month], 7) => Civil::date(*year, *month, 1),
        ([year, month, day], 10) => Civil::date(*year, *month, *day),
        _ => return None,
    };
    is_date(&date).then_some(())?;
    time.map_or_else(|| Some(date.time()), |time| clock(date, time))
}

fn is_date(date: &Civil) -> bool {
    (1..=12).contains(&date.month) && (1..=31).contains(&date.day)
}

/// Adds `12:30`, `12:30:15.25`, with or without a zone, to a date.
fn clock(date: Civil, text: &str) -> Option<f64> {
    let zone = text.find(['Z', '+', '-']).unwrap_or(text.len());
    let (time, zone) = (text[..zone].trim(), &text[zone..]);
    let (whole, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let numbers: Option<Vec<i64>> = whole.split(':').map(digits).collect();
    let (hour, minute, second) = match numbers?.as_slice() {
        [hour, minute] => (*hour, *minute, 0),
        [hour, minute, second] => (*hour, *minute, *second),
        _ => return None,
    };
    (hour <= 24 && minute < 60 && second <= 60).then_some(())?;
    digits(fraction)?;
    let millisecond = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    Some(Civil { hour, minute, second, millisecond, ..date }.time() - offset(zone)?)
}

/// `Z`, `+02:00` or `-0500`, in milliseconds.
fn offset(zone: &str) -> Option<f64> {
    let sign = match zone.chars().next() {
        None => return Some(0.0),
        Some('Z') => return (zone.len() == 1).then_some(0.0),
        Some('-') => -1.0,
        Some(_) => 1.0,
    };
    let number = digits(&zone[1..].replace(':', ""))?;
    (zone.len() >= 5).then_some(sign * (number / 100 * 60 + number % 100) as f64 * 60_000.0)
}

fn digits(text: &str) -> Option<i64> {
    let digits = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// `Jan 1, 2000`, `1 January 2000`, `Sun, 01 Jan 2012 23:00:00`, `1/31/2000`, `2000/1/31`.
fn english(text: &str) -> Option<f64> {
    let (mut month, mut numbers, mut time) = (None, Vec::new(), None);
    for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
        if word.contains(':') {
            time = Some(word);
        } else if let Some(number) = digits(word) {
            numbers.push(number);
        } else if word.contains('/') {
            let parts: Option<Vec<i64>> = word.split('/').map(digits).collect();
            slashes(&parts?, &mut month, &mut numbers)?;
        } else if let Some(named) = month_of(word) {
            month = Some(named);
        } else if !(is_weekday(word) || ["GMT", "UTC"].contains(&word)) {
            return None;
        }
    }
    let (day, year) = match numbers.as_slice() {
        [year] if *year > 31 => (1, *year),
        [year, day] | [day, year] if *year > 31 => (*day, *year),
        _ => return None,
    };
    let date = Civil::date(year, month?, day);
    is_date(&date).then_some(())?;
    time.map_or_else(|| Some(date.time()), |time| clock(date, time))
}

fn slashes(parts: &[i64], month: &mut Option<i64>, numbers: &mut Vec<i64>) -> Option<()> {
    let (year, named, day) = match *parts {
        [year, month, day] if year > 31 => (year, month, day),
        [month, day, year] if year > 31 => (year, month, day),
        _ => return None,
    };
    *month = Some(named);
    numbers.extend([day, year]);
    Some(())
}

/// The month that a word names or begins to name.
fn month_of(word: &str) -> Option<i64> {
    let at = super::format::MONTHS.iter().position(|month| begins(month, word))?;
    i64::try_from(at).ok().map(|at| at + 1)
}

fn is_weekday(word: &str) -> bool {
    super::format::WEEKDAYS.iter().any(|day| begins(day, word))
}

fn begins(name: &str, word: &str) -> bool {
    let word = word.trim_end_matches('.');
    word.len() >= 3 && name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_ways_to_write_a_time_are_read() {
        let new_year = 1_325_376_000_000.0;
        for text in [
            "2012",
            "2012-01",
            "2012-01-01",
            "2012-01-01T00:00:00Z",
            "2012-01-01 00:00",
            "2012-01-01T02:00+02:00",
            "2011-12-31T19:00:00.000-0500",
            "Jan 1, 2012",
            "Sun, 01 Jan 2012 00:00:00",
            "January 1, 2012 00:00:00",
            "1/1/2012",
            "2012/01/01",
        ] {
            assert_eq!(parse(text), Some(new_year), "{text}");
        }
        assert_eq!(parse("2012-01-01T00:00:00.25"), Some(new_year + 250.0));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "-",
            "T",
            "2012-13-01",
            "12:30",
            "tomorrow",
            "1/2",
            "2012-01-01T",
            "é",
            "2012-01-01T1é:00",
            "A",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
