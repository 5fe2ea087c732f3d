//! `GET /calls/{id}/explain`: why a call does not start, and when it may.

use std::time::Duration;

use actors::explain::{Facts, explain};
use actors::port::survey::Question;
use http::StatusCode;
use proto::{CallId, Function, LaneKey, Record, Refusal};

use super::answer::{self, Answer};
use super::refusal::refusal;
use super::{Gateway, own};
use crate::identity::Identity;

/// How long the workers have to say how they see it.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

impl Gateway {
    /// Why a call does not start.
    pub(crate) async fn explain_call(&self, id: &str, by: &Identity) -> Result<Answer, Refusal> {
        let record = self.record(&CallId::parse(id)?, by).await?;
        self.explain(&record.lane(), Some(&record)).await
    }

    /// Why the first call of a function that waits does not start.
    pub(crate) async fn explain_function(&self, name: &str, by: &Identity) -> Result<Answer, Refusal> {
        let function = own(Function::parse(name)?, by)?;
        // One that is being deleted still has calls to explain.
        let spec = self.ports.directory.borrow().get(&function).cloned();
        let lane = spec.ok_or(Refusal::UnknownFunction(function))?.lane();
        self.explain(&lane, None).await
    }

    async fn explain(&self, lane: &LaneKey, record: Option<&Record>) -> Result<Answer, Refusal> {
        let now = self.ports.clock.now();
        let place = record.filter(|it| !it.state_at(now).is_final()).and_then(|it| it.place);
        let ahead = match place {
            Some(place) => self.ports.broker.ahead(lane, place).await.map_err(|error| refusal(error, 0))?,
            None => None,
        };
        let serving = {
            let membership = self.ports.membership.borrow();
            membership.iter().filter(|(_, member)| member.serves.serves(&lane.queue)).count()
        };
        let everybody = self.ports.membership.borrow().iter().count();
        let question = Question { lane: Some(lane.clone()) };
        let seen = self.ports.survey.ask(&question, everybody, ANSWER_WITHIN).await;
        let seen = seen.map_err(|error| refusal(error, 0))?;
        let spec = self.ports.directory.borrow().get(&lane.function).cloned();
        let facts = Facts { lane, spec: spec.as_deref(), record, ahead, serving, seen: &seen, now };
        Ok(answer::json(StatusCode::OK, &explain(&facts)))
    }
}
