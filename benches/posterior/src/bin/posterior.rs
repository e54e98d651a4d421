//! Measures every posterior method on every problem: `cargo xtask posterior`.

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use tweedie::core::replace_file;
use tweedie_posterior::{
    Failure, Method, Prior, Problem, Row, Scores, Task, Walk, floor, markdown, summary,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures every posterior method on every problem.
#[derive(Parser)]
struct Arguments {
    /// The folder of the table and of its numbers; rows measured before are kept, others added
    #[arg(long, default_value = "out/posterior")]
    out: PathBuf,
    /// Measurements of each problem; half as many for the digits
    #[arg(long, default_value_t = 16)]
    measurements: usize,
    /// Draws for each measurement; half as many for the digits
    #[arg(long, default_value_t = 64)]
    draws: usize,
    /// Moves of each chain
    #[arg(long, default_value_t = 60)]
    moves: usize,
    /// Also run every method on measurements changed in the fifth digit, to find the scores that
    /// rounding decides
    #[arg(long)]
    nudged: bool,
    /// Only this prior: gaussian, plane or digits
    #[arg(long)]
    prior: Option<String>,
}

fn main() -> ExitCode {
    match measure(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn measure(arguments: &Arguments) -> Result<(), Failure> {
    let least = [
        ("--measurements", arguments.measurements, 1),
        ("--draws", arguments.draws, 4),
        ("--moves", arguments.moves, 4),
    ];
    for (name, found, least) in least {
        if found < least {
            return Err(format!("{name} has to be at least {least}, got {found}").into());
        }
    }
    let priors: Vec<Prior> = match &arguments.prior {
        None => Prior::ALL.to_vec(),
        Some(name) => vec![serde_json::from_value(name.as_str().into())?],
    };
    fs::create_dir_all(&arguments.out)?;
    // Results of other settings are kept in other files.
    let settings = [arguments.measurements, arguments.draws, arguments.moves];
    let [measurements, draws, moves] = settings;
    let name = format!("posterior-{measurements}-{draws}-{moves}.json");
    let numbers = arguments.out.join(name);
    let mut rows: Vec<Row> = match fs::read(&numbers) {
        Ok(bytes) => serde_json::from_slice(&bytes)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let cells = cells(&priors);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {elapsed} {msg}")?;
    let bar = ProgressBar::new(cells.len() as u64).with_style(style);
    for (prior, task, sigma) in cells {
        bar.inc(1);
        let here = |row: &Row| (row.prior, row.task, row.sigma) == (prior, task, sigma);
        let (measured, others): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(here);
        rows = others;
        // A prior of ten components costs ten times as much.
        let share = if prior == Prior::Digits { 2 } else { 1 };
        let measurements = (arguments.measurements / share).max(1);
        let count = (arguments.draws / share).max(4);
        let problem = Problem::new(prior, task, sigma, measurements)?;
        let nudged = problem.nudged(1e-5);
        let row = |method: Option<Method>, walk, draws: &_, evaluations, seconds| {
            let scores = Scores::of(&problem, draws);
            let stable = match method.filter(|_| arguments.nudged) {
                None => true,
                Some(method) => {
                    let run = method.run(&nudged, walk, count, arguments.moves)?;
                    let other = Scores::of(&problem, &run.draws);
                    scores.zip(other).is_some_and(|(a, b)| a.agrees(b, 0.25))
                }
            };
            Ok::<Row, Failure>(Row {
                prior,
                task,
                sigma,
                method,
                walk,
                scores,
                stable,
                evaluations,
                seconds,
            })
        };
        let known = |method, walk| {
            let found = measured.iter();
            let mut found = found.filter(|row| (row.method, row.walk) == (method, walk));
            found.next().cloned()
        };
        rows.push(match known(None, Walk::Own) {
            Some(known) => known,
            None => row(None, Walk::Own, &floor(&problem, count), 0, 0.0)?,
        });
        for method in Method::all() {
            if !method.allows(prior, task) {
                continue;
            }
            for &walk in method.walks() {
                if let Some(known) = known(Some(method), walk) {
                    rows.push(known);
                    continue;
                }
                bar.set_message(format!("{prior:?} {task:?} {sigma} {}", method.name()));
                let run = method.run(&problem, walk, count, arguments.moves)?;
                let (evaluations, seconds) = (run.evaluations, run.seconds);
                rows.push(row(Some(method), walk, &run.draws, evaluations, seconds)?);
            }
        }
        // Written after each problem, so that an interrupted run can continue.
        let json = serde_json::to_vec_pretty(&rows)?;
        replace_file(&numbers, &json)?;
    }
    bar.finish_and_clear();
    let table = arguments.out.join("posterior.md");
    let text = [summary(&rows), markdown(&rows)].concat();
    replace_file(&table, text.as_bytes())?;
    println!("numbers: {}", numbers.display());
    println!("table: {}", table.display());
    Ok(())
}

fn cells(priors: &[Prior]) -> Vec<(Prior, Task, f64)> {
    let mut cells = Vec::new();
    for &prior in priors {
        for task in Task::ALL {
            for sigma in [0.1, 0.5] {
                cells.push((prior, task, sigma));
            }
        }
    }
    cells
}
