//! Processes that train together, here threads that stand for them: the same run as one process.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use burn::tensor::{Device, Tensor};
use std::sync::{Arc, Barrier, Mutex};
use tweedie_core::{HostNoise, Noise, Preconditioned, TimeInput};
use tweedie_math::{Prediction, VariancePreserving};
use tweedie_models::{Unet, UnetConfig, seeded};
use tweedie_train::{Alone, Group, GroupError, ScoreMatching, TrainError, TrainSettings, Trainer};

type Run = Trainer<Preconditioned<Unet>, ScoreMatching<VariancePreserving>>;

/// Threads that sum in pairs, as processes with recursive doubling do.
#[derive(Clone, Debug)]
struct Threads {
    rank: usize,
    size: usize,
    slots: Arc<Vec<Mutex<Vec<f64>>>>,
    barrier: Arc<Barrier>,
}

impl Threads {
    fn all(size: usize) -> Vec<Self> {
        let slots = Arc::new((0..size).map(|_| Mutex::new(Vec::new())).collect());
        let barrier = Arc::new(Barrier::new(size));
        let one = |rank| Self {
            rank,
            size,
            slots: Arc::clone(&slots),
            barrier: Arc::clone(&barrier),
        };
        (0..size).map(one).collect()
    }

    /// Sums values, rounded after each addition.
    fn pairwise(&self, values: &mut [f64], round: fn(f64) -> f64) {
        *self.slots[self.rank].lock().expect("a slot") = values.to_vec();
        self.barrier.wait();
        let mut all: Vec<Vec<f64>> = self
            .slots
            .iter()
            .map(|slot| slot.lock().expect("a slot").clone())
            .collect();
        while all.len() > 1 {
            let pair = |pair: &[Vec<f64>]| match pair {
                [a, b] => a.iter().zip(b).map(|(a, b)| round(a + b)).collect(),
                rest => rest[0].clone(),
            };
            all = all.chunks(2).map(pair).collect();
        }
        values.copy_from_slice(&all[0]);
        self.barrier.wait();
    }
}

impl Group for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn sum(&self, values: &mut [f32]) -> Result<(), GroupError> {
        let mut wide: Vec<f64> = values.iter().map(|&value| value.into()).collect();
        self.pairwise(&mut wide, |sum| f64::from(sum as f32));
        values
            .iter_mut()
            .zip(wide)
            .for_each(|(value, sum)| *value = sum as f32);
        Ok(())
    }

    fn sum_f64(&self, values: &mut [f64]) -> Result<(), GroupError> {
        self.pairwise(values, |sum| sum);
        Ok(())
    }
}

/// A small network with dropout, whose random numbers depend on the part of the batch.
fn fresh() -> Preconditioned<Unet> {
    let device = Device::flex();
    let config = UnetConfig::new(1)
        .with_widths([8, 16])
        .with_blocks(1)
        .with_groups(Some(4))
        .with_dropout(0.2);
    let network = seeded(3, &device, config.init(&device).expect("a network"));
    Preconditioned::new(network, Prediction::Velocity, TimeInput::LogSnr)
}

fn images() -> Tensor<4> {
    HostNoise::seeded(1).normal([10, 1, 8, 8], &Device::flex())
}

/// The losses of each step, from every process.
fn trained(group: impl Group, accumulation: usize) -> Result<Vec<Vec<f64>>, TrainError> {
    let settings = TrainSettings::default()
        .with_steps(4)
        .with_batch(8)
        .with_accumulation(accumulation);
    let objective = ScoreMatching::new(VariancePreserving::default());
    let mut run = Run::new(fresh(), objective, settings)?;
    let mut losses = Vec::new();
    while let Some(report) = run.step_in(&group, &images())? {
        losses.push(report.losses);
    }
    Ok(losses)
}

fn together(size: usize, accumulation: usize) -> Vec<Vec<Vec<f64>>> {
    let run = |group| std::thread::spawn(move || trained(group, accumulation).expect("a run"));
    let threads: Vec<_> = Threads::all(size).into_iter().map(run).collect();
    let join = |thread: std::thread::JoinHandle<_>| thread.join().expect("a thread");
    threads.into_iter().map(join).collect()
}

/// Four parts in one, two or four processes are the same run, bit for bit.
#[test]
fn the_number_of_processes_changes_no_bit() -> Result<(), TrainError> {
    let alone = trained(Alone, 4)?;
    for (size, accumulation) in [(2, 2), (4, 1)] {
        for losses in together(size, accumulation) {
            assert!(losses == alone, "{size} processes");
        }
    }
    // Another split is another order of sums and of dropout.
    assert!(trained(Alone, 2)? != alone);
    Ok(())
}

/// Three processes have unequal parts of the batch: 3, 3 and 2 examples.
#[test]
fn every_example_is_used_once() {
    let runs = together(3, 1);
    assert!(runs.windows(2).all(|pair| pair[0] == pair[1]));
    assert!(
        runs[0]
            .iter()
            .flatten()
            .all(|loss| loss.is_finite() && *loss > 0.0)
    );
    // More processes than examples.
    let runs = together(9, 1);
    assert!(
        runs.iter()
            .all(|run| run[0].len() == 8 && run[0].iter().all(|loss| *loss > 0.0))
    );
}

/// Shares cover everything once.
#[test]
fn items_are_shared() {
    for (size, count) in [(1, 5), (3, 10), (4, 2)] {
        let shares: Vec<usize> = Threads::all(size)
            .into_iter()
            .flat_map(|group| group.share(count))
            .collect();
        assert_eq!(shares, (0..count).collect::<Vec<_>>());
    }
}
