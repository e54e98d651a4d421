//! Times the sum of many values over the processes: `mpirun -n 2 reduce_mpi [MILLIONS …]`.

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;
use tweedie_mpi::{Mpi, Summation};
use tweedie_train::Group;

fn main() -> ExitCode {
    let Ok(group) = Mpi::start() else {
        return ExitCode::FAILURE;
    };
    match time(group) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// The number of times that each sum is made; the fastest counts.
const REPEATS: usize = 7;

fn time(mut group: Mpi) -> Result<(), Box<dyn Error>> {
    let sizes: Result<Vec<f64>, _> = std::env::args().skip(1).map(|a| a.parse()).collect();
    let mut sizes = sizes?;
    if sizes.is_empty() {
        sizes = vec![0.1, 1.0, 10.0, 35.7];
    }
    for summation in [Summation::Pairwise, Summation::Library] {
        group = group.with_summation(summation);
        for millions in &sizes {
            let mut values = vec![1.0_f32; (millions * 1e6) as usize];
            let mut best = f64::INFINITY;
            for _ in 0..REPEATS {
                values.fill(1.0);
                group.any(false)?;
                let began = Instant::now();
                group.sum(&mut values)?;
                best = best.min(began.elapsed().as_secs_f64());
            }
            let expected = group.size() as f32;
            if values.iter().any(|value| (value - expected).abs() > 0.0) {
                return Err("a wrong sum".into());
            }
            if group.rank() == 0 {
                let megabytes = 4.0 * millions;
                println!(
                    "{:?}, {} processes, {megabytes:.1} MB: {:.2} ms, {:.3} ms per MB",
                    summation,
                    group.size(),
                    1e3 * best,
                    1e3 * best / megabytes
                );
            }
        }
    }
    Ok(())
}
