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
from diffusers.training_utils import EMAModel, compute_snr

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


def schedules():
    levels = (0, 1, 250, 500, 998, 999)
    kinds = {
        "linear": dict(beta_schedule="linear"), "cosine": dict(beta_schedule="squaredcos_cap_v2"),
        "scaled_linear_rescaled": dict(beta_schedule="scaled_linear", rescale_betas_zero_snr=True),
        "linear_rescaled": dict(beta_schedule="linear", rescale_betas_zero_snr=True),
    }
    made = {name: DDPMScheduler(beta_start=0.00085, beta_end=0.012, **config) for name, config in kinds.items()}
    return {name: {str(t): one.alphas_cumprod[t].item() for t in levels} for name, one in made.items()}


def predictions():
    """The velocity, and four steps from the last level with a model that puts out 0.3 x + 0.1."""
    scheduler = DDPMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
    image, noise = wave((2, 3, 2, 2), 0.9, 0.5), wave((2, 3, 2, 2), 0.7, 0.1, 1.5)
    found = {"velocity": scheduler.get_velocity(image, noise, torch.tensor([3, 700])).flatten().tolist()}
    for prediction in ("v_prediction", "sample"):
        scheduler = DDIMScheduler(
            beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, clip_sample=False, set_alpha_to_one=False,
            timestep_spacing="trailing", rescale_betas_zero_snr=True, prediction_type=prediction,
        )
        scheduler.set_timesteps(4)
        x = wave((1, 3, 2, 2), 0.9, 0.5, 2.0)
        for t in scheduler.timesteps:
            x = scheduler.step(0.3 * x + 0.1, t, x, eta=0.0).prev_sample
        found[prediction] = {"levels": scheduler.timesteps.tolist(), "out": x.flatten().tolist()}
    return found


def min_snr():
    """As in diffusers' train_text_to_image.py, gamma 5."""
    scheduler = DDPMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
    levels = torch.tensor([0, 100, 400, 999])
    snr = compute_snr(scheduler, levels)
    held = torch.minimum(snr, torch.tensor(5.0))
    weights = {"epsilon": held / snr, "velocity": held / (snr + 1)}
    return {name: {str(t.item()): w.item() for t, w in zip(levels, value)} for name, value in weights.items()}


def ema():
    parameter = torch.nn.Parameter(torch.zeros(1))
    average = EMAModel([parameter], decay=0.8)
    seen = []
    for step in range(1, 41):
        with torch.no_grad():
            parameter.fill_(math.sin(step))
        average.step([parameter])
        seen.append(average.shadow_params[0].item())
    return seen


reference = {
    "unet": unet(),
    "unet_attention_everywhere": unet(
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        transformer_layers_per_block=1, layers_per_block=2, use_linear_projection=False,
    ),
    "alphas_cumprod": schedule(),
    "ddim": ddim(),
    "adamw": adamw(),
    "schedules": schedules(),
    "predictions": predictions(),
    "min_snr": min_snr(),
    "ema": ema(),
}
pathlib.Path(__file__).with_name("reference.json").write_text(json.dumps(reference, indent=1) + "\n")
