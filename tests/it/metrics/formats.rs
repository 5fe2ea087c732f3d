//! A scraper is answered in the format that it asks for.

use serde_json::json;
use tests::client::Client;
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;

use super::scrape::scrape;

#[tokio::test]
async fn text_openmetrics_and_messages_say_the_same() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let fabric = Fabric::start(&["serve", "--data-dir", dir.path().to_str().unwrap()]).await;
    fabric.register("f", json!({"fabric.upstream": server.url("/ok")})).await;
    fabric.accepted("f", &[], "x").await;
    eventually(async || match scrape(&fabric).await.get("fabric_ended_total", &[("state", "succeeded")]) {
        Some(1.0) => Ok(()),
        other => Err(format!("{other:?} ended")),
    })
    .await;
    let ask = async |accept: &str| {
        Client::default()
            .send(http::Method::GET, &format!("{}/metrics", fabric.admin), &[("accept", accept)], "")
            .await
            .unwrap()
    };

    let open = ask("application/openmetrics-text;version=1.0.0,text/plain;q=0.5").await;
    assert_eq!(open.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = String::from_utf8(open.body.to_vec()).unwrap();
    assert!(text.ends_with("# EOF\n"));
    assert!(text.contains("# TYPE fabric_ended counter\nfabric_ended_total{"), "{text}");

    let asked = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    let messages = ask(&format!("{asked};q=0.6,text/plain;q=0.2")).await;
    let told = messages.header("content-type").replace("; ", ";");
    assert_eq!(told, asked);
    let families = families(&messages.body);
    let wait = families.iter().find(|(name, _)| name == "fabric_wait_seconds").unwrap();
    // MetricFamily.metric = 4, Metric.histogram = 7, Histogram.schema = 5: only native histograms have one.
    let metric = fields(&wait.1).into_iter().find(|(tag, _)| *tag == 4).unwrap().1.bytes();
    let histogram = fields(&metric).into_iter().find(|(tag, _)| *tag == 7).unwrap().1.bytes();
    let schema = fields(&histogram).into_iter().find(|(tag, _)| *tag == 5).unwrap().1.number();
    assert_eq!(schema, 4, "two, as a signed number is written");
    assert!(fields(&histogram).iter().any(|(tag, _)| *tag == 12), "it has runs of buckets");
    assert!(fields(&histogram).iter().any(|(tag, _)| *tag == 3), "and those for whoever knows no others");
}

/// A field of a message.
#[derive(Clone)]
enum Field {
    Number(u64),
    Bytes(Vec<u8>),
}

impl Field {
    fn number(&self) -> u64 {
        if let Self::Number(number) = self { *number } else { panic!("it is no number") }
    }

    fn bytes(&self) -> Vec<u8> {
        if let Self::Bytes(bytes) = self { bytes.clone() } else { panic!("it has no bytes") }
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..).step_by(7) {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    number
}

fn taken(bytes: &mut &[u8], length: usize) -> Vec<u8> {
    let (taken, rest) = bytes.split_at(length);
    *bytes = rest;
    taken.to_vec()
}

fn fields(mut message: &[u8]) -> Vec<(u64, Field)> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut message)),
            1 => Field::Bytes(taken(&mut message, 8)),
            2 => {
                let length = varint(&mut message) as usize;
                Field::Bytes(taken(&mut message, length))
            }
            5 => Field::Bytes(taken(&mut message, 4)),
            other => panic!("wire type {other}"),
        };
        fields.push((key >> 3, field));
    }
    fields
}

/// Every family, by its name.
fn families(mut body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut families = Vec::new();
    while !body.is_empty() {
        let length = varint(&mut body) as usize;
        let family = taken(&mut body, length);
        let name = fields(&family).into_iter().find(|(tag, _)| *tag == 1).unwrap().1.bytes();
        families.push((String::from_utf8(name).unwrap(), family));
    }
    families
}
