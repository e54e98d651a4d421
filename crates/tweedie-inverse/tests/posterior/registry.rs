//! Every method on one measurement.

use super::{Inpainting, path};
use burn::tensor::{Device, Tensor};
use tweedie_core::{Denoiser, Noise};
use tweedie_inverse::posterior::{
    Annealed, Daps, Ddnm, DdnmPlus, Ddrm, DiffPir, Dpir, Dps, DpsStep, Ilvr, LangevinCoupling, Lgd,
    Mcg, Mmps, Pigdm, PigdmStep, PnpDm, PnpUla, RePaint, Red, RedDiff, ResidualNorm, ScoreGuidance,
    Tmpd,
};
use tweedie_math::{Ancestral, Ddim, Level, LevelPath, Renoise};
use tweedie_samplers::{AnyStep, Sampler};

/// A prior that outlives the methods that wrap it.
pub(crate) type Prior = &'static (dyn Denoiser<2> + Send + Sync);

/// A method: its denoiser, its sampler, and whether its moves are affine for a Gaussian prior.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) denoiser: Box<dyn Denoiser<2>>,
    pub(crate) sampler: Sampler<AnyStep<2>>,
    pub(crate) is_affine: bool,
}

impl Entry {
    /// Runs the method from a start drawn by `noise`.
    pub(crate) fn run(&self, batch: usize, device: &Device, noise: &mut dyn Noise<2>) -> Tensor<2> {
        let x = self.sampler.start([batch, 2], device, noise);
        let x = x.expect("a start");
        let x = self.sampler.sample(&*self.denoiser, x, noise);
        x.expect("a run")
    }
}

/// Every method, with `moves` moves each.
pub(crate) fn methods(prior: Prior, m: &Inpainting, moves: usize) -> Vec<Entry> {
    let ddpm = || AnyStep::new(Ancestral::default());
    let through = path(moves);
    let still = |sigma: f64| {
        let level = Level::variance_exploding(sigma).expect("a level");
        LevelPath::staying(level, moves).expect("a path")
    };
    let guided = |name, denoiser: Box<dyn Denoiser<2>>| Entry {
        name,
        denoiser,
        sampler: Sampler::new(ddpm(), through.clone()),
        is_affine: true,
    };
    let stepped = |name, step: AnyStep<2>, path: &LevelPath| Entry {
        name,
        denoiser: Box::new(prior),
        sampler: Sampler::new(step, path.clone()),
        is_affine: true,
    };
    let (m, s) = (m.clone(), 0.7);
    let kernel = Ancestral::default;
    let dpir = Dpir::<()>::path(1.0, 0.2, moves).expect("a path");
    let norm = Dps::new(prior, ResidualNorm::new(m.clone())).with_strength(0.5);
    let pigdm = Pigdm::new(prior, m.clone()).with_data_std(s);
    let lgd = Lgd::new(prior, m.clone()).with_data_std(s);
    let coupling = LangevinCoupling::new(m.clone(), 25.0).and_then(|it| it.with_steps(20));
    let ula = PnpUla::new(m.clone()).with_step_size(0.005);
    let ddim = Ddim::new(0.85).expect("η");
    let mut all = vec![
        guided("DPS", Box::new(Dps::new(prior, m.clone()))),
        guided("DPS, norm", Box::new(norm.expect("a strength"))),
        guided("ΠGDM", Box::new(pigdm.expect("a deviation"))),
        guided("MMPS", Box::new(Mmps::new(prior, m.clone()))),
        guided("TMPD", Box::new(Tmpd::new(prior, m.clone()))),
        guided("LGD", Box::new(lgd.expect("a deviation"))),
        guided("DDNM", Box::new(Ddnm::new(prior, m.clone()))),
        guided(
            "annealed",
            Box::new(ScoreGuidance::new(prior, Annealed::new(m.clone()))),
        ),
        stepped(
            "DPS, published",
            AnyStep::new(DpsStep::new(kernel(), m.clone())),
            &through,
        ),
        stepped(
            "ΠGDM, published",
            AnyStep::new(PigdmStep::new(kernel(), m.clone())),
            &through,
        ),
        stepped(
            "RePaint",
            AnyStep::new(RePaint::new(kernel(), m.clone())),
            &through.clone().with_time_travel(5, 2),
        ),
        stepped("MCG", AnyStep::new(Mcg::new(kernel(), m.clone())), &through),
        stepped(
            "ILVR",
            AnyStep::new(Ilvr::new(kernel(), m.clone())),
            &through,
        ),
        stepped("DDRM", AnyStep::new(Ddrm::new(m.clone())), &through),
        stepped(
            "DDNM+",
            AnyStep::new(DdnmPlus::new(ddim, m.clone())),
            &through,
        ),
        stepped("DAPS", AnyStep::new(Daps::new(m.clone())), &through),
        stepped(
            "DAPS, Langevin",
            AnyStep::new(Daps::new(coupling.expect("a coupling"))),
            &through,
        ),
        stepped("PnP-DM", AnyStep::new(PnpDm::new(m.clone())), &through),
        stepped(
            "PnP-ULA",
            AnyStep::new(ula.expect("a step size")),
            &still(0.1),
        ),
        stepped("RED-diff", AnyStep::new(RedDiff::new(m.clone())), &through),
        stepped("DPIR", AnyStep::new(Dpir::new(m.clone())), &dpir),
        stepped("RED", AnyStep::new(Red::new(m.clone())), &still(0.1)),
    ];
    let diffpir = Entry {
        sampler: Sampler::new(AnyStep::new(Renoise::new(0.3).expect("ζ")), through.clone()),
        ..guided("DiffPIR", Box::new(DiffPir::new(prior, m)))
    };
    all.push(diffpir);
    // The gradient of a norm, Adam's square root and a mean of exponentials are not affine.
    let curved = ["DPS, norm", "DPS, published", "MCG", "RED-diff", "LGD"];
    for entry in &mut all {
        entry.is_affine = !curved.contains(&entry.name);
    }
    all
}
