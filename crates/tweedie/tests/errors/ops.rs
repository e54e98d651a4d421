//! Kernels: like burn's operations, they panic on tensors of the wrong shape.

use super::{Cases, zeros};
use tweedie::burn::tensor::Tensor;
use tweedie::ops::{
    AdamWStep, CircularFilter, Constant, ConvGeometry, GroupNormalisation, Projector, Sign, adamw,
    add_squares, attention, average, concat_channels, conv2d, fft2, fft2_centred, group_norm,
    linear,
};

pub(crate) fn cases() -> Cases {
    let mut all = Cases::default();
    convolutions(&mut all);
    layers(&mut all);
    maps(&mut all);
    vectors(&mut all);
    all
}

fn convolutions(all: &mut Cases) {
    let window = |stride: [usize; 2], pad: usize| ConvGeometry {
        stride,
        padding: [(pad, pad); 2],
    };
    all.panic("conv2d", "a kernel 7×7 for 3×3 pixels", move || {
        conv2d(
            zeros([1, 2, 3, 3]),
            zeros([2, 2, 7, 7]),
            None,
            window([1, 1], 1),
        )
    });
    all.panic("conv2d", "weights for 3 channels of 2", move || {
        conv2d(
            zeros([1, 2, 8, 8]),
            zeros([2, 3, 3, 3]),
            None,
            window([1, 1], 1),
        )
    });
    all.panic("conv2d", "a bias of 3 for 2 channels", move || {
        let bias = Some(zeros([3]));
        conv2d(
            zeros([1, 2, 8, 8]),
            zeros([2, 2, 3, 3]),
            bias,
            window([1, 1], 1),
        )
    });
    all.panic("conv2d", "a stride of 0", move || {
        conv2d(
            zeros([1, 2, 8, 8]),
            zeros([2, 2, 3, 3]),
            None,
            window([0, 1], 1),
        )
    });
    all.panic("concat_channels", "images of two sizes", || {
        concat_channels(zeros([1, 2, 4, 4]), zeros([1, 2, 4, 5]))
    });
    all.panic("linear", "a weight of 3 rows for 2 features", || {
        linear(zeros([4, 2]), zeros([3, 5]), None)
    });
}

fn layers(all: &mut Cases) {
    let groups = |groups| GroupNormalisation {
        groups,
        epsilon: 1e-5,
        silu: false,
    };
    all.panic("group_norm", "3 groups of 4 channels", move || {
        group_norm(
            zeros([1, 4, 2, 2]),
            zeros([1, 4]),
            None,
            zeros([1, 4]),
            groups(3),
        )
    });
    all.panic("group_norm", "numbers for another image", move || {
        group_norm(
            zeros([2, 4, 2, 2]),
            zeros([1, 4]),
            None,
            zeros([2, 4]),
            groups(2),
        )
    });
    all.panic("attention", "keys of other features", || {
        attention(
            zeros([1, 1, 4, 3]),
            zeros([1, 1, 5, 3]),
            zeros([1, 1, 4, 3]),
        )
    });
    all.panic("attention", "no keys", || {
        attention(
            zeros([1, 1, 4, 3]),
            zeros([1, 1, 4, 0]),
            zeros([1, 1, 4, 0]),
        )
    });
}

fn maps(all: &mut Cases) {
    all.panic("fft2", "three channels", || {
        fft2(zeros([1, 3, 4, 4]), Sign::Forward)
    });
    all.panic("fft2_centred", "no pixels", || {
        fft2_centred(zeros([1, 2, 0, 4]), Sign::Inverse)
    });
    all.panic("CircularFilter::of_kernel", "3 values for 4 pixels", || {
        CircularFilter::of_kernel(&[1.0; 3], [1, 1], [2, 2])
    });
    all.panic("CircularFilter::of_kernel", "NaN", || {
        CircularFilter::of_kernel(&[f64::NAN; 4], [1, 1], [2, 2])
    });
    all.panic(
        "CircularFilter::of_magnitudes",
        "an image of no pixels",
        || CircularFilter::of_magnitudes(&[], [0, 2]),
    );
    all.panic("CircularFilter::of_magnitudes", "∞", || {
        CircularFilter::of_magnitudes(&[f64::INFINITY; 4], [2, 2])
    });
    all.panic(
        "CircularFilter::forward",
        "an image of another size",
        || CircularFilter::of_kernel(&[1.0; 4], [1, 1], [2, 2]).forward(zeros([1, 1, 2, 3])),
    );
    all.panic("Constant::new", "3 values for 4 places", || {
        Constant::new(vec![0.0; 3], [2, 2])
    });
    all.panic("Constant::new", "2⁶⁴ places and no values", || {
        Constant::new(Vec::new(), [1 << 32, 1 << 32])
    });
    all.panic("Projector::new", "no angles", || {
        Projector::new([4, 4], &[], 4, [1.5; 2])
    });
    all.panic("Projector::new", "an angle of NaN", || {
        Projector::new([4, 4], &[f64::NAN], 4, [1.5; 2])
    });
    all.panic("Projector::forward", "an image of another size", || {
        Projector::new([4, 4], &[0.0], 4, [1.5; 2]).forward(zeros([1, 1, 4, 5]))
    });
    all.panic("Projector::adjoint", "two angles instead of one", || {
        Projector::new([4, 4], &[0.0], 4, [1.5; 2]).adjoint(zeros([1, 1, 4, 2]))
    });
}

fn vectors(all: &mut Cases) {
    let step = |number| AdamWStep {
        learning_rate: 0.1,
        keep: [0.9, 0.999],
        epsilon: 1e-8,
        weight_decay: 0.0,
        number,
    };
    let two = || -> Tensor<1> { zeros([2]) };
    all.panic("adamw", "step 0", move || {
        adamw(two(), two(), [two(), two()], step(0))
    });
    all.panic("adamw", "a gradient of another shape", move || {
        adamw(two(), zeros([3]), [two(), two()], step(1))
    });
    all.panic("average", "two shapes", move || {
        average(two(), zeros([3]), 0.9)
    });
    all.panic("add_squares", "two sums", move || add_squares(two(), two()));
}
