//! Messages and writes in a line, for whoever reads a trace.

use syncline_core::event::Write;
use syncline_core::wire::{Codec, Frame, Message};

pub(super) fn frame(frame: &Frame) -> String {
    match Codec::decode(frame) {
        Ok(messages) => messages.iter().map(message).collect::<Vec<_>>().join(" | "),
        Err(error) => format!("rubbish: {error}"),
    }
}

fn message(message: &Message) -> String {
    match message {
        Message::Entries { doc, entries } => {
            let list = entries.iter().map(|numbered| format!("{}={}", numbered.offset, numbered.entry.id));
            format!("Entries {doc} [{}]", list.collect::<Vec<_>>().join(", "))
        }
        Message::SnapshotPart { doc, cursor, covers, total, bytes } => {
            format!("SnapshotPart {doc} {cursor:?} covers {covers:?} {} of {total} bytes", bytes.len())
        }
        other => format!("{other:?}"),
    }
}

pub(super) fn write(write: &Write) -> String {
    match write {
        Write::Append { doc, entry } => format!("Append {doc} {}={}", entry.offset, entry.entry.id),
        Write::Compact { doc, snapshot } => {
            format!("Compact {doc} to {} covers {:?}", snapshot.offset, snapshot.covers)
        }
        Write::Replace { doc, snapshot, entries } => {
            let list = entries.iter().map(|entry| format!("{}={}", entry.offset, entry.entry.id));
            let list: Vec<String> = list.collect();
            format!(
                "Replace {doc} by {} covers {:?} and {}",
                snapshot.offset,
                snapshot.covers,
                list.join(", ")
            )
        }
        other => format!("{other:?}"),
    }
}
