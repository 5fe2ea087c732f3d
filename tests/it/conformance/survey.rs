//! A question reaches everybody, and whoever asks hears all who answer in time.

use std::collections::BTreeMap;
use std::time::Duration;

use actors::port::survey::{Asked, Question};
use actors::port::{BoxStream, Survey};
use actors::view;
use futures_util::StreamExt;
use tests::broker::{Fixture, Kind};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::steps::{WAIT, lane};

behaviours!(
    everybody_is_asked_and_heard,
    those_who_say_nothing_are_not_waited_for_longer,
    nobody_answers_where_nobody_is
);

const SOON: Duration = Duration::from_millis(300);

fn process(id: &str) -> view::Process {
    let fabric = view::Fabric {
        phase: "running".into(),
        children: Vec::new(),
        members: BTreeMap::new(),
        permits: 4,
        permits_free: 1,
        queues: Vec::new(),
    };
    view::Process { id: id.into(), accepted_per_second: 0.5, fabric }
}

async fn answer(mut asked: BoxStream<'static, Asked>, id: &'static str, expected: Question) {
    while let Some(Asked { question, answer }) = asked.next().await {
        assert_eq!(question, expected);
        answer(process(id)).await;
    }
}

async fn ids(survey: &dyn Survey, question: &Question, expected: usize, within: Duration) -> Vec<String> {
    let answers = survey.ask(question, expected, within).await.unwrap();
    assert!(answers.iter().all(|it| it.fabric.permits_free == 1));
    let mut ids: Vec<_> = answers.into_iter().map(|process| process.id).collect();
    ids.sort();
    ids
}

async fn everybody_is_asked_and_heard(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let question = Question { lane: Some(lane("f")) };
    let mut answering = JoinSet::new();
    for id in ["a", "b", "c"] {
        answering.spawn(answer(fixture.survey.asked().await.unwrap(), id, question.clone()));
    }
    // As many as are expected: nobody waits for the time to pass.
    let heard = timeout(WAIT, ids(&*fixture.survey, &question, 3, WAIT * 10)).await.unwrap();
    assert_eq!(heard, ["a", "b", "c"]);
    let heard = ids(&*fixture.survey, &question, 1, WAIT).await;
    assert_eq!(heard.len(), 1);
    drop(answering);
    fixture.close().await;
}

async fn those_who_say_nothing_are_not_waited_for_longer(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let question = Question { lane: None };
    let mut answering = JoinSet::new();
    answering.spawn(answer(fixture.survey.asked().await.unwrap(), "a", question.clone()));
    let silent = fixture.survey.asked().await.unwrap();
    assert_eq!(ids(&*fixture.survey, &question, 2, SOON).await, ["a"]);
    drop((silent, answering));
    fixture.close().await;
}

async fn nobody_answers_where_nobody_is(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    assert!(ids(&*fixture.survey, &Question { lane: None }, 1, SOON).await.is_empty());
    fixture.close().await;
}
