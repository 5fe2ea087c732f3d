#![forbid(unsafe_code)]
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (tests::fuzz::target("namespace").run)(bytes));
