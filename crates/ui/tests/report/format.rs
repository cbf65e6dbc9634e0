//! The page writes numbers itself where it lists threads: in the same words as everybody else.
//!
//! Every function of `format.js` is asked for thousands of values by Node and
//! compared with what `assay_domain::format` says: round and odd ones, both
//! sides of every limit, and the ties that are rounded differently by habit.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use assay_domain::format;
use serde_json::{Value, json};

/// Reads cases `[function, value, expected]` and prints those in which the page says something else.
const COMPARE: &str = r#"
import { readFileSync } from "node:fs";
const page = await import("data:text/javascript;base64," + readFileSync(process.argv[1]).toString("base64"));
const odd = { NaN: NaN, inf: Infinity, "-inf": -Infinity };
for (const [name, value, expected] of JSON.parse(readFileSync(0))) {
  const said = page[name](value in odd ? odd[value] : value);
  if (said !== expected) console.log(`${name}(${value}): the page says ${said}, not ${expected}`);
}
"#;

/// Values around every limit of the formats, and what is half-way between two texts.
fn floats() -> Vec<f64> {
    let mut values = vec![0.0, -0.0, 1.0 / 3.0, 2.0 / 3.0, 1e-300, 123_456_789.125];
    let limits = [
        5e-8, 1e-7, 1e-6, 0.0005, 0.001, 0.00995, 0.0995, 0.5, 0.9995, 0.995, 1.0, 9.95, 9.995, 59.5, 60.0,
        99.95, 599.5, 999.5, 999.995, 3599.5, 3600.0, 86_370.0, 86_400.0, 999_500.0,
    ];
    for limit in limits {
        values.extend([limit, f64::next_up(limit), f64::next_down(limit), limit * 1.37, limit * 0.73]);
    }
    // Odd multiples of powers of two are exact halves of the last digit shown.
    for power in 1..12_i32 {
        values.extend((0..40).map(|step| f64::from(2 * step + 1) / 2_f64.powi(power)));
    }
    values.extend((0..1_000).map(|step| f64::from(step) / 1_000.0));
    values.extend((0..2_000).map(|step| f64::from(step).powi(3) * 0.000_37));
    let negative: Vec<f64> = values.iter().map(|value| -value).collect();
    values.extend(negative);
    values
}

/// Whole numbers that a double holds exactly.
fn wholes() -> BTreeSet<u64> {
    let near = (0..16).map(|power| 10_u64.pow(power)).flat_map(|ten| {
        [1, 2, 9, 10, 35, 95, 99, 100, 105, 995, 999, 1_000].map(|factor| ten / 10 * factor + ten % 7)
    });
    near.chain(0..1_100).filter(|&number| number < 1 << 53).collect()
}

fn cases() -> Vec<Value> {
    let mut cases = Vec::new();
    let floats = floats();
    type Format = fn(f64) -> String;
    let formats: [(&str, Format); 4] = [
        ("percent", format::percent),
        ("seconds", format::seconds),
        ("money", format::money),
        ("number", format::number),
    ];
    for (name, function) in formats {
        cases.extend(floats.iter().map(|&value| json!([name, value, function(value)])));
        for (odd, value) in [("NaN", f64::NAN), ("inf", f64::INFINITY), ("-inf", f64::NEG_INFINITY)] {
            cases.push(json!([name, odd, function(value)]));
        }
    }
    for number in wholes() {
        cases.push(json!(["count", number, format::count(number)]));
        cases.push(json!(["compact", number, format::compact(number)]));
    }
    for second in [0, 59, 60, 951_782_399, 1_767_225_600, 1_767_225_659, 4_102_444_799, -1] {
        let moment = assay_domain::Time::from_timestamp(second, 0).expect("a moment");
        cases.push(json!(["moment", second, format::time(moment)]));
    }
    cases
}

/// What Node prints for these cases; `None` where there is no Node.
fn differences(cases: &[Value]) -> Option<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/format.js");
    let mut node = match Command::new("node")
        .args(["--input-type=module", "--eval", COMPARE, script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
    {
        Ok(node) => node,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("node: {error}"),
    };
    let mut stdin = node.stdin.take().expect("standard input");
    stdin.write_all(&serde_json::to_vec(cases).expect("cases")).expect("feeding");
    drop(stdin);
    let ended = node.wait_with_output().expect("node");
    assert!(ended.status.success(), "the comparison itself failed");
    Some(String::from_utf8(ended.stdout).expect("UTF-8"))
}

#[test]
fn the_page_writes_numbers_like_everybody_else() {
    let cases = cases();
    let Some(found) = differences(&cases) else {
        // The checks before a merge install it.
        assert!(std::env::var_os("CI").is_none(), "node is needed to compare the page's numbers");
        eprintln!("skipped: no node");
        return;
    };
    let all = found.lines().count();
    let first = found.lines().take(20).collect::<Vec<_>>().join("\n");
    assert!(all == 0, "{all} of {} differ:\n{first}", cases.len());
    // The comparison can tell.
    let wrong = differences(&[json!(["percent", 0.5, "50 %"])]).expect("node");
    assert_eq!(wrong.trim(), "percent(0.5): the page says 50.0 %, not 50 %");
}
