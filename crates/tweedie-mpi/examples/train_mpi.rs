//! The `train` example in several processes: `mpirun -n 2 train_mpi …`, with the same arguments.
//!
//! `--accumulation` is the number of parts of each process. Set `RAYON_NUM_THREADS`, so that the
//! processes of one machine share its cores.

use clap::Parser;
use std::process::ExitCode;
use tweedie_examples::training::{Arguments, train};
use tweedie_mpi::Mpi;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    Mpi::run(|group| train(&arguments, group))
}
