//! Prometheus' text format, version 0.0.4: families of samples, each with what it means and what kind it is of.

use std::fmt::{Display, Write};

use syncline::node::Distribution;

/// As which the answer is sent.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Nanoseconds, as histograms of times count, in a second.
const NANOS: f64 = 1e9;

/// A page of metrics.
#[derive(Default)]
pub(super) struct Text(String);

/// One metric, whose samples follow.
pub(super) struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

/// The labels of a sample. Their values are words of ours, in which nothing needs to be escaped.
pub(super) type Labels<'a> = &'a [(&'static str, &'a str)];

impl Text {
    /// Something that goes up and down.
    pub fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "gauge", help)
    }

    /// Something that only grows while the relay runs.
    pub fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "counter", help)
    }

    /// How something is distributed.
    pub fn histogram(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "histogram", help)
    }

    pub fn done(self) -> String {
        self.0
    }

    fn family(&mut self, name: &'static str, kind: &str, help: &str) -> Family<'_> {
        self.0 += &format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
        Family { text: &mut self.0, name }
    }
}

impl Family<'_> {
    /// A sample without labels.
    pub fn value(self, value: impl Display) {
        self.sample(&[], value);
    }

    pub fn sample(self, labels: Labels<'_>, value: impl Display) -> Self {
        self.line("", labels, None, value)
    }

    /// Times in nanoseconds, as seconds.
    pub fn seconds(self, labels: Labels<'_>, times: &Distribution) -> Self {
        self.distribution(labels, times, |nanos| nanos as f64 / NANOS)
    }

    pub fn counts(self, labels: Labels<'_>, counts: &Distribution) -> Self {
        self.distribution(labels, counts, |count| count as f64)
    }

    fn distribution(mut self, labels: Labels<'_>, values: &Distribution, shown: fn(u64) -> f64) -> Self {
        let mut below = 0;
        let bounds = values.bounds.iter().map(|bound| shown(*bound).to_string());
        for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(&values.counts) {
            below += count;
            self = self.line("_bucket", labels, Some(&bound), below);
        }
        self.line("_sum", labels, None, shown(values.sum)).line("_count", labels, None, below)
    }

    fn line(self, suffix: &str, labels: Labels<'_>, bound: Option<&str>, value: impl Display) -> Self {
        let labels = labels.iter().copied().chain(bound.map(|bound| ("le", bound)));
        let labels: Vec<String> = labels.map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        writeln!(self.text, "{}{suffix}{labels} {value}", self.name)
            .expect("a text takes what is written to it");
        self
    }
}

#[cfg(test)]
mod tests {
    use syncline::node::Histogram;

    use super::*;

    #[test]
    fn samples_stand_behind_what_they_mean() {
        let mut text = Text::default();
        text.gauge("a", "What a is.").value(1);
        text.counter("b_total", "What b is.").sample(&[("of", "x")], 2).sample(&[("of", "y")], 0);
        let shown = "# HELP a What a is.\n# TYPE a gauge\na 1\n\
             # HELP b_total What b is.\n# TYPE b_total counter\nb_total{of=\"x\"} 2\nb_total{of=\"y\"} 0\n";
        assert_eq!(text.done(), shown);
    }

    #[test]
    fn a_bucket_has_all_that_is_below_its_bound_and_times_are_seconds() {
        let (mut text, times) = (Text::default(), Histogram::of_times());
        [20_000, 1_500_000, u64::MAX / 2].into_iter().for_each(|nanos| times.observe(nanos));
        text.histogram("t_seconds", "Times.").seconds(&[("of", "x")], &times.distribution());
        let shown = text.done();
        let has = |line: &str| shown.lines().any(|shown| shown == line);
        assert!(has("t_seconds_bucket{of=\"x\",le=\"0.00002\"} 1"), "{shown}");
        assert!(
            has("t_seconds_bucket{of=\"x\",le=\"0.0015\"} 2")
                && has("t_seconds_bucket{of=\"x\",le=\"10\"} 2")
        );
        assert!(has("t_seconds_bucket{of=\"x\",le=\"+Inf\"} 3") && has("t_seconds_count{of=\"x\"} 3"));
    }
}
