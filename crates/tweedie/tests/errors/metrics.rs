//! Distances.

use super::{Cases, device, file, zeros};
use std::path::Path;
use tweedie::metrics::calibration::{Conformal, RankHistogram, coverage, ranks, surprise};
use tweedie::metrics::{
    Estimate, Lpips, Ssim, Window, energy_distance, energy_squared, frechet_distance, mae,
    mmd_squared, mse, nmse, psnr, sliced_wasserstein, sliced_wasserstein_along, snr, wasserstein,
    wasserstein_1d, wasserstein_weighted,
};

pub(crate) fn cases(folder: &Path) -> Cases {
    let mut all = Cases::default();
    all.panic("psnr", "images of two shapes", || {
        psnr(zeros([1, 2]), zeros([1, 3]), 1.0)
    });
    all.panic("psnr", "a range of length −2", || {
        psnr(zeros([1, 2]), zeros([1, 2]), -2.0)
    });
    all.panic("mse", "images of two shapes", || {
        mse(zeros([1, 2]), zeros([2, 2]))
    });
    all.panic("mae", "images of two shapes", || {
        mae(zeros([1, 2]), zeros([2, 2]))
    });
    all.panic("nmse", "images of two shapes", || {
        nmse(zeros([1, 2]), zeros([2, 2]))
    });
    all.panic("snr", "images of two shapes", || {
        snr(zeros([1, 2]), zeros([2, 2]))
    });
    all.panic("Ssim::of", "a window larger than the image", || {
        let window = Window::Uniform { size: 9 };
        Ssim::new(1.0)
            .with_window(window)
            .of(zeros([1, 1, 8, 8]), zeros([1, 1, 8, 8]))
    });
    all.panic("Ssim::of", "σ = ∞", || {
        let window = Window::Gaussian {
            sigma: f64::INFINITY,
        };
        Ssim::new(1.0)
            .with_window(window)
            .of(zeros([1, 1, 16, 16]), zeros([1, 1, 16, 16]))
    });
    all.panic("Ssim::of", "σ = 0.1, a window of one pixel", || {
        let window = Window::Gaussian { sigma: 0.1 };
        Ssim::new(1.0)
            .with_window(window)
            .of(zeros([1, 1, 16, 16]), zeros([1, 1, 16, 16]))
    });
    all.panic("Ssim::new", "a range of length 0", || {
        Ssim::new(0.0).of(zeros([1, 1, 16, 16]), zeros([1, 1, 16, 16]))
    });
    all.panic("wasserstein_1d", "p = ∞", || {
        wasserstein_1d(&[0.0], &[1.0], f64::INFINITY)
    });
    all.panic("wasserstein_1d", "p = −1", || {
        wasserstein_1d(&[0.0], &[1.0], -1.0)
    });
    all.panic("wasserstein_weighted", "a weight of NaN", || {
        wasserstein_weighted((&[0.0], &[f64::NAN]), (&[0.0], &[1.0]), 1.0)
    });
    all.panic("wasserstein", "clouds of two sizes", || {
        wasserstein(&zeros([2, 2]), &zeros([3, 2]), 1.0)
    });
    all.panic("wasserstein", "points of no dimensions", || {
        wasserstein(&zeros([2, 0]), &zeros([2, 0]), 1.0)
    });
    all.panic("sliced_wasserstein", "no directions", || {
        sliced_wasserstein(&zeros([2, 2]), &zeros([2, 2]), 2.0, 0, 0)
    });
    all.panic(
        "sliced_wasserstein_along",
        "a direction of another dimension",
        || sliced_wasserstein_along(&zeros([2, 2]), &zeros([2, 2]), 2.0, &[vec![1.0]]),
    );
    all.panic("energy_distance", "points of no dimensions", || {
        energy_distance(&zeros([2, 0]), &zeros([2, 0]))
    });
    all.panic("mmd_squared", "one point without bias", || {
        mmd_squared(&zeros([1, 2]), &zeros([2, 2]), 1.0, Estimate::Unbiased)
    });
    all.panic("mmd_squared", "a bandwidth of 0", || {
        mmd_squared(&zeros([2, 2]), &zeros([2, 2]), 0.0, Estimate::Biased)
    });
    all.panic("frechet_distance", "one sample", || {
        frechet_distance(&zeros([1, 2]), &zeros([2, 2]))
    });
    all.panic("frechet_distance", "features of no dimensions", || {
        frechet_distance(&zeros([2, 0]), &zeros([2, 0]))
    });
    let path = file(folder, "lpips.safetensors", b"nonsense");
    all.error("Lpips::open", "eight letters", move || {
        Lpips::open(path, &device())
    });
    all.error("Lpips::open", "a device", || {
        Lpips::open("/dev/zero", &device())
    });
    all.error("calibration::coverage", "eight draws for 90 %", || {
        coverage(&zeros([8, 2]), &zeros([1, 2]), 0.9)
    });
    all.error("calibration::coverage", "a level of 1", || {
        coverage(&zeros([8, 2]), &zeros([1, 2]), 1.0)
    });
    all.error("calibration::ranks", "three draws for two truths", || {
        ranks(&zeros([3, 2]), &zeros([2, 2]))
    });
    all.error("RankHistogram::new", "four bins of ten ranks", || {
        RankHistogram::new(&[3], 9, 4)
    });
    all.error("RankHistogram::new", "a rank above the draws", || {
        RankHistogram::new(&[10], 9, 5)
    });
    all.error("Conformal::fit", "eight examples for 90 %", || {
        Conformal::fit(&zeros([8, 2]), &zeros([8, 2]), &zeros([8, 2]), 0.9)
    });
    all.error("Conformal::fit", "a spread of −1", || {
        let spread = zeros::<2>([20, 2]) - 1.0;
        Conformal::fit(&zeros([20, 2]), &spread, &zeros([20, 2]), 0.9)
    });
    all.error("Conformal::fit", "a truth of NaN", || {
        let truth = zeros::<2>([20, 2]) / 0.0;
        Conformal::fit(&zeros([20, 2]), &zeros([20, 2]), &truth, 0.9)
    });
    all.error("calibration::coverage", "draws without values", || {
        coverage(&zeros([19, 0]), &zeros([1, 0]), 0.9)
    });
    all.error("Conformal::fit", "truths without values", || {
        Conformal::fit(&zeros([20, 0]), &zeros([20, 0]), &zeros([20, 0]), 0.9)
    });
    all.panic("energy_squared", "one point", || {
        energy_squared(&zeros([1, 2]), &zeros([2, 2]))
    });
    all.error("calibration::surprise", "measurements of two sizes", || {
        surprise(&zeros([1, 2]), &zeros([5, 3]))
    });
    all
}
