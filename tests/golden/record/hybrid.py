"""Records `misc/hybrid`: L_hybrid of OpenAI's improved-diffusion, with its gradient.

    python hybrid.py PATH_OF_IMPROVED_DIFFUSION OUT

The network's output is random and recorded, so that no weights are needed. Needs torch, numpy and
safetensors, and a checkout of github.com/openai/improved-diffusion (MIT).
"""

import json
import sys

import torch
from safetensors.torch import save_file

sys.path.insert(0, sys.argv[1])
from improved_diffusion import gaussian_diffusion  # noqa: E402
from improved_diffusion.gaussian_diffusion import (  # noqa: E402
    GaussianDiffusion,
    LossType,
    ModelMeanType,
    ModelVarType,
    get_named_beta_schedule,
)



def extract(array, steps, shape):
    """The peer's, without its rounding of the coefficients to float32."""
    found = torch.from_numpy(array)[steps]
    return found.reshape(-1, *[1] * (len(shape) - 1)).expand(shape)


gaussian_diffusion._extract_into_tensor = extract
cases, tensors = [], {}
torch.manual_seed(0)
for schedule in ["linear", "cosine"]:
    for steps in [1000, 100]:
        diffusion = GaussianDiffusion(
            betas=get_named_beta_schedule(schedule, steps),
            model_mean_type=ModelMeanType.EPSILON,
            model_var_type=ModelVarType.LEARNED_RANGE,
            loss_type=LossType.RESCALED_MSE,
            rescale_timesteps=False,
        )
        t = torch.tensor([1, 2, steps // 3, steps - 2])
        clean = (2 * torch.rand(4, 2, 3, 5, dtype=torch.float64) - 1)
        noise = torch.randn(4, 2, 3, 5, dtype=torch.float64)
        output = torch.cat([noise + 0.3 * torch.randn_like(noise), torch.randn_like(noise)], dim=1)
        output.requires_grad_(True)
        terms = diffusion.training_losses(lambda x, t: output, clean, t, noise=noise)
        (gradient,) = torch.autograd.grad(terms["loss"].sum(), output)
        name = f"{schedule}-{steps}"
        cases.append({
            "id": name,
            "kind": "hybrid",
            "schedule": schedule,
            "steps": steps,
            "nodes": t.tolist(),
            "weight": 1e-3,
        })
        found = {
            "clean": clean,
            "noise": noise,
            "output": output.detach(),
            "loss": terms["loss"].detach(),
            "bound": terms["vb"].detach(),
            "gradient": gradient,
        }
        tensors |= {f"{name}/{key}": value.double().contiguous() for key, value in found.items()}
sidecar = {
    "peer": f"improved-diffusion (training_losses, RESCALED_MSE, LEARNED_RANGE), torch {torch.__version__}",
    "semantics": "float64. loss = mse + vb, per sample; gradient of the sum of the losses with respect to the output",
    "cases": cases,
}
with open(f"{sys.argv[2]}/hybrid.json", "w") as file:
    json.dump(sidecar, file, indent=1)
    file.write("\n")
save_file(tensors, f"{sys.argv[2]}/hybrid.safetensors")
