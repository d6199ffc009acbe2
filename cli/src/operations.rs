//! Operations as JSON, for `watch`.

use serde_json::{Value as Json, json};
use syncline::Operation;

/// One operation as an object with `op`, `path` and what it needs.
pub fn to_json(operation: &Operation) -> Json {
    let path = operation.path().to_string();
    match operation {
        Operation::Put { value, .. } => json!({"op": "set", "path": path, "value": value.to_json()}),
        Operation::Remove { .. } => json!({"op": "rm", "path": path}),
        Operation::Insert { values, .. } => {
            let values: Vec<Json> = values.iter().map(syncline::Value::to_json).collect();
            json!({"op": "insert", "path": path, "values": values})
        }
        Operation::Splice { at, delete, insert, .. } => {
            json!({"op": "splice", "path": path, "pos": at, "del": delete, "ins": insert})
        }
        Operation::Increment { by, .. } => json!({"op": "inc", "path": path, "by": by}),
    }
}
