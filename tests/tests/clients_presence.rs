//! Two unmodified clients of every kind are shown each other, and that one of them has gone.

use syncline_tests::process::clients::Kind;
use syncline_tests::process::clients::presence::Pair;

#[test]
fn presence_is_seen_both_ways_and_goes_with_its_client() {
    for kind in Kind::ALL {
        let Some(mut pair) = Pair::of(kind) else { continue };
        pair.move_on(2);
        pair.see_each_other(2);
        let closing = pair.close();
        pair.parted("was closed", closing);
        pair.reopen(2);
        pair.see_each_other(2);
        let dying = pair.kill();
        pair.parted("was killed", dying);
        pair.reopen(2);
        pair.see_each_other(2);
        let onlooker = pair.look_on();
        let dying = pair.leave_ben_alone(onlooker);
        pair.parted("was killed as a store", dying);
        pair.is_content();
    }
}

/// All kinds at once: each takes half a minute, that of automerge-repo three quarters.
#[test]
fn a_client_that_stands_still_goes_within_a_minute_and_comes_back() {
    let mut pairs: Vec<Pair> = Kind::ALL.into_iter().filter_map(Pair::of).collect();
    let partings: Vec<_> = pairs.iter_mut().map(Pair::freeze).collect();
    for (pair, parting) in pairs.iter_mut().zip(partings) {
        pair.parted("stood still", parting);
        pair.thaw();
        // The relay may have ended the connection by then.
        if pair.comes_back() {
            pair.meet_again();
            pair.is_content();
        }
    }
}
