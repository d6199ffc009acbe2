//! Worlds that once did not hold, by what was wrong with the engine then.

use syncline_core::entry::Family;
use syncline_tests::sim::{Cast, Run};

fn holds(family: Family, seeds: &[u64]) {
    for seed in seeds.iter().copied() {
        if let Err(failure) = (Run { seed, cast: Cast::Replicas(family), plant: None }).play() {
            panic!("{failure}");
        }
    }
}

/// A refused entry took with it, as lost, what had only built on it.
#[test]
fn what_builds_on_refused_entries_is_made_again() {
    holds(Family::Toy, &[36]);
    holds(Family::Automerge, &[54, 101]);
}

/// A link broke before the refusal arrived, and the cursor had moved on.
#[test]
fn a_refusal_that_got_lost_comes_again() {
    holds(Family::Toy, &[101]);
    holds(Family::Yjs, &[101, 386]);
}

/// A client down the chain was told once that an entry is refused, on a link that broke.
#[test]
fn a_refusal_passed_on_comes_again() {
    holds(Family::Yjs, &[194, 348]);
}

/// Entries of the relay were refused by a client that had heard of a refusal before, or had judged for itself that they
/// build on one; and after the word of another client it never followed the relay again.
#[test]
fn what_the_relay_holds_is_not_refused_by_clients() {
    holds(Family::Toy, &[328]);
}

/// Entries behind one that nobody can apply were taken for refused when another entry was.
#[test]
fn what_builds_on_poison_stays_in_the_log() {
    holds(Family::Toy, &[29]);
}

/// A snapshot's cursor was written down before its sender had the log on disk.
#[test]
fn a_snapshot_moves_no_cursor() {
    holds(Family::Toy, &[1_622]);
    holds(Family::Yjs, &[1_435]);
    holds(Family::Automerge, &[73]);
}

/// Peers waited for ever for a document that was forgotten while it was being read.
#[test]
fn a_document_forgotten_while_it_loads_is_shut() {
    holds(Family::Yjs, &[857]);
}

/// An acknowledgement of what came before a document was shut was sent after it had been opened again, and taken for
/// one of the new log.
#[test]
fn a_document_opened_again_gets_no_acknowledgement_of_the_last_time() {
    holds(Family::Toy, &[249]);
}

/// A stranger's rubbish was on its way for so long that the simulator took the answer for talk among peers in sync.
#[test]
fn late_rubbish_is_nobodys_talk() {
    holds(Family::Yjs, &[20_175]);
}

/// A commit that failed, and had been done all the same, was taken up again in two parts.
#[test]
fn what_was_committed_once_is_committed_again_in_any_parts() {
    holds(Family::Yjs, &[607]);
}

/// Where every second frame came twice on slow links, the simulator did not wait for what was on its way.
#[test]
fn slow_is_not_stalled() {
    holds(Family::Toy, &[1_109]);
    holds(Family::Yjs, &[1_603]);
}

/// A relay that was restored from a backup did not know any more that it had voided an entry.
#[test]
fn a_restored_relay_may_refuse_what_it_said_before() {
    holds(Family::Toy, &[1_554]);
}

/// A client whose own entries waited for a poisoned one made them again when something else was refused, although the
/// relay held them; it lacked them ever after.
#[test]
fn what_a_relay_holds_already_is_not_made_again() {
    holds(Family::Toy, &[405]);
}

/// What was said last on a link that was dead by then came late, and the simulator took it for talk.
#[test]
fn late_last_words_are_nobodys_talk() {
    holds(Family::Toy, &[1_771]);
}

/// What a copy of the store had made again, too, stood in the log although it had been reported lost, and the simulator
/// called that a promise.
#[test]
fn lost_is_lost_whoever_made_it_again() {
    holds(Family::Toy, &[1_430]);
}

/// A relay that stopped before it had written down that it voided an entry did not know that any more either.
#[test]
fn what_was_not_written_down_may_be_refused_as_well() {
    holds(Family::Toy, &[2_703]);
}

/// A client waited for ever for a peer to drop an entry that the relay had refused, and then taken with a snapshot.
#[test]
fn a_snapshot_outdoes_a_refusal() {
    holds(Family::Toy, &[11_076]);
}

/// A document that could not be read was told to be so once for every message that had waited for it, which ended the
/// conversation that the peer had begun meanwhile.
#[test]
fn a_conversation_ends_once() {
    holds(Family::Toy, &[19_105]);
}

/// Where an entry was refused while a peer had not answered yet, that peer's log was never followed to its end.
#[test]
fn what_is_refused_before_the_peer_opens_comes_again() {
    holds(Family::Toy, &[20_246]);
}

/// A client refused what builds on a refused entry, and took it when the relay did; the one behind it went by its first word.
#[test]
fn a_refusal_is_taken_back_along_a_chain() {
    holds(Family::Toy, &[24_109, 24_510, 26_283]);
}

/// As above, but from a client that had not heard of the refusal yet.
#[test]
fn late_entries_take_no_refusal_back() {
    holds(Family::Toy, &[23_703]);
}

/// What a crash took from a relay came back behind what its author had sent again, and whoever read both in one go waited
/// for changes that it held.
#[test]
fn a_change_that_comes_back_takes_nobody_back() {
    for seed in [332, 512, 682, 758] {
        if let Err(failure) = (Run { seed, cast: Cast::Guests, plant: None }).play() {
            panic!("{failure}");
        }
    }
}
