//! Rules of fields in structs, against a model that compares them one by one.

use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, ListArray, RecordBatch, StringArray, StructArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Fields, Int64Type};
use serde_json::Value;

use crate::support::{Workshop, run, write_parquet};

/// An address: a city, a position, and a list, each of which may be NULL.
#[derive(Debug, Clone, PartialEq)]
struct Address {
    city: Option<String>,
    geo: Option<Geo>,
    tags: Option<Vec<Option<i64>>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Geo {
    lat: Option<f64>,
    note: Option<String>,
}

/// A generator of numbers below a bound.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(6) > 0).then(|| make(self))
    }

    fn address(&mut self) -> Option<Address> {
        self.maybe(|random| Address {
            city: random.maybe(|random| ["Bonn", "Bonn ", "bonn", ""][random.below(4) as usize].to_string()),
            geo: random.maybe(|random| Geo {
                lat: random.maybe(|random| 50.0 + random.below(5) as f64 / 1000.0),
                note: random.maybe(|random| ["a", "A", "b"][random.below(3) as usize].to_string()),
            }),
            tags: random
                .maybe(|random| (0..random.below(3)).map(|_| random.maybe(|random| random.below(2) as i64)).collect()),
        })
    }
}

fn nulls<T>(values: &[Option<T>]) -> Option<NullBuffer> {
    Some(NullBuffer::from_iter(values.iter().map(Option::is_some)))
}

/// The addresses as a column of structs.
fn column(addresses: &[Option<Address>]) -> ArrayRef {
    let own = |address: &Option<Address>| address.clone().unwrap_or(Address { city: None, geo: None, tags: None });
    let all: Vec<Address> = addresses.iter().map(own).collect();
    let geos: Vec<Option<Geo>> = all.iter().map(|address| address.geo.clone()).collect();
    let part = |geo: &Option<Geo>| geo.clone().unwrap_or(Geo { lat: None, note: None });
    let lat: ArrayRef = Arc::new(geos.iter().map(|geo| part(geo).lat).collect::<Float64Array>());
    let note: ArrayRef = Arc::new(geos.iter().map(|geo| part(geo).note).collect::<StringArray>());
    let fields: Fields =
        vec![Field::new("lat", DataType::Float64, true), Field::new("note", DataType::Utf8, true)].into();
    let geo: ArrayRef = Arc::new(StructArray::new(fields.clone(), vec![lat, note], nulls(&geos)));
    let city: ArrayRef = Arc::new(all.iter().map(|address| address.city.clone()).collect::<StringArray>());
    let tags: ArrayRef =
        Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(all.iter().map(|address| address.tags.clone())));
    let outer: Fields = vec![
        Field::new("city", DataType::Utf8, true),
        Field::new("geo", DataType::Struct(fields), true),
        Field::new("tags", tags.data_type().clone(), true),
    ]
    .into();
    Arc::new(StructArray::new(outer, vec![city, geo, tags], nulls(addresses)))
}

fn write(shop: &Workshop, name: &str, addresses: &[Option<Address>]) {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..addresses.len() as i64));
    let batch = RecordBatch::try_from_iter([("id", ids), ("address", column(addresses))]).unwrap();
    write_parquet(&shop.path(name), &batch, 16);
}

const RULES: &str = "[compare.columns.\"address.city\"]\nrtrim = true\ncasefold = true\n\
                     [compare.columns.\"address.geo.lat\"]\ntolerance = 0.0015\n";

/// What the rules are for, field by field.
fn are_equal(old: &Option<Address>, new: &Option<Address>) -> bool {
    let city = |address: &Option<Address>| {
        address.as_ref().and_then(|own| own.city.as_ref()).map(|city| city.trim_end().to_lowercase())
    };
    let lat = |address: &Option<Address>| address.as_ref().and_then(|own| own.geo.as_ref()?.lat);
    let near = match (lat(old), lat(new)) {
        (Some(old), Some(new)) => (old - new).abs() < 0.0015,
        (old, new) => old == new,
    };
    // everything else is exact
    let rest = |address: &Option<Address>| address.clone().map(|own| (own.geo.map(|geo| geo.note), own.tags));
    city(old) == city(new) && near && rest(old) == rest(new)
}

#[test]
fn fields_are_compared_by_their_rules_and_the_rest_exactly() {
    for seed in 0..20 {
        let mut random = Random(seed);
        let old: Vec<Option<Address>> = (0..100).map(|_| random.address()).collect();
        let new: Vec<Option<Address>> =
            old.iter().map(|own| if random.below(2) == 0 { own.clone() } else { random.address() }).collect();
        let expected: Vec<String> =
            (0..old.len()).filter(|&row| !are_equal(&old[row], &new[row])).map(|row| row.to_string()).collect();
        let shop = Workshop::new();
        write(&shop, "old.parquet", &old);
        write(&shop, "new.parquet", &new);
        fs::write(
            shop.path("job.toml"),
            format!("[old]\npath = \"old.parquet\"\n[new]\npath = \"new.parquet\"\n[compare]\nkey = \"id\"\n{RULES}"),
        )
        .unwrap();
        for (strategy, threads) in [("ordered", "1"), ("hashed", "7")] {
            let args = ["run", "job.toml", "--quiet", "--format", "json", "--strategy", strategy, "--threads", threads];
            let (code, out, err) = run(&shop, &args);
            assert_eq!(code, i32::from(!expected.is_empty()), "{err}");
            let report: Value = serde_json::from_str(&out).unwrap();
            let list = fs::read_to_string(shop.path("runs/job/latest/mismatch.csv")).unwrap_or_default();
            let found: Vec<&str> = list.lines().skip(1).collect();
            assert_eq!(found, expected, "seed {seed}, {strategy}");
            assert_eq!(report["coverage"]["ignored"], Value::Array(vec![]), "nothing is left out");
        }
    }
}

#[test]
fn a_path_that_leads_nowhere_is_an_error() {
    let shop = Workshop::new();
    let address = Address { city: Some("Bonn".into()), geo: None, tags: None };
    write(&shop, "old.parquet", &[Some(address.clone())]);
    write(&shop, "new.parquet", &[Some(address)]);
    let with = |path: &str| {
        let rule = format!("{path}: rtrim=true");
        run(&shop, &["diff", "old.parquet", "new.parquet", "--key", "id", "--quiet", "--rule", &rule])
    };
    assert_eq!(with("address.city").0, 0);
    assert_eq!(with("Address.CITY").0, 0, "a single name that differs in capitals");
    for path in ["address.town", "address.city.x", "adress.city"] {
        let (code, _, err) = with(path);
        assert!(code == 2 && err.contains(&format!("`{path}`")), "{path}: {err}");
    }
    // a key that is a field
    let (code, out, err) = run(
        &shop,
        &["diff", "old.parquet", "new.parquet", "--key", "address.city", "--rule", "address.city: trim=true"],
    );
    assert!(code == 0 && out.contains("key  address.city"), "{out}{err}");
}

/// A table with one row, whose columns are structs of numbers, or numbers.
fn one_row(shop: &Workshop, name: &str, columns: &[(&str, &[(&str, f64)])]) {
    let number = |value: f64| -> ArrayRef { Arc::new(Float64Array::from(vec![value])) };
    let mut all: Vec<(&str, ArrayRef)> = vec![("id", Arc::new(Int64Array::from(vec![1])))];
    for (column, fields) in columns {
        all.push((
            column,
            match fields {
                [("", value)] => number(*value),
                fields => {
                    let field = |(name, _): &(&str, f64)| Field::new(*name, DataType::Float64, true);
                    let arrays = fields.iter().map(|(_, value)| number(*value)).collect();
                    Arc::new(StructArray::new(fields.iter().map(field).collect(), arrays, None))
                }
            },
        ));
    }
    write_parquet(&shop.path(name), &RecordBatch::try_from_iter(all).unwrap(), 10);
}

#[test]
fn a_rule_of_a_field_hides_nothing_else() {
    let shop = Workshop::new();
    let diff =
        |more: &[&str]| run(&shop, &[&["diff", "old.parquet", "new.parquet", "--key", "id", "--quiet"], more].concat());
    // old's column has another name
    one_row(&shop, "old.parquet", &[("a", &[("c", 77.0), ("z", 1.0)]), ("b", &[("c", 1.0), ("z", 5.0)])]);
    one_row(&shop, "new.parquet", &[("b", &[("c", 1.0), ("z", 1.0)])]);
    let (code, _, err) = diff(&["--map", "a=b", "--rule", "b.c: tolerance=0.1"]);
    assert!(
        code == 2 && err.contains("`b.c`: rules of a field need its column to have one name on both sides"),
        "{err}"
    );
    // new has a column where old has a field
    one_row(&shop, "old.parquet", &[("a", &[("c", 1.0), ("z", 1.0)])]);
    one_row(&shop, "new.parquet", &[("a.c", &[("", 1.0)])]);
    let (code, _, err) = diff(&["--rule", "a.c: tolerance=0.1"]);
    assert!(code == 2 && err.contains("`a.c` is a field of a struct in old, but not in new"), "{err}");
    // two fields with one path
    one_row(&shop, "old.parquet", &[("a", &[("b.c", 1.0), ("z", 1.0)]), ("a.b", &[("c", 2.0), ("z", 1.0)])]);
    one_row(&shop, "new.parquet", &[("a", &[("b.c", 77.0), ("z", 1.0)]), ("a.b", &[("c", 2.0), ("z", 1.0)])]);
    let (code, out, err) = diff(&["--rule", "a.b.c: tolerance=0.1"]);
    assert!(code == 2 && err.contains("`a.b.c` is the path of several fields"), "{out}{err}");
    // a field is chosen with its struct, and found whatever its capitals
    one_row(&shop, "old.parquet", &[("a", &[("c", 1.0), ("z", 1.0)]), ("x", &[("", 1.0)])]);
    one_row(&shop, "new.parquet", &[("a", &[("c", 1.5), ("z", 1.0)]), ("x", &[("", 2.0)])]);
    let (code, out, err) = diff(&["--columns", "a", "--rule", "a.c: tolerance=0.1"]);
    assert!(code == 1 && out.contains("1 mismatch") && !out.contains("not compared: a.c"), "{out}{err}");
    let (code, out, _) = diff(&["--columns", "a", "--rule", "A.C: tolerance=0.5"]);
    assert!(code == 0 && out.contains("A.C"), "{out}");
}
