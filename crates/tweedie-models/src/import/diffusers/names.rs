//! Parameter names of diffusers.

use crate::import::place::{Naming, Place, Target, pytorch};
use crate::import::stored::Stored;

/// The names of `UNet2DModel`, `UNet2DConditionModel` and `AutoencoderKL`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Diffusers {
    /// Whether the projections into and out of a transformer are stored as 1×1 convolutions.
    pub(crate) convolved: bool,
}

impl Naming for Diffusers {
    fn place(&self, target: &Target) -> Place {
        let name = target
            .path
            // Embeddings of level and class.
            .replace("time_embedding.fourier", "time_proj.weight")
            .replace("time_embedding.table.", "time_proj.")
            .replace("_embedding.layers.", "_embedding.")
            .replace("class_embedding.table.", "class_embedding.")
            .replace("class_embedding.linear.", "class_embedding.")
            // Downsampling and upsampling.
            .replace(".shrink.resnet_down.", ".resnet_down.")
            .replace(".shrink.skip_", ".skip_")
            .replace(".shrink.", ".downsamplers.0.")
            .replace(".grow.resnet_up.", ".resnet_up.")
            .replace(".grow.skip_", ".skip_")
            .replace(".grow.", ".upsamplers.0.")
            // Attention.
            .replace("mid_block.attentions.", "mid_block.attentions.0.")
            .replace(".attention.to_", ".to_")
            .replace(".to_out.", ".to_out.0.")
            .replace(".ff.proj.", ".ff.net.0.proj.")
            .replace(".ff.out.", ".ff.net.2.");
        let mut place = pytorch(target, &name);
        let projection = name.contains(".proj_in.") || name.contains(".proj_out.");
        if self.convolved && projection && target.linear {
            place.shape.extend([1, 1]);
        }
        place
    }
}

/// Renames tensors from their names in older versions to the current ones.
pub(crate) fn modern(stored: Stored) -> Stored {
    stored.renamed(|name| Some(modernised(name)))
}

/// Maps a parameter name of older versions to the current one.
fn modernised(name: &str) -> String {
    // Older versions store random frequencies under this name, or under both.
    if name == "time_proj.W" {
        return "time_proj.weight".to_owned();
    }
    if !name.contains("attentions.") || name.contains("transformer_blocks") {
        return name.to_owned();
    }
    name.replace(".query.", ".to_q.")
        .replace(".key.", ".to_k.")
        .replace(".value.", ".to_v.")
        .replace(".proj_attn.", ".to_out.0.")
}

/// The names of `DiTTransformer2DModel`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DiffusersDit;

impl Naming for DiffusersDit {
    fn place(&self, target: &Target) -> Place {
        let path = target.path.as_str();
        let name = if let Some(rest) = path.strip_prefix("embeddings.") {
            let (block, rest) = rest.split_once('.').unwrap_or((rest, ""));
            let rest = rest
                .replace("level.", "timestep_embedder.")
                .replace("class.", "class_embedder.embedding_table.");
            format!("transformer_blocks.{block}.norm1.emb.{rest}")
        } else if let Some(rest) = path.strip_prefix("blocks.") {
            let rest = rest
                .replace(".modulation.", ".norm1.linear.")
                .replace(".attention.to_out.", ".attn1.to_out.0.")
                .replace(".attention.", ".attn1.")
                .replace(".hidden.", ".ff.net.0.proj.")
                .replace(".back.", ".ff.net.2.");
            format!("transformer_blocks.{rest}")
        } else {
            path.replace("proj_in.", "pos_embed.proj.")
                .replace("modulation.", "proj_out_1.")
                .replace("proj_out.", "proj_out_2.")
        };
        pytorch(target, &name)
    }
}
