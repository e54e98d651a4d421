//! Denoisers, noise, oracles, files.

use super::{Cases, device, file, zeros};
use tweedie::burn::module::Module;
use tweedie::burn::tensor::Tensor;
use tweedie::core::oracle::{FactorMixture, Gaussian, GaussianMixture};
use tweedie::core::{
    ClassifierFree, Counting, Denoiser, DynamicThreshold, Interpolation, Levels, Network, Noise,
    Preconditioned, Replay, Resize, StaticClip, Tiled, TimeInput, column, from_fn, open_file,
    read_file, vjp,
};
use tweedie::math::{Level, Prediction};
use tweedie::models::MlpConfig;

fn same() -> impl Denoiser<2> {
    from_fn(|x: Tensor<2>, _| x)
}

/// A network on points of the plane.
fn plane(prediction: Prediction) -> Preconditioned<impl Network<2> + Module> {
    let network = MlpConfig::new(2).with_width(4).init(&device()).unwrap();
    Preconditioned::new(network, prediction, TimeInput::LogSnr)
}

pub(crate) fn cases() -> Cases {
    let mut all = Cases::default();
    all.error("Tiled::new", "an overlap above half a tile", || {
        Tiled::new((), [8, 8], 5)
    });
    all.error("Tiled::new", "a side of 0", || Tiled::new((), [0, 8], 0));
    all.error("Tiled::with_halo", "above half the overlap", || {
        Tiled::new((), [8, 8], 4)?.with_halo(3)
    });
    all.error("Tiled::with_alignment", "0", || {
        Tiled::new((), [8, 8], 4)?.with_alignment(0)
    });
    all.error("FactorMixture::new", "no components", || {
        FactorMixture::new(Vec::new())
    });
    all.error(
        "FactorMixture::fit",
        "seven samples for two clusters",
        || FactorMixture::fit(&zeros::<2>([7, 3]), 2, 1, 0),
    );
    all.error("FactorMixture::fit", "a sample of NaN", || {
        FactorMixture::fit(&(zeros::<2>([9, 3]) / 0.0), 2, 1, 0)
    });
    all.error("Gaussian::isotropic", "no dimensions", || {
        Gaussian::isotropic(&[], 1.0)
    });
    all.error("Gaussian::isotropic", "a mean of NaN", || {
        Gaussian::isotropic(&[f64::NAN], 1.0)
    });
    all.error("Gaussian::isotropic", "a deviation of 1e200", || {
        Gaussian::isotropic(&[0.0], 1e200)
    });
    all.error("Gaussian::diagonal", "one deviation of two", || {
        Gaussian::diagonal(&[0.0; 2], &[1.0])
    });
    all.error("Gaussian::full", "no dimensions", || {
        Gaussian::full(&[], &[])
    });
    all.error("Gaussian::full", "NaN in the covariance", || {
        Gaussian::full(&[0.0; 2], &[vec![f64::NAN, 0.0], vec![0.0, 1.0]])
    });
    all.error("Gaussian::full", "an asymmetric covariance", || {
        Gaussian::full(&[0.0; 2], &[vec![1.0, 0.9], vec![0.0, 1.0]])
    });
    all.error("Gaussian::full", "a negative eigenvalue", || {
        Gaussian::full(&[0.0; 2], &[vec![1.0, 2.0], vec![2.0, 1.0]])
    });
    all.error("Gaussian::posterior", "σ = −0.1", || {
        Gaussian::isotropic(&[0.0], 1.0)?.posterior(&[vec![1.0]], &[0.3], -0.1)
    });
    all.error("Gaussian::posterior", "y = NaN", || {
        Gaussian::isotropic(&[0.0], 1.0)?.posterior(&[vec![1.0]], &[f64::NAN], 0.1)
    });
    all.error("Gaussian::accepts", "points of another dimension", || {
        Gaussian::isotropic(&[0.0; 3], 1.0).unwrap().accepts([5, 2])
    });
    all.panic("Gaussian::score", "points of another dimension", || {
        Gaussian::isotropic(&[0.0; 3], 1.0)
            .unwrap()
            .score(zeros([5, 1]), Level::CLEAN)
    });
    all.error("GaussianMixture::new", "no components", || {
        GaussianMixture::new(vec![])
    });
    all.error("GaussianMixture::new", "a weight of NaN", || {
        let one = Gaussian::isotropic(&[0.0], 1.0).unwrap();
        GaussianMixture::new(vec![(f64::NAN, one)])
    });
    all.error(
        "GaussianMixture::new",
        "components of 1 and 2 dimensions",
        || {
            let of = |n: usize| Gaussian::isotropic(&vec![0.0; n], 1.0).unwrap();
            GaussianMixture::new(vec![(0.5, of(1)), (0.5, of(2))])
        },
    );
    all.error("ClassifierFree::new", "a scale of NaN", || {
        ClassifierFree::new(same(), same(), f64::NAN)
    });
    all.error("StaticClip::new", "from 1 to −1", || {
        StaticClip::new(same(), 1.0, -1.0)
    });
    all.error("StaticClip::new", "from NaN", || {
        StaticClip::new(same(), f64::NAN, 1.0)
    });
    all.error("DynamicThreshold::with_quantile", "2", || {
        DynamicThreshold::new(same()).with_quantile(2.0)
    });
    all.error("DynamicThreshold::with_quantile", "NaN", || {
        DynamicThreshold::new(same()).with_quantile(f64::NAN)
    });
    all.error("DynamicThreshold::with_limit", "0.5", || {
        DynamicThreshold::new(same()).with_limit(0.5)
    });
    all.error("Preconditioned::new", "σ_data = 0", || {
        plane(Prediction::Edm { sigma_data: 0.0 }).accepts([1, 2])
    });
    all.error("Counting::denoise", "an estimate of another shape", || {
        let wrong = from_fn(|x: Tensor<2>, _| x.narrow(0, 0, 1));
        Counting::new(wrong).denoise(zeros([3, 2]), Level::CLEAN)
    });
    all.panic("Levels::corrupt", "noise for one of three samples", || {
        Levels::new(vec![Level::CLEAN; 3]).corrupt(zeros([3, 2]), zeros([1, 2]))
    });
    all.panic("Levels::column", "two levels for three samples", || {
        Levels::new(vec![Level::CLEAN; 2]).column(&zeros([3, 2]), Level::alpha)
    });
    all.panic("column", "two values for three samples", || {
        column(&[0.0; 2], &zeros([3, 2]))
    });
    all.panic("Pullback::apply", "a vector of another shape", || {
        let (_, pullback) = vjp(zeros([3, 2]), |x| x * 2.0);
        pullback.apply(zeros([1, 2]))
    });
    all.panic("Replay::normal_like", "nothing left", || {
        Replay::<2>::new(Vec::new()).normal_like(&zeros([1, 2]))
    });
    all.panic("Resize::forward", "to a height of 0", || {
        Resize::new(Interpolation::Bicubic).forward(zeros([1, 1, 4, 4]), [0, 4])
    });
    all.panic("Resize::weights", "to 2⁴⁰ pixels", || {
        Resize::new(Interpolation::Area).weights(4, 1 << 40)
    });
    all.error("read_file", "a device", || read_file("/dev/zero", 10));
    all.error("read_file", "11 bytes, of which 10 are allowed", || {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), "long.txt", b"0123456789a");
        read_file(path, 10).map_err(|error| error.kind().to_string())
    });
    all.error("open_file", "a folder", || open_file("/"));
    all
}
