//! Training and sampling in several processes, over MPI (the Message Passing Interface).
//!
//! `Mpi` is a [`Group`](tweedie_train::Group): every process computes a part of each batch, and
//! one reduction per step sums the gradients. Every process calls the same functions:
//!
//! ```ignore
//! fn main() -> ExitCode {
//!     Mpi::run(|group| {
//!         let mut trainer = Trainer::new(model, objective, settings)?;
//!         while let Some(report) = trainer.step_in(group, &examples)? {
//!             if group.rank() == 0 { trainer.save("run", &description)?; }
//!         }
//!         Ok(ExitCode::SUCCESS)
//!     })
//! }
//! ```
//!
//! ```sh
//! cargo build --release --workspace --examples --features tweedie-mpi/mpi
//! RAYON_NUM_THREADS=1 mpirun -n 2 target/release/examples/train_mpi --steps 100
//! ```
//!
//! Without the feature `mpi` this crate is empty, so that the workspace builds without an MPI
//! library. With it, the crate needs `mpicc` and libclang (Debian: `libopenmpi-dev`,
//! `openmpi-bin`, `libclang-dev`).

#[cfg(feature = "mpi")]
mod group;

#[cfg(feature = "mpi")]
pub use group::{Mpi, Summation};
