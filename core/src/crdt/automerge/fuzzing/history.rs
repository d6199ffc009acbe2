//! A short history by three people, with every sort of operation in it.

use automerge::marks::{ExpandMark, Mark};
use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, AutomergeError, Change, ObjId, ObjType, ROOT, ScalarValue};

use crate::crdt::automerge::contain::ENCODING;

/// Its changes, each after those it depends on.
pub fn history() -> Vec<Change> {
    let mut alice = AutoCommit::new_with_encoding(ENCODING).with_actor(actor(1));
    let ids = make(&mut alice).expect("the document takes it");
    let mut bob = alice.fork().with_actor(actor(2));
    edit_text(&mut alice, &ids).expect("the document takes it");
    edit_tree(&mut bob, &ids).expect("the document takes it");
    alice.merge(&mut bob).expect("the documents merge");
    let mut carol = alice.fork().with_actor(actor(3));
    edit_tree(&mut carol, &ids).expect("the document takes it");
    edit_text(&mut carol, &ids).expect("the document takes it");
    edit_text(&mut alice, &ids).expect("the document takes it");
    alice.merge(&mut carol).expect("the documents merge");
    edit_tree(&mut alice, &ids).expect("the document takes it");
    alice.get_changes(&[])
}

fn actor(number: u8) -> ActorId {
    ActorId::from([number; 16])
}

struct Ids {
    map: ObjId,
    list: ObjId,
    text: ObjId,
}

fn make(document: &mut AutoCommit) -> Result<Ids, AutomergeError> {
    let map = document.put_object(ROOT, "map", ObjType::Map)?;
    document.put(&map, "count", ScalarValue::counter(1))?;
    document.put(&map, "time", ScalarValue::Timestamp(1_700_000_000_000))?;
    document.commit();
    let list = document.put_object(ROOT, "list", ObjType::List)?;
    document.splice(&list, 0, 0, (0_i64..6).map(ScalarValue::Int))?;
    document.insert_object(&list, 2, ObjType::Map)?;
    document.insert(&list, 1, ScalarValue::counter(-3))?;
    document.commit();
    let text = document.put_object(&map, "text", ObjType::Text)?;
    document.splice_text(&text, 0, 0, "The quick brown \u{1f98a} jumps")?;
    document.commit();
    Ok(Ids { map, list, text })
}

fn edit_text(document: &mut AutoCommit, Ids { text, .. }: &Ids) -> Result<(), AutomergeError> {
    document.splice_text(text, 4, 5, "slow")?;
    document.commit();
    let mark = Mark::new("bold".to_owned(), ScalarValue::Boolean(true), 2, 8);
    document.mark(text, mark, ExpandMark::Both)?;
    document.split_block(text, 3)?;
    document.commit();
    document.splice_text(text, 5, 1, "")?;
    document.unmark(text, "bold", 4, 6, ExpandMark::None)?;
    document.commit();
    Ok(())
}

fn edit_tree(document: &mut AutoCommit, Ids { map, list, .. }: &Ids) -> Result<(), AutomergeError> {
    document.put(map, "float", 0.25)?;
    document.put(map, "bytes", ScalarValue::Bytes(vec![1, 2, 3]))?;
    document.increment(map, "count", 5)?;
    document.commit();
    document.increment(list, 1, -2)?;
    document.put(list, 0, "zero")?;
    document.delete(list, 3)?;
    document.put_object(list, 4, ObjType::List)?;
    document.commit();
    document.put(map, "float", ScalarValue::Uint(7))?;
    document.delete(map, "time")?;
    document.insert(list, 2, ScalarValue::Null)?;
    document.commit();
    Ok(())
}
