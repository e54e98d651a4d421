//! Conditioning inputs of a network: class, context and image.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use tweedie_core::{Condition, ConditionError, Interpolation, Resize, WithEstimate};

/// The class of each sample, as labels or vectors. A single row is broadcast to any batch size.
#[derive(Clone, Debug)]
pub enum Class {
    /// Indices from 0, `[batch]`.
    Labels(Tensor<1, Int>),
    /// Vectors, `[batch, features]`.
    Vectors(Tensor<2>),
}

/// A sequence of tokens that pixels attend to, such as a text embedding.
#[derive(Clone, Debug)]
pub struct Context {
    /// Tokens, `[batch, n, features]`; a single row is broadcast to any batch size.
    pub tokens: Tensor<3>,
    /// Added to the attention scores, `[batch, n]`: 0 attends to a token, −10000 masks it.
    pub bias: Option<Tensor<2>>,
}

impl Context {
    /// Creates a context without a mask.
    #[must_use]
    pub fn new(tokens: Tensor<3>) -> Self {
        Self { tokens, bias: None }
    }

    /// Ignores the tokens where `mask`, `[batch, n]`, is 0, and keeps those where it is 1.
    #[must_use]
    pub fn with_mask(self, mask: Tensor<2>) -> Self {
        Self {
            bias: Some((mask - 1.0) * 10_000.0),
            ..self
        }
    }
}

/// The conditioning inputs of a network; empty by default.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// The class.
    pub class: Option<Class>,
    /// The context of the cross-attention.
    pub context: Option<Context>,
    /// Images of the same size, concatenated to the noisy ones as further channels.
    pub image: Option<Tensor<4>>,
}

impl Conditions {
    /// Creates empty conditions.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Sets class labels, `[batch]`.
    #[must_use]
    pub fn with_labels(self, labels: Tensor<1, Int>) -> Self {
        Self {
            class: Some(Class::Labels(labels)),
            ..self
        }
    }

    /// Sets class vectors, `[batch, features]`.
    #[must_use]
    pub fn with_class_vectors(self, vectors: Tensor<2>) -> Self {
        Self {
            class: Some(Class::Vectors(vectors)),
            ..self
        }
    }

    /// Sets the context of the cross-attention.
    #[must_use]
    pub fn with_context(self, context: Context) -> Self {
        Self {
            context: Some(context),
            ..self
        }
    }

    /// Sets images `[batch, channels, h, w]` to concatenate to the noisy ones.
    #[must_use]
    pub fn with_image(self, image: Tensor<4>) -> Self {
        Self {
            image: Some(image),
            ..self
        }
    }

    /// Sets a low-resolution image, `[batch, channels, h, w]`, as the conditioning image.
    ///
    /// Bicubic interpolation enlarges the image to `size`.
    ///
    /// # Reference
    /// Saharia et al. 2022, "Image super-resolution via iterative refinement", section 2.3,
    /// arXiv:2104.07636.
    #[must_use]
    pub fn with_low_resolution(self, image: Tensor<4>, size: [usize; 2]) -> Self {
        self.with_image(Resize::new(Interpolation::Bicubic).forward(image, size))
    }

    /// Sets a low-resolution image as [`with_low_resolution`](Self::with_low_resolution) does, with
    /// a further channel that holds the standard deviation of its noise, `std`, `[batch]`.
    ///
    /// A network trained on images with noise of many levels takes imperfect images, such as those
    /// that another network has generated.
    ///
    /// # Reference
    /// Ho et al. 2022, "Cascaded diffusion models for high fidelity image generation", section 4.1,
    /// arXiv:2106.15282 (conditioning augmentation).
    ///
    /// # Panics
    /// If there is not one standard deviation for each image.
    #[must_use]
    pub fn with_noisy_low_resolution(
        self,
        image: Tensor<4>,
        std: Tensor<1>,
        size: [usize; 2],
    ) -> Self {
        let [batch, height, width] = [image.dims()[0], size[0], size[1]];
        let std = std.cast(image.dtype()).reshape([batch, 1, 1, 1]);
        let map = std.expand([batch, 1, height, width]);
        let image = Resize::new(Interpolation::Bicubic).forward(image, size);
        self.with_image(Tensor::cat(vec![image, map], 1))
    }

    /// The numbers of rows of class, context and image.
    fn rows(&self) -> Vec<usize> {
        let class = self.class.as_ref().map(|class| match class {
            Class::Labels(labels) => labels.dims()[0],
            Class::Vectors(rows) => rows.dims()[0],
        });
        let context = self
            .context
            .as_ref()
            .map(|context| context.tokens.dims()[0]);
        let image = self.image.as_ref().map(|image| image.dims()[0]);
        [class, context, image].into_iter().flatten().collect()
    }

    /// Checks the conditions on their own. Each has one row or the common number of rows; a context
    /// has at least one token, and any bias has its shape.
    pub(crate) fn check_alone(&self) -> Result<(), ConditionError> {
        if let Some(context) = &self.context {
            let [rows, tokens, _] = context.tokens.dims();
            let none = || ("at least one token".into(), "none".into());
            unless(tokens == 0, "context", none)?;
            let bias = context.bias.as_ref();
            let mask = bias.map_or([rows, tokens], |bias| bias.dims());
            unless(mask != [rows, tokens], "context", || {
                let expected = format!("a mask of {:?}", [rows, tokens]);
                (expected, format!("one of {mask:?}"))
            })?;
        }
        let rows = self.rows();
        let most = rows.iter().copied().max().unwrap_or(1);
        let unequal = rows.contains(&0) || rows.iter().any(|&rows| rows != 1 && rows != most);
        let each = || ("one row each, or as many".into(), format!("{rows:?}"));
        unless(unequal, "conditions", each)
    }
}

impl Condition for Conditions {
    /// Checks the conditions for a state of `shape`, `[batch, channels, height, width]`.
    fn check(&self, shape: &[usize]) -> Result<(), ConditionError> {
        self.check_alone()?;
        let batch = shape.first().copied().unwrap_or(0);
        let other = self
            .rows()
            .into_iter()
            .find(|&rows| rows != 1 && rows != batch);
        unless(other.is_some(), "conditions", || {
            let expected = format!("1 row, or {batch}, one for each sample");
            (expected, format!("{} rows", other.unwrap_or(0)))
        })?;
        let &[_, _, h, w] = shape else {
            return Ok(());
        };
        let [found_h, found_w] = match &self.image {
            Some(image) => [image.dims()[2], image.dims()[3]],
            None => [h, w],
        };
        unless([found_h, found_w] != [h, w], "image", || {
            (format!("{h}×{w} pixels"), format!("{found_h}×{found_w}"))
        })
    }

    fn for_batch(&self, batch: usize) -> Self {
        self.map(&Repeated(batch))
    }

    fn select(&self, rows: &[usize]) -> Self {
        self.map(&Selected(rows))
    }

    fn to_device(&self, device: &Device) -> Self {
        self.map(&Moved(device))
    }

    fn cast(&self, dtype: DType) -> Self {
        self.map(&Cast(dtype))
    }

    fn join(first: Self, second: Self) -> Result<Self, ConditionError> {
        let (expected, found) = (first.sizes(), second.sizes());
        for ((what, expected), (_, found)) in expected.into_iter().zip(found) {
            unless(expected != found, what, || (expected, found))?;
        }
        let class = match (first.class, second.class) {
            (Some(Class::Labels(a)), Some(Class::Labels(b))) => {
                Some(Class::Labels(Tensor::cat(vec![a, b], 0)))
            }
            (Some(Class::Vectors(a)), Some(Class::Vectors(b))) => {
                Some(Class::Vectors(Tensor::cat(vec![a, b], 0)))
            }
            _ => None,
        };
        let context = first.context.zip(second.context).map(|(a, b)| {
            let bias = match (&a.bias, &b.bias) {
                (None, None) => None,
                _ => Some(Tensor::cat(vec![a.bias(), b.bias()], 0)),
            };
            let tokens = Tensor::cat(vec![a.tokens, b.tokens], 0);
            Context { tokens, bias }
        });
        let image = first.image.zip(second.image);
        let image = image.map(|(a, b)| Tensor::cat(vec![a, b], 0));
        Ok(Self {
            class,
            context,
            image,
        })
    }
}

impl WithEstimate<4> for Conditions {
    /// Puts the estimate before the channels of a conditioning image.
    fn with_estimate(&self, estimate: Tensor<4>) -> Self {
        let image = match &self.image {
            None => estimate,
            Some(image) => Tensor::cat(vec![estimate, image.clone()], 1),
        };
        self.clone().with_image(image)
    }
}

impl Conditions {
    /// Describes each condition without its number of rows. Conditions whose descriptions differ
    /// cannot share a batch.
    fn sizes(&self) -> [(&'static str, String); 3] {
        let context = self.context.as_ref().map(|context| {
            let [_, tokens, features] = context.tokens.dims();
            format!("{tokens} tokens of {features} features")
        });
        let image = self.image.as_ref().map(|image| {
            let [_, channels, h, w] = image.dims();
            format!("{channels} channels of {h}×{w} pixels")
        });
        [
            ("second class", class_of(self)),
            ("second context", or_nothing(context)),
            ("second image", or_nothing(image)),
        ]
    }
}

impl Context {
    /// The bias of the attention scores; zeros for `None`.
    fn bias(&self) -> Tensor<2> {
        let [rows, tokens, _] = self.tokens.dims();
        let like = (&self.tokens.device(), self.tokens.dtype());
        let none = || Tensor::zeros([rows, tokens], like);
        self.bias.clone().unwrap_or_else(none)
    }
}

/// Returns an error about the condition `what` if `wrong`.
pub(crate) fn unless(
    wrong: bool,
    what: &'static str,
    says: impl FnOnce() -> (String, String),
) -> Result<(), ConditionError> {
    if !wrong {
        return Ok(());
    }
    let (expected, found) = says();
    Err(ConditionError {
        what,
        expected,
        found,
    })
}

pub(crate) fn or_nothing(text: Option<String>) -> String {
    text.unwrap_or_else(|| "nothing".into())
}

pub(crate) fn class_of(conditions: &Conditions) -> String {
    or_nothing(conditions.class.as_ref().map(|class| match class {
        Class::Labels(_) => "labels".into(),
        Class::Vectors(rows) => format!("vectors of {} features", rows.dims()[1]),
    }))
}

fn indices(rows: &[usize], device: &Device) -> Tensor<1, Int> {
    let indices: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
    Tensor::from_data(TensorData::new(indices, [rows.len()]), device)
}

/// A change of every tensor of the conditions.
trait Change {
    fn floats<const D: usize>(&self, x: Tensor<D>) -> Tensor<D>;
    fn labels(&self, labels: Tensor<1, Int>) -> Tensor<1, Int>;
}

impl Conditions {
    fn map(&self, change: &impl Change) -> Self {
        Self {
            class: self.class.clone().map(|class| match class {
                Class::Labels(labels) => Class::Labels(change.labels(labels)),
                Class::Vectors(vectors) => Class::Vectors(change.floats(vectors)),
            }),
            context: self.context.clone().map(|context| Context {
                tokens: change.floats(context.tokens),
                bias: context.bias.map(|bias| change.floats(bias)),
            }),
            image: self.image.clone().map(|image| change.floats(image)),
        }
    }
}

/// Repeats a single row.
struct Repeated(usize);

impl Change for Repeated {
    fn floats<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        match x.dims()[0] {
            1 => x.repeat_dim(0, self.0),
            _ => x,
        }
    }

    fn labels(&self, labels: Tensor<1, Int>) -> Tensor<1, Int> {
        match labels.dims()[0] {
            1 => labels.repeat_dim(0, self.0),
            _ => labels,
        }
    }
}

/// Takes the given rows, or the only one.
struct Selected<'a>(&'a [usize]);

impl Change for Selected<'_> {
    fn floats<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        if x.dims()[0] == 1 {
            return x;
        }
        let rows = indices(self.0, &x.device());
        x.select(0, rows)
    }

    fn labels(&self, labels: Tensor<1, Int>) -> Tensor<1, Int> {
        if labels.dims()[0] == 1 {
            return labels;
        }
        let rows = indices(self.0, &labels.device());
        labels.select(0, rows)
    }
}

struct Moved<'a>(&'a Device);
impl Change for Moved<'_> {
    fn floats<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        x.to_device(self.0)
    }

    fn labels(&self, labels: Tensor<1, Int>) -> Tensor<1, Int> {
        labels.to_device(self.0)
    }
}

/// Converts everything but labels.
struct Cast(DType);

impl Change for Cast {
    fn floats<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        x.cast(self.0)
    }

    fn labels(&self, labels: Tensor<1, Int>) -> Tensor<1, Int> {
        labels
    }
}
