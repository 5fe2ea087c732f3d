//! The processes: whether they answer, agree, and have all their parts running.

use std::time::Duration;

use actors::membership::Member;
use actors::port::Clock;
use actors::view::{Child, Process};
use http::{StatusCode, header};
use proto::{Queue, Timestamp};
use serde_json::Value;

use super::{Finding, clock};
use crate::clock::SystemClock;
use crate::operator::api::{Api, Query};
use crate::operator::shown;
use crate::operator::site::{Error, Site};

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Whether the admin API answers, its version, readiness and clock; and whether more can be asked of it.
pub async fn admin(api: &Api) -> (Vec<Finding>, bool) {
    let (site, before) = (api.site(), SystemClock.now());
    let answer = match site.look("/system/info", ANSWER_WITHIN).await {
        Ok(answer) => answer,
        Err(error) => {
            let mend = "start a process (fabric serve, gateway or worker), or say where one is with --admin";
            return (vec![Finding::fault("admin API", error.to_string(), mend)], false);
        }
    };
    let info: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let (theirs, ours) = (shown::text(shown::at(&info, &["version", "release"])), env!("CARGO_PKG_VERSION"));
    let mut findings = vec![match theirs == ours {
        true => Finding::good("admin API", format!("{} answers, version {theirs}", site.url(""))),
        false => Finding::fault(
            "admin API",
            format!("{} has version {theirs:?}, this program {ours:?}", site.url("")),
            "use the same version everywhere",
        ),
    }];
    if let Err(error) = site.look("/readyz", ANSWER_WITHIN).await {
        let found = match &error {
            Error::Strange { status: StatusCode::SERVICE_UNAVAILABLE, .. } => {
                "it is not: it starts, drains, or lacks its broker".into()
            }
            error => error.to_string(),
        };
        findings.push(Finding::fault("readiness", found, "see what the process logs; --broker checks its broker here"));
    }
    let date = answer.headers.get(header::DATE).and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| httpdate::parse_http_date(date).ok()).map(Timestamp::from);
    // Dates are cut to seconds.
    let told = date.map(|date| clock::compare("the process", date, before, SystemClock.now()));
    findings.extend(told);
    (findings, true)
}

/// Whether a gateway takes calls.
pub async fn gateway(site: &Site) -> Finding {
    match site.look("/", ANSWER_WITHIN).await {
        Ok(answer) if String::from_utf8_lossy(&answer.body).contains("Fabric gateway") => {
            Finding::good("gateway", format!("{} takes calls", site.url("")))
        }
        Ok(answer) => strange(site, answer.status),
        Err(error) => Finding::fault(
            "gateway",
            error.to_string(),
            "start one (fabric serve or gateway), or say where one is with --gateway",
        ),
    }
}

fn strange(site: &Site, status: StatusCode) -> Finding {
    let found = format!("{} answers {status}, and is no gateway", site.url(""));
    Finding::fault("gateway", found, "say where one is with --gateway: it may be what stands in front of it")
}

/// Whether everybody who is alive answers, and what of them has failed.
///
/// # Errors
/// [`Error`].
pub async fn trees(api: &Api) -> Result<Vec<Finding>, Error> {
    let answer = api.get("/processes").await?;
    let alive = shown::at(&answer, &["alive"]).as_u64().unwrap_or_default();
    let processes: Vec<Process> =
        serde_json::from_value(shown::at(&answer, &["processes"]).clone()).unwrap_or_default();
    let answered = processes.len() as u64;
    let mut findings = vec![match answered >= alive {
        true => Finding::good("processes", format!("{alive} are alive, and answer")),
        false => Finding::fault(
            "processes",
            format!("{alive} are alive, {answered} answer"),
            "find the one that fabric tree --all lacks (fabric worker list), and see what it logs",
        ),
    }];
    for process in &processes {
        let fabric = &process.fabric;
        let queues = fabric.queues.iter().flat_map(|queue| &queue.children);
        let down = fabric.children.iter().chain(queues).filter(|child| child.state != "up");
        findings.extend(down.map(|child| failed(&process.id, child)));
    }
    Ok(findings)
}

fn failed(process: &str, child: &Child) -> Finding {
    let cause = child.cause.as_deref().unwrap_or("it does not say why");
    let found = format!("{} in {process}: {cause}", child.state);
    let mend = "it is started again by itself; if it does not stay up, mend what it says";
    Finding::fault(child.name.clone(), found, mend)
}

/// Whether somebody serves each queue.
///
/// # Errors
/// [`Error`].
pub async fn queues(api: &Api) -> Result<Vec<Finding>, Error> {
    let (queues, _) = api.list("/queues", Query::default(), None).await?;
    let (workers, _) = api.list("/workers", Query::default(), None).await?;
    let workers: Vec<Member> = workers.into_iter().filter_map(|it| serde_json::from_value(it).ok()).collect();
    let names = queues.iter().filter_map(|it| Queue::parse(it["name"].as_str()?).ok());
    Ok(names.map(|queue| served(&queue, &workers)).collect())
}

fn served(queue: &Queue, workers: &[Member]) -> Finding {
    let what = format!("queue {queue}");
    match workers.iter().filter(|worker| worker.serves.serves(queue)).count() {
        0 => Finding::fault(
            what,
            "no worker that is alive serves it: its calls wait",
            format!("start one: fabric worker --queue {queue}, or one that serves all queues"),
        ),
        1 => Finding::good(what, "one process serves it"),
        count => Finding::good(what, format!("{count} processes serve it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_wants_somebody_who_serves_it() {
        let worker = |serves: Value| -> Member {
            serde_json::from_value(serde_json::json!({"id": "w", "gateway": false, "serves": serves})).unwrap()
        };
        let workers = [worker("nothing".into()), worker(serde_json::json!({"queues": ["default"]}))];
        let queue = |name| Queue::parse(name).unwrap();
        assert_eq!(served(&queue("default"), &workers).mend, None);
        let alone = served(&queue("slow"), &workers);
        assert!(alone.mend.unwrap().contains("fabric worker --queue slow"));
    }
}
