//! Makes the figures and numbers of a course on diffusion models: `cargo run --example lecture --
//! NAME|all|list`.
//!
//! Each figure is one file of `examples/src/lecture/`, and a page of `docs/book` shows it.

use clap::Parser;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use tweedie::prelude::*;
use tweedie_examples::finish;
use tweedie_examples::lecture::{FIGURES, Page};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Makes the figures and numbers of a course on diffusion models.
#[derive(Parser)]
struct Arguments {
    /// A figure, `all`, or `list`
    #[arg(default_value = "list")]
    name: String,
    /// The folder to write to
    #[arg(long, default_value = "out/lecture")]
    out: PathBuf,
}

fn main() -> ExitCode {
    finish(lecture(&Arguments::parse()))
}

fn lecture(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let name = arguments.name.as_str();
    if name == "list" {
        for figure in FIGURES {
            println!("{:18} {}", figure.name, figure.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let chosen: Vec<_> = FIGURES
        .iter()
        .filter(|figure| name == "all" || name == figure.name)
        .collect();
    if chosen.is_empty() {
        return Err(format!("no figure {name}; `list` names them").into());
    }
    std::fs::create_dir_all(&arguments.out)?;
    let page = Page {
        out: arguments.out.clone(),
        device: Device::default(),
    };
    for figure in chosen {
        println!("── {}: {}", figure.name, figure.about);
        let began = Instant::now();
        (figure.draw)(&page)?;
        println!("{:.1} s", began.elapsed().as_secs_f64());
    }
    Ok(ExitCode::SUCCESS)
}
