//! Trains a U-Net on images: `cargo run --example train [-- --data PATH …]`.
//!
//! Without arguments it trains on the bundled 8×8 digits for about two and a half minutes. `--data`
//! names a folder of images, an IDX file (`…-images-idx3-ubyte[.gz]`) or an npz file. The folder
//! `--out` receives grids of samples, `report.png` with the losses, `log.jsonl` with a line for
//! each step, checkpoints that `--resume` continues, and the trained model. Ctrl-C and SIGTERM save
//! a checkpoint and exit.

use clap::Parser;
use std::process::ExitCode;
use tweedie::train::Alone;
use tweedie_examples::finish;
use tweedie_examples::training::{Arguments, train};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    finish(train(&Arguments::parse(), &Alone))
}
