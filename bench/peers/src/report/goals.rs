//! What was promised of the relay, beside what was measured.
//!
//! Peers are those with documents of the same family. The best one is that with the smallest figure among those that delivered
//! everything; where none did, among all.

use serde_json::{Value as Json, json};

use super::{Report, Row};
use crate::figures::Metric;
use crate::side::{Maker, Side};
use crate::workload::{Workload, joins, presence};

/// A promise and what became of it.
pub struct Goal {
    /// In which workload and case.
    pub about: String,
    pub side: Side,
    /// Which figure, compared to what.
    pub what: String,
    pub shown: String,
    pub wanted: String,
    pub met: bool,
}

impl Goal {
    /// The goal for programs.
    pub fn json(&self) -> Json {
        let Self { about, side, what, shown, wanted, met } = self;
        json!({"about": about, "side": side.name(), "what": what, "measured": shown, "wanted": wanted, "met": met})
    }
}

/// Which way a figure has to lie from its limit.
#[derive(Clone, Copy)]
enum Wanted {
    AtMost,
    AtLeast,
    Exactly,
}

impl Wanted {
    fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::AtMost => value <= limit,
            Self::AtLeast => value >= limit,
            Self::Exactly => value == limit,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::AtMost => "at most",
            Self::AtLeast => "at least",
            Self::Exactly => "exactly",
        }
    }
}

/// Everything that can be judged by what was measured.
pub fn judged(report: &Report) -> Vec<Goal> {
    Workload::ALL.into_iter().flat_map(|workload| of(workload, &report.rows(workload))).collect()
}

fn of(workload: Workload, rows: &[Row]) -> Vec<Goal> {
    let ours = rows.iter().filter(|row| row.side.maker() == Maker::Syncline);
    ours.flat_map(|row| {
        let others = Others { workload, rows, row };
        let judged = match workload {
            Workload::Typing => typing(&others),
            Workload::Readers => readers(&others),
            Workload::Documents => delivery(&others),
            Workload::Presence => shown(&others),
            Workload::Idle => idle(&others),
            Workload::Joins => joined(&others),
            Workload::Restart => restart(&others),
            Workload::Hour => {
                let growth = others.goal(Metric::Growth, Wanted::AtMost, Some(5.0), "since minute five");
                delivery(&others).into_iter().chain([growth]).collect()
            }
            Workload::Ceiling => ceiling(&others),
        };
        judged.into_iter().chain([others.failed()])
    })
    .flatten()
    .collect()
}

/// A row of ours, with what it is compared to.
struct Others<'a> {
    workload: Workload,
    rows: &'a [Row],
    row: &'a Row,
}

impl Others<'_> {
    fn value(&self, metric: Metric) -> Option<f64> {
        self.row.figures.of(metric)
    }

    fn peers(&self) -> impl Iterator<Item = &Row> {
        let is_peer = |row: &&Row| {
            row.case == self.row.case
                && row.side.maker() == Maker::Peer
                && row.side.keeps_yjs() == self.row.side.keeps_yjs()
        };
        self.rows.iter().filter(is_peer)
    }

    fn best_peer(&self, metric: Metric) -> Option<f64> {
        let delivered_all = |row: &&Row| row.figures.of(Metric::Missing) == Some(0.0);
        let best = |values: Vec<f64>| values.into_iter().min_by(f64::total_cmp);
        let of = |row: &Row| row.figures.of(metric);
        best(self.peers().filter(delivered_all).filter_map(of).collect())
            .or_else(|| best(self.peers().filter_map(of).collect()))
    }

    fn floor(&self, metric: Metric) -> Option<f64> {
        let is_floor = |row: &&Row| row.case == self.row.case && row.side == Side::Floor;
        self.rows.iter().find(is_floor)?.figures.of(metric)
    }

    /// What this side has shown in another case.
    fn elsewhere(&self, case: &str, metric: Metric) -> Option<f64> {
        self.rows.iter().find(|row| row.case == case && row.side == self.row.side)?.figures.of(metric)
    }

    /// None if one of both was not measured.
    fn goal(&self, metric: Metric, wanted: Wanted, limit: Option<f64>, than: &str) -> Option<Goal> {
        self.compared(metric.name(), metric, self.value(metric)?, wanted, limit?, than)
    }

    fn compared(
        &self,
        name: &str,
        metric: Metric,
        value: f64,
        wanted: Wanted,
        limit: f64,
        than: &str,
    ) -> Option<Goal> {
        Some(Goal {
            about: format!("({}) {}", self.workload.words().0, self.row.case),
            side: self.row.side,
            what: [name, than].join(" ").trim_end().to_owned(),
            shown: format!("{} {}", metric.shown(value), metric.unit()).trim_end().to_owned(),
            wanted: format!("{} {}", wanted.words(), metric.shown(limit)),
            // Medians of what went well tell nothing of the rest.
            met: wanted.holds(value, limit) && self.row.failed == 0,
        })
    }

    /// That a turn failed.
    fn failed(&self) -> Option<Goal> {
        (self.row.failed > 0).then(|| Goal {
            about: format!("({}) {}", self.workload.words().0, self.row.case),
            side: self.row.side,
            what: "failed turns".to_owned(),
            shown: format!("{} of {}", self.row.failed, self.row.turns),
            wanted: "exactly 0".to_owned(),
            met: false,
        })
    }
}

/// Everything once, and kept, in every turn.
fn delivery(others: &Others<'_>) -> Vec<Option<Goal>> {
    vec![
        others.goal(Metric::Missing, Wanted::Exactly, Some(0.0), ""),
        others.goal(Metric::Twice, Wanted::Exactly, Some(0.0), ""),
        others.goal(Metric::Lost, Wanted::Exactly, Some(0.0), ""),
        others.goal(Metric::Unkept, Wanted::Exactly, Some(0.0), "after kill -9"),
    ]
}

fn typing(others: &Others<'_>) -> Vec<Option<Goal>> {
    let half = |metric| others.best_peer(metric).map(|best| best / 2.0);
    let compared = [
        others.goal(Metric::Cpu, Wanted::AtMost, half(Metric::Cpu), "(half of the best peer)"),
        others.goal(Metric::Cpu, Wanted::AtMost, others.floor(Metric::Cpu), "(the floor)"),
        others.goal(Metric::Latency99, Wanted::AtMost, half(Metric::Latency99), "(half of the best peer)"),
    ];
    delivery(others).into_iter().chain(compared).collect()
}

fn readers(others: &Others<'_>) -> Vec<Option<Goal>> {
    let floor = |metric, factor| others.floor(metric).map(|floor| floor * factor);
    let compared = [
        others.goal(Metric::Cpu, Wanted::AtMost, floor(Metric::Cpu, 1.1), "(1.1 times the floor)"),
        others.goal(
            Metric::Latency99,
            Wanted::AtMost,
            floor(Metric::Latency99, 1.5),
            "(1.5 times the floor)",
        ),
    ];
    delivery(others).into_iter().chain(compared).collect()
}

fn shown(others: &Others<'_>) -> Vec<Option<Goal>> {
    match others.row.case.as_str() {
        presence::ALONE => vec![others.goal(Metric::CpuCores, Wanted::AtMost, Some(0.1), "")],
        presence::BOTH => vec![
            more_latency(others, Metric::LatencyHalf),
            more_latency(others, Metric::Latency99),
            more_cpu(others),
        ],
        _ => Vec::new(),
    }
}

fn more_latency(others: &Others<'_>, metric: Metric) -> Option<Goal> {
    let alone = others.elsewhere(presence::EDITS, metric)?;
    others.goal(metric, Wanted::AtMost, Some(2.0 * alone), "of an edit (twice that without presence)")
}

/// What edits take beyond presence alone, and what they take without it.
fn more_cpu(others: &Others<'_>) -> Option<Goal> {
    let beyond = others.value(Metric::CpuCores)? - others.elsewhere(presence::ALONE, Metric::CpuCores)?;
    let alone = others.elsewhere(presence::EDITS, Metric::CpuCores)?;
    let than = "(twice that without presence)";
    others.compared("CPU of edits", Metric::CpuCores, beyond, Wanted::AtMost, 2.0 * alone, than)
}

fn idle(others: &Others<'_>) -> Vec<Option<Goal>> {
    match others.row.case.as_str() {
        "1000" => vec![others.goal(Metric::PerConnection, Wanted::AtMost, Some(8.0), "")],
        // 80 MB, in MiB.
        "10000" => vec![others.goal(Metric::Connected, Wanted::AtMost, Some(80e6 / f64::from(1 << 20)), "")],
        _ => Vec::new(),
    }
}

fn joined(others: &Others<'_>) -> Vec<Option<Goal>> {
    let half = others.best_peer(Metric::JoinAll).map(|best| best / 2.0);
    let memory = (others.row.case == joins::name(20, 150)).then_some(4.0);
    vec![
        others.goal(Metric::JoinAll, Wanted::AtMost, half, "joined (half of the best peer)"),
        others.goal(Metric::Extra, Wanted::AtMost, memory, ""),
    ]
}

fn restart(others: &Others<'_>) -> Vec<Option<Goal>> {
    let well = others.goal(Metric::Recovery, Wanted::AtMost, Some(5.0), "");
    [well].into_iter().chain(delivery(others)).collect()
}

fn ceiling(others: &Others<'_>) -> Vec<Option<Goal>> {
    let limit = others.floor(Metric::Rate).map(|floor| (0.9 * floor).min(1e6));
    vec![others.goal(Metric::Rate, Wanted::AtLeast, limit, "(a million, or 90 % of the floor)")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Figures;

    fn row(side: Side, figures: &[(Metric, f64)]) -> Row {
        let figures =
            figures.iter().fold(Figures::default(), |all, (metric, value)| all.with(*metric, *value));
        Row { case: "60/s".to_owned(), side, figures, turns: 1, failed: 0, reason: None }
    }

    #[test]
    fn a_peer_that_loses_updates_is_not_the_best() {
        let all = |delivered| [(Metric::Missing, 10.0 - delivered)];
        let with = |delivered, p99| [&all(delivered)[..], &[(Metric::Latency99, p99)]].concat();
        let rows = [
            row(Side::Relay, &with(10.0, 3.0)),
            row(Side::YSweet, &with(3.0, 1.0)),
            row(Side::Hocuspocus, &with(10.0, 6.0)),
            row(Side::YWebsocket, &with(10.0, 9.0)),
        ];
        let goals = of(Workload::Typing, &rows);
        let p99 = goals.iter().find(|goal| goal.what.starts_with("p99")).expect("it is judged");
        assert_eq!((p99.wanted.as_str(), p99.met), ("at most 3.00", true));
        // What was not measured is not judged.
        assert!(goals.iter().all(|goal| !goal.what.starts_with("CPU")));
    }

    #[test]
    fn where_a_turn_failed_nothing_is_met() {
        let rows = [Row { failed: 1, turns: 5, ..row(Side::Relay, &[(Metric::Missing, 0.0)]) }];
        let goals = of(Workload::Typing, &rows);
        assert!(goals.iter().any(|goal| goal.what == "failed turns" && goal.shown == "1 of 5"));
        assert!(goals.iter().all(|goal| !goal.met));
    }

    #[test]
    fn what_is_missing_is_missed() {
        let rows = [row(Side::Relay, &[(Metric::Missing, 1.0)])];
        assert!(of(Workload::Typing, &rows).iter().any(|goal| goal.what == "missing" && !goal.met));
    }
}
