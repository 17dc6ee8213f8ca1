"""The other side of `make bench`'s `train`: what tasks/torch/examples/step.rs does, by PyTorch and diffusers at their best: eager, fused AdamW, foreach
clipping and averaging.

    step.py MODEL SIZE BATCH fp32|bf16 THREADS FILE|cuda [eager|regional|compiled|recorded]

Builds the model with the weights and inputs of FILE, makes two steps and says {"params": ..., "loss": ...}. Then each line of a number is so many steps,
answered by the last loss. With `cuda` for FILE, weights and inputs are its own, and the most memory so far stands behind each loss. `regional` compiles
the block that is repeated, as diffusers advises, `compiled` the whole model, `recorded` that in the mode which starts what it compiled as CUDA graphs.
"""

import contextlib
import json
import signal
import sys

import torch
from diffusers import PixArtTransformer2DModel, UNet2DConditionModel
from diffusers.models.attention import BasicTransformerBlock
from safetensors.torch import load_file

name, size, batch, precision, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], int(sys.argv[5])
device = "cuda" if sys.argv[6] == "cuda" else "cpu"
given = load_file(sys.argv[6]) if device == "cpu" else {}
torch.set_num_threads(threads)
torch.set_num_interop_threads(1)
WIDTH, TOKENS = (256, 32) if name in ("unet", "transformer") else (1024, 77)
torch.set_default_device(device)


def sdxl(outer, inner):
    return UNet2DConditionModel(
        sample_size=size, block_out_channels=(320, 640, 1280), down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), transformer_layers_per_block=(1, outer, inner),
        attention_head_dim=(5, 10, 20), use_linear_projection=True, cross_attention_dim=WIDTH,
    )


LARGE = {
    "sd2.1": lambda: UNet2DConditionModel(sample_size=size, attention_head_dim=(5, 10, 20, 20), cross_attention_dim=WIDTH, use_linear_projection=True),
    "sdxl-td4_4": lambda: sdxl(4, 4),
    "sdxl-c320": lambda: sdxl(2, 10),
    "pixart-h1152-d28": lambda: PixArtTransformer2DModel(
        num_attention_heads=16, attention_head_dim=72, in_channels=4, out_channels=8, num_layers=28, cross_attention_dim=1152, sample_size=size, patch_size=2,
        caption_channels=WIDTH, use_additional_conditions=False,
    ),
}

if name in LARGE:
    model = LARGE[name]()
elif name == "unet":
    model = UNet2DConditionModel(
        sample_size=size, in_channels=4, out_channels=4, block_out_channels=(96, 192), layers_per_block=2, norm_num_groups=32,
        cross_attention_dim=WIDTH, attention_head_dim=(3, 6), use_linear_projection=True, transformer_layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    )
else:
    model = PixArtTransformer2DModel(
        num_attention_heads=8, attention_head_dim=32, in_channels=4, out_channels=4, num_layers=9, cross_attention_dim=WIDTH,
        sample_size=size, patch_size=2, caption_channels=WIDTH, use_additional_conditions=False,
    )
if device == "cpu":
    noisy, noise, text, level = (given.pop("inputs." + name) for name in ("noisy", "noise", "text", "level"))
    model.load_state_dict(given)
else:
    noisy, noise = torch.randn(batch, 4, size, size), torch.randn(batch, 4, size, size)
    text, level = torch.randn(batch, TOKENS, WIDTH), torch.arange(batch) * (999 // batch)
parameters = list(model.parameters())
average = [parameter.detach().clone() for parameter in parameters]
optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.01, fused=True)

PATIENCE = 300  # seconds for the first steps of what is compiled, at the end of which this process is ended
way = sys.argv[7] if len(sys.argv) > 7 else "eager"
run = model
if way == "regional":
    for block in model.modules():
        if isinstance(block, BasicTransformerBlock):
            block.compile()
elif way != "eager":
    run = torch.compile(model, mode={"compiled": None, "recorded": "reduce-overhead"}[way])
half = torch.autocast(device, torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()
told = {"added_cond_kwargs": {"resolution": None, "aspect_ratio": None}} if isinstance(model, PixArtTransformer2DModel) else {}


def step():
    if way == "recorded":
        torch.compiler.cudagraph_mark_step_begin()
    with half:
        out = run(noisy, encoder_hidden_states=text, timestep=level, **told).sample
        out = out if out.shape[1] == 4 else out[:, :4]  # a variance behind it is not trained
    loss = torch.nn.functional.mse_loss(out.float(), noise)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0, foreach=True)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    with torch.no_grad():
        torch._foreach_lerp_(average, parameters, 0.001)
    return loss


if way != "eager":
    signal.alarm(PATIENCE)
first = step().item()
step()
signal.alarm(0)
print(json.dumps({"params": sum(p.numel() for p in parameters), "loss": first}), flush=True)
for line in sys.stdin:
    for _ in range(int(line)):
        loss = step().item()
    print(loss, *([torch.cuda.max_memory_allocated()] if device == "cuda" else []), flush=True)
