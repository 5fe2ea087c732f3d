//! Calls that an OpenFaaS gateway left: each ends in exactly one way.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actors::memory::{Foreign, Memory, Settings, SteadyClock};
use actors::port::broker::{Error, Terms};
use actors::port::dead::Letter;
use actors::port::{BoxFuture, DeadLetters, Intake, Lane};
use actors::tree::Ending;
use http::StatusCode;
use proto::dead::{Filter, Reason};
use proto::record::State;
use proto::{Function, Queue};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::shutters::ShutterLane;
use super::world::{Start, World};

const MINUTE: Duration = Duration::from_secs(60);

/// Where the gateway leaves calls, on a broker of its own.
fn foreign() -> Foreign {
    Foreign::new(Memory::new(Settings::default(), Arc::new(SteadyClock::default())), "faas-request")
}

/// A world that takes them in.
async fn world(foreign: &Foreign, start: Start) -> World {
    let world = World::of(Start { intakes: vec![Arc::new(foreign.clone())], ..start }).await;
    sleep(Duration::from_millis(10)).await;
    world
}

fn by_template() -> Start {
    Start { template: Some("http://{name}"), ..Start::default() }
}

/// As the gateway writes it.
fn message(function: &str, id: &str, more: Value) -> Vec<u8> {
    let header = if id.is_empty() { json!({}) } else { json!({"X-Call-Id": [id]}) };
    let mut message = json!({
        "Header": header, "Method": "POST", "Function": function,
        "CallbackUrl": {"Scheme": "http", "User": null, "Host": "caller", "Path": "/done"},
    });
    if let Value::Object(more) = more {
        message.as_object_mut().unwrap().extend(more);
    }
    message.to_string().into_bytes()
}

async fn letters(world: &World) -> Vec<Letter> {
    world.broker.letters(&Filter::default(), 0, 100).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn calls_of_registered_functions_and_of_strangers_run_and_are_called_back() {
    let foreign = foreign();
    let world = world(&foreign, by_template()).await;
    world.register("known", &[("fabric.upstream", "http://elsewhere"), ("com.openfaas.queue", "slow")]).await;
    for (number, function) in ["known", "stranger", "stranger.openfaas-fn"].iter().enumerate() {
        foreign.leave(number, message(function, &format!("o{number}"), Value::Null).into()).await.unwrap();
    }
    sleep(MINUTE).await;
    assert_eq!((world.functions.asked("elsewhere"), world.functions.asked("stranger").len()), (vec!["o0".into()], 2));
    assert_eq!(world.told(), HashMap::from(["o0", "o1", "o2"].map(|id| (id.into(), "200".into()))));
    assert_eq!(
        (world.record("o0").await.queue.to_string(), world.record("o1").await.state),
        ("slow".into(), State::Succeeded)
    );
    assert_eq!(foreign.left().await.unwrap(), 0);
    assert!(world.tree.view(None).await.unwrap().children.iter().any(|child| child.name == "intake faas-request"));
    world.assert_at_rest().await;
}

/// Callers choose the ids of calls there; of what is another tenant's, nothing is lost by that.
#[tokio::test(start_paused = true)]
async fn an_id_of_another_namespaces_call_is_not_taken_over() {
    let foreign = foreign();
    let world = world(&foreign, by_template()).await;
    world.register("f.acme", &[("fabric.upstream", "http://ours")]).await;
    let ours = world.post("f.acme").await;
    sleep(MINUTE).await;
    let before = world.record(&ours).await;
    assert_eq!(before.state, State::Succeeded);
    for number in 0..2 {
        // The second time because somebody died before he could say that it was taken in.
        foreign.leave(number, message("f.evil", &ours, Value::Null).into()).await.unwrap();
    }
    sleep(MINUTE).await;
    assert_eq!(world.record(&ours).await, before);
    let theirs = world.functions.asked("f");
    assert!(!theirs.is_empty() && !theirs.contains(&ours), "{theirs:?}");
    assert_eq!(foreign.left().await.unwrap(), 0);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_message_says_of_retries_counts_for_a_stranger() {
    let foreign = foreign();
    let world = world(&foreign, by_template()).await;
    for name in ["twice", "once"] {
        world.functions.script(name, async |_, _| Ok(StatusCode::INTERNAL_SERVER_ERROR.into()));
    }
    let said =
        |attempts: &str| json!({"Annotations": {"com.openfaas.retry.attempts": attempts, "com.openfaas.queue": "q"}});
    foreign.leave(0, message("twice", "a", said("2")).into()).await.unwrap();
    foreign.leave(1, message("once", "b", said("1")).into()).await.unwrap();
    sleep(5 * MINUTE).await;
    assert_eq!((world.functions.asked("twice").len(), world.functions.asked("once").len()), (2, 1));
    assert_eq!(world.told().len(), 2);
    assert_eq!(world.broker.dead_count().await.unwrap(), 2);
    assert_eq!(world.record("a").await.queue, Queue::default(), "nobody serves q");
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_template_a_strangers_call_waits_until_it_is_registered() {
    let foreign = foreign();
    let world = world(&foreign, Start::default()).await;
    foreign.leave(0, message("late", "a", Value::Null).into()).await.unwrap();
    sleep(MINUTE).await;
    assert_eq!((world.functions.asked("late").len(), foreign.left().await.unwrap()), (0, 0));
    world.register("late", &[]).await;
    sleep(10 * MINUTE).await;
    assert_eq!(world.told(), HashMap::from([("a".into(), "200".into())]));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_a_gateway_of_ours_accepted_is_run_by_no_template() {
    let world = World::of(by_template()).await;
    world.post("removed").await;
    sleep(MINUTE).await;
    assert_eq!(world.functions.asked("removed").len(), 0);
}

/// Callers may choose ids, and OpenFaaS runs every call that has one.
#[tokio::test(start_paused = true)]
async fn two_calls_of_one_id_both_run() {
    let foreign = foreign();
    let world = world(&foreign, by_template()).await;
    for number in 0..3_usize {
        let started = (world.clock.now().unix_nanos() + i64::try_from(number).unwrap()).to_string();
        let header = json!({"Header": {"X-Call-Id": ["same"], "X-Start-Time": [started]}});
        foreign.leave(number, message("f", "", header).into()).await.unwrap();
    }
    sleep(MINUTE).await;
    let asked = world.functions.asked("f");
    assert_eq!((asked.len(), asked.iter().filter(|id| *id == "same").count()), (3, 1), "{asked:?}");
    assert_eq!((world.told().len(), foreign.left().await.unwrap()), (3, 0));
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_name_that_leads_to_an_address_is_dead() {
    let foreign = foreign();
    let world = world(&foreign, by_template()).await;
    foreign.leave(0, message("2130706433", "a", Value::Null).into()).await.unwrap();
    sleep(MINUTE).await;
    let letters = letters(&world).await;
    assert!(letters.len() == 1 && letters[0].dead.detail.contains("no name of a function's host"), "{}", letters.len());
    assert!(world.told().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_function_without_room_holds_no_other_up() {
    let foreign = foreign();
    let world = world(&foreign, Start { backlog: 5, ..by_template() }).await;
    world.functions.script("slow", async |_, _| {
        sleep(60 * MINUTE).await;
        Ok(StatusCode::OK.into())
    });
    for number in 0..1000 {
        foreign.leave(number, message("slow", &format!("s{number}"), Value::Null).into()).await.unwrap();
    }
    foreign.leave(1000, message("quick", "q", Value::Null).into()).await.unwrap();
    sleep(2 * MINUTE).await;
    assert_eq!(world.functions.asked("quick"), ["q"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_call_is_dead_whole_and_says_why() {
    let foreign = foreign();
    let world = world(&foreign, Start { payload_len_max: 4096, ..by_template() }).await;
    let large = message("f", "large", json!({"Body": "eHh4".repeat(1500)}));
    let bad: [(&[u8], Reason, &str); 6] = [
        (b"{\"Function\":", Reason::Undecodable, "EOF"),
        (b"\xff\x00", Reason::Undecodable, "QueueRequest"),
        (br#"{"Method":"POST","Function":"No_Function"}"#, Reason::Undecodable, "No_Function"),
        (br#"{"Method":"POST","Function":"f","Path":"/../g"}"#, Reason::Undecodable, "Path"),
        (br#"{"Method":"CONNECT","Function":"f"}"#, Reason::Undecodable, "CONNECT"),
        (br#"{"Method":"POST","Function":"f","CallbackUrl":"http://a"}"#, Reason::Undecodable, "a URL as Go writes it"),
    ];
    for (number, (payload, ..)) in bad.iter().enumerate() {
        foreign.leave(number, payload.to_vec().into()).await.unwrap();
    }
    foreign.leave(9, message("f", "good", Value::Null).into()).await.unwrap();
    sleep(MINUTE).await;
    let letters = letters(&world).await;
    assert_eq!(letters.len(), bad.len());
    for (payload, reason, why) in bad {
        let letter = letters.iter().find(|letter| letter.dead.payload == payload).unwrap();
        assert_eq!(letter.dead.reason, reason);
        assert!(
            letter.dead.detail.contains(why) && letter.dead.detail.contains("faas-request/"),
            "{}",
            letter.dead.detail
        );
        assert_eq!(letter.dead.lane.function, Function::for_subject("faas-request"));
    }
    assert_eq!((world.told().len(), foreign.left().await.unwrap()), (1, 0), "they held nobody up");
    // What is too large, and so for a letter as well, stays where it is.
    foreign.leave(10, large.into()).await.unwrap();
    sleep(MINUTE).await;
    assert_eq!((foreign.left().await.unwrap(), world.functions.asked("f").len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_message_waits_while_its_lane_is_full() {
    let foreign = foreign();
    let world = world(&foreign, Start { backlog: 5, ..by_template() }).await;
    world.functions.script("f", async |_, _| {
        sleep(Duration::from_secs(3)).await;
        Ok(StatusCode::OK.into())
    });
    for number in 0..50 {
        foreign.leave(number, message("f", &format!("o{number}"), Value::Null).into()).await.unwrap();
    }
    sleep(10 * MINUTE).await;
    assert_eq!((world.functions.asked("f").len(), world.told().len()), (50, 50));
    assert_eq!(foreign.left().await.unwrap(), 0);
    world.assert_at_rest().await;
}

/// A queue whose acknowledgements are lost while it is deaf.
struct Forgetful {
    foreign: Foreign,
    lease: Duration,
    deaf: Arc<AtomicBool>,
}

impl Intake for Forgetful {
    fn subject(&self) -> &str {
        self.foreign.subject()
    }

    fn open(&self, terms: Terms) -> BoxFuture<'_, Result<Arc<dyn Lane>, Error>> {
        Box::pin(async move {
            let lane = self.foreign.open(Terms { lease: self.lease, ..terms }).await?;
            Ok(Arc::new(ShutterLane(lane, self.deaf.clone())) as _)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_again_is_taken_in_once() {
    // Within the time that the broker remembers ids, and long after it.
    for lease in [Duration::from_secs(30), 20 * MINUTE] {
        let (foreign, deaf) = (foreign(), Arc::new(AtomicBool::new(true)));
        let intake = Forgetful { foreign: foreign.clone(), lease, deaf: deaf.clone() };
        let world = World::of(Start { intakes: vec![Arc::new(intake)], ..by_template() }).await;
        let started = json!({"Header": {"X-Start-Time": [world.clock.now().unix_nanos().to_string()]}});
        foreign.leave(0, message("f", "", started).into()).await.unwrap();
        foreign.leave(1, b"noise".as_slice().into()).await.unwrap();
        sleep(Duration::from_secs(10)).await;
        assert_eq!((world.functions.asked("f").len(), foreign.left().await.unwrap()), (1, 2));
        deaf.store(false, Ordering::SeqCst);
        sleep(lease + MINUTE).await;
        assert_eq!((world.functions.asked("f").len(), foreign.left().await.unwrap()), (1, 0), "{lease:?}");
        assert_eq!(world.told().len(), 1);
        world.assert_at_rest().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_takes_nothing_more_and_the_next_worker_goes_on() {
    let foreign = foreign();
    let mut world = world(&foreign, by_template()).await;
    foreign.leave(0, message("f", "a", Value::Null).into()).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    world.tree.drain();
    assert_eq!((&mut world.ending).await, Ok(Ending::Drained));
    foreign.leave(1, message("f", "b", Value::Null).into()).await.unwrap();
    sleep(MINUTE).await;
    assert_eq!((world.functions.asked("f"), foreign.left().await.unwrap()), (vec!["a".into()], 1));
    world.start_again().await;
    sleep(MINUTE).await;
    assert_eq!((world.functions.asked("f"), foreign.left().await.unwrap()), (vec!["a".into(), "b".into()], 0));
}

/// A queue that nobody has made yet.
struct Missing(Foreign, AtomicBool);

impl Intake for Missing {
    fn subject(&self) -> &str {
        self.0.subject()
    }

    fn open(&self, terms: Terms) -> BoxFuture<'_, Result<Arc<dyn Lane>, Error>> {
        match self.1.load(Ordering::SeqCst) {
            true => self.0.open(terms),
            false => Box::pin(std::future::ready(Err(Error::Away("no stream takes it in".into())))),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_missing_is_looked_for_until_it_is_there() {
    let foreign = foreign();
    let missing = Arc::new(Missing(foreign.clone(), AtomicBool::new(false)));
    let world = World::of(Start { intakes: vec![missing.clone()], ..by_template() }).await;
    sleep(60 * MINUTE).await;
    let view = world.tree.view(None).await.unwrap();
    let child = view.children.iter().find(|child| child.name == "intake faas-request").unwrap();
    assert!(
        child.state == "restarting" && child.cause.as_ref().unwrap().contains("no stream takes it in"),
        "{child:?}"
    );
    missing.1.store(true, Ordering::SeqCst);
    foreign.leave(0, message("f", "a", Value::Null).into()).await.unwrap();
    sleep(MINUTE).await;
    assert_eq!(world.told().len(), 1);
    world.assert_at_rest().await;
}
