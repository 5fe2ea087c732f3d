//! TLS, certificates of clients, and every way that a process may be told wrong.

use nkeys::KeyPair;
use serde_json::json;
use tests::fabric::Fabric;
use tests::function::Server;
use tests::nats::Nats;

use super::pki::Authority;
use crate::cli::run::run;

fn config(more: &str) -> String {
    format!("listen: 127.0.0.1:4222\njetstream {{ store_dir: store }}\n{more}\n")
}

fn tls(more: &str) -> String {
    config(&format!("tls {{ cert_file: server.pem, key_file: server.key, ca_file: ca.pem, {more} }}"))
}

/// A server with a certificate for `host`, and with a client's beside it.
pub(super) async fn with_certificates(config: &str, variables: &[(&str, &str)], host: &str) -> Nats {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let (server, client, stranger) = (ours.signs(host), ours.signs("client"), theirs.signs("client"));
    let files = [
        ("ca.pem", ours.pem.as_str()),
        ("other-ca.pem", &theirs.pem),
        ("server.pem", &server.0),
        ("server.key", &server.1),
        ("client.pem", &client.0),
        ("client.key", &client.1),
        ("stranger.pem", &stranger.0),
        ("stranger.key", &stranger.1),
        ("empty", ""),
    ];
    Nats::configured(config, variables, &files).await
}

/// Words in which `@name` stands for the path of a file beside the server's.
pub(super) fn words(nats: &Nats, words: &str) -> String {
    let word = |word: &str| match word.strip_prefix('@') {
        Some(file) => nats.dir().join(file).display().to_string(),
        None => word.to_owned(),
    };
    words.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// How a worker that is told this ends.
async fn ends(nats: &Nats, told: &str) -> String {
    let said = run(&words(nats, &format!("worker --admin-listen 127.0.0.1:0 {told}"))).await.failed();
    said.stderr.lines().last().unwrap().to_owned()
}

/// That it ends with a line that has all of this, and no secret.
async fn ends_with(nats: &Nats, told: &str, all: &[&str]) {
    let last = ends(nats, told).await;
    assert!(all.iter().all(|part| last.contains(part)), "{told}: {last}");
    // A seed begins like this; a public key, which is chance but for its first letter, may have it within.
    let is_seed = |word: &str| word.starts_with("SU");
    let has_seed = last.split(|letter: char| !letter.is_ascii_alphanumeric()).any(is_seed);
    assert!(!last.contains("hush") && !has_seed, "{told}: {last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_run_over_tls_with_the_certificates_of_both() {
    for (more, flags) in [("verify: true", ""), ("verify: true, handshake_first: true", " --broker-tls-first")] {
        let (nats, server) = (with_certificates(&tls(more), &[], "127.0.0.1").await, Server::start().await);
        let told = "--broker-ca @ca.pem --broker-cert @client.pem --broker-key @client.key";
        let told = words(&nats, &format!("serve --broker tls://{} {told}{flags}", nats.address()));
        let fabric = Fabric::start(&told.split(' ').collect::<Vec<_>>()).await;
        fabric.register("f", json!({"fabric.upstream": server.url("/ok")})).await;
        fabric.accepted("f", &[], "x").await;
        tests::eventually(async || if server.seen("/ok").len() == 1 { Ok(()) } else { Err("it has not run") }).await;
        let shown = run(&words(&nats, &told.replace("serve ", "config serve "))).await.good().stdout;
        assert!(shown.contains("broker-ca"), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_tls_is_named_with_its_mend() {
    let nats = with_certificates(&tls("verify: true"), &[], "127.0.0.1").await;
    let at = nats.address();
    let pair = "--broker-cert @client.pem --broker-key @client.key";
    for (told, all) in [
        (format!("--broker nats://{at} {pair}"), ["nobody who is known here has signed", "--broker-ca"]),
        (format!("--broker tls://{at} --broker-ca @other-ca.pem {pair}"), ["nobody who is known here", "--broker-ca"]),
        (format!("--broker tls://{at} --broker-ca @ca.pem"), ["wants a certificate", "--broker-cert"]),
        (
            format!("--broker tls://{at} --broker-ca @ca.pem --broker-cert @stranger.pem --broker-key @stranger.key"),
            ["does not take the certificate of --broker-cert", "ca_file"],
        ),
        (
            format!("--broker tls://{at} --broker-ca @ca.pem {pair} --broker-tls-first"),
            ["before TLS", "--broker-tls-first"],
        ),
        (format!("--broker tls://{at} --broker-ca @absent {pair}"), ["--broker-ca: ", "absent"]),
        (format!("--broker tls://{at} --broker-ca @empty {pair}"), ["--broker-ca: ", "no certificate"]),
        (
            format!("--broker tls://{at} --broker-ca @ca.pem --broker-cert @client.pem --broker-key @empty"),
            ["--broker-key: ", "no key"],
        ),
        (
            format!("--broker tls://{at} --broker-ca @ca.pem --broker-cert @client.pem --broker-key @server.key"),
            ["--broker-key: ", "does not go with"],
        ),
    ] {
        ends_with(&nats, &told, &all).await;
    }
    let elsewhere = with_certificates(&tls("verify: false"), &[], "nats.example").await;
    let told = format!("--broker tls://{} --broker-ca @ca.pem", elsewhere.address());
    ends_with(&elsewhere, &told, &["another host's", "nats.example"]).await;
    let first = with_certificates(&tls("handshake_first: true"), &[], "127.0.0.1").await;
    let told = format!("--broker tls://{} --broker-ca @ca.pem", first.address());
    ends_with(&first, &told, &["--broker-tls-first"]).await;
    let plain = Nats::start().await;
    ends_with(&plain, &format!("--broker tls://{}", plain.address()), &["does not speak TLS"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_say_who_one_is_works_and_what_is_wrong_with_it_is_named() {
    let (key, other) = (KeyPair::new_user(), KeyPair::new_user());
    let nkey = config(&format!("authorization {{ users: [{{ nkey: {} }}] }}", key.public_key()));
    let nats = Nats::configured(&nkey, &[], &[]).await;
    nats.write("good.nk", &format!("{}\n", key.seed().unwrap()));
    nats.write("other.nk", &other.seed().unwrap());
    nats.write("bad.nk", "SUNONSENSE");
    let at = nats.address();
    drop(Fabric::start(&["serve", "--broker", &at, "--broker-nkey", &words(&nats, "@good.nk")]).await);
    ends_with(&nats, &format!("--broker {at} --broker-nkey @other.nk"), &["does not let in nkey", "other.nk"]).await;
    ends_with(&nats, &format!("--broker {at} --broker-nkey @bad.nk"), &["--broker-nkey: ", "bad.nk"]).await;
    ends_with(&nats, &format!("--broker {at} --broker-creds @good.nk"), &["--broker-creds: ", "no JWT"]).await;
    ends_with(&nats, &format!("--broker {at}"), &["nobody", "--broker-nkey"]).await;

    let nats = Nats::configured(&config("authorization { token: hush }"), &[], &[]).await;
    nats.write("token", "hush\n");
    nats.write("wrong", "hush!");
    let at = nats.address();
    drop(Fabric::start(&["serve", "--broker", &at, "--broker-token-file", &words(&nats, "@token")]).await);
    drop(Fabric::start(&["serve", "--broker", &format!("nats://hush@{at}")]).await);
    ends_with(&nats, &format!("--broker {at} --broker-token-file @wrong"), &["does not let in the holder", "wrong"])
        .await;
    ends_with(&nats, &format!("--broker nats://hush2@{at}"), &["the token in --broker"]).await;

    let nats = Nats::configured(&config("authorization { user: me, password: \"hush@1\" }"), &[], &[]).await;
    let at = nats.address();
    drop(Fabric::start(&["serve", "--broker", &format!("nats://me:hush%401@{at}")]).await);
    ends_with(&nats, &format!("--broker nats://me:hush2@{at}"), &["does not let in user me"]).await;
}
