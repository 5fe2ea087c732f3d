//! `GET /calls/{id}/explain`: why a call does not start, and when it may.

use std::time::Duration;

use actors::explain::{Explanation, Facts, explain};
use actors::port::broker::Error;
use actors::port::survey::Question;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use proto::{CallId, Function, LaneKey, Record, Refusal};

use super::Gateway;
use super::answer::{self, Answer};
use super::enqueue::refusal;

/// How long the workers have to say how they see it.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

impl Gateway {
    /// A request for `/calls/{id}/explain`.
    pub(super) async fn explain_call(&self, id: &str, request: &Request<Incoming>) -> Result<Answer, Refusal> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(Refusal::Method { allow: "GET" });
        }
        let record = self.record(&CallId::parse(id)?).await?;
        let explanation = self.explain(&record.lane(), Some(&record)).await.map_err(|error| refusal(error, 0))?;
        Ok(answer::json(StatusCode::OK, &explanation))
    }

    /// Why the first call of a function that waits does not start.
    ///
    /// # Errors
    /// If the function is not registered, or the broker is away.
    pub async fn explain_function(&self, function: Function) -> Result<Explanation, Refusal> {
        let lane = self.registered(function)?.lane();
        self.explain(&lane, None).await.map_err(|error| refusal(error, 0))
    }

    async fn explain(&self, lane: &LaneKey, record: Option<&Record>) -> Result<Explanation, Error> {
        let now = self.ports.clock.now();
        let place = record.filter(|it| !it.state_at(now).is_final()).and_then(|it| it.place);
        let ahead = match place {
            Some(place) => self.ports.broker.ahead(lane, place).await?,
            None => None,
        };
        let serving = {
            let membership = self.ports.membership.borrow();
            membership.iter().filter(|(_, member)| member.serves.serves(&lane.queue)).count()
        };
        let everybody = self.ports.membership.borrow().iter().count();
        let question = Question { lane: Some(lane.clone()) };
        let seen = self.ports.survey.ask(&question, everybody, ANSWER_WITHIN).await?;
        let spec = self.ports.directory.borrow().get(&lane.function).cloned();
        Ok(explain(&Facts { lane, spec: spec.as_deref(), record, ahead, serving, seen: &seen, now }))
    }
}
