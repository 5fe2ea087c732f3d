//! A tenant with a NATS account of his own: a fabric of his, on the same server, that shares nothing with another's.

use serde_json::json;
use tests::client::Client;
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;
use tests::nats::Nats;

use crate::cli::run::run;

const CONFIG: &str = r#"
listen: 127.0.0.1:4222
jetstream { store_dir: store }
accounts {
  ACME: { jetstream: { max_streams: 100 }, users: [{ user: acme, password: of-acme }] }
  GLOBEX: { jetstream: enabled, users: [{ user: globex, password: of-globex }] }
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn tenants_with_accounts_of_their_own_share_a_server_and_nothing_else() {
    let (nats, server) = (Nats::configured(CONFIG, &[], &[]).await, Server::start().await);
    let mut fabrics = Vec::new();
    for tenant in ["acme", "globex"] {
        let file = nats.write(tenant, &format!("of-{tenant}\n"));
        let at = nats.url();
        let who = ["--broker", &at, "--broker-user", tenant, "--broker-password-file", &file];
        let gateway = Fabric::start(&[&["gateway"], &who[..]].concat()).await;
        let worker = Fabric::start(&[&["worker"], &who[..]].concat()).await;
        // Of these two, and of nobody else.
        gateway.knows(2).await;
        gateway.register("f", json!({"fabric.upstream": server.url(&format!("/ok/{tenant}"))})).await;
        fabrics.push((gateway, worker));
    }
    // The same names and ids, and each is another's.
    for (gateway, _) in &fabrics {
        gateway.accepted("f", &[("x-call-id", "same")], "x").await;
    }
    eventually(async || match (server.count("/ok/acme"), server.count("/ok/globex")) {
        (1, 1) => Ok(()),
        ran => Err(format!("{ran:?} ran")),
    })
    .await;
    fabrics[0].0.accepted("f", &[("x-call-id", "acmes"), ("x-delay", "1h")], "x").await;
    let known = async |gateway: &Fabric| {
        Client::default().get(&format!("{}/calls/acmes", gateway.public)).await.unwrap().status.as_u16()
    };
    assert_eq!((known(&fabrics[0].0).await, known(&fabrics[1].0).await), (200, 404));

    // The credentials of one do not open the other's.
    let file = nats.dir().join("globex").display().to_string();
    let wrong = format!(
        "worker --broker {} --broker-user acme --broker-password-file {file} --admin-listen 127.0.0.1:0",
        nats.url()
    );
    let said = run(&wrong).await.failed().stderr;
    assert!(said.lines().last().unwrap().contains("does not let in user acme"), "{said}");
}
