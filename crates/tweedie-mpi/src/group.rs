//! The processes of `mpirun` as a group.

use mpi::Threading;
use mpi::collective::{CommunicatorCollectives, Root, SystemOperation};
use mpi::datatype::Equivalence;
use mpi::environment::Universe;
use mpi::point_to_point::{Destination, Source};
use mpi::topology::Communicator;
use std::fmt::{Debug, Display, Formatter};
use std::ops::AddAssign;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use tweedie_train::{Group, GroupError};

/// How the values of the processes are summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Summation {
    /// In pairs of neighbours, then in pairs of pairs: the same bits for any number of processes
    /// that is a power of two, if [`accumulation`](tweedie_train::TrainSettings::accumulation)
    /// times this number is the same. Sends all values `2 log₂ n` times.
    #[default]
    Pairwise,
    /// By the reduction of the MPI library, which may depend on the number of processes, the length
    /// and the network. Sends all values about twice.
    Library,
}

/// The most values in one message, whose length MPI counts in 31 bits.
const MOST_VALUES: usize = 1 << 28;

/// The processes that `mpirun` has started.
pub struct Mpi {
    universe: Universe,
    summation: Summation,
}

impl Debug for Mpi {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mpi")
            .field("rank", &self.rank())
            .field("size", &self.size())
            .field("summation", &self.summation)
            .finish_non_exhaustive()
    }
}

impl Mpi {
    /// Joins the processes of the run.
    ///
    /// # Errors
    /// [`GroupError`] if this process has already joined.
    pub fn start() -> Result<Self, GroupError> {
        // Other threads compute, but this one alone communicates.
        let universe = mpi::initialize_with_threading(Threading::Funneled);
        let (universe, _) = universe.ok_or_else(|| GroupError("MPI was started before".into()))?;
        Ok(Self {
            universe,
            summation: Summation::default(),
        })
    }

    /// Sets how values are summed.
    #[must_use]
    pub fn with_summation(self, summation: Summation) -> Self {
        Self { summation, ..self }
    }

    /// Runs a program in this process of the run. An error, which is printed on one line, or a
    /// panic ends all processes, since the others would wait for this one for ever.
    pub fn run<E: Display>(program: impl FnOnce(&Self) -> Result<ExitCode, E>) -> ExitCode {
        let group = match Self::start() {
            Ok(group) => group,
            Err(error) => {
                eprintln!("error: {error}");
                return ExitCode::FAILURE;
            }
        };
        match catch_unwind(AssertUnwindSafe(|| program(&group))) {
            Ok(Ok(code)) => code,
            // The panic has printed its message.
            Err(_) => group.universe.world().abort(2),
            Ok(Err(error)) => {
                let text = error.to_string();
                let line: Vec<&str> = text.split_whitespace().collect();
                eprintln!("error: process {}: {}", group.rank(), line.join(" "));
                group.universe.world().abort(2)
            }
        }
    }

    fn total<T>(&self, values: &mut [T])
    where
        T: Equivalence + Clone + Default + for<'a> AddAssign<&'a T>,
    {
        let world = self.universe.world();
        let (rank, size) = (self.rank(), self.size());
        for values in values.chunks_mut(MOST_VALUES) {
            let mut other = vec![T::default(); values.len()];
            if self.summation == Summation::Library {
                world.all_reduce_into(&*values, &mut other[..], SystemOperation::sum());
                values.clone_from_slice(&other);
                continue;
            }
            let mut step = 1;
            while step < size {
                if rank % (2 * step) == step {
                    world.process_at_rank((rank - step) as i32).send(&*values);
                    break;
                }
                if rank + step < size {
                    let partner = world.process_at_rank((rank + step) as i32);
                    partner.receive_into(&mut other[..]);
                    values.iter_mut().zip(&other).for_each(|(a, b)| *a += b);
                }
                step *= 2;
            }
            world.process_at_rank(0).broadcast_into(&mut *values);
        }
    }
}

impl Group for Mpi {
    fn rank(&self) -> usize {
        self.universe.world().rank() as usize
    }

    fn size(&self) -> usize {
        self.universe.world().size() as usize
    }

    /// A process that has died ends the job, so this never fails.
    fn sum(&self, values: &mut [f32]) -> Result<(), GroupError> {
        self.total(values);
        Ok(())
    }

    fn sum_f64(&self, values: &mut [f64]) -> Result<(), GroupError> {
        self.total(values);
        Ok(())
    }
}
