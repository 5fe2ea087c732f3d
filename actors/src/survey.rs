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

/// The answering as a service of the tree that it tells of, which is known once it has started. `id` is who answers.
#[must_use]
pub fn run(survey: Arc<dyn Survey>, id: String, tree: Arc<OnceLock<tree::Handle>>) -> Run {
    Arc::new(move |mut drain| {
        let (survey, id, tree) = (survey.clone(), id.clone(), tree.clone());
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
                            answering.spawn(answer(question, id.clone(), tree.clone()));
                        }
                    }
                }
            }
        })
    })
}

async fn answer(asked: Asked, id: String, tree: Arc<OnceLock<tree::Handle>>) {
    let Some(tree) = tree.get() else { return };
    if let Some(fabric) = tree.view(asked.question.lane).await {
        (asked.answer)(view::Process { id, fabric: narrowed(fabric) }).await;
    }
}

/// As much of a view as fits into an answer.
fn narrowed(mut fabric: view::Fabric) -> view::Fabric {
    let mut room = SUBSCRIBERS_MAX;
    for queue in &mut fabric.queues {
        queue.subscribers.sort_by_key(|it| std::cmp::Reverse((it.in_flight, it.inflow.backlog)));
        queue.subscribers.truncate(room);
        queue.children.truncate(room);
        room -= queue.subscribers.len();
    }
    fabric
}
