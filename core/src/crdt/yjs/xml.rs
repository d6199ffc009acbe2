//! What other programs put into a document, as text to look at: XML with its attributes in order, texts with
//! their formatting as tags, subdocuments by name. It is for people; nothing reads it back.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use yrs::branch::{Branch, BranchPtr};
use yrs::types::TypeRef;
use yrs::types::text::YChange;
use yrs::{Any, Array, ArrayRef, Map, MapRef, Out, ReadTxn, Text, TextRef};

use super::node::Node;
use super::shape::has_characters;
use crate::json::to_canonical_json;

/// Describes something foreign.
pub(super) fn print(out: &Out, txn: &impl ReadTxn) -> String {
    let mut printed = String::new();
    print_into(&mut printed, out, txn);
    printed
}

fn print_into(printed: &mut String, out: &Out, txn: &impl ReadTxn) {
    match (out, out.try_branch()) {
        (Out::Any(any), _) => print_any(printed, any, txn),
        (Out::YDoc(document), _) => {
            let _ = write!(printed, "<document {}>", document.guid());
        }
        (_, Some(branch)) => match branch.type_ref() {
            TypeRef::XmlElement(tag) => print_element(printed, tag, branch, txn),
            _ => print_content(printed, branch, txn),
        },
        (_, None) => {}
    }
}

fn print_any(printed: &mut String, any: &Any, txn: &impl ReadTxn) {
    match any {
        Any::String(text) => printed.push_str(text),
        other => printed.push_str(&to_canonical_json(&Node::Plain(other.clone()).value(txn))),
    }
}

fn print_element(printed: &mut String, tag: &str, branch: &Branch, txn: &impl ReadTxn) {
    let attributes = MapRef::from(BranchPtr::from(branch));
    let sorted: BTreeMap<&str, Out> =
        attributes.keys(txn).filter_map(|key| Some((key, attributes.get(txn, key)?))).collect();
    let _ = write!(printed, "<{tag}");
    for (name, value) in sorted {
        let _ = write!(printed, " {name}=\"");
        print_into(printed, &value, txn);
        printed.push('"');
    }
    printed.push('>');
    print_content(printed, branch, txn);
    let _ = write!(printed, "</{tag}>");
}

fn print_content(printed: &mut String, branch: &Branch, txn: &impl ReadTxn) {
    let pointer = BranchPtr::from(branch);
    if has_characters(branch, txn) {
        return print_text(printed, &TextRef::from(pointer), txn);
    }
    ArrayRef::from(pointer).iter(txn).for_each(|child| print_into(printed, &child, txn));
}

fn print_text(printed: &mut String, text: &TextRef, txn: &impl ReadTxn) {
    for part in text.diff(txn, YChange::identity) {
        let formats: BTreeMap<_, _> = part.attributes.into_iter().flat_map(|formats| *formats).collect();
        formats.keys().for_each(|format| {
            let _ = write!(printed, "<{format}>");
        });
        print_into(printed, &part.insert, txn);
        formats.keys().rev().for_each(|format| {
            let _ = write!(printed, "</{format}>");
        });
    }
}
