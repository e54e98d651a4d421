//! The kernels' tests under the compiler's address sanitizer, with overflow checks and debug
//! assertions.
//!
//! The kernels are the one crate of the library with `unsafe` blocks, and compile without either
//! check otherwise. The sanitizer needs a nightly compiler, which therefore is no part of the gate.
//! What it compiles lies in `target/sanitize`.

use crate::{Done, cargo, root};

/// Finds accesses out of bounds, indices that overflow, and violated preconditions of the standard
/// library's unchecked functions.
pub(crate) fn check() -> Done {
    let target = root().join("target/sanitize").display().to_string();
    let mut words =
        vec!["test --package tweedie-kernels --features flex --lib --target".to_owned()];
    words.push(format!("{}-unknown-linux-gnu", std::env::consts::ARCH));
    for setting in [
        "profile.dev.package.tweedie-kernels.overflow-checks=true",
        "profile.dev.package.tweedie-kernels.debug-assertions=true",
        // burn's backend, in parts: nobody times it here.
        "profile.dev.package.burn-flex.codegen-units=16",
    ] {
        words.push(format!("--config {setting}"));
    }
    cargo(&words.join(" "))
        .with("RUSTUP_TOOLCHAIN", "nightly")
        .with("RUSTFLAGS", "-Zsanitizer=address")
        .with("CARGO_TARGET_DIR", &target)
        .run()
}
