//! Violations of checks over several nights: new, persisting, and resolved.

use std::fs;

use serde_json::Value;

use crate::support::{Workshop, run};

/// Compares a night whose rows with these IDs have no name.
fn night(shop: &Workshop, nameless: &[u64], gate: &str) -> (i32, Value) {
    let name = |id: &u64| if nameless.contains(id) { "" } else { "x" };
    let rows: String = (1..=9).map(|id| format!("{id},{}\n", name(&id))).collect();
    for side in ["old", "new"] {
        fs::write(shop.path(&format!("{side}.csv")), format!("id,name\n{rows}")).unwrap();
    }
    let job = format!(
        "[old]\npath = \"old.csv\"\n[new]\npath = \"new.csv\"\n[compare]\nkey = \"id\"\n{gate}\
         [[check]]\nname = \"nameless\"\nsql = \"SELECT id FROM new WHERE name IS NULL\"\n"
    );
    fs::write(shop.path("job.toml"), job).unwrap();
    let (code, out, err) = run(shop, &["run", "job.toml", "--quiet", "--format", "json"]);
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{err}"));
    (code, report["checks"][0].clone())
}

fn standing(check: &Value) -> [u64; 3] {
    ["new", "persisting", "resolved"].map(|name| check["standing"][name].as_u64().unwrap())
}

#[test]
fn violations_know_the_nights() {
    let shop = Workshop::new();
    let (code, first) = night(&shop, &[1, 2], "");
    assert!(code == 1 && first["standing"].is_null(), "nothing to compare with: {first}");
    let (_, second) = night(&shop, &[2, 3, 4], "");
    assert_eq!(standing(&second), [2, 1, 1]);
    assert_eq!(second["standing"]["oldest"]["age"], 2);
    // a retry of the same files compares with the night before
    assert_eq!(standing(&night(&shop, &[2, 3, 4], "").1), [2, 1, 1]);
    let (_, third) = night(&shop, &[2, 3], "");
    assert_eq!((standing(&third), &third["standing"]["oldest"]["age"]), ([0, 2, 1], &3.into()));
    let (_, out, _) = run(&shop, &["run", "job.toml", "--quiet"]);
    assert!(out.contains("2 violations, 0 new, where none is allowed"), "{out}");
    let (code, clean) = night(&shop, &[], "");
    assert_eq!((code, standing(&clean)), (0, [0, 0, 2]));
}

/// The number of new violations of a check over rows without a name, two nights after each other.
fn new_of(query: &str, first: &[u64], second: &[u64]) -> u64 {
    let shop = Workshop::new();
    let with = |nameless: &[u64]| {
        night(&shop, nameless, "");
        let job = fs::read_to_string(shop.path("job.toml")).unwrap();
        let start = job.find("sql = ").unwrap();
        fs::write(shop.path("job.toml"), format!("{}sql = \"{query}\"\n", &job[..start])).unwrap();
        let _ = fs::remove_dir_all(shop.path("runs/job").join("latest"));
        let (_, out, err) = run(&shop, &["run", "job.toml", "--quiet", "--format", "json", "--out", "own"]);
        let report: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{err}"));
        report["checks"][0]["standing"]["new"].as_u64()
    };
    with(first);
    with(second).unwrap()
}

#[test]
fn what_ids_do_not_identify_is_new() {
    let nulls = "SELECT CAST(NULL AS BIGINT) AS id, id AS other FROM new WHERE name IS NULL";
    assert_eq!(new_of(nulls, &[1], &[1, 2]), 2);
    // more rows of one ID than before
    let same = "SELECT 1 AS id, id AS other FROM new WHERE name IS NULL";
    assert_eq!(new_of(same, &[1], &[2, 3, 4]), 2);
}

#[test]
fn a_gate_judges_by_what_is_new() {
    let shop = Workshop::new();
    let gate = "[gate]\nnew_violations = 0\n";
    // without a night before, all of them are new
    assert_eq!(night(&shop, &[1], gate).0, 1);
    let (code, known) = night(&shop, &[1, 1], gate);
    assert_eq!(code, 1, "the same files again: {known}");
    let (code, one_more) = night(&shop, &[1, 5], gate);
    assert!(code == 1 && one_more["standing"]["new"] == 1, "{one_more}");
    let (code, known) = night(&shop, &[5], gate);
    assert!(code == 0 && known["holds"] == true && known["found"] == 1, "{known}");
    let (_, out, _) = run(&shop, &["run", "job.toml", "--quiet"]);
    assert!(out.contains("ACCEPTED") && out.contains("1 violation, 0 new, where at most 0 new are allowed"), "{out}");
    // a sign-off judges all of them
    let with = format!("{gate}[signoff]\ndelete_from = \"old\"\n");
    fs::write(
        shop.path("job.toml"),
        format!("[old]\npath = \"old.csv\"\n[new]\npath = \"new.csv\"\n[compare]\nkey = \"id\"\n{with}"),
    )
    .unwrap();
    let (_, _, err) = run(&shop, &["validate", "job.toml"]);
    assert!(err.contains("a sign-off judges all violations, not only new ones"), "{err}");
}
