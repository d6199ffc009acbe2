//! Clients of automerge-repo tell each other through the relay up to where their own stores hold a document.

use serde_json::{Value as Json, json};
use syncline_tests::process::clients::client::Client;
use syncline_tests::process::clients::{Edit, Kind};
use syncline_tests::process::relay::Relay;
use tempfile::TempDir;

/// Waits until a client has heard that a store holds what is said of it.
fn hears(client: &mut Client, holding: &Json) {
    let Json::Object(mut event) = holding.clone() else { panic!("no object: {holding}") };
    event.retain(|key, _| ["storageId", "heads"].contains(&key.as_str()));
    event.insert("event".to_owned(), "remote-heads".into());
    client.wait(json!({ "event": event }));
}

#[test]
fn a_client_hears_up_to_where_the_stores_hold_a_document_that_it_follows() {
    let (Some(mut ann), Some(mut ben)) =
        (Client::start(Kind::Automerge, "ann"), Client::start(Kind::Automerge, "ben"))
    else {
        return;
    };
    let (mut relay, store) = (Relay::start(), TempDir::new().expect("there is room for a folder"));
    let gossips = json!({ "enableRemoteHeadsGossiping": true, "retryInterval": 100 });
    let doc = ann.open(&relay, None, json!({ "store": store.path(), "options": gossips }));
    ben.open(&relay, Some(&doc), json!({ "options": gossips }));
    let before = ann.ask("holding", json!({}));
    ben.ask("follow", json!({ "storageId": before["storageId"] }));
    hears(&mut ben, &before);
    ann.edit(&Edit::marks("ann", 1));
    let after = ann.ask("holding", json!({}));
    assert_ne!(before["heads"], after["heads"]);
    hears(&mut ben, &after);
    relay.kill();
    ann.edit(&Edit::marks("ann", 2));
    relay.restart();
    let now = ann.ask("holding", json!({}));
    hears(&mut ben, &now);
}
