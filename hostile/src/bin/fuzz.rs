//! One target of `cargo xtask fuzz` under libFuzzer: `TAMARACK_FUZZ` names it.
#![no_main]
#![allow(missing_docs, clippy::disallowed_methods, reason = "the macro's entry points")]

use std::sync::OnceLock;
use tamarack_hostile::targets::{Target, named};

static TARGET: OnceLock<Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        let name = std::env::var("TAMARACK_FUZZ").unwrap_or_default();
        let _ = TARGET.set(named(&name).expect("TAMARACK_FUZZ names no target"));
    },
    |bytes: &[u8]| {
        if let Some(target) = TARGET.get() {
            (target.run)(bytes);
        }
    }
);
