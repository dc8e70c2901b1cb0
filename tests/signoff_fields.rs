//! Sign-off of rows with structs: every field has to be compared before the row may go.

use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, ListArray, RecordBatch, StringArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use jiff::{SignedDuration, Timestamp};

use crate::signoff::{candidates, sign};
use crate::support::{Workshop, write_parquet};

fn text(values: [&str; 2]) -> ArrayRef {
    Arc::new(values.into_iter().map(Some).collect::<StringArray>())
}

fn struct_of(fields: [(&str, ArrayRef); 2]) -> ArrayRef {
    let fields = fields.map(|(name, column)| (Arc::new(Field::new(name, DataType::Utf8, true)), column));
    Arc::new(StructArray::from(fields.to_vec()))
}

/// Two rows, with `address` in old, and with its fields as columns in new.
fn shop(new_zip: [&str; 2]) -> Workshop {
    let shop = Workshop::new();
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let (cities, zips) = (text(["Ulm", "Bonn"]), text(["89073", "53111"]));
    let address = struct_of([("city", cities.clone()), ("zip", zips)]);
    let old = RecordBatch::try_from_iter([("id", ids.clone()), ("address", address)]).unwrap();
    write_parquet(&shop.path("old.parquet"), &old, 5);
    let new = RecordBatch::try_from_iter([("id", ids), ("city", cities), ("zip", text(new_zip))]).unwrap();
    write_parquet(&shop.path("new.parquet"), &new, 5);
    candidates(&shop, "id", &["1", "2"]);
    shop
}

/// Writes a job that ends before the sign-off's terms with more settings of columns.
fn write_job(shop: &Workshop, query: &str, columns: &str) {
    let taken = Timestamp::now() - SignedDuration::from_hours(2);
    let stopped = Timestamp::now() - SignedDuration::from_hours(3);
    let text = format!(
        "[old]\npath = \"old.parquet\"\n{query}taken_at = {taken}\n[new]\npath = \"new.parquet\"\ntaken_at = {taken}\n\
         [compare]\nkey = \"id\"\n{columns}[signoff]\ndelete_from = \"old\"\nwrites_stopped = \"{stopped}\"\n\
         accept_tiers = [\"exact\", \"by_reading\", \"by_rule\"]\n"
    );
    fs::write(shop.path("job.toml"), text).unwrap();
}

fn blocked(shop: &Workshop) -> Vec<String> {
    sign(shop).2.into_values().collect()
}

const CITY: &str = "[compare.columns.city]\nold_expr = \"address['city']\"\n";
const ZIP: &str = "[compare.columns.zip]\nold_expr = \"address['zip']\"\n";

#[test]
fn an_expression_over_one_field_does_not_compare_the_others() {
    let shop = shop(["00000", "11111"]);
    // the other field may not be called ignored either, only because new's column of its name is
    write_job(&shop, "", &format!("ignore = \"zip\"\n{CITY}"));
    assert_eq!(blocked(&shop), ["uncovered", "uncovered"]);
    let page = fs::read_to_string(shop.path("out/signoff.md")).unwrap();
    assert!(page.contains("address.zip"), "{page}");
    // a test reads all of the column, but not every value in it
    let tested = "[compare.columns.has]\nold_expr = \"address IS NOT NULL\"\nnew_expr = \"city IS NOT NULL\"\n";
    write_job(&shop, "", &format!("ignore = \"zip\"\n{tested}"));
    assert_eq!(blocked(&shop), ["uncovered", "uncovered"]);
}

#[test]
fn rows_may_go_once_every_field_is_compared() {
    let same = shop(["89073", "53111"]);
    write_job(&same, "", &format!("{CITY}{ZIP}"));
    assert!(blocked(&same).is_empty());
    // or a query took the fields apart
    for query in [
        "SELECT id, address['city'] AS city, address['zip'] AS zip FROM snapshot",
        "SELECT id, a['city'] AS city, a['zip'] AS zip FROM (SELECT id, address AS a FROM snapshot)",
    ] {
        write_job(&same, &format!("query = \"{query}\"\n"), "");
        assert!(blocked(&same).is_empty(), "{query}");
    }
    let part = "query = \"SELECT id, address['city'] AS city FROM snapshot\"\n";
    write_job(&same, part, "ignore = \"zip\"\n");
    assert_eq!(blocked(&same), ["uncovered", "uncovered"]);
}

#[test]
fn items_of_a_list_count_field_by_field() {
    let shop = Workshop::new();
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let (skus, notes) = (text(["a", "b"]), text(["x", "y"]));
    let items = struct_of([("sku", skus.clone()), ("note", notes.clone())]);
    let item = Arc::new(Field::new("item", items.data_type().clone(), true));
    let lists: ArrayRef = Arc::new(ListArray::new(item, OffsetBuffer::from_lengths([1, 1]), items, None));
    let old = RecordBatch::try_from_iter([("id", ids.clone()), ("items", lists)]).unwrap();
    write_parquet(&shop.path("old.parquet"), &old, 5);
    let new = RecordBatch::try_from_iter([("id", ids), ("sku", skus), ("note", notes)]).unwrap();
    write_parquet(&shop.path("new.parquet"), &new, 5);
    candidates(&shop, "id", &["1", "2"]);
    let query = |fields: &str| {
        format!("query = \"SELECT id, {fields} FROM (SELECT id, unnest(items) AS item FROM snapshot)\"\n")
    };
    write_job(&shop, &query("item['sku'] AS sku, item['note'] AS note"), "");
    assert!(blocked(&shop).is_empty());
    write_job(&shop, &query("item['sku'] AS sku"), "ignore = \"note\"\n");
    assert_eq!(blocked(&shop), ["uncovered", "uncovered"]);
    // the first item is not the list
    let first = "query = \"SELECT id, items[1]['sku'] AS sku, items[1]['note'] AS note FROM snapshot\"\n";
    write_job(&shop, first, "");
    assert_eq!(blocked(&shop), ["uncovered", "uncovered"]);
}
