//! How this version says it: by the adapter that processes use, on a real server, whose streams are then looked into.

use std::collections::BTreeMap;
use std::time::Duration;

use actors::port::broker::{Message as Stored, Quotas};
use actors::port::control::Expected;
use actors::port::{Broker, Cancels, Control, DeadLetters, Presence, Records, Survey};
use async_nats::jetstream::Context;
use async_nats::{Client, Subscriber};
use fabric::jetstream::{self, JetStream};
use futures_util::{StreamExt, TryStreamExt};
use proto::subject::Subjects;
use proto::{Call, CallId, LaneKey, Queue, codec};
use tests::eventually;
use tests::golden::{Forms, Message};
use tests::nats::Nats;

use super::saying::{ASIDE_FROM, KEPT_FOR, SHARDS, Saying, lane};

/// A server that takes no long messages: 8 KiB more than what is to be kept aside, for headers.
pub(super) async fn server() -> Nats {
    let config = format!(
        "host: \"127.0.0.1\"\nmax_payload: {}\njetstream {{ store_dir: \"jetstream\" }}\n",
        8 * 1024 + ASIDE_FROM
    );
    Nats::configured(&config, &[], &[]).await
}

pub(super) async fn connect(nats: &Nats, shards: Option<u16>) -> JetStream {
    let settings = jetstream::Settings {
        url: nats.url(),
        access: jetstream::Access::default(),
        subjects: Subjects::default(),
        replicas: 1,
        shards,
        quotas: Quotas::default(),
        payload_len_max: 1024 * 1024,
    };
    JetStream::connect(settings).await.unwrap()
}

/// The queues that the calls wait in.
pub(super) fn queues() -> [Queue; 3] {
    [Queue::default(), Queue::callbacks(), lane("slow", "f").queue]
}

/// Every form, as this version writes it.
pub(super) async fn all(saying: &Saying) -> Forms {
    let nats = server().await;
    let broker = connect(&nats, Some(SHARDS)).await;
    let client = async_nats::connect(nats.url()).await.unwrap();
    let mut stored = Written::new(async_nats::jetstream::new(client.clone())).await;
    let mut hints = heard(&client, "fabric.wake.*").await;

    for queue in queues() {
        broker.make_queue(&queue).await.unwrap();
        stored.take(&format!("shards-{queue}")).await;
    }

    broker.publish(message("default", &saying.call)).await.unwrap();
    stored.take("call").await;
    let hint = hints.next().await.unwrap();
    stored.forms.insert("hint".into(), Message::new(&hint.subject, &hint.payload));
    broker.publish_once(message("slow", &saying.fresh)).await.unwrap();
    stored.take("call-fresh").await;
    broker.publish(message("default", &saying.long)).await.unwrap();
    stored.take("call-long").await;
    broker.publish(message_in(saying.callback_lane(), &saying.callback)).await.unwrap();
    stored.take("callback").await;
    let (retry, due) = &saying.retry;
    broker.schedule(message("default", retry), &retry.schedule_id(), *due).await.unwrap();
    stored.take("retry").await;

    let call = CallId::parse("order-17").unwrap();
    broker.bury(saying.dead.clone(), saying.call.life_id(), Some(&call)).await.unwrap();
    stored.take("dead").await;
    broker.bury(saying.unreadable.clone(), "default/7".into(), None).await.unwrap();
    stored.take("dead-unreadable").await;

    broker.note(&saying.note, 0, KEPT_FOR).await;
    stored.take("record-note").await;
    broker.end(&saying.end, saying.end.end_id(), KEPT_FOR).await.unwrap();
    stored.take("record-end").await;
    broker.note_accepted(&saying.pages[0], KEPT_FOR).await;
    stored.take("page-accepted").await;
    broker.end_first(&saying.pages[1], KEPT_FOR).await.unwrap();
    stored.take("page-end").await;
    broker.cancel(&saying.mark).await.unwrap();
    stored.take("mark").await;

    for (name, setting) in ["function", "namespace", "queue", "key"].into_iter().zip(&saying.settings) {
        broker.put(setting.clone(), Expected::Whatever).await.unwrap();
        stored.take(name).await;
    }
    let (process, member) = &saying.member;
    broker.announce(process, member).await.unwrap();
    stored.take("presence").await;
    broker.leave(process).await.unwrap();
    stored.take("presence-left").await;

    let mut forms = stored.forms;
    let (question, answer) = survey(&broker, &client, saying).await;
    forms.extend([("question".into(), question), ("answer".into(), answer)]);
    forms
}

/// Listens to what others say. The server knows of it: it has answered something that was sent after it.
pub(super) async fn heard(client: &Client, subject: &'static str) -> Subscriber {
    let subscriber = client.subscribe(subject).await.unwrap();
    async_nats::jetstream::new(client.clone()).query_account().await.unwrap();
    subscriber
}

fn message(queue: &str, call: &Call) -> Stored {
    message_in(lane(queue, &call.function.to_string()), call)
}

fn message_in(lane: LaneKey, call: &Call) -> Stored {
    Stored { lane, id: call.message_id(), payload: codec::encode(call) }
}

/// What is asked, and what is answered.
async fn survey(broker: &JetStream, client: &Client, saying: &Saying) -> (Message, Message) {
    let mut questions = heard(client, "fabric.survey").await;
    let mut asked = broker.asked().await.unwrap();
    let (answers, (question, answer)) = tokio::join!(broker.ask(&saying.question, 1, Duration::from_secs(60)), async {
        let question = questions.next().await.unwrap();
        let mut inbox = client.subscribe("inbox").await.unwrap();
        client.flush().await.unwrap();
        // Answered to both who ask: the adapter, which is waiting, and this test.
        client.publish_with_reply("fabric.survey", "inbox", question.payload.clone()).await.unwrap();
        for _ in 0..2 {
            (asked.next().await.unwrap().answer)(saying.process.clone()).await;
        }
        (question, inbox.next().await.unwrap())
    });
    assert_eq!(answers.unwrap().len(), 1);
    (Message::new(&question.subject, &question.payload), Message::new("inbox", &answer.payload))
}

/// What has been written so far, and how far each stream was by then.
struct Written {
    context: Context,
    until: BTreeMap<String, u64>,
    forms: Forms,
}

impl Written {
    async fn new(context: Context) -> Self {
        Self { context, until: BTreeMap::new(), forms: Forms::new() }
    }

    /// The messages that are new, at least one.
    async fn fresh(&mut self) -> Vec<Message> {
        let found = eventually(async || {
            let names: Vec<String> = self.context.stream_names().try_collect().await.unwrap();
            let mut found = Vec::new();
            for name in names {
                let mut stream = self.context.get_stream(&name).await.unwrap();
                let last = stream.info().await.unwrap().state.last_sequence;
                for number in self.until.get(&name).copied().unwrap_or_default() + 1..=last {
                    found.push((name.clone(), number, stream.get_raw_message(number).await.unwrap()));
                }
            }
            if found.is_empty() { Err("nothing was stored yet") } else { Ok(found) }
        })
        .await;
        let read = |(stream, number, message): (String, u64, async_nats::jetstream::message::StreamMessage)| {
            self.until.insert(stream, number);
            let text = |value: &[async_nats::HeaderValue]| value[0].as_str().to_owned();
            let headers = message.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
            Message { subject: message.subject.to_string(), headers, payload: message.payload.to_vec() }
        };
        found.into_iter().map(read).collect()
    }

    /// Whatever is new is a form of this name; of several, pieces that were kept aside are others.
    async fn take(&mut self, form: &str) {
        for message in self.fresh().await.into_iter().map(with_a_known_claim) {
            let piece = message.subject.strip_prefix("fabric.payload.").and_then(|rest| rest.split_once('.'));
            let name = piece.map_or_else(|| form.to_owned(), |(_, number)| format!("{form}-piece-{number}"));
            let before = self.forms.insert(name.clone(), message);
            assert_eq!(before, None, "{name} was written before");
        }
    }
}

/// What is kept aside has a name by chance: it is another one each time.
fn with_a_known_claim(mut message: Message) -> Message {
    const KNOWN: &str = "0190c1a27b3c7def8abc0123456789ab";
    let known = |text: &str, rest: &str| text.replacen(rest, KNOWN, 1);
    if let Some(claim) = message.headers.get_mut("Fabric-Claim") {
        *claim = known(claim, claim.split('/').next().unwrap());
    }
    if let Some(rest) = message.subject.strip_prefix("fabric.payload.") {
        message.subject = known(&message.subject, rest.split('.').next().unwrap());
    }
    message
}
