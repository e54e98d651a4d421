//! Code shared by the example programs: error exits, photographs, and a prior with a closed form.

pub mod blind;
pub mod lecture;
pub mod measure;
pub mod restoration;
pub mod training;

use std::fmt::Display;
use std::process::ExitCode;
use tweedie::core::oracle::{Gaussian, GaussianMixture, OracleError};
use tweedie::image::{ImageError, PHOTOS, load};
use tweedie::prelude::*;

/// A bundled photograph by its name, or one from a file, on `[−1, 1]`.
///
/// # Errors
/// If the file cannot be read.
pub fn photograph(name: &str, device: &Device) -> Result<Tensor<4>, ImageError> {
    match PHOTOS.iter().position(|photo| *photo == name) {
        Some(i) => Ok(Images::photos()?.select(&[i], ValueRange::Signed, device)),
        None => load(name, ValueRange::Signed, device),
    }
}

/// A mixture of three Gaussians in the plane.
///
/// # Errors
/// None for these numbers.
pub fn three_clusters() -> Result<GaussianMixture, OracleError> {
    GaussianMixture::new(vec![
        (
            0.5,
            Gaussian::full(&[1.5, 0.5], &[vec![0.20, 0.12], vec![0.12, 0.10]])?,
        ),
        (0.3, Gaussian::isotropic(&[-1.5, 1.0], 0.25)?),
        (0.2, Gaussian::diagonal(&[-0.5, -1.5], &[0.5, 0.1])?),
    ])
}

/// Exit code for invalid input.
const BAD_INPUT: u8 = 2;

/// Turns the result of a program into an exit code: an error is printed on one line, with code 2.
pub fn finish<E: Display>(result: Result<ExitCode, E>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(error) => {
            let text = error.to_string();
            let line: Vec<&str> = text.split_whitespace().collect();
            eprintln!("error: {}", line.join(" "));
            ExitCode::from(BAD_INPUT)
        }
    }
}

/// Runs the examples of the README as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[derive(Debug)]
pub struct Readme;

/// Runs the exercises of the book as documentation tests.
#[cfg(doctest)]
pub mod book {
    #[doc = include_str!("../../docs/book/src/generative.md")]
    #[derive(Debug)]
    pub struct Generative;
    #[doc = include_str!("../../docs/book/src/gaussian.md")]
    #[derive(Debug)]
    pub struct Gaussian;
    #[doc = include_str!("../../docs/book/src/brownian.md")]
    #[derive(Debug)]
    pub struct Brownian;
    #[doc = include_str!("../../docs/book/src/fokker_planck.md")]
    #[derive(Debug)]
    pub struct FokkerPlanck;
    #[doc = include_str!("../../docs/book/src/score_matching.md")]
    #[derive(Debug)]
    pub struct ScoreMatching;
    #[doc = include_str!("../../docs/book/src/networks.md")]
    #[derive(Debug)]
    pub struct Networks;
    #[doc = include_str!("../../docs/book/src/langevin.md")]
    #[derive(Debug)]
    pub struct Langevin;
    #[doc = include_str!("../../docs/book/src/flow.md")]
    #[derive(Debug)]
    pub struct Flow;
    #[doc = include_str!("../../docs/book/src/ddpm.md")]
    #[derive(Debug)]
    pub struct Ddpm;
    #[doc = include_str!("../../docs/book/src/ddim.md")]
    #[derive(Debug)]
    pub struct Ddim;
    #[doc = include_str!("../../docs/book/src/tweedie.md")]
    #[derive(Debug)]
    pub struct Tweedie;
    #[doc = include_str!("../../docs/book/src/autoencoders.md")]
    #[derive(Debug)]
    pub struct Autoencoders;
    #[doc = include_str!("../../docs/book/src/inverse.md")]
    #[derive(Debug)]
    pub struct Inverse;
    #[doc = include_str!("../../docs/book/src/conditions.md")]
    #[derive(Debug)]
    pub struct Conditions;
    #[doc = include_str!("../../docs/book/src/latent.md")]
    #[derive(Debug)]
    pub struct Latent;
    #[doc = include_str!("../../docs/book/src/choosing.md")]
    #[derive(Debug)]
    pub struct Choosing;
}
