//! Methods for the posterior.

use super::*;

/// `3 x`, with `y` for its adjoint.
struct Tripled;

impl Operator<4> for Tripled {
    fn measured(&self, signal: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        Ok(signal)
    }
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        x * 3.0
    }
}

impl Linear<4> for Tripled {
    fn signal(&self, measured: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        Ok(measured)
    }
    fn transpose(&self, y: Tensor<4>) -> Tensor<4> {
        y
    }
}

pub(super) fn methods(all: &mut Cases) {
    const GREY: &str = "grey y for colour images";
    const THREE: &str = "y of three images for one";
    let three = || seen([3, 3, 8, 8]);
    all.error("Dps::new", GREY, || {
        walk(ddpm(), &Dps::new(prior(), grey()))
    });
    all.error("Dps::new", THREE, move || {
        walk(ddpm(), &Dps::new(prior(), three()))
    });
    all.error("Dps::with_strength", "NaN", || {
        walk(
            ddpm(),
            &Dps::new(prior(), seen([1, 3, 8, 8])).with_strength(f64::NAN),
        )
    });
    all.error("ResidualNorm::new", GREY, || {
        walk(
            ddpm(),
            &Dps::new(prior(), ResidualNorm::new(Identity, grey().y)),
        )
    });
    all.error("Pigdm::new", GREY, || {
        walk(ddpm(), &Pigdm::new(prior(), grey()))
    });
    all.error("Pigdm::new", THREE, move || {
        walk(ddpm(), &Pigdm::new(prior(), three()))
    });
    all.error("Pigdm::with_data_std", "0", || {
        walk(
            ddpm(),
            &Pigdm::new(prior(), seen([1, 3, 8, 8])).with_data_std(0.0),
        )
    });
    all.error("Mmps::new", GREY, || {
        walk(ddpm(), &Mmps::new(prior(), grey()))
    });
    all.error("Mmps::with_iterations", "0", || {
        walk(
            ddpm(),
            &Mmps::new(prior(), seen([1, 3, 8, 8])).with_iterations(0),
        )
    });
    all.error("Tmpd::new", GREY, || {
        walk(ddpm(), &Tmpd::new(prior(), grey()))
    });
    all.error("Lgd::new", GREY, || {
        walk(ddpm(), &Lgd::new(prior(), grey()))
    });
    all.error("Lgd::with_draws", "0", || {
        walk(ddpm(), &Lgd::new(prior(), seen([1, 3, 8, 8])).with_draws(0))
    });
    all.error("Ddnm::new", GREY, || {
        walk(ddpm(), &Ddnm::new(prior(), Identity, grey().y))
    });
    all.error("Ddnm::new", THREE, move || {
        walk(ddpm(), &Ddnm::new(prior(), Identity, three().y))
    });
    all.panic("Ddnm::denoise", GREY, || {
        Ddnm::new(prior(), Identity, grey().y)
            .denoise(zeros([1, 3, 8, 8]), Level::variance_preserving(0.0))
    });
    all.error("DiffPir::new", GREY, || {
        walk(Renoise::new(0.3), &DiffPir::new(prior(), grey()))
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
        walk(
            ddpm(),
            &DiffPir::new(prior(), seen([1, 3, 8, 8])).with_lambda(-1.0),
        )
    });
    all.error("Conditioned::new", "by a grey y of colour images", || {
        walk(ddpm(), &Conditioned::new(prior(), Annealed::new(grey())))
    });
    all.error("Annealed::with_gamma", "NaN", || {
        let annealed = Annealed::new(seen([1, 3, 8, 8])).with_gamma(f64::NAN);
        walk(ddpm(), &Conditioned::new(prior(), annealed))
    });
    all.error("Classifier::new", "two classes for one sample", || {
        let logits = |x: Tensor<4>, _: Level| x.reshape([1, 192]);
        let classes = Tensor::from_ints([1, 2], &device());
        walk(
            ddpm(),
            &Conditioned::new(prior(), Classifier::new(logits, classes)),
        )
    });
    all.error("Classifier::new", "class −1", || {
        let logits = |x: Tensor<4>, _: Level| x.reshape([1, 192]);
        let classes = Tensor::from_ints([-1], &device());
        walk(
            ddpm(),
            &Conditioned::new(prior(), Classifier::new(logits, classes)),
        )
    });
    all.error("DpsStep", GREY, || {
        let (kernel, operator, y) = (ddpm(), Identity, grey().y);
        walk(
            DpsStep {
                kernel,
                operator,
                y,
                zeta: 1.0,
            },
            &prior(),
        )
    });
    all.error("DpsStep", "ζ = NaN", || {
        let (kernel, operator, y) = (ddpm(), Identity, seen([1, 3, 8, 8]).y);
        walk(
            DpsStep {
                kernel,
                operator,
                y,
                zeta: f64::NAN,
            },
            &prior(),
        )
    });
    all.error("PigdmStep", GREY, || {
        let (kernel, operator, y) = (ddpm(), Identity, grey().y);
        walk(
            PigdmStep {
                kernel,
                operator,
                y,
            },
            &prior(),
        )
    });
    all.error("Replace::new", GREY, || {
        walk(Replace::new(ddpm(), Identity, grey().y), &prior())
    });
    all.error("Ilvr::new", "a grey reference of colour images", || {
        walk(Ilvr::new(ddpm(), Identity, grey().y), &prior())
    });
    all.error("Ilvr::new", "a filter that shrinks", || {
        let filter = AveragePool::new(2).unwrap();
        walk(Ilvr::new(ddpm(), filter, zeros([1, 3, 8, 8])), &prior())
    });
    all.error("Ddrm::new", GREY, || walk(Ddrm::new(grey()), &prior()));
    all.error("Ddrm::with_eta", "1.5", || {
        walk(Ddrm::new(seen([1, 3, 8, 8])).with_eta(1.5), &prior())
    });
    all.error("Ddrm::with_cutoff", "NaN", || {
        walk(
            Ddrm::new(seen([1, 3, 8, 8])).with_cutoff(f64::NAN),
            &prior(),
        )
    });
    all.panic("Ddrm::start", "where no signal is left", || {
        let like = zeros([1, 1, 8, 8]);
        Ddrm::new(grey()).start(Level::PURE_NOISE, &like, &mut HostNoise::seeded(0))
    });
    all.error("DdnmPlus::new", GREY, || {
        walk(DdnmPlus::new(Ddim::with_eta(0.85), grey()), &prior())
    });
    all.error("DdnmPlus::new", "a kernel without noise", || {
        walk(
            DdnmPlus::new(Ddim::deterministic(), seen([1, 3, 8, 8])),
            &prior(),
        )
    });
    all.error("Daps::new", GREY, || walk(Daps::new(grey()), &prior()));
    all.error("Daps::with_moves", "0", || {
        walk(Daps::new(seen([1, 3, 8, 8])).with_moves(0), &prior())
    });
    all.error("LangevinCoupling::with_size", "0", || {
        let coupling = LangevinCoupling::new(seen([1, 3, 8, 8]), 1.0).with_size(0.0);
        walk(Daps::new(coupling), &prior())
    });
    all.error("PnpDm::new", GREY, || walk(PnpDm::new(grey()), &prior()));
    all.error("PnpDm::with_moves", "0", || {
        walk(PnpDm::new(seen([1, 3, 8, 8])).with_moves(0), &prior())
    });
    all.error("PnpUla::new", "a step of NaN", || {
        along(still(), PnpUla::new(seen([1, 3, 8, 8]), f64::NAN), &prior())
    });
    all.error("PnpUla::with_range", "from 1 to −1", || {
        let step = PnpUla::new(seen([1, 3, 8, 8]), 1e-4).with_range(1.0, -1.0);
        along(still(), step, &prior())
    });
    all.error("Red::new", GREY, || {
        along(still(), Red::new(grey(), 100.0), &prior())
    });
    all.error("Red::new", "λ = 0", || {
        along(still(), Red::new(seen([1, 3, 8, 8]), 0.0), &prior())
    });
    all.error("RedDiff::new", GREY, || {
        walk(RedDiff::new(Identity, grey().y), &prior())
    });
    all.error("RedDiff::with_rate", "NaN", || {
        let y = seen([1, 3, 8, 8]).y;
        walk(RedDiff::new(Identity, y).with_rate(f64::NAN), &prior())
    });
    all.error("Hqs::new", GREY, || {
        let path = Hqs::<()>::path(1.0, 0.1, 3).unwrap();
        along(path, Hqs::new(grey()), &prior())
    });
    all.error("Hqs::path", "to NaN", || Hqs::<()>::path(1.0, f64::NAN, 1));
    all.error("Hqs::path", "that rises", || Hqs::<()>::path(0.1, 1.0, 3));
    all.error("EnKg::new", "ensembles that do not fill the batch", || {
        let y = seen([1, 3, 8, 8]).y;
        walk(EnKg::new(ddpm(), Identity, y, 2), &prior())
    });
    all.error("EnKg::new", "2⁶⁴ − 1 particles", || {
        let y = seen([2, 3, 8, 8]).y;
        walk(EnKg::new(ddpm(), Identity, y, usize::MAX), &prior())
    });
    all.error("TwistedSmc::sample", GREY, || {
        let smc = TwistedSmc::new(Ddim::ancestral(), path(), 2);
        let x = zeros([2, 3, 8, 8]);
        smc.sample(&prior(), &grey(), x, &mut HostNoise::seeded(0), |_| ())
    });
    all.error("TwistedSmc::sample", "a batch of 0", || {
        let smc = TwistedSmc::new(Ddim::ancestral(), path(), 2);
        let x = zeros([0, 1, 8, 8]);
        smc.sample(&prior(), &grey(), x, &mut HostNoise::seeded(0), |_| ())
    });
    all.error("TwistByVariance::new", "a deviation of 0", || {
        let smc = TwistedSmc::new(Ddim::ancestral(), path(), 2);
        let twist = TwistByVariance::new(grey(), 0.0);
        smc.sample(
            &prior(),
            &twist,
            zeros([2, 1, 8, 8]),
            &mut HostNoise::seeded(0),
            |_| (),
        )
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
