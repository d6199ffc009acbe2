//! Who is present in a room, across protocols: what guests show of themselves as Syncline's own clients see it, and the reverse.
//!
//! Clients of other protocols show each other any JSON they like. By convention editors show a `user` with a `name` and a
//! `color`, and a `cursor` with an `anchor` and a `head`; that is what is understood here, and what is shown to them.

use serde_json::{Value as Json, json};
use syncline::Principal;
use syncline_core::crdt::Crdt;
use syncline_core::path::Path;
use syncline_core::presence::{
    Anchor, MAX_ANCHOR_BYTES, MAX_DISPLAY_BYTES, Metadata, Presence, Selection, Status,
};
use syncline_core::value::NodeKind;

/// The part of the metadata that holds what a guest shows, as it shows it.
const STATE: &str = "state";

/// What a guest shows, as Syncline's clients see it. Who it is says the relay.
pub(super) fn presence(user: &Principal, state: &Json, document: Option<&dyn Crdt>) -> Presence {
    let text = |pointers: [&str; 2]| pointers.iter().find_map(|pointer| state.pointer(pointer)?.as_str());
    let shown =
        |text: Option<&str>| text.filter(|text| text.len() <= MAX_DISPLAY_BYTES).map(ToOwned::to_owned);
    let fresh = Presence::of(user.clone());
    Presence {
        name: shown(text(["/user/name", "/name"])).unwrap_or(fresh.name),
        color: shown(text(["/user/color", "/color"])).unwrap_or_default(),
        status: match state.get("status").and_then(Json::as_str) {
            Some("away" | "idle") => Status::Away,
            Some(_) | None => Status::Online,
        },
        selection: document.and_then(|document| selection(state.get("cursor")?, document)),
        metadata: Metadata::new(json!({STATE: state})).unwrap_or_default(),
        ..Presence::of(user.clone())
    }
}

/// What one of Syncline's clients shows, as guests see it.
pub(super) fn state(presence: &Presence) -> Json {
    let mut state = json!({
        "user": {"name": presence.name, "color": presence.color},
        "name": presence.name,
        "status": presence.status,
        "metadata": presence.metadata,
    });
    if let Some(Selection { path, anchor, head }) = &presence.selection {
        let place = |anchor: &Anchor| serde_json::from_str(&anchor.0).unwrap_or_else(|_| json!(anchor.0));
        state["cursor"] = json!({"path": path.to_string(), "anchor": place(anchor), "head": place(head)});
    }
    state
}

/// A place that a guest names, in whichever text it is.
fn selection(cursor: &Json, document: &dyn Crdt) -> Option<Selection> {
    let anchor = |end: &str| {
        let text = match cursor.get(end)? {
            Json::String(text) => text.clone(),
            Json::Object(place) => serde_json::to_string(place).ok()?,
            _ => return None,
        };
        (text.len() <= MAX_ANCHOR_BYTES).then_some(Anchor(text))
    };
    let (anchor, head) = (anchor("anchor")?, anchor("head")?);
    let named = cursor.get("path").and_then(Json::as_str).and_then(|path| path.parse().ok());
    let path =
        named.into_iter().chain(texts(document)).find(|path| document.locate(path, &head).is_some())?;
    Some(Selection { path, anchor, head })
}

/// The texts at the top of a document, where editors have theirs.
fn texts(document: &dyn Crdt) -> Vec<Path> {
    let keys = document.keys(&Path::root()).unwrap_or_default();
    let paths = keys.iter().map(|key| Path::root().child(key));
    paths.filter(|path| document.kind(path) == Some(NodeKind::Text)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use syncline_core::crdt;
    use syncline_core::entry::{Family, Kind, Spec};
    use syncline_core::id::ReplicaId;
    use syncline_core::operation::Operation;

    use super::*;

    fn document() -> Box<dyn Crdt> {
        let mut document = crdt::create(Spec { family: Family::Yjs, kind: Kind::Text });
        document.write_as(ReplicaId::new([1; 16]));
        let path: Path = "/text".parse().unwrap();
        let insert = "hello".to_owned();
        document.perform(&Operation::Splice { path, at: 0, delete: 0, insert }).unwrap();
        document.take_local().unwrap();
        document
    }

    fn ada() -> Principal {
        Principal::new("ada").unwrap()
    }

    #[test]
    fn what_editors_show_is_understood_and_shown_to_them() {
        let (document, path) = (document(), "/text".parse().unwrap());
        let place = |at| serde_json::from_str::<Json>(&document.anchor(&path, at).unwrap().0).unwrap();
        let shown = json!({
            "user": {"name": "Ada", "color": "#f00"},
            "cursor": {"anchor": place(1), "head": place(3)},
            "more": [1, 2],
        });
        let presence = presence(&ada(), &shown, Some(&*document));
        assert_eq!(
            (presence.name.as_str(), presence.color.as_str(), &presence.user),
            ("Ada", "#f00", &ada())
        );
        let Selection { path, anchor, head } = presence.selection.clone().unwrap();
        assert_eq!((document.locate(&path, &anchor), document.locate(&path, &head)), (Some(1), Some(3)));
        assert_eq!(presence.metadata.object()[STATE], shown);
        let again = state(&presence);
        assert_eq!((&again["user"], &again["cursor"]["head"]), (&shown["user"], &shown["cursor"]["head"]));
    }

    #[test]
    fn what_is_not_understood_is_left_out() {
        let long = "x".repeat(MAX_DISPLAY_BYTES + 1);
        for state in
            [json!({}), json!(7), json!({"user": {"name": long}, "cursor": {"anchor": 1, "head": "zz"}})]
        {
            let presence = presence(&ada(), &state, Some(&*document()));
            assert_eq!((presence.name.as_str(), presence.selection), ("ada", None));
        }
        let large = json!({"blob": "x".repeat(10_000)});
        assert_eq!(presence(&ada(), &large, None).metadata, Metadata::default());
    }
}
