//! Operators on volumes.

use crate::ok;
use burn::tensor::{Device, Int, Tensor};
use tweedie_inverse::operator::{
    AveragePool, ConeBeam, Linear, Mask, MultiCoil, Slices, VolumeBlur,
};
use tweedie_ops::Constant;

/// Linear operators on volumes `[batch, channels, depth, height, width]`, with the shape of a
/// signal.
#[must_use]
pub fn volume_operators() -> Vec<(&'static str, Box<dyn Linear<5>>, [usize; 5])> {
    let frame = |seed| {
        ok(MultiCoil::ring(
            2,
            ok(Mask::cartesian([6, 5], 2.0, 0.2, seed)),
            [6, 5],
        ))
    };
    let wedge: Vec<f64> = (0..3 * 4 * 5).map(|i| f64::from(i * i % 17)).collect();
    vec![
        (
            "slices, pooled",
            Box::new(Slices::new(ok(AveragePool::new(2)))),
            [2, 1, 3, 4, 6],
        ),
        (
            "dynamic magnetic resonance imaging",
            Box::new(ok(Slices::each((0..3).map(frame).collect()))),
            [1, 2, 3, 6, 5],
        ),
        (
            "magnetic resonance imaging of a volume",
            Box::new(coils_of_a_volume()),
            [2, 2, 3, 4, 5],
        ),
        (
            "blur of a volume",
            Box::new(ok(VolumeBlur::new(&wedge, [3, 4, 5]))),
            [2, 2, 3, 4, 5],
        ),
        (
            "Gaussian blur of a volume",
            Box::new(ok(VolumeBlur::gaussian([1.5, 0.7, 0.6], [4, 6, 5]))),
            [1, 1, 4, 6, 5],
        ),
        (
            "cone-beam tomography",
            Box::new(ok(
                ok(ConeBeam::new([3, 6, 5], 4, 12.0)).with_detector([5, 9])
            )),
            [2, 1, 3, 6, 5],
        ),
    ]
}

/// Two coils around a volume of 3×4×5 voxels, and three quarters of its coefficients.
fn coils_of_a_volume() -> MultiCoil<5> {
    let values = (0..2 * 2 * 60).map(|i| (f64::from(i * 7 % 23) - 11.0) / 11.0);
    let kept = Tensor::<1, Int>::arange(0..60, &Device::flex());
    let kept = kept.remainder_scalar(4).greater_elem(0);
    let mask = Mask::new(kept.reshape([1, 1, 3, 4, 5]));
    ok(MultiCoil::new(
        Constant::new(values.collect(), [2, 2, 3, 4, 5]),
        mask,
    ))
}
