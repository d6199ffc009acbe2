//! One writer: documents of both families read as the plain data to which the same operations were applied, and the changes
//! that are told of lead from one state to the next.

use quickcheck::quickcheck;
use syncline_core::board::Board;
use syncline_core::chart::Chart;
use syncline_core::random::Random;
use syncline_core::schema::Schema;
use syncline_core::scripts::{board_operation, chart_operation};

use crate::replicas::{FAMILIES, Replica};

/// Longest script.
const MAX_LEN: usize = 120;

fn agrees<S: Schema + std::fmt::Debug>(seed: u64, len: u8, draw: impl Fn(&mut Random, &S) -> S::Operation) {
    for family in FAMILIES {
        let mut random = Random::new(seed);
        let mut plain = S::default();
        let [mut replica] = Replica::all::<S, 1>(family);
        for _ in 0..usize::from(len) % MAX_LEN {
            let before = plain.clone();
            let operation = draw(&mut random, &plain);
            plain.apply(&operation).unwrap();
            replica.perform::<S>(&operation).unwrap();
            assert_eq!(replica.state::<S>(), plain, "{family} after {operation:?}");

            let mut retold = before.clone();
            for change in before.changes(&plain) {
                retold.apply(&change).unwrap();
            }
            assert_eq!(retold, plain, "after {operation:?}");
        }
    }
}

quickcheck! {
    fn a_board_is_what_was_done_to_it(seed: u64, len: u8) -> () {
        agrees::<Board>(seed, len, board_operation);
    }

    fn a_chart_is_what_was_done_to_it(seed: u64, len: u8) -> () {
        agrees::<Chart>(seed, len, chart_operation);
    }

    /// Two states that have nothing to do with each other.
    fn changes_lead_from_anywhere_to_anywhere(from: u64, to: u64) -> () {
        fn random_state<S: Schema>(seed: u64, draw: impl Fn(&mut Random, &S) -> S::Operation) -> S {
            let (mut random, mut state) = (Random::new(seed), S::default());
            for _ in 0..MAX_LEN {
                state.apply(&draw(&mut random, &state)).unwrap();
            }
            state
        }
        fn leads<S: Schema + std::fmt::Debug>(from: S, to: &S) {
            let mut state = from.clone();
            from.changes(to).iter().for_each(|change| state.apply(change).unwrap());
            assert_eq!(state, *to);
        }
        leads(random_state(from, board_operation), &random_state(to, board_operation));
        leads(random_state(from, chart_operation), &random_state(to, chart_operation));
    }
}
