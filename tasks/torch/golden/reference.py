"""Writes reference.json: what torch 2.11.0 and diffusers 0.35 and later compute for the inputs that tests/reference.rs builds too.

    pip install torch==2.11.0 diffusers numpy && python reference.py

No weights are stored: parameter number k (in the order of names), entry i, is 0.05 * sin(0.37 * i + k), and one more where a normalization
scales. Inputs are sines as well, computed in double precision on both sides.
"""

import json
import math
import pathlib

import torch
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DConditionModel

torch.set_num_threads(1)


def wave(shape, scale, shift, amplitude=1.0):
    count = math.prod(shape)
    return torch.tensor([amplitude * math.sin(scale * i + shift) for i in range(count)], dtype=torch.float64).float().view(shape)


def fill(model):
    with torch.no_grad():
        for k, (name, parameter) in enumerate(sorted(model.named_parameters())):
            parameter.copy_(wave(parameter.shape, 0.37, k, 0.05))
            if "norm" in name and name.endswith("weight"):
                parameter.add_(1.0)


def unet(**changes):
    config = dict(
        sample_size=8, in_channels=3, out_channels=3, block_out_channels=(16, 32), layers_per_block=1, norm_num_groups=8,
        cross_attention_dim=24, use_linear_projection=True,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(1, 2), transformer_layers_per_block=(1, 2),
    )
    model = UNet2DConditionModel(**(config | changes)).eval()
    fill(model)
    with torch.no_grad():
        out = model(wave((2, 3, 8, 8), 0.11, 0.0), torch.tensor([3, 721]), wave((2, 5, 24), 0.23, 1.0)).sample
    names = sorted(name for name, _ in model.named_parameters())
    return {
        "params": sum(p.numel() for p in model.parameters()),
        "first_names": names[:3], "last_names": names[-3:], "names": len(names),
        "out": out.flatten()[::7].tolist(),
    }


def schedule():
    scheduler = DDPMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
    return {str(t): scheduler.alphas_cumprod[t].item() for t in (0, 1, 250, 500, 999)}


def ddim():
    """Four steps with a model that sees 0.3 x + 0.1 as noise."""
    walks = {}
    for clip in (False, True):
        scheduler = DDIMScheduler(
            beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, clip_sample=clip, set_alpha_to_one=False,
            steps_offset=1, timestep_spacing="leading",
        )
        scheduler.set_timesteps(4)
        x = wave((1, 3, 2, 2), 0.9, 0.5, 2.0)
        for t in scheduler.timesteps:
            x = scheduler.step(0.3 * x + 0.1, t, x, eta=0.0, use_clipped_model_output=clip).prev_sample
        walks["clipped" if clip else "plain"] = {"levels": scheduler.timesteps.tolist(), "out": x.flatten().tolist()}
    return walks


def adamw():
    """Ten steps on a sum of fourth powers, clipped at norm 1."""
    weight, bias = wave((3, 4), 0.7, 0.0).requires_grad_(), wave((4,), 0.7, 2.0).requires_grad_()
    optimizer = torch.optim.AdamW([bias, weight], lr=0.05, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
    norms = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = ((weight + bias) ** 4).sum() * 0.1
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_([weight, bias], 1.0).item())
        optimizer.step()
    return {"norms": norms, "weight": weight.flatten().tolist(), "bias": bias.flatten().tolist()}


reference = {
    "unet": unet(),
    "unet_attention_everywhere": unet(
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        transformer_layers_per_block=1, layers_per_block=2, use_linear_projection=False,
    ),
    "alphas_cumprod": schedule(),
    "ddim": ddim(),
    "adamw": adamw(),
}
pathlib.Path(__file__).with_name("reference.json").write_text(json.dumps(reference, indent=1) + "\n")
