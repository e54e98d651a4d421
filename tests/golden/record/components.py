"""Records `misc/components`: scikit-learn's PCA of random images, with more and fewer images than
pixels.

    python components.py OUT

Needs scikit-learn, torch and safetensors.
"""

import json
import sys

import sklearn
import torch
from safetensors.torch import save_file
from sklearn.decomposition import PCA

cases, tensors = [], {}
torch.manual_seed(0)
for count, components in [(60, 8), (60, 25), (12, 11)]:
    x = torch.randn(count, 1, 5, 5, dtype=torch.float64)
    x = 0.3 + x + 0.8 * x.roll(1, 3) + 0.6 * x.roll(1, 2)
    flat = x.reshape(count, -1).numpy()
    pca = PCA(n_components=components, svd_solver="full").fit(flat)
    name = f"{count}-{components}"
    cases.append({"id": name, "kind": "components", "components": components})
    axes = torch.from_numpy(pca.components_)
    tensors |= {
        f"{name}/samples": x,
        f"{name}/mean": torch.from_numpy(pca.mean_),
        f"{name}/variances": torch.from_numpy(pca.explained_variance_),
        # The sign of an axis is arbitrary, the projections on them are not.
        f"{name}/projection": axes.T @ axes,
    }
    if count > 25 > components:
        tensors[f"{name}/covariance"] = torch.from_numpy(pca.get_covariance())
        tensors[f"{name}/log_density"] = torch.from_numpy(pca.score_samples(flat[:7]))
meta = {"source": f"scikit-learn {sklearn.__version__}", "seed": 0}
tensors = {name: value.contiguous() for name, value in tensors.items()}
save_file(tensors, f"{sys.argv[1]}/components.safetensors")
with open(f"{sys.argv[1]}/components.json", "w") as file:
    json.dump({"meta": meta, "cases": cases}, file, indent=1)
    file.write("\n")
