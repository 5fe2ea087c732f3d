//! What attributes are called: as in OpenTelemetry's semantic conventions for messaging, HTTP and `FaaS`, and ours.

/// Who moves the message.
pub const MESSAGING_SYSTEM: &str = "messaging.system";
/// Where the message waits.
pub const MESSAGING_DESTINATION: &str = "messaging.destination.name";
/// What is done with it, in our word.
pub const MESSAGING_OPERATION: &str = "messaging.operation.name";
/// And in theirs.
pub const MESSAGING_OPERATION_TYPE: &str = "messaging.operation.type";
/// The message.
pub const MESSAGING_MESSAGE: &str = "messaging.message.id";
/// What it belongs to, which is the call.
pub const MESSAGING_CONVERSATION: &str = "messaging.message.conversation_id";
/// How long its body is, in bytes.
pub const MESSAGING_BODY_SIZE: &str = "messaging.message.body.size";
/// The function that is called.
pub const FAAS_NAME: &str = "faas.invoked_name";
/// The call.
pub const FAAS_INVOCATION: &str = "faas.invocation_id";
/// The method.
pub const HTTP_METHOD: &str = "http.request.method";
/// How often it was sent before.
pub const HTTP_RESEND_COUNT: &str = "http.request.resend_count";
/// What was answered.
pub const HTTP_STATUS: &str = "http.response.status_code";
/// The kind of request.
pub const HTTP_ROUTE: &str = "http.route";
/// Who was asked.
pub const SERVER_ADDRESS: &str = "server.address";
/// At which port.
pub const SERVER_PORT: &str = "server.port";
/// Who asked.
pub const CLIENT_ADDRESS: &str = "client.address";
/// http or https.
pub const URL_SCHEME: &str = "url.scheme";
/// The path that was asked for.
pub const URL_PATH: &str = "url.path";
/// Where a request went, without credentials and query.
pub const URL_FULL: &str = "url.full";
/// What went wrong.
pub const ERROR_TYPE: &str = "error.type";
/// Ours: which attempt it is, 1 for the first.
pub const ATTEMPT: &str = "fabric.attempt";
/// Ours: how often the message was delivered.
pub const DELIVERIES: &str = "fabric.deliveries";
/// Ours: what came of the attempt.
pub const OUTCOME: &str = "fabric.outcome";
/// Ours: how the call ended.
pub const STATE: &str = "fabric.state";
/// Ours: what was waited for.
pub const WAIT_REASON: &str = "fabric.wait.reason";

/// The messaging system: whichever broker there is, the lanes are ours.
pub const SYSTEM: &str = "fabric";
