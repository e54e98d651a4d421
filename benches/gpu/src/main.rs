//! Checks a device against the CPU and times it: `cargo xtask gpu` builds this program for GPUs.
//!
//! `tweedie-gpu check` computes every seam of the library with the same values on the device and on
//! burn's CPU backend, and prints the largest difference. `tweedie-gpu bench` times networks and
//! layers. Built without the feature of a GPU backend, it only offers the CPU.

mod check;
mod seam;
mod seams;

use clap::{Parser, Subcommand, ValueEnum};
use std::process::ExitCode;
use tweedie::burn::tensor::DType;
#[cfg(feature = "vulkan")]
use tweedie::burn::tensor::DeviceKind;
use tweedie::prelude::*;
use tweedie_benches::{CaseError, measure, peak};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Checks a device against the CPU, and times it.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    work: Work,
    /// The device
    #[arg(long, value_enum, default_value_t, global = true)]
    device: Kind,
}

#[derive(Subcommand)]
enum Work {
    /// Compares every seam with the CPU
    Check {
        /// Only seams whose name contains this text
        #[arg(default_value = "")]
        filter: String,
    },
    /// Times networks and layers: NAME/WORK/BATCH
    Bench {
        /// Cases; without any, the cases of docs/BENCHMARKS.md
        cases: Vec<String>,
        /// Seconds for which each case is repeated
        #[arg(long, default_value_t = 5.0)]
        seconds: f64,
        /// Half precision
        #[arg(long)]
        bf16: bool,
    },
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Kind {
    /// burn's CPU backend
    #[cfg_attr(not(feature = "vulkan"), default)]
    Flex,
    /// A GPU by Vulkan
    #[cfg(feature = "vulkan")]
    #[default]
    Vulkan,
    /// The device that wgpu finds, which may be a CPU
    #[cfg(feature = "vulkan")]
    Wgpu,
}

impl Kind {
    fn device(self) -> Device {
        match self {
            Self::Flex => Device::flex(),
            #[cfg(feature = "vulkan")]
            Self::Vulkan => Device::vulkan(DeviceKind::default()),
            #[cfg(feature = "vulkan")]
            Self::Wgpu => Device::wgpu(DeviceKind::default()),
        }
    }
}

/// The cases that are timed: limits of the device, its most expensive layer, forward passes,
/// training steps, a step of DPS, and runs of 50 DDIM steps.
const CASES: [&str; 14] = [
    "product/forward/1",
    "copy/forward/1",
    "burn-convolution/training/16",
    "convolution/forward/16",
    "convolution/training/16",
    "ddpm-cifar10/forward/1",
    "ddpm-cifar10/forward/16",
    "ddpm-cifar10/forward/64",
    "ddpm-cifar10/training/64",
    "ddpm-cifar10/dps/1",
    "ddpm-cifar10/ddim/16",
    "mnist-size/training/64",
    "adm-256/forward/1",
    "adm-256/ddim/1",
];

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let device = arguments.device.device();
    let done = match arguments.work {
        Work::Check { filter } => check::run(&device, &filter),
        Work::Bench {
            cases,
            seconds,
            bf16,
        } => {
            let usual = || CASES.map(str::to_owned).to_vec();
            let cases = if cases.is_empty() { usual() } else { cases };
            bench(&device, &cases, seconds, bf16)
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the rows of a table. A case that fails prints its error, and the other cases still run.
/// Half precision is not timed on devices where its results are wrong.
fn bench(device: &Device, cases: &[String], seconds: f64, bf16: bool) -> Result<(), CaseError> {
    let (dtype, precision) = match bf16 {
        true => (DType::BF16, "bf16"),
        false => (DType::F32, "f32"),
    };
    if bf16 {
        check::agrees(&seams::half_precision(), device)?;
    }
    let mut failed = 0;
    println!("| case | precision | ms |\n|---|---|---|");
    for case in cases {
        match check::caught(|| measure(case, seconds, device, dtype)) {
            Ok(ms) => println!("| {case} | {precision} | {ms:.2} |"),
            Err(error) => {
                failed += 1;
                println!("| {case} | {precision} | {error} |");
            }
        }
    }
    eprintln!("peak memory of the process: {:.0} MB", peak());
    match failed {
        0 => Ok(()),
        _ => Err(format!("{failed} cases of {} failed", cases.len()).into()),
    }
}
