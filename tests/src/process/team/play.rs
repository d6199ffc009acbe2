//! A game: everybody edits at once, some without the relay, which is killed and restarted meanwhile; in the end all must
//! have the same, and what only one of them touched as he left it.

use syncline::{EditError, Family, Typed};
use syncline_core::operation::EditError as OperationError;
use syncline_core::random::Random;
use syncline_core::replica::EditFailure;

use super::judged::{Judge, Judged};
use super::{Team, together};

/// Operations that a member draws from one look at the document.
const BATCH: usize = 20;

/// Of how many operations one may be overtaken at most: a game in which little was done would show little.
const MAX_OVERTAKEN: usize = 10;

/// How likely a member loses the relay before a batch, and how likely one that lost it finds it again.
const LEAVES: f64 = 0.1;
const RETURNS: f64 = 0.3;

/// What is played.
#[derive(Clone, Copy, Debug)]
pub struct Play {
    /// How many edit.
    pub members: usize,
    /// How many operations each of them makes.
    pub operations: usize,
    /// The CRDT.
    pub family: Family,
    /// From which all chance comes, but that of the processes.
    pub seed: u64,
}

/// Plays on an imported document, and returns a line about it.
///
/// # Panics
/// If somebody ends with something else than the others, or than what he did.
pub async fn play<S: Judged>(play: Play, imported: &S) -> String {
    let mut random = Random::new(play.seed);
    let mut team = Team::start(play.members).await;
    let mut documents: Vec<Typed<S>> = Vec::new();
    for member in &team.members {
        documents.push(member.open("shared", play.family).await);
    }
    documents[0].import(imported).expect("an empty document takes it");
    together(&documents).await;

    let mut judge = Judge::new(imported.clone());
    let rounds = play.operations.div_ceil(BATCH);
    let (killed, stopped) = (rounds * 2 / 5, rounds * 7 / 10);
    let mut overtaken = 0;
    for round in 0..rounds {
        if round == killed {
            team.relay.kill();
        }
        if round == stopped {
            team.relay.stop();
        }
        // The relay is away for a few batches of everybody.
        if round == killed + 3 || round == stopped + 3 {
            team.relay.restart();
        }
        for (who, document) in documents.iter().enumerate() {
            move_about(&mut random, &team, who);
            overtaken += batch(&mut random, who, document, &mut judge);
            tokio::task::yield_now().await;
        }
    }
    team.relay.restart();
    team.members.iter().for_each(super::Member::come_back);
    let end = together(&documents).await;
    let compared = judge.check(&documents[0].state().expect("an open document"));
    assert!(
        overtaken * MAX_OVERTAKEN < play.members * play.operations,
        "{overtaken} operations were overtaken"
    );
    assert!(compared > 0, "there was nothing to compare");

    drop(documents);
    let last = play.members - 1;
    team.members[last].restart(last).await;
    let newcomer = team.join().await.open("shared", play.family).await;
    let reopened = team.members[last].open("shared", play.family).await;
    assert!(
        together::<S>(&[newcomer, reopened]).await == end,
        "a store says something else when it is opened again"
    );
    format!(
        "{} bytes, {compared} fields as their only editor left them, {overtaken} operations overtaken",
        end.len()
    )
}

fn move_about(random: &mut Random, team: &Team, who: usize) {
    let member = &team.members[who];
    if random.chance(LEAVES) {
        member.leave();
    } else if random.chance(RETURNS) {
        member.come_back();
    }
}

/// Makes a batch of operations, each an edit. What others did may come in between; returns how often it made one
/// impossible.
fn batch<S: Judged>(random: &mut Random, who: usize, document: &Typed<S>, judge: &mut Judge<S>) -> usize {
    let mut state = document.state().expect("an open document");
    let mut overtaken = 0;
    for _ in 0..BATCH {
        let operation = S::draw(random, &state);
        state.apply(&operation).expect("it was drawn for this state");
        match document.perform(&operation) {
            Ok(()) => judge.saw(who, &operation),
            Err(EditError::Failed(EditFailure::Rejected(
                OperationError::IsRoot
                | OperationError::NotFound { .. }
                | OperationError::NotAnIndex { .. }
                | OperationError::OutOfBounds { .. }
                | OperationError::WrongKind { .. },
            ))) => overtaken += 1,
            Err(other) => panic!("{operation:?} was refused: {other}"),
        }
    }
    overtaken
}
