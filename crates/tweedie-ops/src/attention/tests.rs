//! The kernel against the composition of tensor operations in `f64`.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use super::*;
use crate::draw;
use burn::tensor::DType;

/// Batch, heads, features of queries and keys, features of values, queries, keys.
const CASES: [[usize; 6]; 7] = [
    [2, 3, 8, 8, 64, 64],
    [1, 1, 256, 256, 33, 33],
    [2, 1, 5, 7, 17, 40],
    [1, 2, 16, 3, 1, 100],
    [3, 2, 1, 1, 16, 1],
    [1, 1, 64, 64, 257, 129],
    [2, 2, 12, 20, 148, 15],
];

fn random([b, h, d, e, n, m]: [usize; 6], spread: f64) -> [Tensor<4>; 4] {
    [[b, h, d, n], [b, h, d, m], [b, h, e, m], [b, h, e, n]]
        .map(|shape| draw::normal(shape, 0.2, spread, DType::F32))
}

type AttentionFn = fn(Tensor<4>, Tensor<4>, Tensor<4>) -> Tensor<4>;

/// Output and gradients.
fn run(attention: AttentionFn, given: &[Tensor<4>; 4], dtype: DType) -> [Tensor<4>; 4] {
    let [q, k, v, dy] = given.clone().map(|tensor| tensor.cast(dtype));
    let [q, k, v] = [q, k, v].map(|tensor| tensor.autodiff().require_grad());
    let o = attention(q.clone(), k.clone(), v.clone());
    let gradients = (o.clone() * dy.autodiff()).sum().backward();
    let [dq, dk, dv] = [q, k, v].map(|tensor| tensor.grad(&gradients).expect("a gradient"));
    [o.inner(), dq, dk, dv]
}

/// The largest error, relative to the root mean square of the expected result.
fn far(found: Tensor<4>, wanted: &Tensor<4>) -> f64 {
    assert_eq!(found.dims(), wanted.dims());
    let size = wanted.clone().square().mean().sqrt().into_scalar::<f64>();
    let off = (found.cast(DType::F64) - wanted.clone()).abs().max();
    // With a single key the gradient of the scores is 0.
    off.into_scalar::<f64>() / size.max(1e-30)
}

/// The errors are averaged over several draws, because one draw may favour either implementation.
const DRAWS: usize = 16;

#[test]
fn as_exact_as_the_composition() {
    for case in CASES {
        // Scores of about 1, and scores so large that one key may take all the weight.
        for spread in [1.0, 8.0] {
            let (mut off, mut usual) = ([0.0; 4], [0.0; 4]);
            for _ in 0..DRAWS {
                let given = random(case, spread);
                let found = run(attention, &given, DType::F32);
                assert_eq!(found[0].dtype(), DType::F32);
                let plain = run(composed, &given, DType::F32);
                let wanted = run(composed, &given, DType::F64);
                for (i, (found, plain)) in found.into_iter().zip(plain).enumerate() {
                    off[i] += far(found, &wanted[i]) / DRAWS as f64;
                    usual[i] += far(plain, &wanted[i]) / DRAWS as f64;
                }
            }
            for (i, (off, usual)) in off.into_iter().zip(usual).enumerate() {
                let most = 3.0 * usual + 1e-6;
                assert!(
                    off < most,
                    "{case:?}, spread {spread}, part {i}: {off:.1e} {usual:.1e}"
                );
            }
        }
    }
}

/// Without queries, the gradients of keys and values are 0.
#[test]
fn no_queries() {
    let given = random([1, 2, 4, 3, 0, 5], 1.0);
    let [k, v] = [given[1].clone(), given[2].clone()].map(|x| x.autodiff().require_grad());
    let o = attention(given[0].clone(), k.clone(), v.clone());
    assert_eq!(o.dims(), [1, 2, 3, 0]);
    let gradients = o.sum().backward();
    for tensor in [k, v] {
        let most = tensor
            .grad(&gradients)
            .map(|g| g.abs().max().into_scalar::<f32>());
        assert_eq!(most.unwrap_or_default().to_bits(), 0);
    }
}

/// The bits do not depend on the number of threads either, although threads may share the sums over
/// the queries of one image.
#[test]
fn an_image_does_not_depend_on_its_neighbours() {
    let given = random([3, 1, 8, 8, 700, 24], 1.0);
    let single = given.clone().map(|x| x.narrow(0, 1, 1));
    let by_threads = |threads: usize, given: &[Tensor<4>; 4]| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.expect("threads");
        pool.install(|| run(attention, given, DType::F32))
    };
    let all = by_threads(1, &given).map(|x| x.narrow(0, 1, 1).into_data());
    for threads in [1, 2, 8] {
        let one = by_threads(threads, &single).map(Tensor::into_data);
        assert_eq!(all, one, "{threads} threads");
    }
}

#[test]
#[should_panic(expected = "attention: queries")]
fn keys_of_other_features_are_refused() {
    let [q, k, v, _] = random([1, 1, 4, 4, 3, 3], 1.0);
    let _ = attention(q.narrow(2, 0, 3), k, v);
}
