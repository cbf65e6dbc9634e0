//! Reports with models: estimates, runs, embeddings and alerts, as commands.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use assay_standin::{Behavior, Standin};

use crate::support::{Place, histories};

/// A stand-in and the runtime it lives on.
struct Provider {
    standin: Standin,
    _runtime: tokio::runtime::Runtime,
}

fn provider() -> Provider {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let standin = runtime.block_on(Standin::start(Behavior::default().into())).expect("a port");
    Provider { standin, _runtime: runtime }
}

fn place() -> Place {
    let place = Place::new();
    place.write("traces.jsonl", histories(80).join("\n"));
    place.assay("import traces.jsonl --project shop").ok();
    place
}

#[test]
fn an_estimate_is_near_what_the_run_costs_and_asks_nobody() {
    let (place, provider) = (place(), provider());
    let flags = format!(
        "--project shop --tier deep --model gpt-4o-mini --base-url {} --read 40 --json",
        provider.standin.base_url()
    );
    let told = place.assay(&format!("insights estimate {flags}")).ok().json();
    assert_eq!(provider.standin.calls(), 0);
    assert_eq!((told["tier"].as_str(), told["threads"].as_u64()), (Some("deep"), Some(80)));
    let estimate = told["cost"].as_f64().expect("a known price");
    let report = place.assay(&format!("insights run {flags}")).ok().json();
    let stages = report["made"]["model"]["stages"].as_array().expect("stages").clone();
    let actual: f64 = stages.iter().filter_map(|stage| stage["cost"].as_f64()).sum();
    assert!(
        (estimate / actual - 1.0).abs() <= 0.15,
        "estimated {estimate}, cost {actual}: {} of {}",
        told["stages"],
        report["made"]["model"]["stages"]
    );
    let again = place.assay(&format!("insights estimate {flags}")).ok().json();
    assert_eq!((again["calls"].as_u64(), again["cost"].as_f64()), (Some(0), Some(0.0)), "all is remembered");
    let table = place.assay(&format!("insights estimate {}", flags.replace(" --json", ""))).ok().out();
    assert!(table.contains("REMEMBERED") && table.contains("summarize"), "{table}");
}

#[test]
fn a_config_is_drafted_from_words_and_tried_on_a_few_threads_with_and_without_a_model() {
    let (place, provider) = (place(), provider());
    let words = "'Are people satisfied with the answers?'";
    let local = place.assay(&format!("config generate {words} --project shop --save mood")).ok();
    assert!(local.out().contains("user_satisfied"), "{}", local.describe());
    assert!(local.err().contains("drafted without a model"), "{}", local.describe());
    let seen = place.assay("config preview mood --project shop --json").ok().json();
    assert_eq!(seen["threads"].as_array().map(Vec::len), Some(5), "{seen}");
    assert_eq!(provider.standin.calls(), 0);

    let model = format!("--tier deep --model gpt-4o-mini --base-url {}", provider.standin.base_url());
    let drafted = place.assay(&format!("config generate {words} --project shop {model} --json")).ok().json();
    let by = drafted["generated_by"].as_str().expect("somebody");
    assert!(by.contains("gpt-4o-mini") && drafted["note"].is_null(), "{drafted}");
    assert_eq!(provider.standin.calls(), 1);
    let seen = place.assay(&format!("config preview mood --project shop --threads 3 {model} --json")).ok();
    let seen = seen.json();
    let threads = seen["threads"].as_array().expect("threads");
    assert!(threads.len() == 3, "{seen}");
    assert!(threads.iter().all(|one| one["attributes"]["user_satisfied"].is_boolean()), "{seen}");
    assert!((2..=4).contains(&provider.standin.calls()), "{}", provider.standin.calls());
    place.assay("config preview nothing --project shop").fails_with(&["there is no config"]);
    place.assay("config generate '' --project shop").fails_with(&["at least one answer"]);
}

#[test]
fn estimates_need_no_key_and_the_local_tier_costs_nothing() {
    let place = place();
    let named = place.assay("insights estimate --project shop --tier names --model gpt-4o-mini --json").ok();
    assert!(named.json()["calls"].as_u64().is_some_and(|calls| calls > 0));
    let local = place.assay("insights estimate --project shop").ok().out();
    assert!(local.contains("costs nothing"), "{local}");
}

#[test]
fn an_address_where_no_provider_is_fails_within_seconds_and_says_what_is_waited_for() {
    let place = place();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let start = std::time::Instant::now();
    let flags = format!("--project shop --tier deep --model gpt-4o-mini --base-url http://{address}/v1");
    let ended =
        place.assay(&format!("insights run {flags}")).fails_with(&["cannot be reached", "check the address"]);
    assert!(
        ended.err().contains(&format!("waiting for compatible at http://{address}/v1")),
        "{}",
        ended.err()
    );
    // Seven seconds of tries; the rest is the machine's.
    assert!(start.elapsed().as_secs() < 40, "{:?}", start.elapsed());
}

#[test]
fn a_provider_is_asked_through_a_proxy_where_one_is_given() {
    // As a proxy the stand-in answers for every host.
    let (place, provider) = (place(), provider());
    let flags = "--project shop --tier names --model gpt-4o-mini --base-url http://models.invalid/v1";
    place.assay(&format!("insights run {flags} --proxy {} --json", provider.standin.url())).ok();
    assert!(provider.standin.calls_that("answered") > 0);
    place
        .assay(&format!("insights run {flags} --proxy proxy:3128"))
        .fails_with(&["the proxy is not a URL such as http://proxy:3128"]);
}

#[test]
fn vectors_may_come_from_the_provider_and_only_with_a_tier_that_asks_it() {
    let (place, provider) = (place(), provider());
    let flags =
        format!("--model gpt-4o-mini --base-url {} --embedding-model embed-1", provider.standin.base_url());
    let made = place.assay(&format!("insights run --project shop --tier names {flags} --json")).ok().json();
    assert_eq!(made["made"]["embedder"].as_str(), Some("compatible/embed-1/64/redacted"));
    place.assay("insights run --project shop --embedding-model embed-1").fails_with(&["--embedding-model"]);

    // Vectors count against a budget, where a price is known.
    let run = "insights run --project shop --tier names --json --budget";
    place.assay(&format!("{run} 1 {flags}")).fails_with(&["no price is known", "embed-1"]);
    let priced = flags.replace("embed-1", "text-embedding-3-small");
    let paid = place.assay(&format!("{run} 1 {priced}")).ok();
    assert_eq!(
        paid.json()["made"]["embedder"].as_str(),
        Some("compatible/text-embedding-3-small/64/redacted")
    );
    assert!(paid.err().contains("models cost $0.0"), "{}", paid.err());
    let tight = priced.replace("3-small", "3-large");
    let short = place.assay(&format!("{run} 0.0001 {tight}")).ok();
    assert!(short.err().contains("grouped by the embedder inside"), "{}", short.err());
    assert!(short.json()["made"]["embedder"].as_str().is_some_and(|name| !name.contains("3-large")));
}

#[test]
fn an_alert_is_told_when_a_category_is_new_and_signed() {
    let place = place();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let hook = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let run = |place: &Place, more: &str| {
        let mut command = place.command(&format!("insights run --project shop --webhook {hook} {more}"));
        command.env("ASSAY_WEBHOOK_SECRET", "s3cret");
        command.output().expect("the binary")
    };
    place
        .assay(&format!("insights run --project shop --webhook {hook}"))
        .fails_with(&["ASSAY_WEBHOOK_SECRET"]);
    let first = run(&place, "");
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    assert!(String::from_utf8_lossy(&first.stderr).contains("no earlier report"));
    let new: Vec<String> = (0..60)
        .map(|number| {
            crate::support::said(
                &format!("new-{number}"),
                &format!("translate poem number {number} into French"),
            )
        })
        .collect();
    place.write("more.jsonl", new.join("\n"));
    place.assay("import more.jsonl --project shop").ok();
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a caller");
        let (mut said, mut part) = (Vec::new(), [0_u8; 4096]);
        while !String::from_utf8_lossy(&said).contains("\"changes\"") {
            let count = stream.read(&mut part).expect("a request");
            if count == 0 {
                break;
            }
            said.extend_from_slice(&part[..count]);
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").expect("answered");
        String::from_utf8_lossy(&said).into_owned()
    });
    let second = run(&place, "");
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(second.status.success() && told.contains("told the webhook"), "{told}");
    let heard = heard.join().expect("heard");
    assert!(
        heard.contains("x-assay-signature: t=") && heard.contains("insights.categories_changed"),
        "{heard}"
    );
}
