//! Score matching for corruptions that are not white Gaussian noise.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use burn::tensor::{DType, Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tweedie_core::oracle::{Gaussian, GaussianMixture};
use tweedie_core::{Network, vjp};
use tweedie_math::Level;
use tweedie_models::{Mlp, MlpConfig, seeded};
use tweedie_train::{
    CorrelatedCorruption, Corruption, CorruptionMatching, Decay, Draws, LaplaceCorruption,
    LearningRate, TrainError, TrainSettings, Trainer,
};

fn trained<C: Corruption<2>>(points: &Tensor<2>, corruption: C) -> Result<Mlp, TrainError> {
    let device = Device::flex();
    let config = MlpConfig::new(points.dims()[1]).with_width(64);
    let network = seeded(1, &device, config.init(&device).expect("a network"));
    let settings = TrainSettings::default()
        .with_steps(2500)
        .with_batch(256)
        .with_learning_rate(LearningRate::new(5e-3).with_decay(Decay::Cosine))
        .with_ema(0.99);
    let mut run = Trainer::new(network, CorruptionMatching(corruption), settings)?;
    while run.step(points)?.is_some() {}
    Ok(run.average().clone())
}

fn scores(network: &Mlp, at: Tensor<2>) -> Vec<f64> {
    let time = Tensor::zeros([at.dims()[0]], &at.device());
    let scores = network.forward(at, time, &());
    scores.into_data().iter::<f64>().collect()
}

/// Uniform data on `[−1, 1]` under Laplace noise: the score of the sum by quadrature.
#[test]
fn laplace_noise() -> Result<(), TrainError> {
    let b = 0.4;
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let uniform = (0..20_000).map(|_| (rng.next_u32() as f32 / u32::MAX as f32) * 2.0 - 1.0);
    let data = TensorData::new(uniform.collect::<Vec<f32>>(), [20_000, 1]);
    let points = Tensor::<2>::from_data(data, &Device::flex());
    let network = trained(&points, LaplaceCorruption::new(b)?)?;
    let exact = |z: f64| {
        let (mut density, mut slope) = (0.0, 0.0);
        for i in 0..2000 {
            let x = -1.0 + (f64::from(i) + 0.5) * 1e-3;
            let part = (-(z - x).abs() / b).exp();
            density += part;
            slope -= (z - x).signum() / b * part;
        }
        (density * 1e-3 / (4.0 * b), slope / density)
    };
    let grid: Vec<f64> = (0..61).map(|i| -1.8 + 0.06 * f64::from(i)).collect();
    let at = TensorData::new(grid.clone(), [61, 1]);
    let found = scores(
        &network,
        Tensor::from_data(at, (&Device::flex(), DType::F32)),
    );
    let (mut error, mut size) = (0.0, 0.0);
    for (z, found) in grid.into_iter().zip(found) {
        let (density, score) = exact(z);
        error += density * (found - score).powi(2);
        size += density * score * score;
    }
    // The score of Gaussian noise of the same variance is off by more than a fifth.
    assert!(error < 0.005 * size, "{error} of {size}");
    Ok(())
}

/// A mixture under noise of a full covariance: the exact score of the sum.
#[test]
fn correlated_noise() -> Result<(), TrainError> {
    let covariance = [vec![0.5, 0.35], vec![0.35, 0.4]];
    let peak = |mean: [f64; 2], extra: &dyn Fn(usize, usize) -> f64| {
        let own = [[0.05, 0.0], [0.0, 0.1]];
        let rows = (0..2).map(|i| (0..2).map(|j| own[i][j] + extra(i, j)).collect());
        Gaussian::full(&mean, &rows.collect::<Vec<Vec<f64>>>()).expect("a law")
    };
    let mixture = |extra: &dyn Fn(usize, usize) -> f64| {
        let peaks = vec![
            (0.5, peak([-1.0, 0.5], extra)),
            (0.5, peak([1.0, -0.5], extra)),
        ];
        GaussianMixture::new(peaks).expect("a mixture")
    };
    let points = mixture(&|_, _| 0.0).sample(20_000, 3, &Device::flex());
    let noise = CorrelatedCorruption::new(&covariance).expect("noise");
    let network = trained(&points, noise)?;
    let noisy = mixture(&|i, j| covariance[i][j]);
    let at = noisy.sample(2000, 4, &Device::flex());
    let exact = noisy.score(at.clone(), Level::CLEAN);
    let exact: Vec<f64> = exact.into_data().iter::<f64>().collect();
    let pairs = scores(&network, at).into_iter().zip(&exact);
    let error: f64 = pairs.map(|(a, b)| (a - b).powi(2)).sum();
    let size: f64 = exact.iter().map(|b| b * b).sum();
    assert!(error < 0.01 * size, "{error} of {size}");
    assert!(CorrelatedCorruption::new(&[vec![1.0, 1.0], vec![1.0, 1.0]]).is_err());
    assert!(LaplaceCorruption::new(0.0).is_err());
    Ok(())
}

/// The scores are the gradients of the log-densities, and the draws have the variances.
#[test]
fn corruptions_have_their_densities() {
    let device = Device::flex();
    let z = Tensor::<2>::from_data([[0.3, -0.7]], (&device, DType::F64));
    let x = Tensor::<2>::from_data([[0.1, 0.4]], (&device, DType::F64));
    let laplace = LaplaceCorruption::new(0.5).expect("noise");
    let log = |z: Tensor<2>| (z - x.clone()).abs().sum() / -0.5;
    let (value, pullback) = vjp(z.clone(), log);
    let gap = pullback.apply(value.ones_like()) - laplace.score(z, x);
    assert!(gap.abs().max().into_scalar::<f64>() < 1e-12);

    let mut draws = Draws::new(vec![0.0; 40_000], 1, 0);
    let clean = Tensor::<2>::zeros([40_000, 2], &device);
    let drawn = laplace.draw(clean.clone(), &mut draws);
    let variance = drawn.square().mean().into_scalar::<f64>();
    assert!((variance - 0.5).abs() < 0.02, "{variance}");
    let noise = CorrelatedCorruption::new(&[vec![0.5, 0.3], vec![0.3, 0.4]]).expect("noise");
    let fitted = Gaussian::fit(&noise.draw(clean, &mut draws)).expect("samples");
    for (i, j, expected) in [(0, 0, 0.5), (0, 1, 0.3), (1, 1, 0.4)] {
        assert!((fitted.covariance()[i][j] - expected).abs() < 0.02);
    }
}

/// A run with a corruption is saved, and resumed with the same corruption only.
#[test]
fn a_run_is_resumed_with_its_corruption() -> Result<(), TrainError> {
    let device = Device::flex();
    let points = Tensor::<2>::from_floats([[1.0, 0.0], [-1.0, 0.5]], &device);
    let network = || {
        let config = MlpConfig::new(2).with_width(8);
        seeded(1, &device, config.init(&device).expect("a network"))
    };
    let noise = |correlation: f64| {
        let rows = [vec![0.5, correlation], vec![correlation, 0.4]];
        CorruptionMatching(CorrelatedCorruption::new(&rows).expect("noise"))
    };
    let settings = || TrainSettings::default().with_steps(2).with_batch(2);
    let folder = tempfile::tempdir().expect("a folder");
    let mut run = Trainer::new(network(), noise(0.3), settings())?;
    run.step(&points)?;
    run.save(folder.path(), &"points")?;
    let resume = |correlation| {
        Trainer::resume(
            folder.path(),
            network(),
            noise(correlation),
            settings(),
            &"points",
        )
    };
    assert_eq!(resume(0.3)?.done(), 1);
    assert!(matches!(resume(0.2), Err(TrainError::Run(_))));
    Ok(())
}
