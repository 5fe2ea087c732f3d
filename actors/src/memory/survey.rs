//! The machine as a [`Survey`] port: everybody who shares it is asked.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::Memory;
use crate::port::broker::Error;
use crate::port::survey::{Asked, Question};
use crate::port::{BoxFuture, BoxStream, Survey};
use crate::view;

impl Survey for Memory {
    fn ask(
        &self,
        question: &Question,
        expected: usize,
        within: Duration,
    ) -> BoxFuture<'_, Result<Vec<view::Process>, Error>> {
        let until = Instant::now() + within;
        let (tell, mut told) = mpsc::unbounded_channel();
        self.machine.state().surveyed.retain(|listener| {
            let tell = tell.clone();
            let answer = move |process| -> BoxFuture<'static, ()> {
                // Whoever asked may have heard enough.
                drop(tell.send(process));
                Box::pin(std::future::ready(()))
            };
            listener.send(Asked { question: question.clone(), answer: Box::new(answer) }).is_ok()
        });
        drop(tell);
        Box::pin(async move {
            let mut answers = Vec::new();
            while answers.len() < expected
                && let Ok(Some(answer)) = timeout_at(until, told.recv()).await
            {
                answers.push(answer);
            }
            Ok(answers)
        })
    }

    fn asked(&self) -> BoxFuture<'_, Result<BoxStream<'static, Asked>, Error>> {
        // Unbounded, because somebody asked for each of them over HTTP.
        let (tell, told) = mpsc::unbounded_channel();
        self.machine.state().surveyed.push(tell);
        let asked = futures_util::stream::unfold(told, |mut told| async move { Some((told.recv().await?, told)) });
        Box::pin(std::future::ready(Ok(asked.boxed())))
    }
}
