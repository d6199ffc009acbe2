//! A small team at a board and a chart; `cargo xtask team` plays larger ones.

use syncline::Family;
use syncline::board::Board;
use syncline::chart::Chart;
use syncline_tests::process::team::{Play, play};

const TASKS: &[u8] = br#"{"id":"t1","title":"One","status":"todo","description":"words","labels":["a"]}
{"id":"t2","title":"Two","status":"doing"}
{"id":"t3","title":"Three","status":"done","other":[1,2]}
"#;

const CHART: &[u8] =
    br#"{"layer":[{"mark":"bar","encoding":{"x":{"field":"a"},"y":{"field":"b"}}},{"mark":"rule"}],
    "data":{"values":[{"a":1,"b":2},{"a":2,"b":5},7]},"params":[{"name":"p"}],"width":100}"#;

const FAMILIES: [Family; 2] = [Family::Yjs, Family::Automerge];

#[tokio::test(flavor = "multi_thread")]
async fn a_team_at_a_board_ends_equal() {
    let board = Board::from_json_lines(TASKS).expect("tasks");
    for family in FAMILIES {
        play(Play { members: 3, operations: 300, family, seed: 1 }, &board).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_at_a_chart_ends_equal() {
    let chart = Chart::from_vega_lite(CHART).expect("a chart");
    for family in FAMILIES {
        play(Play { members: 3, operations: 300, family, seed: 2 }, &chart).await;
    }
}
