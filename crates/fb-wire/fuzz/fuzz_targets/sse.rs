#![no_main]

#[path = "../../tests/fuzz/properties.rs"]
#[allow(dead_code, reason = "each target checks one property")]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::sse(bytes));
