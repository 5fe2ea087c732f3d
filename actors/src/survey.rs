//! Answers those who ask how everybody is, for this process.

use std::sync::{Arc, OnceLock};

use futures_util::StreamExt;
use tokio::task::JoinSet;

use crate::parts::Run;
use crate::port::Survey;
use crate::port::broker::{Cause, Error};
use crate::port::survey::Asked;
use crate::{tree, view};

/// How many questions are answered at once: to look at a tree is work for everybody in it, and a question may be lost.
const ANSWERING_MAX: usize = 4;
/// How many subscribers are told of in one answer: those of the most work.
const SUBSCRIBERS_MAX: usize = 500;

/// Who answers.
#[derive(Clone)]
pub struct Answerer {
    /// Who it is among all.
    pub id: String,
    /// Its tree, once it has started.
    pub tree: Arc<OnceLock<tree::Handle>>,
    /// How many calls it accepts in a second, lately.
    pub accepts: Arc<dyn Fn() -> f64 + Send + Sync>,
}

/// The answering as a service of the tree that it tells of.
#[must_use]
pub fn run(survey: Arc<dyn Survey>, answerer: Answerer) -> Run {
    Arc::new(move |mut drain| {
        let (survey, answerer) = (survey.clone(), answerer.clone());
        Box::pin(async move {
            let mut asked = survey.asked().await?;
            let mut answering = JoinSet::new();
            loop {
                tokio::select! {
                    // The root stops what answers for it when nothing is left to tell.
                    _ = drain.wait_for(Option::is_some) => return Ok(()),
                    Some(_) = answering.join_next() => {}
                    question = asked.next() => {
                        let Some(question) = question else {
                            return Err(Cause::from(Error::Away("the stream of questions ended".into())));
                        };
                        if answering.len() < ANSWERING_MAX {
                            answering.spawn(answer(question, answerer.clone()));
                        }
                    }
                }
            }
        })
    })
}

async fn answer(asked: Asked, Answerer { id, tree, accepts }: Answerer) {
    let Some(tree) = tree.get() else { return };
    if let Some(fabric) = tree.view(asked.question.lane).await {
        (asked.answer)(view::Process { id, accepted_per_second: accepts(), fabric: narrowed(fabric) }).await;
    }
}

/// As much of a view as fits into an answer; what the others do is told as one.
fn narrowed(mut fabric: view::Fabric) -> view::Fabric {
    let mut room = SUBSCRIBERS_MAX;
    for queue in &mut fabric.queues {
        queue.subscribers.sort_by_key(|it| std::cmp::Reverse((it.in_flight, it.inflow.backlog, it.inflow.turned_away)));
        let others = queue.subscribers.iter().skip(room).map(view::Rest::from);
        queue.rest = others.fold(queue.rest, view::Rest::and);
        queue.subscribers.truncate(room);
        queue.children.truncate(room);
        room -= queue.subscribers.len();
    }
    fabric
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::limit::throughput::PerSecond;

    fn subscriber(n: usize) -> view::Subscriber {
        let inflow = view::Inflow {
            permits: 0,
            backlog: n as u64,
            turned_away: 0,
            concurrency: None,
            adaptive: None,
            typical_seconds: None,
            per_second: PerSecond { answered: 1.0, ..PerSecond::default() },
            waiting: None,
        };
        let in_flight = usize::from(n == 0);
        view::Subscriber { function: format!("f{n}"), phase: view::Phase::Running, in_flight, inflow }
    }

    fn queue(name: &str, count: usize) -> view::Queue {
        view::Queue {
            name: name.into(),
            permits: 1,
            permits_waiting: 0,
            permits_max: None,
            children: Vec::new(),
            subscribers: (0..count).map(subscriber).collect(),
            rest: view::Rest::default(),
        }
    }

    #[test]
    fn those_that_do_not_fit_into_an_answer_are_told_as_one() {
        let told = narrowed(view::Fabric {
            phase: "running".into(),
            children: Vec::new(),
            members: BTreeMap::new(),
            permits: 4,
            permits_free: 3,
            queues: vec![queue("a", SUBSCRIBERS_MAX + 20), queue("b", 3)],
        });
        let [a, b] = &told.queues[..] else { panic!("{told:?}") };
        assert_eq!((a.subscribers.len(), a.subscribers[0].function.as_str()), (SUBSCRIBERS_MAX, "f0"));
        assert_eq!((a.rest.subscribers, a.rest.in_flight, a.rest.per_second.answered), (20, 0, 20.0));
        assert_eq!((b.subscribers.len(), b.rest.subscribers, b.rest.in_flight), (0, 3, 1));
    }
}
