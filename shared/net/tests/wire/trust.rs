//! TLS: who is believed, and who one is.
//!
//! The certificates beside this file are of a test authority whose key was thrown away; they serve nothing else.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use http::Method;
use net::{Error, FetchRules, Peer, Trust};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::{ms, net, request};

const CA: &[u8] = include_bytes!("certificates/ca.pem");
const SERVER: &[u8] = include_bytes!("certificates/server.pem");
const CLIENT: &[u8] = include_bytes!("certificates/client.pem");

fn server_config() -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(CA).unwrap()).unwrap();
    let anyone_of_ours =
        WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).allow_unauthenticated();
    let chain = CertificateDer::pem_slice_iter(SERVER)
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(anyone_of_ours.build().unwrap())
        .with_single_cert(chain, PrivateKeyDer::from_pem_slice(SERVER).unwrap())
        .unwrap()
}

/// A TLS server that tells each client, once a connection, whether it showed a certificate.
fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let config = Arc::new(server_config());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(config.clone()).unwrap();
            let mut tls = StreamOwned::new(connection, stream.unwrap());
            // A client that refuses the server ends here.
            let Ok(1..) = tls.read(&mut [0; 4096]) else { continue };
            let who = if tls.conn.peer_certificates().is_some() {
                "known"
            } else {
                "nobody"
            };
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{who}",
                who.len()
            );
            tls.write_all(answer.as_bytes()).unwrap();
            tls.conn.send_close_notify();
            tls.flush().unwrap();
        }
    });
    url
}

fn trust(ca: Option<&[u8]>, identity: Option<&[u8]>) -> Trust {
    Trust {
        ca_pem: ca.map(<[u8]>::to_vec),
        identity_pem: identity.map(<[u8]>::to_vec),
    }
}

async fn told(trust: &Trust, url: &str) -> Result<String, Error> {
    let client = net(ms(900)).client_trusting(Peer::Cluster, trust)?;
    let answer = client.send(request(Method::GET, url)).await?;
    Ok(String::from_utf8(answer.body().to_vec()).unwrap())
}

#[tokio::test]
async fn a_clusters_own_authority_is_believed_and_a_client_certificate_shown() {
    let url = start();
    assert_eq!(told(&trust(Some(CA), None), &url).await.unwrap(), "nobody");
    assert_eq!(told(&trust(Some(CA), Some(CLIENT)), &url).await.unwrap(), "known");
}

#[tokio::test]
async fn an_unknown_authority_is_not_believed() {
    let url = start();
    assert!(matches!(
        told(&Trust::default(), &url).await,
        Err(Error::Unreachable(_))
    ));
    let shared = net(ms(900))
        .client(Peer::Cluster)
        .send(request(Method::GET, &url))
        .await;
    assert!(matches!(shared, Err(Error::Unreachable(_))));
}

#[tokio::test]
async fn what_is_no_certificate_or_key_is_refused_and_not_shown() {
    let net = net(ms(900));
    let no_key = trust(None, Some(CA));
    for bad in [
        trust(Some(b""), None),
        trust(Some(b"secret"), None),
        trust(None, Some(b"secret")),
        no_key,
    ] {
        let error = net.client_trusting(Peer::Cluster, &bad).unwrap_err();
        assert!(matches!(error, Error::BadTrust(_)));
        assert!(!format!("{error:?}").contains("secret"));
    }
    let shown = format!("{:?}", trust(Some(CA), Some(CLIENT)));
    assert_eq!(shown, "Trust { ca: true, identity: true }");
}

#[tokio::test]
async fn a_fetch_may_trust_one_more_authority_beside_the_public_ones() {
    let url = start();
    let fetch = |extra: Option<&[u8]>| {
        net(ms(3000)).fetch(FetchRules {
            span: ms(3000),
            largest_body: 1000,
            exempt_hosts: [String::from("127.0.0.1")].into(),
            pins: [].into(),
            extra_ca_pem: extra.map(<[u8]>::to_vec),
        })
    };
    let answer = fetch(Some(CA)).unwrap().send(request(Method::GET, &url)).await.unwrap();
    assert_eq!(answer.body(), "nobody");
    let outcome = fetch(None).unwrap().send(request(Method::GET, &url)).await;
    assert!(matches!(outcome, Err(Error::Unreachable(_))), "{outcome:?}");
    assert!(matches!(fetch(Some(b"none")), Err(Error::BadTrust(_))));
}
