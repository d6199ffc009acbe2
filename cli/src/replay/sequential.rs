//! One author, one engine.

use std::time::Instant;

use syncline::{Saved, Spec};

use super::switch::Switch;
use super::trace::{Patch, Sequential};
use super::{conclude, perform, progress_bar, summary};
use crate::args::Global;
use crate::failure::Failure;
use crate::session;

/// Edits made while the connection is off.
const OFFLINE_EDITS: usize = 200;

/// Plays a sequential trace.
pub async fn play(
    global: &Global,
    trace: &Sequential,
    doc: &str,
    spec: Spec,
    offline_every: Option<usize>,
) -> Result<(), Failure> {
    let store = session::open_store(global)?;
    let (engine, switch) = match global.relay.is_empty() {
        true => (session::offline(global, store)?, None),
        false => {
            let (switch, transport) = Switch::new(session::relays(global)?);
            (session::with_transport(global, store, transport)?, Some(switch))
        }
    };
    let document = engine.document(doc, spec).await?;
    if !super::text(&document).is_empty() {
        return Err(Failure::Exists(doc.to_owned()));
    }
    let started = Instant::now();
    let bar = progress_bar(trace.txns.len());
    if !trace.start_content.is_empty() {
        perform(&document, &[Patch(0, 0, trace.start_content.clone())]).await?;
    }
    for (index, edit) in trace.txns.iter().enumerate() {
        if let (Some(switch), Some(every)) = (&switch, offline_every) {
            match index % every.max(1) {
                0 if index > 0 => switch.off(),
                back if back == OFFLINE_EDITS.min(every / 2) => switch.on(),
                _ => {}
            }
        }
        perform(&document, &edit.patches).await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let edited = Instant::now();
    let place = match &switch {
        Some(switch) => {
            switch.on();
            Saved::Relay
        }
        None => Saved::Local,
    };
    session::unless_full(&engine, async { Ok(document.saved(place).await?) }).await?;
    let saving = edited.elapsed();
    let end = conclude(doc, &document, &trace.end_content);
    engine.close().await;
    end?;
    summary(trace.txns.len(), started, saving);
    Ok(())
}
