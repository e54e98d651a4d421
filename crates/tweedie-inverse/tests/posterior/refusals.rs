//! Invalid moves, parameters and operators are rejected before a run starts.

use crate::{Run, device, inpainting};
use burn::tensor::Tensor;
use tweedie_catalogue::{
    Method, Setup, linear_methods, methods_of_any_operator, posterior_methods,
};
use tweedie_core::oracle::Gaussian;
use tweedie_core::{DenoiseError, Denoiser, HostNoise, from_fn};
use tweedie_inverse::measurement::Measurement;
use tweedie_inverse::noise::GaussianNoise;
use tweedie_inverse::operator::{Linear, Operator, OperatorError};
use tweedie_inverse::posterior::{
    Annealed, Daps, DdnmPlus, Ddrm, DiffPir, Dpir, Dps, LangevinLikelihoodStep, Mmps, Pigdm,
    PnpUla, Red, ScoreGuidance,
};
use tweedie_math::{Ancestral, Ddim, Level, LevelPath, RectifiedFlow, Span};
use tweedie_samplers::{SampleError, Sampler};

#[test]
fn guided_denoisers_know_where_they_end() {
    let prior = Gaussian::isotropic(&[0.0, 0.0], 1.0).expect("a Gaussian");
    let measured = inpainting();
    let path = LevelPath::uniform(RectifiedFlow, Span::FULL, 4).expect("a path");
    let x = || Tensor::<2>::zeros([1, 2], &device());
    let sampler = Sampler::new(Ancestral::default(), path.clone());
    let guided: [&dyn Denoiser<2>; 4] = [
        &Dps::new(&prior, &measured),
        &Pigdm::new(&prior, &measured),
        &Mmps::new(&prior, &measured),
        &DiffPir::new(&prior, &measured),
    ];
    for guided in guided {
        let run = sampler.sample(guided, x(), &mut HostNoise::seeded(0));
        let refused =
            matches!(run, Err(SampleError::Denoiser { level }) if level == Level::PURE_NOISE);
        assert!(refused, "a rectified flow starts without signal");
    }
    // Invalid parameters are rejected by the constructors.
    assert!(Dps::new(&prior, &measured).with_strength(f64::NAN).is_err());
    assert!(Pigdm::new(&prior, &measured).with_data_std(0.0).is_err());
    assert!(Mmps::new(&prior, &measured).with_iterations(0).is_err());
    assert!(DiffPir::new(&prior, &measured).with_lambda(-1.0).is_err());
}

#[test]
fn steps_refuse_moves_and_parameters() {
    let asked = std::cell::Cell::new(0);
    let prior = from_fn(|x: Tensor<2>, _| {
        asked.set(asked.get() + 1);
        x
    });
    let m = inpainting();
    let path = crate::path(4);
    let up = path.clone().reversed();
    let mut noise = HostNoise::seeded(0);
    let x = || Tensor::<2>::zeros([1, 2], &device());
    let still = Sampler::new(
        DdnmPlus::new(Ddim::deterministic(), m.clone()),
        path.clone(),
    );
    assert!(still.sample(&prior, x(), &mut noise).is_err());
    let stay = LevelPath::staying(path.start(), 2).expect("a path");
    let ula = Sampler::new(PnpUla::new(m.clone()), stay);
    let said = ula.sample(&prior, x(), &mut noise).expect_err("no size");
    assert!(said.to_string().contains("step size"), "{said}");
    assert!(Ddrm::new(m.clone()).with_eta(1.5).is_err());
    assert!(Dpir::new(m.clone()).with_lambda(0.0).is_err());
    assert!(Red::new(m.clone()).with_lambda(f64::NAN).is_err());
    assert!(LangevinLikelihoodStep::new(m.clone(), f64::NAN).is_err());
    let coupling = LangevinLikelihoodStep::new(m.clone(), 1.0).expect("a coupling");
    assert!(coupling.with_steps(0).is_err());
    assert!(Daps::new(m.clone()).with_spread(f64::INFINITY).is_err());
    assert!(Sampler::new(Ddrm::new(m), up).encode(&prior, x()).is_err());
    assert_eq!(asked.get(), 0);
    for (first, last, steps) in [(0.0, 0.1, 5), (1.0, 0.1, 0), (0.1, 0.2, 5)] {
        assert!(Dpir::<()>::path(first, last, steps).is_err());
    }
}

/// A guided prior has no gradient. Guiding it again is an error, not ignored.
#[test]
fn guidance_does_not_nest() {
    let prior = Gaussian::isotropic(&[0.0, 0.0], 1.0).expect("a Gaussian");
    let measured = inpainting();
    let inner: [&dyn Denoiser<2>; 2] = [
        &Dps::new(&prior, &measured),
        &ScoreGuidance::new(&prior, Annealed::new(&measured)),
    ];
    for inner in inner {
        let outer = Pigdm::new(inner, &measured);
        let x = Tensor::<2>::ones([1, 2], (&device(), burn::tensor::DType::F64));
        let found = outer.denoise(x, Level::new(0.6, 0.8).expect("a level"));
        assert_eq!(found.err(), Some(DenoiseError::Untracked));
    }
}

#[test]
fn every_method_is_listed_once() {
    let all = posterior_methods::<2, crate::Inpainting>();
    for names in [
        all.iter().map(|method| method.id).collect::<Vec<_>>(),
        all.iter().map(|method| method.name).collect(),
    ] {
        let mut once = names.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(names.len(), once.len(), "{names:?}");
    }
}

/// Rolls values by one place. The adjoint rolls them back if `back`; otherwise it is wrong.
#[derive(Clone, Copy)]
struct Rolled {
    back: bool,
}

impl Operator<2> for Rolled {
    fn output_shape(&self, signal: [usize; 2]) -> Result<[usize; 2], OperatorError> {
        Ok(signal)
    }
    fn apply_unchecked(&self, x: Tensor<2>) -> Tensor<2> {
        x.roll(&[1], &[1])
    }
}

impl Linear<2> for Rolled {
    fn input_shape(&self, measured: [usize; 2]) -> Result<[usize; 2], OperatorError> {
        Ok(measured)
    }
    fn adjoint_unchecked(&self, y: Tensor<2>) -> Tensor<2> {
        let shift = if self.back { -1 } else { 1 };
        y.roll(&[shift], &[1])
    }
}

#[test]
fn an_adjoint_of_another_operator_is_refused() {
    let prior = Gaussian::isotropic(&[0.0; 64], 1.0).expect("a Gaussian");
    let noise = GaussianNoise::new(0.1).expect("noise");
    for back in [true, false] {
        let (operator, y) = (Rolled { back }, Tensor::<2>::ones([1, 64], &device()));
        let m = Measurement::new(operator, noise, y);
        let setup = Setup::new(&prior, &m, crate::path(4));
        let mut random = HostNoise::seeded(0);
        let mut said = |method: &Method<2, _>| {
            let run = Run::new(method, &setup, 4);
            let x = Tensor::<2>::zeros([2, 64], &device());
            let run = run.sampler.sample(&*run.denoiser, x, &mut random);
            run.err().map(|error| error.to_string()).unwrap_or_default()
        };
        for method in linear_methods() {
            let said = said(&method);
            let refused = said.contains("adjoint is not the transpose");
            assert_eq!(refused, !back, "{}: {said:?}", method.name);
        }
        // A method for any operator needs no adjoint.
        let any = methods_of_any_operator();
        let dps = any.iter().find(|method| method.id == "dps-score");
        assert_eq!(said(dps.expect("DPS")), "");
    }
}
