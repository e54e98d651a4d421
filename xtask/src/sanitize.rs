//! The kernels' tests under the compiler's address sanitizer, with overflow checks and debug
//! assertions.
//!
//! Only the kernels have `unsafe` blocks, and they are otherwise compiled without either check. The
//! sanitizer needs a nightly compiler and is therefore not part of the default checks. Its build
//! is in `target/sanitize`.

use crate::{Done, cargo, root};

/// Finds accesses out of bounds, indices that overflow, and violated preconditions of the standard
/// library's unchecked functions.
pub(crate) fn check() -> Done {
    let target = root().join("target/sanitize").display().to_string();
    let mut words = vec!["test --package tweedie-ops --features flex --lib --target".to_owned()];
    words.push(format!("{}-unknown-linux-gnu", std::env::consts::ARCH));
    for setting in [
        "profile.dev.package.tweedie-ops.overflow-checks=true",
        "profile.dev.package.tweedie-ops.debug-assertions=true",
        // burn's backend in several codegen units, which compile faster: speed does not matter
        // here.
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
