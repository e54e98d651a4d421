//! One case of the comparison with PyTorch, in a separate process:
//! `target/measure/peer CASE SECONDS` prints the least time of a run in ms, and the peak memory in
//! MB. `cargo xtask peers PYTHON` runs it and `benches/peers/peer.py`, and writes the table of
//! `docs/BENCHMARKS.md`. `peer machine` prints the FLOP/s of matrix products and the bytes/s of
//! copies.

use tweedie::burn::tensor::DType;
use tweedie::prelude::*;
use tweedie_benches::{CaseError, machine, measure, peak};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), CaseError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if words == ["machine"] {
        let (flop, bytes) = machine(&Device::flex());
        println!("{flop} {bytes}");
        return Ok(());
    }
    let [case, seconds] = words[..] else {
        return Err("usage: peer CASE SECONDS".into());
    };
    let least = measure(case, seconds.parse()?, &Device::flex(), DType::F32)?;
    println!("{least} {}", peak());
    Ok(())
}
