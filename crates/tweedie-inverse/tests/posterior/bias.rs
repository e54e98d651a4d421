//! The bias of each method on a Gaussian prior, compared with recorded values.

use crate::{correlated, device, gap, inpainting, posterior, runs};
use approx::abs_diff_eq;
use tweedie_core::oracle::Gaussian;
use tweedie_samplers::{OverlapNoise, affine_law};

/// The bias after 30 moves is computed without random draws, so a change of any method is visible.
#[test]
fn the_bias_of_every_method_is_what_was_recorded() {
    let (prior, measured) = (correlated(), inpainting());
    let start = Gaussian::isotropic(&[0.0, 0.0], 0.0).expect("a Gaussian");
    let truth = posterior(&correlated());
    let mut recorded = RECORDED.iter();
    let mut wrong = Vec::new();
    for entry in runs(&prior, &measured, 30) {
        if !entry.is_affine {
            continue;
        }
        let (sampler, denoiser) = (&entry.sampler, &*entry.denoiser);
        let law = affine_law(
            sampler,
            denoiser,
            [1, 2],
            &start,
            OverlapNoise::Independent,
            &device(),
        );
        let found = gap(&law.expect("a law"), &truth);
        println!("(\"{}\", {found:.5?}),", entry.name);
        let (name, expected) = recorded.next().unwrap_or(&("nothing", [f64::NAN; 5]));
        let mut pairs = found.iter().zip(expected);
        let holds = pairs.all(|(found, expected)| abs_diff_eq!(found, expected, epsilon = 1.5e-5));
        if !holds || *name != entry.name {
            wrong.push((entry.name, found, expected));
        }
    }
    assert_eq!(recorded.next(), None, "a method that is no longer there");
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Errors of both means, both variances and the covariance. The first coordinate is measured. The
/// chain itself, 30 ancestral moves, loses a quarter of the variance, as the exact methods (MMPS,
/// TMPD) show.
const RECORDED: &[(&str, [f64; 5])] = &[
    ("DPS", [-0.05186, -0.16233, -0.02428, -0.08623, -0.02060]),
    ("ΠGDM", [0.00811, 0.01048, -0.00793, -0.05794, -0.00356]),
    ("MMPS", [0.00000, 0.00001, -0.00973, -0.06096, -0.00580]),
    ("TMPD", [0.00000, 0.00001, -0.00973, -0.06096, -0.00580]),
    ("DDNM", [-0.05185, 0.15478, -0.03704, -0.02077, -0.02222]),
    ("DiffPIR", [0.13440, 0.21259, 0.07746, 0.02189, 0.06417]),
    (
        "annealed likelihood",
        [0.08262, 0.23470, -0.01321, -0.00973, 0.01254],
    ),
    (
        "annealed Langevin",
        [0.14066, 0.30866, 0.41378, 13.67652, 2.06565],
    ),
    ("ReSample", [-0.05185, 0.32882, -0.03704, 0.00488, -0.02222]),
    (
        "ΠGDM as published",
        [-0.05185, 0.02137, -0.03704, -0.07149, -0.02222],
    ),
    ("RePaint", [-0.05185, 0.10233, -0.03704, -0.04231, -0.02222]),
    ("ILVR", [-0.05185, 0.15478, -0.03704, -0.03131, -0.02222]),
    ("DDNM+", [-0.04243, 0.17235, -0.03595, -0.00459, -0.01671]),
    ("FlowDPS", [0.06373, 0.12759, 0.00456, -0.04751, 0.01781]),
    (
        "DAPS (Langevin)",
        [-0.00005, 0.11585, 0.00691, 0.12714, 0.00469],
    ),
    ("PnP-ULA", [0.06904, 0.73137, 0.00199, -0.05496, -0.00769]),
    ("SK-ROCK", [-0.05110, 0.01226, -0.02411, -0.02402, -0.00175]),
    ("DAPS", [-0.01014, 0.10323, 0.00107, 0.26090, 0.00911]),
    ("PnP-DM", [0.04397, 0.10169, 0.01136, 0.02643, 0.01435]),
    ("DPIR", [0.01403, 0.02497, -0.03704, -0.23333, -0.02222]),
    ("RED", [0.04029, 0.39235, -0.03703, -0.23249, -0.02213]),
    ("PnP-PGD", [0.04141, 0.38666, -0.03703, -0.23252, -0.02214]),
    ("PnP-ADMM", [0.04224, 0.38353, -0.03703, -0.23252, -0.02213]),
    ("PnP-DRS", [0.04254, 0.38591, -0.03703, -0.23252, -0.02213]),
    (
        "PnP-Flow",
        [-0.01288, 0.14154, -0.03614, -0.20880, -0.02078],
    ),
    ("DDRM", [0.00383, 0.12795, -0.02768, -0.05841, -0.00802]),
];
