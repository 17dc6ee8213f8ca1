"""Writes samplers.json: where diffusers' schedulers walk with a model that sees 0.3 x + 0.1 as noise.

    pip install torch diffusers numpy && python samplers.py

Starts are sines and added noise is sines too, computed in double precision on both sides.
"""

import json
import math
import pathlib

import diffusers
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler

BETAS = dict(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)


def wave(shift, amplitude):
    return torch.tensor([amplitude * math.sin(0.9 * i + shift) for i in range(12)], dtype=torch.float64).view(1, 3, 2, 2)


def fresh(step):
    """What is drawn for the noise that step number `step` adds."""
    return wave(1.7 * step + 3.0, 1.5)


def levels(steps):
    return [i * (1000 // steps) + 1 for i in reversed(range(steps))]


def walk(name, scheduler, steps, clip, eta=0.0):
    if name in ("ddim", "ddpm"):
        scheduler.set_timesteps(steps)
    else:
        scheduler.set_timesteps(timesteps=levels(steps))
    assert [int(t) for t in scheduler.timesteps] == levels(steps), (name, scheduler.timesteps)
    x = wave(0.5, 2.0)
    alphas = scheduler.alphas_cumprod.double()
    # Euler's own variable is ours divided by the root of the signal's share.
    scale = lambda t: alphas[t].sqrt() if name == "euler" else torch.tensor(1.0, dtype=torch.float64)
    x = x / scale(int(scheduler.timesteps[0]))
    for k, t in enumerate(scheduler.timesteps):
        seen = 0.3 * (x * scale(int(t))) + 0.1
        if name == "ddim":
            x = scheduler.step(seen, t, x, eta=eta, use_clipped_model_output=clip, variance_noise=fresh(k) if eta else None).prev_sample
        elif name == "ddpm":
            x = ddpm_step(scheduler, seen, t, x, k)
        else:
            x = scheduler.step(seen, t, x).prev_sample
    return x.flatten().tolist()


def ddpm_step(scheduler, seen, t, x, k):
    """The scheduler draws its noise itself: hand it ours."""
    module = diffusers.schedulers.scheduling_ddpm
    drawn, module.randn_tensor = module.randn_tensor, lambda *_, **__: fresh(k)
    try:
        return scheduler.step(seen, int(t), x).prev_sample
    finally:
        module.randn_tensor = drawn


cases = []
for steps in (4, 10, 25):
    leading = dict(timestep_spacing="leading", steps_offset=1)
    for clip in (False, True):
        for eta in (0.0, 0.6):
            scheduler = DDIMScheduler(**BETAS, **leading, clip_sample=clip, set_alpha_to_one=False)
            cases.append({"sampler": "ddim", "steps": steps, "clip": clip, "eta": eta, "out": walk("ddim", scheduler, steps, clip, eta)})
        scheduler = DDPMScheduler(**BETAS, **leading, clip_sample=clip, variance_type="fixed_small")
        cases.append({"sampler": "ddpm", "steps": steps, "clip": clip, "eta": 0.0, "out": walk("ddpm", scheduler, steps, clip)})
    scheduler = EulerDiscreteScheduler(**BETAS, **leading)
    cases.append({"sampler": "euler", "steps": steps, "clip": False, "eta": 0.0, "out": walk("euler", scheduler, steps, False)})
    scheduler = DPMSolverMultistepScheduler(**BETAS, algorithm_type="dpmsolver++", solver_order=2, final_sigmas_type="zero")
    cases.append({"sampler": "dpm-solver++", "steps": steps, "clip": False, "eta": 0.0, "out": walk("dpm", scheduler, steps, False)})
file = pathlib.Path(__file__).with_name("samplers.json")
file.write_text(json.dumps({"diffusers": diffusers.__version__, "cases": cases}, indent=1) + "\n")
