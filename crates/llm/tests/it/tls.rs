//! A provider behind a certificate that only the house knows.
//!
//! The authority and the server's key beside this file exist for these tests; the
//! authority's own key was thrown away.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use assay_llm::{Asker, Chat as _, Error, Job, Limits, Retry, Secret, Settings};
use assay_standin::Standin;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::{asker, behavior, endpoint, job, question, quick, standin};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/tls").join(name)
}

/// The stand-in behind TLS: one request for each connection.
fn encrypted(standin: &Standin) -> String {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(file("server.pem"))
        .expect("certificates")
        .collect::<Result<_, _>>()
        .expect("certificates");
    let key = PrivateKeyDer::from_pem_file(file("server.key")).expect("a key");
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).expect("a pair");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let behind = standin.url().trim_start_matches("http://").to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(config.clone()).expect("a connection");
            // Whoever does not trust us breaks off: that is what is tested.
            let _ = carry(StreamOwned::new(connection, stream), &behind);
        }
    });
    format!("https://{address}/v1")
}

/// Hands a request on and the answer back.
fn carry(mut outside: StreamOwned<ServerConnection, TcpStream>, behind: &str) -> std::io::Result<()> {
    let (mut request, mut part) = (Vec::new(), [0_u8; 4096]);
    while !is_whole(&request) {
        let count = outside.read(&mut part)?;
        if count == 0 {
            return Ok(());
        }
        request.extend_from_slice(&part[..count]);
    }
    let mut inside = TcpStream::connect(behind)?;
    let (head, body) = request.split_at(request.windows(2).position(|two| two == b"\r\n").unwrap_or(0));
    inside.write_all(head)?;
    inside.write_all(b"\r\nconnection: close")?;
    inside.write_all(body)?;
    let mut answer = Vec::new();
    inside.read_to_end(&mut answer)?;
    outside.write_all(&answer)?;
    outside.conn.send_close_notify();
    outside.flush()
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

#[tokio::test]
async fn an_authority_of_the_house_is_trusted_where_it_is_named_and_only_there() {
    let standin = standin(behavior()).await;
    let settings = Settings { base_url: encrypted(&standin), ..Settings::openai(Secret::new("sk-test")) };
    let retry = Retry { deadline: Duration::from_millis(300), ..quick() };
    let stranger = Asker::new(endpoint(settings.clone(), Limits::default()), Job { retry, ..job() });
    let error = stranger.answer(&question(1)).await.expect_err("an unknown authority");
    assert!(
        matches!(error, Error::GaveUp { .. } | Error::Unreachable { .. } | Error::Unavailable { .. }),
        "{error:?}"
    );
    assert_eq!(standin.calls(), 0);

    let settings = Settings { ca_file: Some(file("ca.pem")), ..settings };
    asker(settings).answer(&question(1)).await.expect("an answer");
    assert_eq!(standin.calls_that("answered"), 1);
}
