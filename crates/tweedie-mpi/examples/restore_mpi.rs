//! Restores images in several processes: `mpirun -n 2 restore_mpi [OUT]`.
//!
//! Each process restores its share of the images, one at a time. The noise of an image depends on
//! its number alone, so the files have the same bits for any number of processes.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use tweedie::image::save_npy;
use tweedie::inverse::operator::Mask;
use tweedie::inverse::posterior::Pigdm;
use tweedie::prelude::*;
use tweedie_mpi::Mpi;
use tweedie_train::Group;

/// The number of images.
const COUNT: usize = 8;

fn main() -> ExitCode {
    Mpi::run(restore)
}

fn restore(group: &Mpi) -> Result<ExitCode, Box<dyn Error>> {
    let out = std::env::args().nth(1).unwrap_or("out/restore-mpi".into());
    let (out, device) = (PathBuf::from(out), Device::default());
    std::fs::create_dir_all(&out)?;
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/fashion-mnist");
    let model = Model::open(model, &device)?;
    let images = Images::fashion_test()?;
    let path = LevelPath::uniform(Cosine::default(), Span::new(0.98, 0.0), 20)?;
    let sampler = Sampler::new(Ancestral::default(), path);
    let likelihood = GaussianNoise::new(0.05)?;
    for index in group.share(COUNT) {
        let truth = images.select(&[index], ValueRange::Signed, &device);
        let mask = Mask::missing_box([28, 28], [8, 8], [12, 12])?;
        let mut noise = HostNoise::seeded(0).starting_at(index as u64);
        let measured = Measurement::simulate(mask, likelihood, truth, &mut noise)?;
        let guided = Pigdm::new(&model, &measured).with_data_std(0.5)?;
        let x = sampler.start(model.shape(1), &device, &mut noise)?;
        let x = sampler.sample(&guided, x, &mut noise)?;
        save_npy(out.join(format!("{index:03}.npy")), x)?;
    }
    Ok(ExitCode::SUCCESS)
}
