//! Every method on one measurement.

use super::{Inpainting, path};
use burn::tensor::{Device, Tensor};
use tweedie_core::{Denoiser, Noise};
use tweedie_inverse::{
    Annealed, Conditioned, Daps, Ddnm, DdnmPlus, Ddrm, DiffPir, Dps, DpsStep, Hqs, Ilvr,
    LangevinCoupling, Lgd, Mmps, Pigdm, PigdmStep, PnpDm, PnpUla, Red, RedDiff, Replace,
    ResidualNorm, Tmpd, mcg,
};
use tweedie_math::{Ancestral, Ddim, Level, Path, Renoise};
use tweedie_samplers::{AnyStep, Sampler};

/// A prior that outlives a method around it.
pub(crate) type Prior = &'static (dyn Denoiser<2> + Send + Sync);

/// A method: what is asked, how it moves, where it goes, whether its law is affine on a Gaussian prior.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) denoiser: Box<dyn Denoiser<2>>,
    pub(crate) sampler: Sampler<AnyStep<2>>,
    pub(crate) is_affine: bool,
}

impl Entry {
    /// From the start that the noise draws.
    pub(crate) fn run(&self, batch: usize, device: &Device, noise: &mut dyn Noise<2>) -> Tensor<2> {
        let x = self.sampler.start([batch, 2], device, noise);
        let x = self.sampler.sample(&*self.denoiser, x, noise);
        x.expect("a run")
    }
}

/// Every method in so many moves.
pub(crate) fn methods(prior: Prior, m: &Inpainting, moves: usize) -> Vec<Entry> {
    let ddpm = || AnyStep::new(Ancestral::default());
    let through = path(moves);
    let still = |sigma: f64| {
        let level = Level::variance_exploding(sigma).expect("a level");
        Path::staying(level, moves).expect("a path")
    };
    let guided = |name, denoiser: Box<dyn Denoiser<2>>| Entry {
        name,
        denoiser,
        sampler: Sampler::new(ddpm(), through.clone()),
        is_affine: true,
    };
    let stepped = |name, step: AnyStep<2>, path: &Path| Entry {
        name,
        denoiser: Box::new(prior),
        sampler: Sampler::new(step, path.clone()),
        is_affine: true,
    };
    let (a, y) = (m.operator.clone(), m.y.clone());
    let (m, s) = (m.clone(), 0.7);
    let published = DpsStep {
        kernel: Ancestral::default(),
        operator: a.clone(),
        y: y.clone(),
        zeta: 0.3,
    };
    let pigdm = PigdmStep {
        kernel: Ancestral::default(),
        operator: a.clone(),
        y: y.clone(),
    };
    let ddim = Ddim::with_eta(0.85);
    let hqs = Hqs::<()>::path(1.0, 0.2, moves).expect("a path");
    let mut all = vec![
        guided("DPS", Box::new(Dps::new(prior, m.clone()))),
        guided(
            "DPS, norm",
            Box::new(Dps::new(prior, ResidualNorm::new(a.clone(), y.clone())).with_strength(0.5)),
        ),
        guided(
            "ΠGDM",
            Box::new(Pigdm::new(prior, m.clone()).with_data_std(s)),
        ),
        guided("MMPS", Box::new(Mmps::new(prior, m.clone()))),
        guided("TMPD", Box::new(Tmpd::new(prior, m.clone()))),
        guided("LGD", Box::new(Lgd::new(prior, m.clone()).with_data_std(s))),
        guided("DDNM", Box::new(Ddnm::new(prior, a.clone(), y.clone()))),
        guided(
            "annealed",
            Box::new(Conditioned::new(prior, Annealed::new(m.clone()))),
        ),
        stepped("DPS, published", AnyStep::new(published), &through),
        stepped("ΠGDM, published", AnyStep::new(pigdm), &through),
        stepped(
            "RePaint",
            AnyStep::new(Replace::new(Ancestral::default(), a.clone(), y.clone())),
            &through.clone().with_time_travel(5, 2),
        ),
        stepped(
            "MCG",
            AnyStep::new(mcg(Ancestral::default(), a.clone(), y.clone(), 0.3)),
            &through,
        ),
        stepped(
            "ILVR",
            AnyStep::new(Ilvr::new(Ancestral::default(), a.clone(), y.clone())),
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
            AnyStep::new(Daps::new(
                LangevinCoupling::new(m.clone(), 25.0).with_steps(20),
            )),
            &through,
        ),
        stepped("PnP-DM", AnyStep::new(PnpDm::new(m.clone())), &through),
        stepped(
            "PnP-ULA",
            AnyStep::new(PnpUla::new(m.clone(), 0.005)),
            &still(0.1),
        ),
        stepped("RED-diff", AnyStep::new(RedDiff::new(a, y)), &through),
        stepped("DPIR", AnyStep::new(Hqs::new(m.clone())), &hqs),
        stepped("RED", AnyStep::new(Red::new(m.clone(), 100.0)), &still(0.1)),
    ];
    let diffpir = Entry {
        sampler: Sampler::new(AnyStep::new(Renoise::new(0.3)), through.clone()),
        ..guided("DiffPIR", Box::new(DiffPir::new(prior, m)))
    };
    all.push(diffpir);
    // A norm's gradient and Adam's root are not affine, nor is a mean of exponentials.
    let curved = ["DPS, norm", "DPS, published", "MCG", "RED-diff", "LGD"];
    for entry in &mut all {
        entry.is_affine = !curved.contains(&entry.name);
    }
    all
}
