//! A recorded session of several authors, played again on documents without an engine: each author sees exactly what
//! the recorded one had seen, and all end with the recorded text.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod real_data;

use bytes::Bytes;
use flate2::read::GzDecoder;
use serde_json::Value as Json;
use syncline_core::crdt::{self, Crdt, Writer};
use syncline_core::entry::{Family, Kind, Spec};
use syncline_core::id::ReplicaId;
use syncline_core::operation::Operation;
use syncline_core::path::Path;
use syncline_core::value::Value;

use real_data::real_data;

/// One author: the document, the updates made so far, and how many of each author's are in the document.
struct Author {
    replica: ReplicaId,
    document: Box<dyn Crdt>,
    made: Vec<Bytes>,
    seen: Vec<usize>,
}

fn trace() -> Option<Json> {
    let file = std::fs::File::open(real_data("traces/concurrent/friendsforever.json.gz")?).unwrap();
    Some(serde_json::from_reader(GzDecoder::new(file)).unwrap())
}

fn play(family: Family) -> Option<(String, String)> {
    let trace = trace()?;
    let agents = trace["numAgents"].as_u64().unwrap() as usize;
    let author = |agent| {
        let spec = Spec { family, kind: Kind::Text };
        let replica = ReplicaId::new([agent as u8 + 1; 16]);
        let mut document = crdt::create(spec);
        document.write_as(replica);
        Author { replica, document, made: Vec::new(), seen: vec![0; agents] }
    };
    let mut authors: Vec<Author> = (0..agents).map(author).collect();
    let mut versions: Vec<Vec<usize>> = Vec::new();
    for txn in trace["txns"].as_array().unwrap() {
        let mut version = vec![0; agents];
        for parent in txn["parents"].as_array().unwrap() {
            let parent = &versions[parent.as_u64().unwrap() as usize];
            version.iter_mut().zip(parent).for_each(|(count, other)| *count = (*count).max(*other));
        }
        let agent = txn["agent"].as_u64().unwrap() as usize;
        see(&mut authors, agent, &version);
        let author = &mut authors[agent];
        for patch in txn["patches"].as_array().unwrap() {
            let position = |n: usize| patch[n].as_u64().unwrap() as usize;
            let insert = patch[2].as_str().unwrap().to_owned();
            let path = Path::root().child(Kind::TEXT_KEY);
            author
                .document
                .perform(&Operation::Splice { path, at: position(0), delete: position(1), insert })
                .unwrap();
        }
        author.made.push(author.document.take_local().unwrap().unwrap());
        version[agent] = author.made.len();
        author.seen[agent] = version[agent];
        versions.push(version);
    }
    let everything: Vec<usize> = authors.iter().map(|author| author.made.len()).collect();
    (0..agents).for_each(|agent| see(&mut authors, agent, &everything));
    let texts: Vec<String> = authors.iter().map(|author| text(&*author.document)).collect();
    assert!(texts.iter().all(|text| *text == texts[0]), "the authors end with different texts");
    Some((texts[0].clone(), trace["endContent"].as_str().unwrap().to_owned()))
}

fn see(authors: &mut [Author], agent: usize, version: &[usize]) {
    for other in (0..authors.len()).filter(|other| *other != agent) {
        let seen = authors[agent].seen[other];
        let news: Vec<Bytes> = authors[other].made[seen..version[other].max(seen)].to_vec();
        let writer = Writer::Replica(authors[other].replica);
        let author = &mut authors[agent];
        author.seen[other] += news.len();
        for update in &news {
            author.document.admit(&writer, update).unwrap();
        }
        author.document.apply(&news.iter().map(|update| &update[..]).collect::<Vec<_>>()).unwrap();
    }
}

fn text(document: &dyn Crdt) -> String {
    match document.value(&Path::root().child(Kind::TEXT_KEY)) {
        Some(Value::Text(text)) => text,
        other => panic!("no text: {other:?}"),
    }
}

#[test]
fn a_session_ends_as_recorded_on_yjs() {
    let Some((text, end)) = play(Family::Yjs) else { return };
    assert!(text == end, "{text}\n\nis not\n\n{end}");
}
