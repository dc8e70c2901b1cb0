//! The JSON Schema of the report is in the repository, is current, and describes what a run writes.

use std::fs;
use std::path::Path;

use crate::support::Workshop;

#[test]
fn the_schemas_in_the_repo_are_current() {
    let schemas = [
        ("report.v1.json", countersign::report::json::schema()),
        ("job.v1.json", countersign::job::file::schema()),
        ("overview.v1.json", countersign::report::overview::schema()),
    ];
    for (name, current) in schemas {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name);
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&place, &current).unwrap();
        }
        assert_eq!(fs::read_to_string(&place).unwrap(), current, "{name}: UPDATE=1 rewrites it");
    }
}

#[test]
fn the_demo_report_fits_the_schema() {
    let schema = serde_json::from_str(&countersign::report::json::schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let shop = Workshop::new();
    assert!(shop.run(&["demo", "demo"]).status.success());
    let report = fs::read_to_string(shop.path("demo/runs/subscriptions/latest/report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let errors: Vec<String> = validator.iter_errors(&report).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert!(shop.run(&["demo", "--history", "nights"]).status.success());
    let night = fs::read_to_string(shop.path("nights/runs/accounts/latest/report.json")).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&serde_json::from_str(&night).unwrap()).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let mut incomplete = report.clone();
    incomplete.as_object_mut().unwrap().remove("verdict");
    assert!(!validator.is_valid(&incomplete), "a schema that takes anything proves nothing");
}
