//! `deploy/nats/secure.conf`: what each user may do is enough for all that its processes do, and not more.

use std::time::Duration;

use async_nats::ConnectOptions;
use serde_json::json;
use tests::client::Client;
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;
use tests::nats::Nats;

use super::tls::{with_certificates, words};
use crate::cli::run::{ask, json, run};

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/nats/secure.conf");
const USERS: [&str; 3] = ["gateway", "worker", "admin"];

/// What the variables of the file stand for.
const PASSWORDS: [(&str, &str); 3] =
    [("GATEWAY_PASSWORD", "of-gateway"), ("WORKER_PASSWORD", "of-worker"), ("ADMIN_PASSWORD", "of-admin")];

async fn nats() -> Nats {
    with_passwords(Nats::configured(&std::fs::read_to_string(CONFIG).unwrap(), &PASSWORDS, &[]).await)
}

/// With a file for each user beside it.
fn with_passwords(nats: Nats) -> Nats {
    for user in USERS {
        nats.write(user, &format!("of-{user}\n"));
    }
    nats
}

/// How a process is this user.
fn of(nats: &Nats, user: &str) -> Vec<String> {
    let (file, inbox) = (nats.dir().join(user).display().to_string(), format!("_INBOX_{user}"));
    ["--broker", &nats.url(), "--broker-user", user, "--broker-password-file", &file, "--broker-inbox", &inbox]
        .map(ToOwned::to_owned)
        .to_vec()
}

async fn start(nats: &Nats, command: &str, user: &str, more: &[&str]) -> Fabric {
    let identity = of(nats, user);
    let args: Vec<&str> =
        [command].into_iter().chain(identity.iter().map(String::as_str)).chain(more.iter().copied()).collect();
    Fabric::start(&args).await
}

async fn seen(server: &Server, path: &str, count: usize) {
    eventually(async || match server.seen(path).len() {
        seen if seen == count => Ok(()),
        seen => Err(format!("{path} was called {seen} times, not {count}")),
    })
    .await;
}

async fn is_in_state(fabric: &Fabric, call: &str, state: &str) {
    eventually(async || match json(fabric, &format!("call get {call}")).await["state"].as_str() {
        Some(found) if found == state => Ok(()),
        found => Err(format!("{call} is {found:?}, not {state}")),
    })
    .await;
}

fn violations(nats: &Nats) -> Vec<String> {
    nats.lines().into_iter().filter(|line| line.contains("Violation")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_user_may_do_all_that_its_processes_do() {
    let (nats, server) = (nats().await, Server::start().await);
    run(&format!("setup {} --queue extra", of(&nats, "admin").join(" "))).await.good();
    let gateway = start(&nats, "gateway", "gateway", &["--max-body", "4MiB", "--pre-stop", "0s"]).await;
    let admin = start(&nats, "gateway", "admin", &["--pre-stop", "0s"]).await;
    let private = ["--allow-private-callbacks", "--pre-stop", "0s"];
    let mut worker = start(&nats, "worker", "worker", &private).await;
    admin.knows(3).await;
    let upstream = |path: &str| json!({"fabric.upstream": server.url(path)});
    admin.register("f", upstream("/ok")).await;
    admin.register("slow", json!({"fabric.upstream": server.url("/ok"), "com.openfaas.queue": "slow"})).await;
    admin
        .register(
            "again",
            json!({"fabric.upstream": server.url("/fail-first/503"), "com.openfaas.retry.max_wait": "1s"}),
        )
        .await;
    admin
        .register("dies", json!({"fabric.upstream": server.url("/status/500"), "com.openfaas.retry.attempts": "1"}))
        .await;
    admin.register("held", json!({"fabric.upstream": server.url("/ok"), "fabric.paused": "true"})).await;
    admin.set_namespace("acme", json!({"fabric.weight": "2"})).await;

    // A call, a large one with a callback, one in a queue that was made for it, a retry, a delay.
    let callback = server.url("/callback");
    gateway.accepted("f", &[("x-callback-url", &callback)], &"x".repeat(3 * 1024 * 1024)).await;
    let told = gateway.accepted("f", &[], "x").await;
    gateway.accepted("slow", &[], "x").await;
    gateway.accepted("f", &[("x-delay", "1s")], "x").await;
    seen(&server, "/ok", 4).await;
    seen(&server, "/callback", 1).await;
    gateway.accepted("again", &[], "x").await;
    seen(&server, "/fail-first/503", 2).await;
    is_in_state(&gateway, &told, "succeeded").await;
    let client = Client::default();
    let waited = gateway.accepted("f", &[("x-delay", "1s")], "x").await;
    let answer = client.get(&format!("{}/calls/{waited}?wait=30s", gateway.public)).await.unwrap().json();
    assert_eq!(answer["state"], "succeeded", "{answer}");

    // Cancelled while it is delayed, and while it waits in its lane.
    let delayed = gateway.accepted("f", &[("x-delay", "1h")], "x").await;
    let held = gateway.accepted("held", &[], "x").await;
    client.get(&format!("{}/calls/{held}/explain", gateway.public)).await.unwrap();
    for call in [&delayed, &held] {
        ask(&gateway, &format!("call cancel {call}")).await.good();
        is_in_state(&admin, call, "cancelled").await;
    }

    // Dead letters: listed by all, taken back and removed by the admin.
    let dead = gateway.accepted_many("dies", &[], 3).await.len();
    eventually(async || match json(&worker, "dead list").await.as_array().unwrap().len() {
        found if found == dead => Ok(()),
        found => Err(format!("{found} are dead")),
    })
    .await;
    admin.register("dies", upstream("/ok")).await;
    let redriven = ask(&admin, "dead redrive --function dies --max 2").await.good().stdout;
    assert!(redriven.starts_with("2 redriven"), "{redriven}");
    assert_eq!(ask(&admin, "dead purge --yes").await.good().stdout, "1 removed\n");

    // A purge, and the end of a function with its calls.
    ask(&admin, "queue pause slow").await.good();
    for _ in 0..2 {
        gateway.accepted("slow", &[("x-delay", "1h")], "x").await;
    }
    assert_eq!(json(&admin, "queue purge slow --yes").await["done"], 2);
    ask(&admin, "queue resume slow").await.good();
    gateway.accepted("held", &[], "x").await;
    ask(&admin, "function rm held --backlog dead-letter").await.good();
    ask(&admin, "function rm again").await.good();
    eventually(async || match ask(&admin, "function list").await.good().stdout {
        list if !list.contains("again") && !list.contains("held") => Ok(()),
        list => Err(list),
    })
    .await;

    // What operators look at.
    for process in [&gateway, &worker, &admin] {
        for words in ["worker list", "tree --all", "top --once", "why f", "queue list", "call list f"] {
            ask(process, words).await.good();
        }
        assert_eq!(json(process, "worker list").await.as_array().unwrap().len(), 3);
    }
    let identity = of(&nats, "admin").join(" ");
    run(&format!("doctor --admin {} --gateway {} {identity}", admin.admin, gateway.public)).await.good();

    // A lane that was idle long enough is dropped by the server; this one is dropped with its worker.
    worker.process.terminate();
    assert!(worker.process.ended().await.success());
    assert_eq!(violations(&nats), Vec::<String>::new());
    for process in [&gateway, &worker, &admin] {
        let lines = process.process.lines();
        let told: Vec<_> = lines.iter().filter(|it| it.contains("may not") || it.contains("ERROR")).collect();
        assert!(told.is_empty(), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_user_may_do_what_it_need_not() {
    let nats = nats().await;
    run(&format!("setup {}", of(&nats, "admin").join(" "))).await.good();
    let api = |rest: &str| format!("$JS.API.{rest}");
    let no_stream = [
        "STREAM.DELETE.FABRIC_READY_default_0",
        "STREAM.UPDATE.FABRIC_READY_default_0",
        "STREAM.PURGE.FABRIC_READY_default_0",
        "STREAM.PURGE.FABRIC_DEAD",
        "STREAM.MSG.DELETE.FABRIC_CALLS",
        "STREAM.MSG.DELETE.KV_FABRIC_FUNCTIONS",
        "CONSUMER.DELETE.FABRIC_READY_default_0.f_ns",
        "STREAM.SNAPSHOT.FABRIC_CALLS",
    ];
    let no_pull = [
        "CONSUMER.MSG.NEXT.FABRIC_READY_default_0.f_ns",
        "CONSUMER.CREATE.FABRIC_READY_default_0",
        "CONSUMER.CREATE.FABRIC_READY_default_0.f_ns.fabric.ready.default.0.ns.f",
        "CONSUMER.DURABLE.CREATE.FABRIC_READY_default_0.f_ns",
    ];
    let no_making = ["STREAM.CREATE.FABRIC_X", "STREAM.MSG.DELETE.FABRIC_DEAD"];
    let no_setting = [
        "$KV.FABRIC_FUNCTIONS.acme",
        "$KV.FABRIC_FUNCTIONS.queue/default",
        "$KV.FABRIC_QUEUES.default",
        "$KV.FABRIC_KEYS.key/k1",
    ];
    let owned = |all: &[&str]| all.iter().map(|it| api(it)).collect::<Vec<_>>();
    let plain = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let may_not = [
        (
            "gateway",
            [
                owned(&no_stream),
                owned(&no_pull),
                owned(&no_making),
                plain(&no_setting),
                plain(&[
                    "$KV.FABRIC_FUNCTIONS.ns.f",
                    "fabric.dead.q.ns.f.c",
                    "$JS.ACK.FABRIC_READY_default_0.f_ns.1.1.1.1.0",
                ]),
            ]
            .concat(),
        ),
        ("worker", [owned(&no_stream), owned(&no_making), plain(&no_setting)].concat()),
        ("admin", [owned(&no_stream), owned(&no_pull), plain(&["fabric.dead.q.ns.f.c"])].concat()),
    ];
    for (user, subjects) in may_not {
        let client = ConnectOptions::with_user_and_password(user.into(), format!("of-{user}"))
            .connect(nats.url())
            .await
            .unwrap();
        for subject in &subjects {
            client.publish(subject.clone(), "{}".into()).await.unwrap();
        }
        let mut unheard = vec![">".to_owned(), "$JS.API.>".into(), "_INBOX.x".into(), "fabric.ready.>".into()];
        unheard.extend(USERS.iter().filter(|other| **other != user).map(|other| format!("_INBOX_{other}.>")));
        let mut heard = Vec::new();
        for subject in &unheard {
            heard.push(client.subscribe(subject.clone()).await.unwrap());
        }
        client.flush().await.unwrap();
        let wanted = |verb: &str, subject: &str| format!(r#"user:{user}" - {verb} Violation - Subject "{subject}""#);
        let wanted =
            subjects.iter().map(|it| wanted("Publish", it)).chain(unheard.iter().map(|it| wanted("Subscription", it)));
        let wanted: Vec<String> = wanted.collect();
        eventually(async || {
            let lines = violations(&nats);
            match wanted.iter().find(|wanted| !lines.iter().any(|line| line.contains(*wanted))) {
                None => Ok(()),
                Some(missing) => Err(format!("this is allowed: {missing}")),
            }
        })
        .await;
    }
    // A stranger does not even get in.
    for stranger in [ConnectOptions::new(), ConnectOptions::with_user_and_password("admin".into(), "x".into())] {
        assert!(stranger.connect(nats.url()).await.unwrap_err().to_string().contains("authorization violation"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_user_may_not_do_is_said_at_once_with_its_name() {
    let (nats, server) = (nats().await, Server::start().await);
    let words =
        |command: &str, user: &str| format!("{command} {} --admin-listen 127.0.0.1:0", of(&nats, user).join(" "));
    let said = run(&words("worker", "worker")).await.failed().stderr;
    let last = said.lines().last().unwrap();
    assert!(last.contains("user worker may not publish to $JS.API.STREAM.CREATE.FABRIC_LATER"), "{said}");
    assert!(last.contains("fabric setup"), "{said}");
    run(&format!("setup {}", of(&nats, "admin").join(" "))).await.good();
    let said = run(&words("worker", "worker").replace("_INBOX_worker", "_INBOX_admin")).await.failed().stderr;
    let last = said.lines().last().unwrap();
    assert!(
        last.contains("user worker may not subscribe to _INBOX_admin.") && last.contains("--broker-inbox"),
        "{said}"
    );

    // A gateway of the public's does not change what is set; it says no long before a request would be given up.
    let gateway = start(&nats, "gateway", "gateway", &[]).await;
    let began = tokio::time::Instant::now();
    let url = format!("{}/admin/v1/functions/f", gateway.admin);
    let body = json!({"service": "f", "annotations": {"fabric.upstream": server.url("/ok")}}).to_string();
    let answer = Client::default().send(http::Method::PUT, &url, &[], body).await.unwrap();
    assert_eq!(answer.status, 502, "{:?}", answer.body);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let denied = "user gateway may not publish to $KV.FABRIC_FUNCTIONS.openfaas-fn.f";
    eventually(async || {
        let lines = gateway.process.lines();
        if lines.iter().any(|line| line.contains(denied)) { Ok(()) } else { Err(format!("{lines:?}")) }
    })
    .await;
}

/// What is written in the file as a remark does what it says.
#[tokio::test(flavor = "multi_thread")]
async fn with_its_tls_only_who_has_a_certificate_gets_as_far_as_a_password() {
    let text = std::fs::read_to_string(CONFIG).unwrap();
    let (before, rest) = text.split_once("# tls {\n").unwrap();
    let (remark, after) = rest.split_once("# }\n").unwrap();
    let block: String = remark.lines().map(|line| format!("{}\n", line.strip_prefix("# ").unwrap())).collect();
    let config = format!("{before}tls {{\n{block}}}\n{after}");
    let nats = with_passwords(with_certificates(&config, &PASSWORDS, "127.0.0.1").await);
    let server = Server::start().await;
    let shown = words(&nats, "--broker-ca @ca.pem --broker-cert @client.pem --broker-key @client.key");
    let told = |command: &str, user: &str| {
        let told = of(&nats, user).join(" ").replace("nats://", "tls://");
        format!("{command} {told} {shown}")
    };
    run(&told("setup", "admin")).await.good();
    let start = async |command: &str, user: &str| {
        let told = told(command, user);
        Fabric::start(&told.split(' ').collect::<Vec<_>>()).await
    };
    let (admin, gateway) = (start("gateway", "admin").await, start("gateway", "gateway").await);
    let _worker = start("worker", "worker").await;
    admin.register("f", json!({"fabric.upstream": server.url("/ok")})).await;
    eventually(async || match gateway.call("f", &[], "x").await.status {
        http::StatusCode::ACCEPTED => Ok(()),
        unknown => Err(unknown),
    })
    .await;
    seen(&server, "/ok", 1).await;
    assert_eq!(violations(&nats), [""; 0]);

    let without = told("worker", "worker").replace(&shown, &words(&nats, "--broker-ca @ca.pem"));
    let said = run(&format!("{without} --admin-listen 127.0.0.1:0")).await.failed().stderr;
    assert!(said.lines().last().unwrap().contains("wants a certificate"), "{said}");
    let wrong = told("worker", "worker").replace("--broker-user worker", "--broker-user admin");
    let said = run(&format!("{wrong} --admin-listen 127.0.0.1:0")).await.failed().stderr;
    assert!(said.lines().last().unwrap().contains("does not let in user admin"), "{said}");
}
