//! Slices: planted ones are found with exact figures, and shuffled discrepancies have none.

use std::sync::Arc;

use arrow::array::*;
use countersign::Strategy;
use serde_json::Value;

use crate::causes::Random;
use crate::support::{Trial, Workshop, trial, write_parquet};

const COUNTRIES: [&str; 8] = ["DE", "FR", "PL", "US", "GB", "IT", "ES", "NL"];
const STATES: [&str; 4] = ["new", "paid", "sent", "lost"];
/// 2025-01-01, in seconds since 1970.
const YEAR: i64 = 1_735_689_600;

/// An order: a country, a state, when it was placed, an amount, and a note.
#[derive(Clone)]
struct Order {
    id: i64,
    country: &'static str,
    state: &'static str,
    second: i64,
    amount: i64,
    note: String,
}

/// Orders of a year, in the order in which they were placed.
fn orders(seed: u64, rows: usize) -> Vec<Order> {
    let mut random = Random(seed);
    let order = |id: usize| Order {
        id: id as i64,
        country: random.pick(&COUNTRIES),
        state: random.pick(&STATES),
        second: YEAR + (id * 31_536_000 / rows) as i64,
        amount: random.below(1_000_000) as i64,
        note: format!("note {}", random.below(1 << 40)),
    };
    (0..rows).map(order).collect()
}

fn write(shop: &Workshop, side: &str, orders: &[Order]) {
    let columns: [(&str, ArrayRef); 6] = [
        ("id", Arc::new(orders.iter().map(|order| order.id).collect::<Int64Array>())),
        ("country", Arc::new(orders.iter().map(|order| Some(order.country)).collect::<StringArray>())),
        ("state", Arc::new(orders.iter().map(|order| Some(order.state)).collect::<StringArray>())),
        ("placed_at", Arc::new(TimestampSecondArray::from_iter_values(orders.iter().map(|order| order.second)))),
        ("amount", Arc::new(orders.iter().map(|order| order.amount).collect::<Int64Array>())),
        ("note", Arc::new(orders.iter().map(|order| Some(order.note.as_str())).collect::<StringArray>())),
    ];
    write_parquet(&shop.path(side), &RecordBatch::try_from_iter(columns).unwrap(), 1_000);
}

fn slices(trial: &Trial) -> Vec<Value> {
    let report = serde_json::to_value(trial.compare().unwrap()).unwrap();
    report["slices"].as_array().cloned().unwrap_or_default()
}

fn orders_trial(shop: &Workshop, old: &[Order], new: &[Order]) -> Trial {
    write(shop, "old", old);
    write(shop, "new", new);
    trial(shop, &["id"])
}

#[test]
fn planted_slices_are_found_with_exact_figures() {
    let shop = Workshop::new();
    let old = orders(1, 20_000);
    // every fifth order of Germany has another amount, and a few others
    let mut new = old.clone();
    for order in &mut new {
        if order.country == "DE" && order.id % 5 == 0 || order.id % 1_000 == 1 {
            order.amount = 1_000_003 + order.amount * 7;
        }
    }
    // Poland's orders of two days in March are lost, and a range of IDs
    let march = YEAR + 61 * 86_400..YEAR + 63 * 86_400;
    let is_march = |order: &Order| order.country == "PL" && march.contains(&order.second);
    let is_range = |order: &Order| (9_000..9_040).contains(&order.id);
    let lost = old.iter().filter(|order| is_march(order) || is_range(order)).count();
    new.retain(|order| !is_march(order) && !is_range(order));
    let mut own = orders_trial(&shop, &old, &new);
    let found = slices(&own);
    let about = |class: &str| -> Vec<&Value> { found.iter().filter(|slice| slice["class"] == class).collect() };

    let germany = about("mismatch")[0];
    let kept: Vec<&Order> = old.iter().filter(|order| !is_march(order) && !is_range(order)).collect();
    let of_germany = kept.iter().filter(|order| order.country == "DE");
    let differs = |order: &&&Order| order.id % 5 == 0 || order.id % 1_000 == 1;
    let expected = of_germany.clone().filter(differs).count();
    let all = kept.iter().filter(|order| order.country == "DE" && order.id % 5 == 0 || order.id % 1_000 == 1).count();
    assert_eq!(germany["where"], "country = 'DE'");
    assert_eq!(germany["discrepancies"], expected);
    assert_eq!(germany["rows"], old.iter().filter(|order| order.country == "DE").count());
    assert_eq!(germany["share_of_discrepancies"], expected as f64 / all as f64);
    assert!(germany.get("about").is_none(), "{germany}");

    let missing = about("missing");
    let range = missing.iter().find(|slice| slice["where"].as_str().unwrap().contains("9000 and 9039")).unwrap();
    assert_eq!((&range["discrepancies"], &range["rows"]), (&40.into(), &40.into()));
    let poland = missing.iter().find(|slice| slice["where"].as_str().unwrap().contains("country = 'PL'")).unwrap();
    let march = poland["where"].as_str().unwrap();
    assert!(march.contains("placed_at between 2025-03-0") || march.contains("id between"), "{march}");
    assert!(poland["discrepancies"].as_u64().unwrap() >= lost as u64 - 40, "{poland}");

    // the strategy and the threads do not change a byte
    own.options.strategy = Some(Strategy::Hashed);
    own.options.limits.threads = 7;
    assert_eq!(slices(&own), found);
}

/// What is larger is looked at in samples, and says so.
#[test]
fn figures_from_samples_say_that_they_are_estimates() {
    let shop = Workshop::new();
    let old = orders(2, 150_000);
    let mut new = old.clone();
    let mut differ = 0;
    for order in new.iter_mut().filter(|order| order.state == "lost") {
        order.note.push('!');
        differ += 1;
    }
    let found = slices(&orders_trial(&shop, &old, &new));
    let slice = found.iter().find(|slice| slice["where"] == "state = 'lost'").unwrap();
    assert_eq!(slice["about"], true);
    let near = |name: &str, expected: f64| (slice[name].as_f64().unwrap() / expected - 1.0).abs() < 0.15;
    assert!(near("discrepancies", f64::from(differ)) && near("rows", f64::from(differ)), "{slice}");
}

/// Discrepancies in rows that were drawn at random form no slice: at most one in a thousand tables has one.
#[test]
fn shuffled_discrepancies_form_no_slice() {
    let mut wrong = vec![];
    for seed in 0..1_000 {
        let shop = Workshop::new();
        let old = orders(seed, 400);
        let mut random = Random(seed + 10_000);
        let mut new = old.clone();
        new.retain(|_| random.below(20) > 0);
        for order in &mut new {
            if random.below(8) == 0 {
                order.amount = random.below(1_000_000) as i64;
            }
        }
        let found = slices(&orders_trial(&shop, &old, &new));
        wrong.extend(found.into_iter().map(|slice| format!("{seed}: {slice}")));
    }
    assert!(wrong.len() <= 1, "{}", wrong.join("\n"));
}
