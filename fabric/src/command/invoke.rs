//! `fabric invoke`: a call by hand.

use std::io::{IsTerminal, Read, Write, stdin, stdout};

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cli::{Invoke, Output};
use crate::operator::shown;
use crate::operator::site::{Answer, Site};

/// How long one question after the end of a call waits.
const WAIT: u64 = 30;

pub(super) async fn run(args: Invoke) -> anyhow::Result<()> {
    let site = Site::new(&args.public.gateway, "--gateway", args.key.as_deref())?;
    let body = match &args.data {
        Some(data) => Bytes::from(data.clone()),
        None => read()?,
    };
    let headers: HeaderMap = args.header.iter().cloned().collect();
    if !args.is_async {
        let path = format!("/function/{}", args.name);
        return answered(&args, &site.send(Method::POST, &path, headers, body).await?);
    }
    let path = format!("/async-function/{}", args.name);
    let accepted = site.ask(Method::POST, &path, headers, body).await?;
    let id = text(&accepted, "x-call-id").to_owned();
    if !args.wait {
        return match args.output {
            Output::Table => super::say(&id),
            Output::Json => super::say(format_args!("{:#}", json!({"id": id}))),
        };
    }
    ended(&args, &end(&site, &id, &args).await?)
}

/// What stdin holds, if it is no terminal.
fn read() -> anyhow::Result<Bytes> {
    let mut body = Vec::new();
    if !stdin().is_terminal() {
        stdin().read_to_end(&mut body).context("stdin cannot be read")?;
    }
    Ok(body.into())
}

/// What the function answered, byte for byte; with another status than success it is a failure.
fn answered(args: &Invoke, answer: &Answer) -> anyhow::Result<()> {
    match args.output {
        Output::Table => write(&answer.body)?,
        Output::Json => {
            let headers: serde_json::Map<_, _> = answer
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
                .collect();
            let body = String::from_utf8_lossy(&answer.body);
            super::say(format_args!(
                "{:#}",
                json!({"status": answer.status.as_u16(), "headers": headers, "body": body})
            ))?;
        }
    }
    if answer.status.is_success() { Ok(()) } else { bail!("{} answered {}", args.name, answer.status) }
}

/// The record of a call that is at its end.
async fn end(site: &Site, id: &str, args: &Invoke) -> anyhow::Result<Value> {
    let path = format!("/calls/{id}?wait={WAIT}s");
    let until = Instant::now() + args.within;
    loop {
        let asked = site.ask(Method::GET, &path, HeaderMap::new(), Bytes::new());
        let Ok(answer) = tokio::time::timeout_at(until, asked).await else {
            bail!("call {id} has not ended within {:?}; it goes on: fabric why {id}", args.within);
        };
        let record: Value = serde_json::from_slice(&answer?.body).context("the answer is not that of a gateway")?;
        if !matches!(record.get("state").and_then(Value::as_str), Some("ready" | "running" | "waiting")) {
            return Ok(record);
        }
    }
}

/// The result, byte for byte; any other end than success is a failure.
fn ended(args: &Invoke, record: &Value) -> anyhow::Result<()> {
    match args.output {
        Output::Json => super::say(format_args!("{record:#}"))?,
        Output::Table => write(&result(&record["result"])?)?,
    }
    match record["state"].as_str() {
        Some("succeeded") => Ok(()),
        state => {
            let (id, detail) = (shown::text(&record["id"]), shown::text(&record["detail"]));
            bail!("call {id} is {}: {detail}", state.unwrap_or_default())
        }
    }
}

fn result(kept: &Value) -> anyhow::Result<Vec<u8>> {
    if let Some(bytes) = kept["omitted_bytes"].as_u64() {
        bail!("the result has {bytes} bytes, which is more than is kept; a callback carries it");
    }
    match kept["base64"].as_str() {
        Some(text) => data_encoding::BASE64.decode(text.as_bytes()).context("the result is not what a gateway writes"),
        None => Ok(shown::text(&kept["text"]).into_bytes()),
    }
}

fn text<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Bytes as they are; a terminal gets its prompt on a line of its own.
fn write(body: &[u8]) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    let ends = if out.is_terminal() && !body.ends_with(b"\n") { &b"\n"[..] } else { &[] };
    out.write_all(body)
        .and_then(|()| out.write_all(ends))
        .and_then(|()| out.flush())
        .context("stdout cannot be written to")
}
