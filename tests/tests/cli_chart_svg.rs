//! `syncline chart DOC --svg FILE`: what is drawn, what is refused, and what becomes of the file.

use serde_json::{Value as Json, json};
use syncline_tests::process::terminal::Terminal;

const FAMILIES: [&str; 2] = ["yjs", "automerge"];

fn bars(mark: &str) -> Json {
    json!({
        "title": "Edits & <days>",
        "data": {"values": [{"day": "Mon", "edits": 28}, {"day": "Tue", "edits": 55}, {"day": "Wed", "edits": 43}]},
        "mark": mark,
        "encoding": {
            "x": {"field": "day", "type": "ordinal", "sort": null},
            "y": {"field": "edits", "type": "quantitative"},
        },
    })
}

fn with_chart(crdt: &str, specification: &Json) -> Terminal {
    let terminal = Terminal::new();
    std::fs::write(terminal.folder().join("chart.vl.json"), specification.to_string())
        .expect("it can be written");
    terminal.ok(["import", "c", "chart.vl.json", "--crdt", crdt]);
    terminal
}

#[test]
fn a_chart_is_the_same_picture_in_both_families() {
    let pictures = FAMILIES.map(|crdt| {
        let terminal = with_chart(crdt, &bars("bar"));
        assert_eq!(terminal.ok(["chart", "c", "--svg", "c.svg"]), "");
        std::fs::read_to_string(terminal.folder().join("c.svg")).expect("it was written")
    });
    assert_eq!(pictures[0], pictures[1]);
    assert!(pictures[0].starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{}", pictures[0]);
    assert!(
        pictures[0].contains("Edits &amp; &lt;days&gt;") && pictures[0].contains(">Tue<"),
        "{}",
        pictures[0]
    );
}

#[test]
fn what_is_not_drawn_is_named_and_the_file_is_left_alone() {
    let terminal = with_chart("yjs", &bars("boxplot"));
    let file = terminal.folder().join("c.svg");
    std::fs::write(&file, "what was there").expect("it can be written");
    let error = terminal.fails(1, ["chart", "c", "--svg", "c.svg"]);
    assert!(error.contains("the mark \"boxplot\"") && error.contains("/mark"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).expect("it is there"), "what was there");
    let error = terminal.fails(1, ["--json", "chart", "c", "--svg", "c.svg"]);
    assert!(error.contains("\"code\":\"undrawable\""), "{error}");
}

#[test]
fn only_charts_are_drawn_and_only_where_somebody_may_write() {
    let terminal = with_chart("automerge", &bars("bar"));
    terminal.ok(["create", "tree"]);
    assert!(terminal.fails(1, ["chart", "tree", "--svg", "t.svg"]).contains("yjs tree"));
    assert!(terminal.fails(1, ["chart", "other", "--svg", "o.svg"]).contains("no document"));
    let error = terminal.fails(1, ["chart", "c", "--svg", "no/such/folder/c.svg"]);
    assert!(error.contains("cannot write no/such/folder/c.svg"), "{error}");
    let left = std::fs::read_dir(terminal.folder()).expect("a folder").filter_map(Result::ok);
    assert!(!left.into_iter().any(|file| file.file_name().to_string_lossy().contains(".svg")));
}
