//! Folding blocks of pixels into channels and back.
//!
//! # Reference
//! Hoogeboom et al. 2023, "simple diffusion", section 3.3, arXiv:2301.11093.

use burn::tensor::Tensor;

/// Folds blocks of `p × p` pixels: `[b, c, h, w]` to `[b, c p², h/p, w/p]`.
pub(crate) fn fold(x: Tensor<4>, p: usize) -> Tensor<4> {
    if p == 1 {
        return x;
    }
    let [b, c, h, w] = x.dims();
    assert!(
        h.is_multiple_of(p) && w.is_multiple_of(p),
        "a patch of {p} has to divide {h}×{w} pixels"
    );
    x.reshape([b, c, h / p, p, w / p, p])
        .permute([0, 1, 3, 5, 2, 4])
        .reshape([b, c * p * p, h / p, w / p])
}

/// The inverse of [`fold`].
pub(crate) fn unfold(x: Tensor<4>, p: usize) -> Tensor<4> {
    if p == 1 {
        return x;
    }
    let [b, c, h, w] = x.dims();
    let c = c / (p * p);
    x.reshape([b, c, p, p, h, w])
        .permute([0, 1, 4, 2, 5, 3])
        .reshape([b, c, h * p, w * p])
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact by construction")]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution};

    #[test]
    fn folding_is_undone() {
        let x = Tensor::<4>::random([2, 3, 12, 20], Distribution::Default, &Device::flex());
        let folded = fold(x.clone(), 2);
        assert_eq!(folded.dims(), [2, 12, 6, 10]);
        // Channel c, row dy and column dx of a block become channel (2c + dy)·2 + dx.
        let corner = folded.clone().slice([0..1, 7..8, 2..3, 3..4]).into_data();
        assert_eq!(
            corner,
            x.clone().slice([0..1, 1..2, 5..6, 7..8]).into_data()
        );
        assert_eq!(unfold(folded, 2).into_data(), x.into_data());
    }
}
