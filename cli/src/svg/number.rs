//! Round numbers along a scale, as d3 finds them, and numbers in words.

/// Most ticks of one axis, whatever is asked for.
const MAX_TICKS: f64 = 1_000.0;

/// The steps of ticks: whole numbers between `first` and `last`, each divided or multiplied by `factor`.
struct Steps {
    first: f64,
    last: f64,
    factor: f64,
    divides: bool,
}

impl Steps {
    fn new(start: f64, stop: f64, count: f64) -> Option<Self> {
        let step = (stop - start) / count;
        let power = step.log10().floor();
        // Beyond that, a step or its inverse is no number any more.
        if !(step > 0.0 && power.abs() < 300.0) {
            return None;
        }
        let error = step / 10f64.powf(power);
        let digit = match error {
            error if error >= 50f64.sqrt() => 10.0,
            error if error >= 10f64.sqrt() => 5.0,
            error if error >= 2f64.sqrt() => 2.0,
            _ => 1.0,
        };
        let divides = power < 0.0;
        let factor = if divides { 10f64.powf(-power) / digit } else { 10f64.powf(power) * digit };
        let scaled = |value: f64| if divides { value * factor } else { value / factor };
        let (mut first, mut last) = (scaled(start).round(), scaled(stop).round());
        let back = |index: f64| if divides { index / factor } else { index * factor };
        first += f64::from(u8::from(back(first) < start));
        last -= f64::from(u8::from(back(last) > stop));
        Some(Self { first, last, factor, divides })
    }

    fn at(&self, index: f64) -> f64 {
        if self.divides { index / self.factor } else { index * self.factor }
    }

    fn step(&self) -> f64 {
        self.at(1.0)
    }
}

/// The distance of about `count` round numbers between two.
pub fn tick_step(start: f64, stop: f64, count: f64) -> f64 {
    Steps::new(start, stop, count).map_or(0.0, |steps| steps.step())
}

/// About `count` round numbers between two, the smaller first.
pub fn ticks(start: f64, stop: f64, count: f64) -> Vec<f64> {
    let count = count.min(MAX_TICKS);
    match Steps::new(start, stop, count) {
        Some(steps) if steps.last - steps.first <= 2.0 * MAX_TICKS => {
            let mut found = Vec::new();
            let mut index = steps.first;
            while index <= steps.last {
                found.push(steps.at(index) + 0.0);
                // Whole numbers as large as that have no next one.
                if index + 1.0 == index {
                    break;
                }
                index += 1.0;
            }
            found
        }
        Some(_) | None if start == stop => vec![start],
        Some(_) | None => Vec::new(),
    }
}

/// Widens a domain to round numbers.
pub fn nice(start: f64, stop: f64, count: f64) -> (f64, f64) {
    let (mut low, mut high, mut before) = (start, stop, 0.0);
    for _ in 0..10 {
        let Some(steps) = Steps::new(low, high, count) else { break };
        let step = steps.step();
        if step == before {
            return (low, high);
        }
        let scaled = |value: f64| if steps.divides { value * steps.factor } else { value / steps.factor };
        (low, high) = (steps.at(scaled(low).floor()), steps.at(scaled(high).ceil()));
        before = step;
    }
    (low, high)
}

/// Decimal places that tell numbers so far apart.
pub fn places(step: f64) -> usize {
    if step <= 0.0 {
        return 0;
    }
    // At most 323 for the smallest number there is.
    let places = (-step.log10().floor()).clamp(0.0, 20.0);
    places as usize
}

/// A number with so many decimal places and commas between thousands.
pub fn with_commas(number: f64, places: usize) -> String {
    let digits = format!("{:.places$}", number.abs());
    let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{}{grouped}{fraction}", sign(number, &digits))
}

/// The minus of typographers, where there is something below zero left to see.
fn sign(number: f64, digits: &str) -> &'static str {
    if number < 0.0 && digits.chars().any(|digit| ('1'..='9').contains(&digit)) { "\u{2212}" } else { "" }
}

/// A number as it is written in data, short and exact.
pub fn plain(number: f64) -> String {
    match number.abs() {
        0.0 => "0".to_owned(),
        size if (1e-6..1e21).contains(&size) => number.to_string(),
        _ => format!("{number:e}"),
    }
}

/// A way to write numbers: the part of d3's formats `[$][,][.places][type]` that is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberFormat {
    dollar: bool,
    commas: bool,
    places: Option<usize>,
    style: Style,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Fixed,
    Whole,
    Percent,
    /// Significant digits with the prefixes of the metric system.
    Metric,
    /// As short as it is exact.
    Plain,
}

impl NumberFormat {
    /// Reads a format; `None` is one that is not understood.
    pub fn parse(format: &str) -> Option<Self> {
        let (dollar, format) = strip(format, '$');
        let (commas, format) = strip(format, ',');
        let (point, format) = strip(format, '.');
        let end = format.find(|character: char| !character.is_ascii_digit()).unwrap_or(format.len());
        let (digits, format) = format.split_at(end);
        let places = digits.parse().ok().filter(|places| *places <= 20);
        if point != places.is_some() || (!point && !digits.is_empty()) {
            return None;
        }
        let (_, style) = strip(format, '~');
        let style = match style {
            "f" => Style::Fixed,
            "d" => Style::Whole,
            "%" => Style::Percent,
            "s" => Style::Metric,
            "" if places.is_none() => Style::Plain,
            _ => return None,
        };
        Some(Self { dollar, commas, places, style })
    }

    /// Writes a number; `step` is how far apart those beside it are.
    pub fn write(&self, number: f64, step: f64) -> String {
        let grouped = |number: f64, places: usize| match self.commas {
            true => with_commas(number, places),
            false => with_commas(number, places).replace(',', ""),
        };
        let written = match self.style {
            Style::Fixed => grouped(number, self.places.unwrap_or_else(|| places(step))),
            Style::Whole => grouped(number.round(), 0),
            Style::Percent => {
                let places = self.places.unwrap_or_else(|| places(step * 100.0));
                format!("{}%", grouped(number * 100.0, places))
            }
            Style::Metric => metric(number, self.places),
            Style::Plain if self.commas => with_commas(number, places(step)),
            Style::Plain => plain(number),
        };
        match written.strip_prefix('\u{2212}') {
            Some(positive) if self.dollar => format!("\u{2212}${positive}"),
            _ if self.dollar => format!("${written}"),
            _ => written,
        }
    }
}

fn strip(text: &str, prefix: char) -> (bool, &str) {
    text.strip_prefix(prefix).map_or((false, text), |rest| (true, rest))
}

/// A number with a prefix of the metric system, without digits that say nothing.
fn metric(number: f64, digits: Option<usize>) -> String {
    const PREFIXES: [&str; 11] = ["f", "p", "n", "µ", "m", "", "k", "M", "G", "T", "P"];
    if number == 0.0 {
        return "0".to_owned();
    }
    let thousands = (number.abs().log10() / 3.0).floor().clamp(-5.0, 5.0);
    let scaled = number / 1000f64.powf(thousands);
    let before = scaled.abs().log10().floor().max(0.0) as usize + 1;
    let written = with_commas(scaled, digits.unwrap_or(6).saturating_sub(before)).replace(',', "");
    let written = match digits {
        None if written.contains('.') => written.trim_end_matches('0').trim_end_matches('.').to_owned(),
        None | Some(_) => written,
    };
    format!("{written}{}", PREFIXES[(thousands + 5.0) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_those_of_d3() {
        assert_eq!(
            ticks(0.0, 100.0, 8.0),
            [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0]
        );
        assert_eq!(ticks(0.0, 1.0, 5.0), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(ticks(-1.5, 2.2, 4.0), [-1.0, 0.0, 1.0, 2.0]);
        assert_eq!(ticks(7.0, 7.0, 5.0), [7.0]);
    }

    #[test]
    fn ticks_of_absurd_domains_are_few() {
        for (start, stop) in
            [(0.0, 1e300), (-1e300, 1e300), (0.0, 1e-310), (1e17, 1e17 + 32.0), (0.0, f64::MAX)]
        {
            assert!(ticks(start, stop, 10.0).len() < 50, "{start} to {stop}");
            let (low, high) = nice(start, stop, 10.0);
            assert!(low <= start && high >= stop && low.is_finite(), "{low} to {high}");
        }
    }

    #[test]
    fn domains_widen_to_round_numbers() {
        assert_eq!(nice(0.0, 91.0, 10.0), (0.0, 100.0));
        assert_eq!(nice(0.13, 0.87, 10.0), (0.1, 0.9));
        assert_eq!(nice(-91.0, 43.0, 10.0), (-100.0, 60.0));
    }

    #[test]
    fn formats_are_those_of_d3() {
        let write = |format: &str, number: f64| {
            NumberFormat::parse(format).map(|format| format.write(number, 0.1)).unwrap_or_default()
        };
        assert_eq!(write(".1f", 3.25), "3.2");
        assert_eq!(write("$,.2f", -1234.5), "\u{2212}$1,234.50");
        assert_eq!(write("%", 0.3), "30%");
        assert_eq!(write("d", 7.6), "8");
        assert_eq!(write("s", 1_500.0), "1.5k");
        assert_eq!(write(".2s", 42e6), "42M");
        assert_eq!(NumberFormat::parse("+#x"), None);
    }
}
