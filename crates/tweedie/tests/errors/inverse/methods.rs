//! Posterior methods.

use super::*;

/// The operator `3 x` with a wrong adjoint, `y` instead of `3 y`.
struct Tripled;

impl Operator<4> for Tripled {
    fn output_shape(&self, signal: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        Ok(signal)
    }
    fn apply_unchecked(&self, x: Tensor<4>) -> Tensor<4> {
        x * 3.0
    }
}

impl Linear<4> for Tripled {
    fn input_shape(&self, measured: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        Ok(measured)
    }
    fn adjoint_unchecked(&self, y: Tensor<4>) -> Tensor<4> {
        y
    }
}

const GREY: &str = "grey y for colour images";

pub(super) fn methods(all: &mut Cases) {
    const THREE: &str = "y of three images for one";
    let three = || seen([3, 3, 8, 8]);
    all.error("Dps::new", GREY, || {
        walk(ddpm(), &Dps::new(prior(), grey()))
    });
    all.error("Dps::new", THREE, move || {
        walk(ddpm(), &Dps::new(prior(), three()))
    });
    all.error("Dps::with_strength", "NaN", || {
        Dps::new(prior(), seen([1, 3, 8, 8])).with_strength(f64::NAN)
    });
    all.error("ResidualNorm::new", GREY, || {
        walk(ddpm(), &Dps::new(prior(), ResidualNorm::new(grey())))
    });
    all.error("Pigdm::new", GREY, || {
        walk(ddpm(), &Pigdm::new(prior(), grey()))
    });
    all.error("Pigdm::new", THREE, move || {
        walk(ddpm(), &Pigdm::new(prior(), three()))
    });
    all.error("Pigdm::with_data_std", "0", || {
        Pigdm::new(prior(), seen([1, 3, 8, 8])).with_data_std(0.0)
    });
    all.error("Mmps::new", GREY, || {
        walk(ddpm(), &Mmps::new(prior(), grey()))
    });
    all.error("Mmps::with_iterations", "0", || {
        Mmps::new(prior(), seen([1, 3, 8, 8])).with_iterations(0)
    });
    all.error("Tmpd::new", GREY, || {
        walk(ddpm(), &Tmpd::new(prior(), grey()))
    });
    all.error("Lgd::new", GREY, || {
        walk(ddpm(), &Lgd::new(prior(), grey()))
    });
    all.error("Lgd::with_draws", "0", || {
        Lgd::new(prior(), seen([1, 3, 8, 8])).with_draws(0)
    });
    all.error("Ddnm::new", GREY, || {
        walk(ddpm(), &Ddnm::new(prior(), grey()))
    });
    all.error("Ddnm::new", THREE, move || {
        walk(ddpm(), &Ddnm::new(prior(), three()))
    });
    all.error("Ddnm::denoise", GREY, || {
        Ddnm::new(prior(), grey()).denoise(zeros([1, 3, 8, 8]), Level::variance_preserving(0.0))
    });
    all.error("DiffPir::new", GREY, || {
        walk(Renoise::new(0.3).unwrap(), &DiffPir::new(prior(), grey()))
    });
    all.error("DiffPir::new", THREE, move || {
        walk(ddpm(), &DiffPir::new(prior(), three()))
    });
    all.error("DiffPir::new", "an operator with another's adjoint", || {
        let noise = GaussianNoise::new(0.1).unwrap();
        let measured = Measurement::new(Tripled, noise, zeros([1, 3, 8, 8]));
        walk(ddpm(), &DiffPir::new(prior(), measured))
    });
    all.error("DiffPir::with_lambda", "−1", || {
        DiffPir::new(prior(), seen([1, 3, 8, 8])).with_lambda(-1.0)
    });
    all.error("ScoreGuidance::new", "by a grey y of colour images", || {
        walk(ddpm(), &ScoreGuidance::new(prior(), Annealed::new(grey())))
    });
    all.error("Annealed::with_gamma", "NaN", || {
        Annealed::new(seen([1, 3, 8, 8])).with_gamma(f64::NAN)
    });
    all.error("Classifier::new", "two classes for one sample", || {
        let logits = |x: Tensor<4>, _: Level| x.reshape([1, 192]);
        let classes = Tensor::from_ints([1, 2], &device());
        let two = Classifier::new(logits, classes).unwrap();
        walk(ddpm(), &ScoreGuidance::new(prior(), two))
    });
    all.error("Classifier::new", "class −1", || {
        let logits = |x: Tensor<4>, _: Level| x.reshape([1, 192]);
        let classes = Tensor::from_ints([-1], &device());
        Classifier::new(logits, classes)
    });
    all.error("Classifier", "class 192 of 192", || {
        let logits = |x: Tensor<4>, _: Level| x.reshape([1, 192]);
        let classes = Tensor::from_ints([192], &device());
        let classifier = Classifier::new(logits, classes).unwrap();
        walk(ddpm(), &ScoreGuidance::new(prior(), classifier))
    });
    all.error("DpsStep::new", GREY, || {
        walk(DpsStep::new(ddpm(), grey()), &prior())
    });
    all.error("DpsStep::new", "around a guided denoiser", || {
        let guided = Dps::new(prior(), seen([1, 3, 8, 8]));
        walk(DpsStep::new(ddpm(), seen([1, 3, 8, 8])), &guided)
    });
    all.error("DpsStep::with_zeta", "NaN", || {
        DpsStep::new(ddpm(), seen([1, 3, 8, 8])).with_zeta(f64::NAN)
    });
    all.error("PigdmStep::new", GREY, || {
        walk(PigdmStep::new(ddpm(), grey()), &prior())
    });
    all.error("RePaint::new", GREY, || {
        walk(RePaint::new(ddpm(), grey()), &prior())
    });
    all.error("Mcg::new", GREY, || {
        walk(Mcg::new(ddpm(), grey()), &prior())
    });
    all.error("Ilvr::new", "a grey reference of colour images", || {
        walk(Ilvr::new(ddpm(), grey()), &prior())
    });
    all.error("Ilvr::new", "a filter that shrinks", || {
        let (filter, noise) = (
            AveragePool::new(2).unwrap(),
            GaussianNoise::new(0.1).unwrap(),
        );
        let measured = Measurement::new(filter, noise, zeros([1, 3, 4, 4]));
        walk(Ilvr::new(ddpm(), measured), &prior())
    });
    all.error("Ddrm::new", GREY, || walk(Ddrm::new(grey()), &prior()));
    all.error("Ddrm::with_eta", "1.5", || {
        Ddrm::new(seen([1, 3, 8, 8])).with_eta(1.5)
    });
    all.error("Ddrm::with_cutoff", "NaN", || {
        Ddrm::new(seen([1, 3, 8, 8])).with_cutoff(f64::NAN)
    });
    all.error("Ddrm::start", "where no signal is left", || {
        let path = LevelPath::through(vec![Level::PURE_NOISE, Level::CLEAN]).unwrap();
        let sampler = Sampler::new(Ddrm::new(grey()), path);
        sampler.start([1, 1, 8, 8], &device(), &mut HostNoise::seeded(0))
    });
    all.error("Dpir::start", GREY, || {
        let path = Dpir::<()>::path(1.0, 0.1, 3).unwrap();
        let sampler = Sampler::new(Dpir::new(grey()), path);
        sampler.start([1, 3, 8, 8], &device(), &mut HostNoise::seeded(0))
    });
    all.error("DdnmPlus::new", GREY, || {
        walk(DdnmPlus::new(Ddim::new(0.85).unwrap(), grey()), &prior())
    });
    all.error("DdnmPlus::new", "a kernel without noise", || {
        walk(
            DdnmPlus::new(Ddim::deterministic(), seen([1, 3, 8, 8])),
            &prior(),
        )
    });
    all.error("Daps::new", GREY, || walk(Daps::new(grey()), &prior()));
    all.error("Daps::with_moves", "0", || {
        Daps::new(seen([1, 3, 8, 8])).with_moves(0)
    });
    all.error("LangevinLikelihoodStep::with_size", "0", || {
        LangevinLikelihoodStep::new(seen([1, 3, 8, 8]), 1.0)?.with_size(0.0)
    });
    all.error("PnpDm::new", GREY, || walk(PnpDm::new(grey()), &prior()));
    all.error("PnpDm::with_moves", "0", || {
        PnpDm::new(seen([1, 3, 8, 8])).with_moves(0)
    });
    all.error("PnpUla::with_step_size", "NaN", || {
        PnpUla::new(seen([1, 3, 8, 8])).with_step_size(f64::NAN)
    });
    all.error("PnpUla::new", "no step size", || {
        along(still(), PnpUla::new(seen([1, 3, 8, 8])), &prior())
    });
    all.error("PnpUla::with_range", "from 1 to −1", || {
        PnpUla::new(seen([1, 3, 8, 8])).with_range(1.0, -1.0)
    });
    all.error("Red::new", GREY, || {
        along(still(), Red::new(grey()), &prior())
    });
    all.error("Red::with_lambda", "0", || {
        Red::new(seen([1, 3, 8, 8])).with_lambda(0.0)
    });
    all.error("RedDiff::new", GREY, || {
        walk(RedDiff::new(grey()), &prior())
    });
    all.error("RedDiff::with_rate", "NaN", || {
        RedDiff::new(seen([1, 3, 8, 8])).with_rate(f64::NAN)
    });
    all.error("Dpir::new", GREY, || {
        let path = Dpir::<()>::path(1.0, 0.1, 3).unwrap();
        along(path, Dpir::new(grey()), &prior())
    });
    all.error("Dpir::path", "to NaN", || {
        Dpir::<()>::path(1.0, f64::NAN, 1)
    });
    all.error("Dpir::path", "that rises", || Dpir::<()>::path(0.1, 1.0, 3));
    all.error("EnKg::new", "ensembles that do not fill the batch", || {
        walk(EnKg::new(ddpm(), seen([1, 3, 8, 8])), &prior())
    });
    all.error("EnKg::with_particles", "1", || {
        EnKg::new(ddpm(), seen([1, 3, 8, 8])).with_particles(1)
    });
    all.error("EnKg::with_particles", "2⁶⁴ − 1", || {
        let step = EnKg::new(ddpm(), seen([2, 3, 8, 8])).with_particles(usize::MAX);
        walk(step.unwrap(), &prior())
    });
    all.error("EnKg::tempered", "noise 0", || {
        EnKg::tempered(ddpm(), seen([1, 3, 8, 8]), 0.0)
    });
    let smc = || TwistedSmc::new(Ddim::ancestral(), grey());
    all.error("TwistedSmc::new", GREY, move || {
        walk(smc().with_particles(1).unwrap(), &prior())
    });
    all.error(
        "TwistedSmc::new",
        "a batch of 1 for 64 particles",
        move || walk(smc(), &prior()),
    );
    all.error("TwistedSmc::with_particles", "0", move || {
        smc().with_particles(0)
    });
    all.error("TwistedSmc::with_threshold", "2", move || {
        smc().with_threshold(2.0)
    });
    all.error("TwistedSmc", "a path with time travel", move || {
        let path = path().with_time_travel(2, 2);
        let colour = TwistedSmc::new(Ddim::ancestral(), seen([1, 3, 8, 8]));
        along(path, colour.with_particles(1).unwrap(), &prior())
    });
    all.error("PigdmTwist::with_data_std", "0", || {
        PigdmTwist::new(grey()).with_data_std(0.0)
    });
    all.error("Dps", "a prior that gives NaN", || {
        let nan = from_fn(|x: Tensor<4>, _| x * f64::NAN);
        walk(ddpm(), &Pigdm::new(nan, seen([1, 3, 8, 8])))
    });
    all.error("Measurement::reverse", "noise that no level has", || {
        let noise = GaussianNoise::new(1e6).unwrap();
        let y = zeros([1, 1, 8, 8]);
        let schedule = tweedie::math::VarianceExploding::default();
        Measurement::new(Identity, noise, y).reverse(schedule, 0.0, 4)
    });
}

/// Methods that move estimates, states or particles towards the measurement.
pub(super) fn further(all: &mut Cases) {
    let colour = || seen([1, 3, 8, 8]);
    let still = || LevelPath::staying(Level::variance_exploding(0.1).unwrap(), 3).unwrap();
    all.error("Sitcom::new", GREY, || walk(Sitcom::new(grey()), &prior()));
    all.error("Sitcom::with_steps", "0", move || {
        Sitcom::new(colour()).with_steps(0)
    });
    all.error("Sitcom::with_tolerance", "NaN", move || {
        Sitcom::new(colour()).with_tolerance(f64::NAN)
    });
    all.error("SkRock::new", "curvature −1", move || {
        SkRock::new(colour(), -1.0)
    });
    all.error("SkRock::with_stages", "1", move || {
        SkRock::new(colour(), 1.0).unwrap().with_stages(1)
    });
    all.error("SkRock", "a path that falls", move || {
        walk(SkRock::new(colour(), 1.0).unwrap(), &prior())
    });
    all.error("PnpGradient::new", GREY, move || {
        along(still(), PnpGradient::new(grey()), &prior())
    });
    all.error("PnpGradient::with_step_size", "0", move || {
        PnpGradient::new(colour()).with_step_size(0.0)
    });
    all.error("PnpAdmm", "a path that falls", move || {
        walk(PnpAdmm::new(colour()), &prior())
    });
    all.error("PnpAdmm::with_step_size", "∞", move || {
        PnpAdmm::douglas_rachford(colour()).with_step_size(f64::INFINITY)
    });
    all.error("PnpFlow::with_draws", "0", move || {
        PnpFlow::new(colour()).with_draws(0)
    });
    all.error("PnpFlow", "time travel", move || {
        let path = path().with_time_travel(2, 2);
        along(path, PnpFlow::new(colour()), &prior())
    });
    all.error("FlowDps::new", GREY, || {
        walk(FlowDps::new(grey()), &prior())
    });
    all.error("FlowDps::with_steps", "0", move || {
        FlowDps::new(colour()).with_steps(0)
    });
    all.error("Dpg::with_draws", "1", move || {
        Dpg::new(prior(), colour()).with_draws(1)
    });
    all.error("Scg", "a kernel without noise", move || {
        walk(Scg::new(Ddim::deterministic(), colour()), &prior())
    });
    all.error("Scg::with_candidates", "0", move || {
        Scg::new(ddpm(), colour()).with_candidates(0)
    });
    all.error("Resample::with_every", "0", move || {
        Resample::new(ddpm(), colour()).with_every(0)
    });
    all.error("Resample::with_descent", "steps of size −1", move || {
        Resample::new(ddpm(), colour()).with_descent(-1.0, 3)
    });
    all.error(
        "McgDiff",
        "particles that do not fill the batch",
        move || walk(McgDiff::new(ddpm(), colour()), &prior()),
    );
    all.error("FpsSmc", "a kernel without noise", move || {
        let step = FpsSmc::new(Ddim::deterministic(), colour()).with_particles(1);
        walk(step.unwrap(), &prior())
    });
    all.error("Product::new", "no channels", || {
        Product::new(prior(), 0, prior())
    });
    all.error("Product", "a state without a second part", || {
        let joint = Product::new(prior(), 3, prior()).unwrap();
        walk(ddpm(), &joint)
    });
    all.error("Corner", "a corner larger than the image", || {
        walk(ddpm(), &Corner::new(prior(), [9, 8]).unwrap())
    });
    all.error("UnknownNoise::new", "y = NaN", || {
        UnknownNoise::new(Identity, zeros([1, 3, 8, 8]) * f64::NAN)
    });
}
