//! Clients that are slow, silent or many do not keep others from their answers.

use std::time::Duration;

use assay_domain::PriceTable;
use assay_server::{App, Config, bind};
use assay_store::EmbeddedStore;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;

const HEAD: Duration = Duration::from_millis(1_500);
/// Nothing here takes so long unless something hangs.
const PATIENCE: Duration = Duration::from_secs(20);

fn config() -> Config {
    Config {
        listen: "127.0.0.1:0".parse().expect("an address"),
        head_timeout: HEAD,
        body_timeout: HEAD,
        ..Config::default()
    }
}

/// Sends all of it and reads until the server ends the connection.
async fn converse(address: std::net::SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    stream.write_all(text.as_bytes()).await.expect("sent");
    ending(stream).await
}

/// What the server says until it ends the connection.
async fn ending(mut stream: TcpStream) -> String {
    let mut said = Vec::new();
    // A reset is an end, too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut said)).await.expect("the server ends it");
    String::from_utf8_lossy(&said).into_owned()
}

const ASK: &str = "GET /info HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_and_silent_clients_are_let_go_and_starve_nobody() {
    let store = EmbeddedStore::open_temporary(PriceTable::default()).expect("a store");
    let bound = bind(App::new(store, config())).await.expect("bound");
    let address = bound.address().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(bound.run(async {
        let _ = stopped.await;
    }));

    let beginnings = [
        "",
        "P",
        "PRI * HTTP/2.0\r\n",
        "GET /in",
        "GET /info HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ",
        "POST /runs/batch HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000\r\n\r\n{\"post\": [",
        "POST /runs/multipart HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\
         content-type: multipart/form-data; boundary=b\r\n\r\n5\r\n--b\r\n",
    ];
    let mut slow = Vec::new();
    for number in 0..210 {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(beginnings[number % beginnings.len()].as_bytes()).await.expect("sent");
        slow.push(stream);
    }
    // While they stall, everybody else is answered.
    for _ in 0..20 {
        let answer = timeout(PATIENCE, converse(address, ASK)).await.expect("answered");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    for (number, stream) in slow.into_iter().enumerate() {
        let said = ending(stream).await;
        let beginning = beginnings[number % beginnings.len()];
        let is_right = match beginning.starts_with("POST") {
            true => said.starts_with("HTTP/1.1 408"),
            false => said.is_empty() || said.starts_with("HTTP/1.1 408") || !said.starts_with("HTTP/1.1 2"),
        };
        assert!(is_right, "{beginning:?}: {said}");
    }
    let answer = converse(address, ASK).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(stop);
    timeout(PATIENCE, server).await.expect("it stops").expect("without failing");
}

#[tokio::test]
async fn who_trickles_a_body_is_told_to_hurry() {
    let store = EmbeddedStore::open_temporary(PriceTable::default()).expect("a store");
    let bound = bind(App::new(store, config())).await.expect("bound");
    let address = bound.address().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(bound.run(async {
        let _ = stopped.await;
    }));
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let head = "POST /runs/batch HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("sent");
    let (mut reading, mut writing) = stream.into_split();
    // Each byte comes well in time; all of them never would.
    let trickle = tokio::spawn(async move {
        while writing.write_all(b" ").await.is_ok() {
            tokio::time::sleep(HEAD / 10).await;
        }
    });
    let mut said = [0; 12];
    timeout(PATIENCE, reading.read_exact(&mut said)).await.expect("in time").expect("an answer");
    assert_eq!(&said, b"HTTP/1.1 408");
    trickle.abort();
    drop((stop, reading));
    timeout(PATIENCE, server).await.expect("it stops").expect("without failing");
}
