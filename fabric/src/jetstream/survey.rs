//! Questions to everybody as core NATS requests with many answers. Question and answer: JSON.

use std::time::Duration;

use actors::port::broker::Error;
use actors::port::survey::{Asked, Question};
use actors::port::{BoxFuture, BoxStream, Survey};
use actors::view;
use async_nats::{Client, Message, Subject};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::JetStream;
use super::publish::{away, listen};

impl JetStream {
    async fn survey(
        &self,
        question: &Question,
        expected: usize,
        within: Duration,
    ) -> Result<Vec<view::Process>, Error> {
        let until = Instant::now() + within;
        let json = serde_json::to_vec(question).map_err(|error| Error::Refused(error.into()))?;
        let inbox = self.client.new_inbox();
        let mut told = self.client.subscribe(inbox.clone()).await.map_err(away)?;
        let subject = self.layout.settings.subjects.survey();
        self.client.publish_with_reply(subject, inbox, json.into()).await.map_err(away)?;
        let mut answers = Vec::new();
        while answers.len() < expected
            && let Ok(Some(answer)) = timeout_at(until, told.next()).await
        {
            // The server says so if there is nobody to ask.
            if answer.status.is_some() {
                break;
            }
            match serde_json::from_slice(&answer.payload) {
                Ok(process) => answers.push(process),
                Err(error) => tracing::debug!(%error, "an answer to a survey cannot be read"),
            }
        }
        Ok(answers)
    }
}

impl Survey for JetStream {
    fn ask(
        &self,
        question: &Question,
        expected: usize,
        within: Duration,
    ) -> BoxFuture<'_, Result<Vec<view::Process>, Error>> {
        let question = question.clone();
        Box::pin(async move { self.survey(&question, expected, within).await })
    }

    fn asked(&self) -> BoxFuture<'_, Result<BoxStream<'static, Asked>, Error>> {
        Box::pin(async {
            let client = self.client.clone();
            let questions = listen(&self.client, self.layout.settings.subjects.survey()).await?;
            Ok(questions.filter_map(move |message| std::future::ready(read(&client, message))).boxed())
        })
    }
}

fn read(client: &Client, message: Message) -> Option<Asked> {
    let reply = message.reply?;
    let question = match serde_json::from_slice(&message.payload) {
        Ok(question) => question,
        Err(error) => {
            tracing::debug!(%error, "a question cannot be read");
            return None;
        }
    };
    let client = client.clone();
    Some(Asked { question, answer: Box::new(move |process| Box::pin(send(client, reply, process))) })
}

async fn send(client: Client, reply: Subject, process: view::Process) {
    let sent = match serde_json::to_vec(&process) {
        Ok(json) => client.publish(reply, json.into()).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(error) = sent {
        tracing::debug!(error, "a question was not answered");
    }
}
