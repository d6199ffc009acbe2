//! XML and subdocuments, which other Yjs programs put into documents: shown as text, never edited, and kept.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use syncline_core::crdt::yjs::Yjs;
use syncline_core::crdt::{Crdt, Gate, Writer};
use syncline_core::entry::Kind;
use syncline_core::id::ReplicaId;
use syncline_core::json::to_canonical_json;
use syncline_core::operation::Operation;
use syncline_core::path::Path;
use syncline_core::value::{NodeKind, Value};
use yrs::updates::decoder::Decode;
use yrs::{
    Doc, GetString, Map, Options, Out, ReadTxn, StateVector, Text, Transact, Update, Xml, XmlElementPrelim,
    XmlFragment, XmlOut, XmlTextPrelim,
};

const PAGE: &str = r#"<p class="big" id="1">Hello</p><ul><li>one</li></ul>"#;
const CHAPTER: &str = "<document chapter-1>";

fn editor(client: u64) -> Doc {
    Doc::with_client_id(client)
}

/// What another program wrote: a page of XML at the top, and a subdocument in a map.
fn written() -> Doc {
    let doc = editor(7);
    let page = doc.get_or_insert_xml_fragment("page");
    let book = doc.get_or_insert_map("book");
    let mut txn = doc.transact_mut();
    let paragraph = page.push_back(&mut txn, XmlElementPrelim::empty("p"));
    paragraph.insert_attribute(&mut txn, "id", "1");
    paragraph.insert_attribute(&mut txn, "class", "big");
    paragraph.push_back(&mut txn, XmlTextPrelim::new("Hello"));
    let list = page.push_back(&mut txn, XmlElementPrelim::empty("ul"));
    let item = list.push_back(&mut txn, XmlElementPrelim::empty("li"));
    item.push_back(&mut txn, XmlTextPrelim::new("one"));
    let options = Options { guid: "chapter-1".into(), ..Options::default() };
    book.insert(&mut txn, "chapter", Doc::with_options(options));
    book.insert(&mut txn, "title", "Syncline");
    drop(txn);
    doc
}

fn update(doc: &Doc, since: &StateVector) -> Vec<u8> {
    doc.transact().encode_state_as_update_v1(since)
}

/// Gives a document what another program wrote.
fn receive(document: &mut Yjs, update: &[u8]) {
    document.admit(&Writer::STRANGER, update).unwrap();
    document.apply(&[update]).unwrap();
}

fn document(replica: u8) -> Yjs {
    let mut document = Yjs::create(Kind::Tree);
    document.write_as(ReplicaId::new([replica; 16]));
    receive(&mut document, &update(&written(), &StateVector::default()));
    document
}

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

fn shown(document: &Yjs) -> String {
    to_canonical_json(&document.value(&Path::root()).unwrap())
}

#[test]
fn it_is_shown_as_text() {
    let document = document(1);
    let opaque = |text: &str| Value::Opaque(text.to_owned());
    let book = BTreeMap::from([
        ("chapter".to_owned(), opaque(CHAPTER)),
        ("title".to_owned(), Value::String("Syncline".to_owned())),
    ]);
    let root = BTreeMap::from([("book".to_owned(), Value::Map(book)), ("page".to_owned(), opaque(PAGE))]);
    assert_eq!(document.value(&Path::root()), Some(Value::Map(root)));
    assert_eq!(document.value(&path("/page")), Some(opaque(PAGE)));
    assert_eq!(document.value(&path("/book/chapter")), Some(opaque(CHAPTER)));
    for foreign in ["/page", "/book/chapter"] {
        assert_eq!(document.kind(&path(foreign)), Some(NodeKind::Opaque), "{foreign}");
    }
    let page = PAGE.replace('"', "\\\"");
    let json = format!(r#"{{"book":{{"chapter":"{CHAPTER}","title":"Syncline"}},"page":"{page}"}}"#);
    assert_eq!(shown(&document), json);
}

#[test]
fn what_is_in_it_cannot_be_edited() {
    let mut document = document(1);
    let before = shown(&document);
    for foreign in ["/page", "/book/chapter"] {
        for operation in [
            Operation::Splice { path: path(foreign), at: 0, delete: 1, insert: "x".to_owned() },
            Operation::Put { path: path(&format!("{foreign}/key")), value: Value::Null },
            Operation::Insert { path: path(&format!("{foreign}/0")), values: vec![Value::Null] },
        ] {
            assert!(document.perform(&operation).is_err(), "{operation:?}");
        }
    }
    assert_eq!(document.take_local(), Ok(None));
    assert_eq!(shown(&document), before);
}

#[test]
fn merges_keep_it() {
    let (mut ada, mut ben) = (document(1), document(2));
    ada.perform(&Operation::Put { path: path("/book/year"), value: Value::Int(2026) }).unwrap();
    ben.perform(&Operation::Put { path: path("/book/title"), value: Value::Bool(true) }).unwrap();
    let foreign = greeting_extended();
    let updates = [ada.take_local().unwrap().unwrap(), ben.take_local().unwrap().unwrap()];
    receive(&mut ada, &foreign);
    receive(&mut ada, &updates[1]);
    receive(&mut ben, &updates[0]);
    receive(&mut ben, &foreign);
    assert_eq!(shown(&ada), shown(&ben));
    let merged = ada.value(&path("/page"));
    assert_eq!(merged, Some(Value::Opaque(PAGE.replace("Hello", "Hello, world"))));
    assert_eq!(ada.value(&path("/book/chapter")), Some(Value::Opaque(CHAPTER.to_owned())));
    let snapshot = ada.snapshot().unwrap();
    assert_eq!(shown(&Yjs::load(Kind::Tree, &snapshot).unwrap()), shown(&ada));
    let mut late = Yjs::create(Kind::Tree);
    late.admit_snapshot(&snapshot).unwrap();
    late.merge(&snapshot).unwrap();
    assert_eq!(shown(&late), shown(&ada));
    is_whole_elsewhere(&snapshot);
}

/// What the other program writes meanwhile.
fn greeting_extended() -> Vec<u8> {
    let doc = editor(8);
    let page = doc.get_or_insert_xml_fragment("page");
    doc.transact_mut()
        .apply_update(Update::decode_v1(&update(&written(), &StateVector::default())).unwrap())
        .unwrap();
    let before = doc.transact().state_vector();
    let mut txn = doc.transact_mut();
    let Some(XmlOut::Element(paragraph)) = page.get(&txn, 0) else { panic!("the page has a paragraph") };
    let Some(XmlOut::Text(text)) = paragraph.get(&txn, 0) else { panic!("the paragraph has a text") };
    text.push(&mut txn, ", world");
    drop(txn);
    update(&doc, &before)
}

/// The other program finds its elements, attributes and subdocument in what was merged here.
fn is_whole_elsewhere(snapshot: &[u8]) {
    let doc = editor(9);
    let (page, book) = (doc.get_or_insert_xml_fragment("page"), doc.get_or_insert_map("book"));
    doc.transact_mut().apply_update(Update::decode_v1(snapshot).unwrap()).unwrap();
    let txn = doc.transact();
    let Some(XmlOut::Element(paragraph)) = page.get(&txn, 0) else { panic!("the page has a paragraph") };
    assert_eq!(
        paragraph.get_attribute(&txn, "class").map(|class| class.to_string(&txn)),
        Some("big".to_owned())
    );
    assert!(page.get_string(&txn).contains("Hello, world") && page.get_string(&txn).contains("<li>one</li>"));
    let Some(Out::YDoc(chapter)) = book.get(&txn, "chapter") else { panic!("the book has a chapter") };
    assert_eq!(&*chapter.guid(), "chapter-1");
    assert_eq!(book.get(&txn, "year").map(|year| year.to_string(&txn)), Some("2026".to_owned()));
}
