//! Waves: invalid lists and requests end with exit code 2, report where and why, and leave nothing behind.

use std::fs;

use crate::support::Workshop;
use crate::waves::{cut, waves};

/// These arguments must be refused with these messages, and leave nothing behind.
fn refused(shop: &Workshop, args: &str, words: &[&str]) {
    let before = shop.names("");
    let (code, out, said) = waves(shop, &format!("{args} --out out/deep"));
    assert_eq!((code, out.as_str()), (2, ""), "{args}: {said}");
    for word in words {
        assert!(said.contains(word), "{args}: {word} is not in: {said}");
    }
    assert_eq!(shop.names(""), before, "{args}");
}

#[test]
fn bad_lists() {
    let shop = Workshop::new();
    let list = |name: &str, content: &str| fs::write(shop.path(name), content).unwrap();
    list("good.csv", "id,account\n1,a\n2,b\n");
    for (name, content, words) in [
        ("empty.csv", "", "starts with a header"),
        ("few.csv", "id,account\n1,a\n2\n", "`few.csv`, line 3: 1 field found, but the header has 2 columns"),
        ("many.csv", "id,account\n1,a,b\n", "line 2: 3 fields found, but the header has 2 columns"),
        ("open.csv", "id\n\"1\n", "line 2: a quoted field is not closed"),
        ("after.csv", "id\n\"1\"2\n", "line 2: unexpected text after a quoted field"),
        ("twice.csv", "id\n1\n2\n1\n", "duplicate ID \"1\": `twice.csv`, line 2, and `twice.csv`, line 4"),
        ("nulls.csv", "id\n\n\n", "duplicate ID NULL"),
        ("names.csv", "id,id\n1,2\n", "duplicate column `id`"),
        ("blank.txt", "1\n\n2\n", "`blank.txt`, line 2: the line is empty"),
        ("list.json", "[]", "is not a list: list names end with .csv"),
        ("bad.ndjson", "{\"id\": 1}\n{\"id\": [1]}\n", "`bad.ndjson`, line 2: not a JSON object"),
        ("less.ndjson", "{\"id\": 1, \"n\": 1}\n{\"id\": 2}\n", "line 2: it has no `n`"),
        ("more.ndjson", "{\"id\": 1}\n{\"id\": 2, \"n\": 1}\n", "`n` is not in the first object"),
        ("bad.parquet", "no", "is not a readable Parquet file"),
    ] {
        list(name, content);
        refused(&shop, name, &[words]);
    }
    fs::write(shop.path("bytes.csv"), b"id\n\xff\n").unwrap();
    refused(&shop, "bytes.csv", &["`bytes.csv`, line 2: it is not UTF-8"]);
    refused(&shop, "nowhere.csv", &["cannot read `nowhere.csv`"]);
    list("other.csv", "account,id\nx,9\n");
    refused(&shop, "good.csv other.csv", &["`other.csv` has the columns account, id, and `good.csv` has id, account"]);
    list("again.csv", "id,account\n3,c\n2,b\n");
    refused(
        &shop,
        "good.csv again.csv",
        &["duplicate ID \"2\": `good.csv`, line 3, and `again.csv`, line 3", "--done"],
    );
    list("letters.csv", "id,n\n1,5\nx7,6\n");
    refused(&shop, "letters.csv --key-type integer", &["`letters.csv`, line 3: column `id` is \"x7\"", "an integer"]);
    refused(&shop, "letters.csv --key-type uuid", &["line 2", "a lowercase UUID"]);
    list("weights.csv", "id,n\n1,5\n2,-6\n");
    refused(&shop, "weights.csv --balance n", &["`weights.csv`, line 3: column `n` is \"-6\"", "whole number"]);
    list("numbers.csv", "id,n\n1,5\n2,\n3,1e5\n");
    refused(&shop, "numbers.csv --order n:number", &["`numbers.csv`, line 4: column `n` is \"1e5\"", "--order n"]);
    list("null.csv", "id,n\n1,5\n,\n");
    refused(&shop, "null.csv --format text", &["`null.csv`, line 3: ID NULL cannot be written as a bare line"]);
    refused(&shop, "null.csv --format text --key id,n", &["an ID of several columns"]);
}

#[test]
fn bad_words() {
    let shop = Workshop::new();
    let ids: String = (1..=50_000).map(|id| format!("{id},a{}\n", id % 10)).collect();
    fs::write(shop.path("list.csv"), format!("id,account\n{ids}")).unwrap();
    refused(&shop, "list.csv --sizes 10000,10%,rest", &["`10%` of 50000 is 5000", "does not go beyond `10000`"]);
    refused(&shop, "list.csv --sizes 10,ten", &["`ten` is not a size"]);
    refused(
        &shop,
        "list.csv --sizes 9,rest --group-by acount",
        &["--group-by: `list.csv` has the columns id, account, and no column `acount`; did you mean `account`?"],
    );
    refused(&shop, "list.csv --balance amount", &["--balance", "no column `amount`"]);
    refused(&shop, "list.csv --order acc:desc", &["--order", "no column `acc`"]);
    refused(&shop, "list.csv --order key:desc", &["has no direction"]);
    refused(&shop, "list.csv --key ID", &["--key", "did you mean `id`?"]);
    refused(&shop, "list.csv --key id --key-type text,integer", &["the number of types (2)"]);
    refused(&shop, "list.csv --shards 0", &["0 is not in"]);
    refused(&shop, "list.csv --where nonsense=1", &["--where", "nonsense"]);
    refused(&shop, "list.csv --where id", &["a condition must be true or false"]);
    refused(&shop, "list.csv --done list.json", &["cannot read `list.json`"]);
    refused(&shop, "list.csv --rows .", &["is not a run"]);
    refused(&shop, "list.csv --previous list.csv", &["is not a valid waves.json"]);
    // a directory is not shared with anything
    fs::create_dir(shop.path("full")).unwrap();
    fs::write(shop.path("full/mine"), "").unwrap();
    let (code, _, said) = waves(&shop, "list.csv --out full");
    assert!(code == 2 && said.contains("`full` is not empty"), "{said}");
    assert_eq!(shop.names("full"), ["mine"]);
    fs::create_dir(shop.path("empty")).unwrap();
    cut(&shop, "list.csv --out empty");
}

#[test]
fn an_earlier_cut_that_was_changed() {
    let shop = Workshop::new();
    let ids: String = (1..=100).map(|id| format!("{id},a{}\n", id % 10)).collect();
    fs::write(shop.path("list.csv"), format!("id,account\n{ids}")).unwrap();
    cut(&shop, "list.csv --out before --sizes 3,rest --group-by account --shards 2");
    for (option, value) in
        [("--sizes", "5"), ("--seed", "1"), ("--group-by", "id"), ("--order", "key"), ("--where", "1=1")]
    {
        refused(&shop, &format!("list.csv --previous before/waves.json {option} {value}"), &[option]);
    }
    // an ID that has changed its group would cut one of them
    let moved =
        ids.replace("17,a7", "17,a1").replace("27,a7", "27,a2").replace("37,a7", "37,a3").replace("47,a7", "47,a4");
    fs::write(shop.path("moved.csv"), format!("id,account\n{moved}")).unwrap();
    refused(&shop, "moved.csv --previous before/waves.json", &["a group cannot be divided"]);
    let file = shop.path("before/wave-01/shard-002.csv");
    let content = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{content}\n")).unwrap();
    refused(&shop, "list.csv --previous before/waves.json", &["shard-002.csv`, of the earlier cut, has changed"]);
    fs::remove_file(&file).unwrap();
    refused(&shop, "list.csv --previous before", &["shard-002.csv`, of the earlier cut, cannot be read"]);
}
