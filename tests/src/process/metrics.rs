//! What a relay says at `/metrics`, read as strictly as Prometheus' text format is written down.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::Stdio;
use std::time::Instant;

use serde_json::Value as Json;

use super::clients::kind::{PYTHON, program};
use super::relay::Relay;
use super::{PATIENCE, http};

/// Labels by their names.
pub type Labels = BTreeMap<String, String>;

/// Samples by their names and labels.
pub type Samples = BTreeMap<(String, Labels), f64>;

/// What was said at some time.
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics {
    samples: Samples,
    /// What kind each metric is of.
    kinds: BTreeMap<String, String>,
}

impl Metrics {
    /// Asks a relay that asks for no tokens.
    ///
    /// # Panics
    /// If it does not answer in the format.
    #[must_use]
    pub fn of(relay: &Relay) -> Self {
        let answer = http::get(relay.address(), "/metrics");
        assert_eq!(answer.code, 200, "{}", answer.body);
        Self::read(&answer.body)
    }

    /// Asks until a sample has a value. What is counted a moment after a client was told, is told a moment later.
    ///
    /// # Panics
    /// If it does not come to that.
    pub fn when(relay: &Relay, name: &str, labels: &[(&str, &str)], value: f64) -> Self {
        let since = Instant::now();
        loop {
            let metrics = Self::of(relay);
            let found = metrics.get(name, labels);
            if (found - value).abs() < f64::EPSILON {
                return metrics;
            }
            assert!(since.elapsed() < PATIENCE, "{name} {labels:?} is {found} and does not come to {value}");
        }
    }

    /// Reads the text format.
    ///
    /// # Panics
    /// If something is not in it.
    #[must_use]
    pub fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line ends");
        let (mut samples, mut kinds) = (Samples::new(), BTreeMap::new());
        let (mut helped, mut family) = (BTreeSet::new(), String::new());
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, words) = help.split_once(' ').expect("help has words");
                assert!(helped.insert(name.to_owned()) && !words.is_empty(), "{name} is explained once");
                name.clone_into(&mut family);
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("there is a kind");
                assert!(name == family && is_name(name), "{name} is explained before");
                assert!(matches!(kind, "gauge" | "counter" | "histogram"), "{name} is no {kind}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
                assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is of one kind");
            } else {
                let (name, labels, value) = sample(line);
                assert!(belongs(&name, &family, &kinds), "{name} stands with its family");
                let there = samples.insert((name, labels), value);
                assert!(there.is_none(), "said twice: {line}");
            }
        }
        let metrics = Self { samples, kinds };
        metrics.check_histograms();
        metrics
    }

    /// A sample.
    ///
    /// # Panics
    /// If it is not there.
    #[must_use]
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let key = (name.to_owned(), labels);
        *self.samples.get(&key).unwrap_or_else(|| panic!("there is no {key:?}"))
    }

    /// A sample of one protocol.
    ///
    /// # Panics
    /// If it is not there.
    #[must_use]
    pub fn of_protocol(&self, name: &str, protocol: &str) -> f64 {
        self.get(name, &[("protocol", protocol)])
    }

    /// The names of all metrics.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.kinds.keys().map(String::as_str)
    }

    /// All samples.
    #[must_use]
    pub const fn samples(&self) -> &Samples {
        &self.samples
    }

    /// Each bucket has what those below it have, the last one has all, and their bounds rise.
    fn check_histograms(&self) {
        let histograms = self.kinds.iter().filter(|(_, kind)| *kind == "histogram").map(|(name, _)| name);
        for name in histograms {
            let mut series: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
            for ((sample, labels), count) in &self.samples {
                if *sample == format!("{name}_bucket") {
                    let mut labels = labels.clone();
                    let bound = labels.remove("le").expect("a bucket has a bound");
                    let bound =
                        if bound == "+Inf" { f64::INFINITY } else { bound.parse().expect("a number") };
                    series.entry(labels).or_default().push((bound, *count));
                }
            }
            assert!(!series.is_empty(), "{name} has buckets");
            for (labels, mut buckets) in series {
                buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
                assert!(buckets.is_sorted_by(|one, other| one.0 < other.0 && one.1 <= other.1), "{name}");
                let of = |suffix| self.samples[&(format!("{name}{suffix}"), labels.clone())];
                let last = buckets.last().copied();
                assert_eq!(last, Some((f64::INFINITY, of("_count"))), "{name}: the last one has all");
                assert!(of("_sum") >= 0.0, "{name}");
            }
        }
    }
}

/// Whether a sample is one of the family whose lines these are.
fn belongs(sample: &str, family: &str, kinds: &BTreeMap<String, String>) -> bool {
    match kinds.get(family).map(String::as_str) {
        Some("histogram") => {
            ["_bucket", "_sum", "_count"].iter().any(|end| sample == format!("{family}{end}"))
        }
        Some(_) => sample == family,
        None => false,
    }
}

fn is_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// A line as name, labels and value.
fn sample(line: &str) -> (String, Labels, f64) {
    let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
    let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
    assert!(value.is_finite() && value >= 0.0, "{line}");
    let (name, labels) = match series.split_once('{') {
        None => (series, ""),
        Some((name, labels)) => (name, labels.strip_suffix('}').expect("labels end")),
    };
    assert!(is_name(name), "no name: {line}");
    let label = |label: &str| {
        let (name, value) = label.split_once('=').expect("a label has a value");
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).expect("it is quoted");
        assert!(is_name(name) && !value.contains(['"', '\\', ',']), "{line}");
        (name.to_owned(), value.to_owned())
    };
    let labels = labels.split(',').filter(|text| !text.is_empty()).map(label).collect();
    (name.to_owned(), labels, value)
}

/// The samples of a text as Prometheus' own library for Python reads them; `None` where it is not installed.
///
/// # Panics
/// If it does not read it.
#[must_use]
pub fn read_by_prometheus(text: &str) -> Option<Samples> {
    let mut reader = program(PYTHON, "metrics.py")?;
    let mut reader = reader.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it is installed");
    let mut input = reader.stdin.take().expect("it is piped");
    input.write_all(text.as_bytes()).expect("it reads");
    drop(input);
    let output = reader.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{text}");
    let samples: Vec<(String, Labels, Json)> =
        serde_json::from_slice(&output.stdout).expect("it prints JSON");
    let sample = |(name, labels, value): (String, Labels, Json)| {
        ((name, labels), value.as_f64().expect("a value is a number"))
    };
    Some(samples.into_iter().map(sample).collect())
}
