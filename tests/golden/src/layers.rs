//! Single layers: outputs and the gradients of `Σ out·cot`.

use crate::case::Case;
use crate::compare::{DOUBLE, numbers};
use crate::error::{Done, GoldenError, lacks, skip};
use std::cell::RefCell;
use tweedie::burn::module::Param;
use tweedie::burn::nn::{GroupNormConfig, LayerNormConfig};
use tweedie::burn::tensor::activation::{sigmoid, softmax, softplus, tanh};
use tweedie::burn::tensor::module::{attention, conv_transpose2d, conv2d, linear};
use tweedie::burn::tensor::ops::{
    AttentionModuleOptions, ConvOptions, ConvTransposeOptions, PadMode,
};
use tweedie::burn::tensor::{Device, Gradients, Tensor};
use tweedie::inverse::operator::{Basis, Operator, Transform};
use tweedie::models::{Activation, Filter};
use tweedie::ops::{Sign, fft2};

type Check<'a> = Box<dyn FnOnce(&Gradients) -> Done + 'a>;

/// One case. Its inputs are tracked, and their gradients are compared at the end.
struct Run<'a> {
    case: &'a Case,
    checks: RefCell<Vec<Check<'a>>>,
}

impl<'a> Run<'a> {
    fn input<const D: usize>(&self, name: &str) -> Result<Tensor<D>, GoldenError> {
        let x = self.case.tensor::<D>(name)?.autodiff().require_grad();
        let (case, tracked, name) = (self.case, x.clone(), format!("d_{name}"));
        let check: Check<'a> = Box::new(move |gradients| {
            let found = tracked.grad(gradients).ok_or_else(|| lacks(&name))?;
            case.check_scaled(&name, found, DOUBLE)
        });
        self.checks.borrow_mut().push(check);
        Ok(x)
    }

    fn output<const D: usize>(self, out: Tensor<D>) -> Done {
        self.case.check_scaled("out", out.clone().inner(), DOUBLE)?;
        let gradients = (out * self.case.tensor("cot")?).sum().backward();
        let mut checks = self.checks.into_inner().into_iter();
        checks.try_for_each(|check| check(&gradients))
    }

    fn two(&self, key: &str) -> Result<[usize; 2], GoldenError> {
        self.case.count(key).map(|number| [number; 2])
    }
}

/// Runs one case.
pub(crate) fn run(case: &Case) -> Done {
    let run = Run {
        case,
        checks: RefCell::default(),
    };
    let id = case.id.as_str();
    match id {
        "conv_downpad0" => {
            let x = run
                .input::<4>("x")?
                .pad((0, 1, 0, 1), PadMode::Constant(0.0));
            let options = ConvOptions::new([2, 2], [0, 0], [1, 1], 1);
            let out = conv2d(x, run.input("w")?, Some(run.input("b")?), options);
            run.output(out)
        }
        "convT_s2" => {
            let [stride, padding, output_padding] = [
                run.two("stride")?,
                run.two("padding")?,
                run.two("output_padding")?,
            ];
            let options = ConvTransposeOptions::new(stride, padding, output_padding, [1, 1], 1);
            let (x, w, b) = (run.input("x")?, run.input("w")?, run.input("b")?);
            run.output(conv_transpose2d(x, w, Some(b), options))
        }
        _ if id.starts_with("conv_") => {
            let [stride, padding, dilation] = [
                run.two("stride")?,
                run.two("padding")?,
                run.two("dilation")?,
            ];
            let options = ConvOptions::new(stride, padding, dilation, case.count("groups")?);
            let (x, w, b) = (run.input("x")?, run.input("w")?, run.input("b")?);
            run.output(conv2d(x, w, Some(b), options))
        }
        _ if id.starts_with("groupnorm") => {
            let (x, w, b) = (run.input::<4>("x")?, run.input("w")?, run.input("b")?);
            let mut norm = GroupNormConfig::new(case.count("groups")?, x.dims()[1])
                .with_epsilon(case.number("eps")?)
                .init(&Device::flex());
            norm.gamma = Some(Param::from_tensor(w));
            norm.beta = Some(Param::from_tensor(b));
            run.output(norm.forward(x))
        }
        "layernorm" => {
            let (x, w, b) = (run.input::<3>("x")?, run.input("w")?, run.input("b")?);
            let mut norm = LayerNormConfig::new(x.dims()[2]).init(&Device::flex());
            norm.gamma = Param::from_tensor(w);
            norm.beta = Some(Param::from_tensor(b));
            run.output(norm.forward(x))
        }
        _ if id.starts_with("act_") => {
            let x = run.input::<1>("x")?;
            let out = match id {
                "act_silu" => Activation::Silu.forward(x),
                "act_gelu" => Activation::Gelu.forward(x),
                "act_gelu_tanh" => Activation::GeluTanh.forward(x),
                "act_relu" => Activation::Relu.forward(x),
                "act_mish" => Activation::Mish.forward(x),
                "act_softplus" => softplus(x, 1.0),
                "act_sigmoid" => sigmoid(x),
                "act_tanh" => tanh(x),
                other => return skip(format!("no activation {other}")),
            };
            run.output::<1>(out)
        }
        "softmax" => {
            let x = run.input::<2>("x")?;
            run.output(softmax(x, 1))
        }
        "linear" => {
            let (x, w, b) = (run.input("x")?, run.input::<2>("w")?, run.input("b")?);
            run.output::<3>(linear(x, w.transpose(), Some(b)))
        }
        "sdpa" | "sdpa_scale1" => {
            let options = AttentionModuleOptions {
                scale: case.number("scale").ok(),
                ..AttentionModuleOptions::default()
            };
            let (q, k, v) = (run.input("q")?, run.input("k")?, run.input("v")?);
            run.output(attention(q, k, v, None, None, options))
        }
        "avgpool2" => {
            let x = run.input("x")?;
            run.output(Filter::Box.halve(x))
        }
        "nearest_up2" => {
            let x = run.input::<4>("x")?;
            let [_, _, h, w] = x.dims();
            run.output(Filter::Box.enlarge(x, [2 * h, 2 * w]))
        }
        "matmul_batched" => {
            let (a, b) = (run.input::<3>("a")?, run.input("b")?);
            run.output(a.matmul(b))
        }
        "logsumexp" => {
            let x = run.input::<2>("x")?;
            let largest = x.clone().detach().max_dim(1);
            let out = (x - largest.clone()).exp().sum_dim(1).log() + largest;
            run.output::<1>(out.squeeze_dim(1))
        }
        "l2norm" => {
            let x = run.input::<2>("x")?;
            run.output(x.square().sum().sqrt())
        }
        "reduce" => reduce(case),
        "fft" => fourier(case),
        other => skip(format!("no layer {other}")),
    }
}

/// Compares transforms of 6×7 points of a real image: plain, centred and unitary, and the half that
/// a real transform keeps.
fn fourier(case: &Case) -> Done {
    let x: Tensor<3> = case.tensor("x")?;
    let [n, h, w] = x.dims();
    let real = x.reshape([n, 1, h, w]);
    let z = Tensor::cat(vec![real.clone(), real.zeros_like()], 1);
    let last = |z: Tensor<4>| z.permute([0, 2, 3, 1]);
    let plain = last(fft2(z.clone(), Sign::Forward)) * ((h * w) as f64).sqrt();
    let half = plain.clone().narrow(2, 0, w / 2 + 1);
    case.check_scaled("fft2", plain, DOUBLE)?;
    case.check_scaled("rfft2", half, DOUBLE)?;
    let centred = last(Transform::new(Basis::Fourier, [h, w])?.apply(z));
    case.check_scaled("fft2_ortho_centered", centred, DOUBLE)
}

/// Compares reductions, without gradients. Quantiles are not compared, because no layer uses them.
fn reduce(case: &Case) -> Done {
    let x: Tensor<3> = case.tensor("x")?;
    let variance = x.clone().var(2).squeeze_dim::<2>(2);
    case.check_scaled("var_unbiased_dim-1", variance, DOUBLE)?;
    let all = x.clone().reshape([1, x.dims().iter().product()]);
    case.check_values("std_all", &numbers(all.var(1).sqrt()), DOUBLE)?;
    case.check_scaled("cumprod", x.cumprod(2), DOUBLE)
}
