#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| kmsd_fuzz::escapes(input));
