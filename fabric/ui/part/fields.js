// What can be set, in the order in which it is shown.

const RETRY = [
  { name: "com.openfaas.retry.attempts", label: "Attempts", hint: "before a call is dead", unset: "10" },
  { name: "com.openfaas.retry.min_wait", label: "First wait", hint: "at most, such as 1s", unset: "1s" },
  { name: "com.openfaas.retry.max_wait", label: "Longest wait", hint: "such as 2m", unset: "120s" },
  { name: "com.openfaas.retry.codes", label: "Retried statuses", hint: "separated by commas", unset: "408, 425, 429, 5xx" },
  { name: "fabric.retry.max-age", label: "Oldest age", hint: "of a call that is retried", unset: "24h" },
];

export const OF_FUNCTIONS = [
  { name: "fabric.concurrency", label: "Concurrency", hint: "at once in the whole cluster", unset: "not limited" },
  { name: "fabric.rate", label: "Rate", hint: "calls that start, such as 100/s", unset: "not limited" },
  { name: "fabric.burst", label: "Burst", hint: "of the rate, at once", unset: "as the rate" },
  { name: "fabric.accept-rate", label: "Accepted rate", hint: "more is refused with 429", unset: "not limited" },
  { name: "fabric.timeout", label: "Timeout", hint: "of a call, such as 90s", unset: "60s" },
  { name: "fabric.weight", label: "Weight", hint: "beside functions of weight 1", unset: "1" },
  { name: "fabric.slots", label: "Slots", hint: "that each endpoint has", unset: "not limited" },
  ...RETRY,
];

export const OF_QUEUES = RETRY;
