//! What is derived from values alone: JSON and the difference between two states.

use quickcheck::quickcheck;
use syncline_core::diff::changes;
use syncline_core::json::to_canonical_json;
use syncline_core::model::Model;
use syncline_core::scripts::script;
use syncline_core::value::Value;

fn written(seed: u64, len: u8) -> Model {
    let mut model = Model::new();
    for operation in script(seed, usize::from(len)) {
        model.perform(&operation).ok();
    }
    model
}

quickcheck! {
    fn canonical_json_is_kept_by_reading_it_back(seed: u64, len: u8) -> bool {
        let text = to_canonical_json(written(seed, len).root());
        let json = serde_json::from_str(&text).unwrap();
        let again = Value::from_json(&json).unwrap();
        to_canonical_json(&again) == text && again.to_json() == json
    }

    fn the_changes_between_two_documents_lead_from_one_to_the_other(seeds: (u64, u64), lens: (u8, u8)) -> bool {
        reached(written(seeds.0, lens.0), &written(seeds.1, lens.1))
    }

    fn the_changes_of_an_edit_repeat_it(seed: u64, len: u8, edits: u8) -> bool {
        let before = written(seed, len);
        let mut after = before.clone();
        for operation in script(seed ^ 1, usize::from(edits)) {
            after.perform(&operation).ok();
        }
        reached(before, &after)
    }

    fn nothing_changes_between_equals(seed: u64, len: u8) -> bool {
        changes(written(seed, len).root(), written(seed, len).root()).is_empty()
    }
}

fn reached(mut from: Model, to: &Model) -> bool {
    for operation in changes(from.root(), to.root()) {
        from.perform(&operation).expect("changes fit the document they start from");
    }
    &from == to
}
