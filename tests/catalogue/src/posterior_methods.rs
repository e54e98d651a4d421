//! Posterior methods.

use crate::setup::{Build, Failure, Kind, Method, Moves, Owned, Parts, Route, Setup};
use burn::tensor::Tensor;
use tweedie_core::{Denoiser, Encoding, LatentGaussian};
use tweedie_inverse::measurement::{LinearGaussian, Measured, SpectralGaussian};
use tweedie_inverse::posterior::{
    Annealed, Daps, Ddnm, DdnmPlus, Ddrm, DiffPir, Dpg, Dpir, Dps, DpsStep, EnKg, FlowDps, FpsSmc,
    Ilvr, LangevinLikelihoodStep, Lgd, Mcg, McgDiff, Mmps, Pigdm, PigdmStep, PigdmTwist, PnpAdmm,
    PnpDm, PnpFlow, PnpGradient, PnpUla, Psld, RePaint, Red, RedDiff, Resample, ResidualNorm, Scg,
    ScoreGuidance, Sitcom, SkRock, Tmpd, TwistedSmc,
};
use tweedie_math::{Level, ParameterError};
use tweedie_samplers::{AnnealedLangevin, AnyStep, Ddim, Renoise, Step};

/// A guided denoiser, along the path of any sampler.
fn guided<'a, const D: usize>(denoiser: impl Denoiser<D> + 'a) -> Result<Parts<'a, D>, Failure> {
    Ok(Parts {
        denoiser: Box::new(denoiser),
        step: None,
        route: Route::Down,
    })
}

/// A step, along the path down.
fn stepped<'a, const D: usize, P, S>(
    setup: &Setup<'a, D, P>,
    step: S,
) -> Result<Parts<'a, D>, Failure>
where
    S: Step<D, Memory: 'static> + Send + Sync + 'static,
{
    Ok(Parts {
        denoiser: Box::new(setup.prior),
        step: Some(AnyStep::new(step)),
        route: Route::Down,
    })
}

/// `value` with an option, if there is one.
fn maybe<T, O>(
    value: T,
    option: Option<O>,
    with: impl FnOnce(T, O) -> Result<T, ParameterError>,
) -> Result<T, ParameterError> {
    match option {
        Some(option) => with(value, option),
        None => Ok(value),
    }
}

/// RED-diff, from either start.
fn red_diff<const D: usize, P>(build: Build<D, P>) -> Method<D, P> {
    let method = Method::new("red-diff", "RED-diff", Kind::Chain, build);
    method.tunable().curved().point().lengthened(2)
}

/// RED-diff with the weight of the setup.
fn regularised<'a, const D: usize, P: Measured<D> + Owned>(
    setup: &Setup<'a, D, P>,
    step: RedDiff<D, P>,
) -> Result<Parts<'a, D>, Failure> {
    let step = maybe(step, setup.strength, |step, lambda| {
        step.with_lambda(lambda)
    })?;
    stepped(setup, step)
}

/// SITCOM, with a tolerance or without.
fn sitcom<const D: usize, P>(build: Build<D, P>) -> Method<D, P> {
    let method = Method::new("sitcom", "SITCOM", Kind::Chain, build);
    method.curved()
}

/// Latents that are the images themselves.
#[derive(Clone, Copy, Debug)]
struct Plain;

impl<const D: usize> Encoding<D> for Plain {
    fn encode(&self, x: Tensor<D>) -> LatentGaussian<D> {
        LatentGaussian {
            log_variance: x.full_like(-30.0),
            mean: x,
        }
    }

    fn decode(&self, latents: Tensor<D>) -> Tensor<D> {
        latents
    }

    fn decoded_shape(&self, latents: [usize; D]) -> Option<[usize; D]> {
        Some(latents)
    }
}

/// A plug-and-play splitting, which stays at one level.
fn splitting<'a, const D: usize, P, S>(
    setup: &Setup<'a, D, P>,
    step: S,
) -> Result<Parts<'a, D>, Failure>
where
    S: Step<D, Memory: 'static> + Send + Sync + 'static,
{
    Ok(Parts {
        route: Route::Staying(still()?),
        ..stepped(setup, step)?
    })
}

/// The level at which methods without a path stay.
fn still() -> Result<Level, Failure> {
    Ok(Level::variance_exploding(0.1)?)
}

/// Every method.
#[must_use]
pub fn posterior_methods<const D: usize, P: SpectralGaussian<D> + Owned>() -> Vec<Method<D, P>> {
    use Kind::{Chain, Correction};
    let new = Method::<D, P>::new;
    let mut all = of_any_operator();
    all.extend(linear_methods());
    all.extend([
        new("ddnm-plus", "DDNM+", Correction, |it| {
            stepped(it, DdnmPlus::new(Ddim::new(0.85)?, it.problem.clone()))
        })
        .moving(Moves::Own),
        new("mcg-diff", "MCG-diff", Correction, |it| {
            let step = McgDiff::new(Ddim::ancestral(), it.problem.clone());
            stepped(it, step.with_particles(it.particles)?)
        })
        .moving(Moves::Own)
        .ensemble(),
        new("enkg-tempered", "EnKG, tempered", Correction, |it| {
            let sigma = it.problem.sigma();
            let step = EnKg::tempered(Ddim::deterministic(), it.once.clone(), sigma)?;
            stepped(it, step.with_particles(it.particles)?)
        })
        .moving(Moves::Own)
        .ensemble(),
        sitcom(|it| {
            let step = Sitcom::new(it.problem.clone());
            stepped(it, step.with_tolerance(it.problem.sigma())?)
        }),
        new("ddrm", "DDRM", Chain, |it| {
            stepped(it, Ddrm::new(it.problem.clone()))
        }),
    ]);
    // The order within a kind stays.
    all.sort_by_key(|method| method.kind);
    all
}

/// The methods for any differentiable operator, linear or not.
#[must_use]
pub fn methods_of_any_operator<const D: usize, P: Measured<D> + Owned>() -> Vec<Method<D, P>> {
    let mut all = of_any_operator();
    // Without a pseudo-inverse to begin with.
    all.push(red_diff(|it: &Setup<'_, D, P>| {
        let start = it.start.clone().ok_or("RED-diff needs a start")?;
        regularised(it, RedDiff::starting_at(it.problem.clone(), start))
    }));
    all.push(sitcom(|it| stepped(it, Sitcom::new(it.problem.clone()))));
    all
}

fn of_any_operator<const D: usize, P: Measured<D> + Owned>() -> Vec<Method<D, P>> {
    use Kind::{Chain, Correction, Guidance};
    let new = Method::<D, P>::new;
    vec![
        new("dps-score", "DPS", Guidance, |it| {
            let guided_by = Dps::new(it.prior, it.problem);
            guided(maybe(guided_by, it.strength, |it, w| it.with_strength(w))?)
        })
        .tunable(),
        new("dps-norm", "DPS, norm", Guidance, |it| {
            let norm = Dps::new(it.prior, ResidualNorm::new(it.problem));
            guided(norm.with_strength(it.strength.unwrap_or(0.5))?)
        })
        .tunable()
        .curved(),
        new("lgd", "LGD", Guidance, |it| {
            let guided_by = Lgd::new(it.prior, it.problem).with_data_std(it.data_std)?;
            guided(maybe(guided_by, it.strength, |it, w| it.with_strength(w))?)
        })
        .tunable()
        .curved(),
        new("dpg", "DPG", Guidance, |it| {
            let guided_by = Dpg::new(it.prior, it.problem).with_data_std(it.data_std)?;
            guided(maybe(guided_by, it.strength, |it, w| it.with_strength(w))?)
        })
        .tunable()
        .curved(),
        new("dps", "DPS as published", Correction, |it| {
            let step = DpsStep::new(it.kernel(), it.problem.clone());
            stepped(it, maybe(step, it.strength, |it, zeta| it.with_zeta(zeta))?)
        })
        .tunable()
        .curved(),
        new("enkg", "EnKG", Correction, |it| {
            let step = EnKg::new(it.kernel(), it.once.clone());
            stepped(it, step.with_particles(it.particles)?)
        })
        .ensemble(),
        new("scg", "SCG", Correction, |it| {
            stepped(it, Scg::new(Ddim::ancestral(), it.problem.clone()))
        })
        .moving(Moves::Own)
        .curved(),
        new("resample", "ReSample", Correction, |it| {
            let step = Resample::new(it.kernel(), it.problem.clone());
            stepped(it, step.with_descent(it.step_length(), 100)?)
        }),
        new("flow-dps", "FlowDPS", Chain, |it| {
            let step = FlowDps::new(it.problem.clone());
            stepped(it, step.with_step_size(it.step_length())?)
        }),
        new("daps-langevin", "DAPS (Langevin)", Chain, |it| {
            let coupling = LangevinLikelihoodStep::new(it.problem.clone(), it.curvature)?;
            let coupling = maybe(coupling, it.inner_steps, |it, steps| it.with_steps(steps))?;
            stepped(it, Daps::new(coupling))
        }),
        new("pnp-ula", "PnP-ULA", Chain, |it| {
            let delta = 0.2 / (it.curvature + still()?.snr());
            let step = PnpUla::new(it.problem.clone());
            let step = step.with_step_size(it.step_size.unwrap_or(delta))?;
            Ok(Parts {
                route: Route::Staying(still()?),
                ..stepped(it, step)?
            })
        })
        .lengthened(20),
        new("sk-rock", "SK-ROCK", Chain, |it| {
            splitting(it, SkRock::new(it.problem.clone(), it.curvature)?)
        })
        .lengthened(2),
    ]
}

/// The methods for linear operators.
#[must_use]
pub fn linear_methods<const D: usize, P: LinearGaussian<D> + Owned>() -> Vec<Method<D, P>> {
    use Kind::{Chain, Correction, Guidance};
    let new = Method::<D, P>::new;
    vec![
        new("pigdm", "ΠGDM", Guidance, |it| {
            let guided_by = Pigdm::new(it.prior, it.problem).with_data_std(it.data_std)?;
            guided(maybe(guided_by, it.strength, |it, w| it.with_strength(w))?)
        })
        .tunable(),
        new("mmps", "MMPS", Guidance, |it| {
            let guided_by = Mmps::new(it.prior, it.problem);
            guided(maybe(guided_by, it.iterations, |it, count| {
                it.with_iterations(count)
            })?)
        })
        .iterating(),
        new("tmpd", "TMPD", Guidance, |it| {
            guided(Tmpd::new(it.prior, it.problem))
        }),
        new("ddnm", "DDNM", Guidance, |it| {
            guided(Ddnm::new(it.prior, it.problem))
        }),
        new("diffpir", "DiffPIR", Guidance, |it| {
            let guided_by = DiffPir::new(it.prior, it.problem);
            let zeta = if it.is_noisy { 0.3 } else { 0.0 };
            Ok(Parts {
                step: Some(AnyStep::new(Renoise::new(zeta)?)),
                ..guided(maybe(guided_by, it.strength, |it, lambda| {
                    it.with_lambda(lambda)
                })?)?
            })
        })
        .moving(Moves::AnyKernel)
        .tunable(),
        new("annealed", "annealed likelihood", Guidance, |it| {
            guided(ScoreGuidance::new(it.prior, Annealed::new(it.problem)))
        }),
        new("annealed-langevin", "annealed Langevin", Guidance, |it| {
            let last = it.path.levels()[it.path.len() - 1];
            let step = AnnealedLangevin::new(5, 0.1 * last.noise_to_signal().powi(2), last)?;
            Ok(Parts {
                step: Some(AnyStep::new(step)),
                ..guided(ScoreGuidance::new(it.prior, Annealed::new(it.problem)))?
            })
        })
        .moving(Moves::Own),
        new("pigdm-step", "ΠGDM as published", Correction, |it| {
            stepped(it, PigdmStep::new(it.kernel(), it.problem.clone()))
        }),
        new("repaint", "RePaint", Correction, |it| {
            let route = it
                .travel
                .map_or(Route::Down, |[length, repeats]| Route::Travelling {
                    length,
                    repeats,
                });
            Ok(Parts {
                route,
                ..stepped(it, RePaint::new(it.kernel(), it.problem.clone()))?
            })
        }),
        new("mcg", "MCG", Correction, |it| {
            let step = Mcg::new(it.kernel(), it.problem.clone());
            stepped(it, maybe(step, it.strength, |it, zeta| it.with_zeta(zeta))?)
        })
        .tunable()
        .curved(),
        new("psld", "PSLD", Correction, |it| {
            let step = Psld::new(it.kernel(), Plain, it.problem.clone());
            stepped(it, maybe(step, it.strength, |it, eta| it.with_eta(eta))?)
        })
        .tunable()
        .curved(),
        new("ilvr", "ILVR", Correction, |it| {
            stepped(it, Ilvr::new(it.kernel(), it.problem.clone()))
        })
        .keeping_shape(),
        new("smc", "twisted SMC", Correction, |it| {
            let twist = PigdmTwist::new(it.problem.clone()).with_data_std(it.data_std)?;
            let smc = TwistedSmc::new(Ddim::ancestral(), twist);
            stepped(it, smc.with_particles(it.particles)?)
        })
        .moving(Moves::Own)
        .ensemble(),
        new("fps-smc", "FPS-SMC", Correction, |it| {
            let step = FpsSmc::new(Ddim::ancestral(), it.problem.clone());
            stepped(it, step.with_particles(it.particles)?)
        })
        .moving(Moves::Own)
        .ensemble(),
        new("daps", "DAPS", Chain, |it| {
            stepped(it, Daps::new(it.problem.clone()))
        }),
        new("pnp-dm", "PnP-DM", Chain, |it| {
            stepped(it, PnpDm::new(it.problem.clone()))
        }),
        red_diff(|it| regularised(it, RedDiff::new(it.problem.clone()))),
        new("dpir", "DPIR", Chain, |it| {
            Ok(Parts {
                route: Route::ToTheMeasurement,
                ..stepped(it, Dpir::new(it.problem.clone()))?
            })
        })
        .point(),
        new("red", "RED", Chain, |it| {
            Ok(Parts {
                route: Route::Staying(still()?),
                ..stepped(it, Red::new(it.problem.clone()))?
            })
        })
        .point(),
        new("pnp-pgd", "PnP-PGD", Chain, |it| {
            // Within the stability of the data term, whatever its curvature.
            let tau = still()?.snr().max(it.curvature).recip();
            splitting(
                it,
                PnpGradient::new(it.problem.clone()).with_step_size(tau)?,
            )
        })
        .point(),
        new("pnp-admm", "PnP-ADMM", Chain, |it| {
            splitting(it, PnpAdmm::new(it.problem.clone()))
        })
        .point(),
        new("pnp-drs", "PnP-DRS", Chain, |it| {
            splitting(it, PnpAdmm::douglas_rachford(it.problem.clone()))
        })
        .point(),
        new("pnp-flow", "PnP-Flow", Chain, |it| {
            let step = PnpFlow::new(it.problem.clone());
            stepped(it, step.with_step_size(it.step_length())?)
        })
        .point(),
    ]
}
