"""Records `adapters/*`: low-rank adapters as peft and diffusers write them, and the output with them.

    python adapters.py OUT

Needs torch, diffusers, peft and safetensors. The network is the recorded `models/unet_cond`.
"""

import json
import pathlib
import sys

import diffusers
import peft
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file

out = pathlib.Path(sys.argv[1])
base = pathlib.Path(__file__).parent.parent / "data/models/unet_cond"
io = json.loads((base / "io.json").read_text())
recorded = load_file(base / "io.safetensors")
x = recorded["x"].float() if "x" in recorded else next(iter(recorded.values())).float()
targets = ["to_q", "to_k", "to_v", "to_out.0", "conv1", "proj_in", "time_emb_proj"]


def network():
    return UNet2DConditionModel.from_pretrained(base).eval()


def filled(module):
    torch.manual_seed(3)
    for name, parameter in sorted(module.named_parameters()):
        if "lora_" in name:
            parameter.data = 0.1 * torch.randn_like(parameter)


torch.manual_seed(1)
first = network()
channels = first.config.in_channels
size = first.config.sample_size
size = [size, size] if isinstance(size, int) else size
x = torch.randn(1, channels, *size)
context = torch.randn(1, 5, first.config.cross_attention_dim)
time = torch.tensor([321])
labels = {}
inputs = {"x": x, "context": context, "time": time.float()}


def output(module):
    with torch.no_grad():
        return module(x, time, encoder_hidden_states=context).sample


config = LoraConfig(r=2, lora_alpha=4, target_modules=targets, init_lora_weights=False)
with_peft = get_peft_model(network(), config)
filled(with_peft)
with_peft.save_pretrained(out / "peft")
(out / "peft/README.md").unlink(missing_ok=True)
save_file({**inputs, "base": output(first), "adapted": output(with_peft)}, out / "io.safetensors")

config = LoraConfig(r=2, lora_alpha=2, target_modules=targets, init_lora_weights=False)
with_diffusers = network()
with_diffusers.add_adapter(config)
filled(with_diffusers)
state = get_peft_model_state_dict(with_diffusers)
StableDiffusionPipeline.save_lora_weights(out / "diffusers", unet_lora_layers=state)
old = diffusers.utils.convert_state_dict_to_diffusers(state)
StableDiffusionPipeline.save_lora_weights(out / "diffusers-old", unet_lora_layers=old)
# The same factors with another alpha, which the file notes in its metadata.
config = LoraConfig(r=2, lora_alpha=4, target_modules=targets, init_lora_weights=False)
StableDiffusionPipeline.save_lora_weights(
    out / "diffusers-noted",
    unet_lora_layers=state,
    unet_lora_adapter_metadata={**config.to_dict(), "target_modules": sorted(targets)},
)
tensors = load_file(out / "io.safetensors")
save_file({**tensors, "unscaled": output(with_diffusers)}, out / "io.safetensors")
notes = {
    "peer": f"peft {peft.__version__}, diffusers {diffusers.__version__}, torch {torch.__version__}",
    "semantics": "float32; adapted: peft with lora_alpha = 2 r; unscaled: diffusers with lora_alpha = r",
}
(out / "README.json").write_text(json.dumps(notes, indent=1) + "\n")
print(sorted(state)[:4], len(state), sorted(old)[:2])
print([float(tensors[k].abs().max()) for k in ["base", "adapted"]])
