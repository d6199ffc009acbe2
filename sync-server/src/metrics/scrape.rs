//! What Prometheus reads, each time that it asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use syncline_core::replica::{Census, Counts};

use super::connections::{Counter, Sum};
use super::text::{CONTENT_TYPE, Text};
use super::{Protocol, Reason};
use crate::relay::Shared;

/// Answers whoever shows this token, if it is good. How much is said where is for those who run the relay, not for everybody.
pub(crate) fn show(shared: &Arc<Shared>, token: Option<&str>) -> Response {
    match shared.guests.auth.check(token) {
        Ok(()) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], Scrape::new(shared).text()).into_response(),
        Err(denied) => {
            let fields = [(header::WWW_AUTHENTICATE, "Bearer")];
            (StatusCode::UNAUTHORIZED, fields, format!("{denied}\n")).into_response()
        }
    }
}

/// Everything as it is at one moment, more or less.
struct Scrape<'a> {
    shared: &'a Shared,
    census: Census,
    counts: Counts,
    loaded_bytes: usize,
    is_faulty: bool,
    protocols: [Sum; Protocol::ALL.len()],
}

impl<'a> Scrape<'a> {
    fn new(shared: &'a Shared) -> Self {
        let (census, counts, loaded_bytes, is_faulty) = shared.node.look(|replica| {
            (replica.census(), replica.counts(), replica.loaded_bytes(), replica.fault().is_some())
        });
        let protocols = Protocol::ALL.map(|protocol| shared.metrics.spoken(protocol).connections.sum());
        Self { shared, census, counts, loaded_bytes, is_faulty, protocols }
    }

    fn text(&self) -> String {
        let mut text = Text::default();
        self.relay(&mut text);
        self.connections(&mut text);
        self.documents(&mut text);
        self.traffic(&mut text);
        self.latencies(&mut text);
        self.queues(&mut text);
        self.store(&mut text);
        self.errors(&mut text);
        text.done()
    }

    fn relay(&self, text: &mut Text) {
        let (version, durability) = (env!("CARGO_PKG_VERSION"), self.shared.durability.to_string());
        let labels = [("version", version), ("durability", durability.as_str())];
        text.gauge("syncline_build_info", "Which relay this is.").sample(&labels, 1);
        let started = self.shared.metrics.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        text.gauge("syncline_start_time_seconds", "When the relay was started, since 1970.")
            .value(started.as_secs_f64());
    }

    fn connections(&self, text: &mut Text) {
        let traffic = self.shared.node.traffic();
        let native = |guests: u64, native: u64, protocol| match protocol {
            Protocol::Syncline => native,
            _ => guests,
        };
        let help = "Clients that are connected.";
        self.each(text.gauge("syncline_connections", help), |protocol, sum| {
            native(sum.open, traffic.links, protocol)
        });
        let help = "Clients that have connected.";
        self.each(text.counter("syncline_connections_opened_total", help), |protocol, sum| {
            native(sum.opened, traffic.opened, protocol)
        });
        let (sockets, limit) = self.shared.sockets();
        text.gauge("syncline_sockets", "Sockets in use, those for HTTP included.").value(sockets);
        text.gauge("syncline_sockets_limit", "Sockets at which nobody more is accepted.").value(limit);
    }

    fn documents(&self, text: &mut Text) {
        let (census, counts, metrics) = (&self.census, &self.counts, &self.shared.metrics);
        let help = "Documents in the store; those that somebody has open; those of them in memory; those of these that are \
             built for clients of other protocols.";
        text.gauge("syncline_documents", help)
            .sample(&[("state", "stored")], read(&metrics.stored))
            .sample(&[("state", "open")], census.open)
            .sample(&[("state", "loaded")], census.loaded)
            .sample(&[("state", "built")], census.built);
        let help = "Memory that documents take, roughly.";
        text.gauge("syncline_document_memory_bytes", help).value(self.loaded_bytes);
        let help = "Memory at which documents are unloaded.";
        text.gauge("syncline_document_memory_limit_bytes", help).value(self.shared.loaded_bytes);
        let help = "Documents that were needed: found in memory, or asked of the store.";
        text.counter("syncline_document_lookups_total", help)
            .sample(&[("result", "hit")], counts.found)
            .sample(&[("result", "miss")], counts.loaded);
        let help = "Documents that were needed as CRDTs: found built, or not.";
        text.counter("syncline_built_lookups_total", help)
            .sample(&[("result", "hit")], read(&metrics.found_built))
            .sample(&[("result", "miss")], read(&metrics.missed_built));
        let help = "Documents that were built, for all who waited for that.";
        text.counter("syncline_documents_built_total", help).value(counts.built);
        let help = "Documents given up to make room: all of them, or what was built of them.";
        text.counter("syncline_documents_evicted_total", help)
            .sample(&[("state", "loaded")], counts.unloaded)
            .sample(&[("state", "built")], counts.unbuilt);
    }

    fn traffic(&self, text: &mut Text) {
        let (traffic, counts) = (self.shared.node.traffic(), &self.counts);
        let families = [
            ("syncline_updates_received_total", "Updates taken in.", counts.entries_in, Counter::UpdatesIn),
            (
                "syncline_updates_sent_total",
                "Updates passed on, each counted for each connection that got it.",
                counts.entries_out,
                Counter::UpdatesOut,
            ),
            (
                "syncline_messages_received_total",
                "Messages received.",
                traffic.frames_in,
                Counter::MessagesIn,
            ),
            ("syncline_messages_sent_total", "Messages sent.", traffic.frames_out, Counter::MessagesOut),
            (
                "syncline_received_bytes_total",
                "Bytes of messages received.",
                traffic.bytes_in,
                Counter::BytesIn,
            ),
            ("syncline_sent_bytes_total", "Bytes of messages sent.", traffic.bytes_out, Counter::BytesOut),
            (
                "syncline_presence_received_total",
                "Messages received about who is present, and others that are not kept.",
                counts.presence_in,
                Counter::PresenceIn,
            ),
            (
                "syncline_presence_sent_total",
                "Messages sent about who is present, and others that are not kept.",
                counts.presence_out,
                Counter::PresenceOut,
            ),
        ];
        for (name, help, native, counter) in families {
            self.each(text.counter(name, help), |protocol, sum| match protocol {
                Protocol::Syncline => native,
                _ => sum.get(counter),
            });
        }
    }

    fn latencies(&self, text: &mut Text) {
        let (meters, metrics) = (self.shared.node.meters(), &self.shared.metrics);
        let help = "From the arrival of an update until a connection of somebody else was given it.";
        let mut family = text.histogram("syncline_update_delivery_seconds", help);
        for protocol in Protocol::ALL {
            let sent = match protocol {
                Protocol::Syncline => &meters.sent,
                _ => &metrics.spoken(protocol).sent,
            };
            family = family.seconds(&[("protocol", protocol.name())], &sent.distribution());
        }
        let help = "From the arrival of an update until it was durable.";
        text.histogram("syncline_update_durable_seconds", help).seconds(&[], &meters.durable.distribution());
    }

    fn queues(&self, text: &mut Text) {
        let (queues, meters) = (self.shared.node.queues(), self.shared.node.meters());
        let help = "Messages of Syncline's clients that wait for the loop.";
        text.gauge("syncline_inputs_waiting", help).value(queues.inputs);
        text.gauge("syncline_input_bytes_waiting", "Their bytes.").value(queues.input_bytes);
        text.gauge("syncline_writes_waiting", "Writes that are not durable yet.")
            .value(self.census.unwritten);
        text.gauge("syncline_write_bytes_waiting", "About how many bytes of updates these have.")
            .value(meters.unwritten_bytes());
        let help = "Large messages of clients of other protocols that are coming in or being dealt with.";
        text.gauge("syncline_large_messages", help).value(self.shared.intake.taken());
        let help = "Connections of Syncline's clients for which something waits, as they have not taken what they were sent.";
        text.gauge("syncline_links_behind", help).value(self.census.behind);
    }

    fn store(&self, text: &mut Text) {
        let meters = self.shared.node.meters();
        let help = "How long commits took.";
        text.histogram("syncline_commit_seconds", help).seconds(&[], &meters.commits.distribution());
        let help = "How many writes went into a commit together.";
        text.histogram("syncline_commit_writes", help).counts(&[], &meters.commit_writes.distribution());
        let help = "How often the store stopped taking writes.";
        text.counter("syncline_store_faults_total", help).value(read(&self.shared.metrics.store_faults));
        let help = "Whether nothing can be stored at the moment.";
        text.gauge("syncline_store_faulty", help).value(u8::from(self.is_faulty));
    }

    fn errors(&self, text: &mut Text) {
        let metrics = &self.shared.metrics;
        let help = "Updates of clients that were refused.";
        self.each(text.counter("syncline_updates_refused_total", help), |protocol, _| match protocol {
            Protocol::Syncline => self.counts.refused,
            _ => read(&metrics.spoken(protocol).refused),
        });
        let help = "Connections, or documents on them, that the relay has closed or not opened.";
        let mut family = text.counter("syncline_closed_total", help);
        for (protocol, reason) in
            Protocol::ALL.into_iter().flat_map(|p| Reason::ALL.map(|reason| (p, reason)))
        {
            let labels = [("protocol", protocol.name()), ("reason", reason.name())];
            family = family.sample(&labels, read(&metrics.spoken(protocol).closed[reason as usize]));
        }
        let help = "Documents that could not be served, as the store or their log was at fault.";
        text.counter("syncline_document_failures_total", help).value(read(&metrics.document_failures));
        let help = "How often a connection kept updates waiting for a tenth of a second, or was so far behind that \
             the log was merged meanwhile and it was sent everything anew.";
        self.each(text.counter("syncline_slow_consumers_total", help), |protocol, _| match protocol {
            Protocol::Syncline => self.shared.node.meters().slow(),
            _ => read(&metrics.spoken(protocol).overtaken),
        });
    }

    /// A sample for each protocol.
    fn each(&self, mut family: super::text::Family<'_>, value: impl Fn(Protocol, &Sum) -> u64) {
        for (protocol, sum) in Protocol::ALL.into_iter().zip(&self.protocols) {
            family = family.sample(&[("protocol", protocol.name())], value(protocol, sum));
        }
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
