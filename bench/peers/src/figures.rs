//! What was measured: numbers with a name and a unit, and what is typical of several runs.

use std::collections::BTreeMap;

use serde_json::Value as Json;

/// A number that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    Expected,
    Delivered,
    Missing,
    Twice,
    Lost,
    Kept,
    Typed,
    Unkept,
    Rate,
    LatencyHalf,
    Latency95,
    Latency99,
    LatencyMost,
    Cpu,
    CpuCores,
    Idle,
    Connected,
    Peak,
    PerConnection,
    PerDocument,
    GeneratorCpu,
    GeneratorCores,
    Late,
    Size,
    JoinFirst,
    JoinHalf,
    JoinAll,
    CpuSeconds,
    GeneratorSeconds,
    Extra,
    Recovery,
    Early,
    AtEnd,
    Growth,
}

impl Metric {
    /// What it is called, in a table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expected => "expected",
            Self::Delivered => "delivered",
            Self::Missing => "missing",
            Self::Unkept => "not kept",
            Self::Twice => "twice",
            Self::Lost => "cut off",
            Self::Kept => "kept",
            Self::Typed => "typed",
            Self::Rate => "deliveries",
            Self::LatencyHalf => "p50",
            Self::Latency95 => "p95",
            Self::Latency99 => "p99",
            Self::LatencyMost => "max",
            Self::Cpu => "CPU/delivery",
            Self::CpuCores => "CPU",
            Self::Idle => "idle",
            Self::Connected => "connected",
            Self::Peak => "peak",
            Self::PerConnection => "/connection",
            Self::PerDocument => "/document",
            Self::GeneratorCpu => "generator/delivery",
            Self::GeneratorCores => "generator",
            Self::Late => "late p99",
            Self::Size => "document",
            Self::JoinFirst => "first",
            Self::JoinHalf => "half",
            Self::JoinAll => "all",
            Self::CpuSeconds => "CPU time",
            Self::GeneratorSeconds => "generator time",
            Self::Extra => "extra memory",
            Self::Recovery => "all well after",
            Self::Early => "early",
            Self::AtEnd => "at the end",
            Self::Growth => "growth",
        }
    }

    /// Whether it counts what must not happen.
    const fn must_be_none(self) -> bool {
        matches!(self, Self::Missing | Self::Twice | Self::Lost | Self::Unkept)
    }

    /// Its unit; empty for numbers of things.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Expected
            | Self::Delivered
            | Self::Missing
            | Self::Unkept
            | Self::Twice
            | Self::Lost
            | Self::Kept
            | Self::Typed => "",
            Self::Rate => "/s",
            Self::LatencyHalf | Self::Latency95 | Self::Latency99 | Self::LatencyMost | Self::Late => "ms",
            Self::JoinFirst | Self::JoinHalf | Self::JoinAll => "ms",
            Self::CpuSeconds | Self::GeneratorSeconds | Self::Recovery => "s",
            Self::Extra => "x document",
            Self::Growth => "%",
            Self::Cpu | Self::GeneratorCpu => "us",
            Self::CpuCores | Self::GeneratorCores => "cores",
            Self::Idle | Self::Connected | Self::Peak | Self::Size | Self::Early | Self::AtEnd => "MiB",
            Self::PerConnection | Self::PerDocument => "KiB",
        }
    }

    /// A value of it in words, without the unit.
    pub fn shown(self, value: f64) -> String {
        match self.unit() {
            "" | "/s" => format!("{value:.0}"),
            "us" | "cores" => format!("{value:.2}"),
            _ if value < 10.0 => format!("{value:.2}"),
            _ => format!("{value:.1}"),
        }
    }
}

/// What one run, or several at the median, have shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures(BTreeMap<Metric, f64>);

impl Figures {
    /// Adds a number.
    #[must_use]
    pub fn with(mut self, metric: Metric, value: f64) -> Self {
        self.0.insert(metric, value);
        self
    }

    /// A number, if it was measured.
    pub fn of(&self, metric: Metric) -> Option<f64> {
        self.0.get(&metric).copied()
    }

    /// All numbers.
    pub fn all(&self) -> impl Iterator<Item = (Metric, f64)> {
        self.0.iter().map(|(metric, value)| (*metric, *value))
    }

    /// All numbers, with their names and units.
    pub fn json(&self) -> Json {
        let named = self.all().map(|(metric, value)| {
            let name = [metric.name(), metric.unit()].join(" ");
            (name.trim_end().to_owned(), value.into())
        });
        Json::Object(named.collect())
    }

    /// Of each number the median of several runs; of what must not happen even once, the most.
    pub fn median(runs: &[Self]) -> Self {
        let mut values: BTreeMap<Metric, Vec<f64>> = BTreeMap::new();
        for (metric, value) in runs.iter().flat_map(Self::all) {
            values.entry(metric).or_default().push(value);
        }
        Self(
            values
                .into_iter()
                .map(|(metric, values)| {
                    (metric, if metric.must_be_none() { most(values) } else { median(values) })
                })
                .collect(),
        )
    }
}

fn most(values: Vec<f64>) -> f64 {
    values.into_iter().fold(0.0, f64::max)
}

/// The one in the middle, or what is between the two there. There is at least one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let (below, above) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    f64::midpoint(below, above)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 9.0]), 3.0);
        assert_eq!(median(vec![4.0, 1.0, 9.0, 2.0]), 3.0);
        assert_eq!(median(vec![5.0]), 5.0);
    }

    #[test]
    fn what_happens_once_is_not_hidden_by_the_median() {
        let runs = [0.0, 7.0, 0.0].map(|missing| Figures::default().with(Metric::Missing, missing));
        assert_eq!(Figures::median(&runs).of(Metric::Missing), Some(7.0));
    }

    #[test]
    fn what_some_runs_lack_is_the_median_of_the_others() {
        let first = Figures::default().with(Metric::Cpu, 2.0).with(Metric::Kept, 7.0);
        let second = Figures::default().with(Metric::Cpu, 4.0);
        let median = Figures::median(&[first, second]);
        assert_eq!((median.of(Metric::Cpu), median.of(Metric::Kept)), (Some(3.0), Some(7.0)));
        assert_eq!(median.of(Metric::Late), None);
    }
}
