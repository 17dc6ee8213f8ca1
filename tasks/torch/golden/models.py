"""Writes models.json: what the public Python implementations compute for small models and inputs that tests/models.rs builds too.

    pip install torch==2.11.0 diffusers==0.42.1 && python models.py

No weights are stored. Parameter number k (in the order of our names), entry i, is a hash of (i, k), scaled so that every layer matters; inputs are hashes as
well. U-ViT has no packaged implementation: it is written out here from its paper (arXiv 2209.12152) in plain PyTorch.
"""

import json
import math
import pathlib

import diffusers
import torch
from diffusers import DiTTransformer2DModel, PixArtTransformer2DModel, UNet2DConditionModel
from diffusers.models.embeddings import PixArtAlphaTextProjection
from torch import nn

torch.set_num_threads(1)


def noise(shape, stream, scale=1.0, shift=0.0):
    """Entry i is scale times a number in [-1, 1) that depends on (i, stream), plus shift: multiplications and shifts mix 32 bits."""
    i = torch.arange(math.prod(shape), dtype=torch.int64)
    low = 0xFFFFFFFF
    x = (i * 2654435761 + (stream + 1) * 0x9E3779B9) & low
    x = x ^ (x >> 16)
    x = ((x * 0x85EB) & low) ^ (x >> 13)
    x = (x * 0x27D4EB2F) & low
    x = x ^ (x >> 15)
    return ((x.double() / 2**31 - 1) * scale + shift).float().view(shape)


def fill(parameters):
    """parameters: our name to the tensors that hold its value."""
    with torch.no_grad():
        for k, name in enumerate(sorted(parameters)):
            for parameter in parameters[name]:
                shape = tuple(parameter.shape)
                if name.endswith(("_table", "pos_embed", "positional_embedding", "embedding_table.weight")):
                    value = noise(shape, k, 0.5)
                elif len(shape) > 1:
                    value = noise(shape, k, math.sqrt(3 * shape[0] / math.prod(shape)))
                else:
                    value = noise(shape, k, 0.2, 1.0 if name.endswith("weight") else 0.0)
                parameter.copy_(value)


def named(model):
    return {name: [parameter] for name, parameter in model.named_parameters()}


def numbers(tensor):
    return [float(f"{x:.9g}") for x in tensor.flatten().tolist()]


def record(out, parameters, gradients=False):
    entry = {"names": sorted(parameters), "params": sum(p[0].numel() for p in parameters.values()), "out": numbers(out.detach())}
    if gradients:
        (out * noise(tuple(out.shape), 900)).sum().backward()
        entry["gradients"] = {}
        for k, name in enumerate(sorted(parameters)):
            gradient = parameters[name][0].grad
            along = (gradient.double() * noise(tuple(gradient.shape), 1000 + k).double()).sum()
            entry["gradients"][name] = [float(f"{along.item():.9g}"), float(f"{gradient.double().norm().item():.9g}")]
    else:
        del entry["names"]
        entry["first_names"], entry["last_names"] = sorted(parameters)[:4], sorted(parameters)[-4:]
    return entry


LEVELS = torch.tensor([3, 721])


def image(channels, size):
    return noise((2, channels, size, size), 901, 1.7)


def text(tokens, width):
    return noise((2, tokens, width), 902, 1.7)


def unet(gradients=False, added=None, size=16, context=24, **config):
    model = UNet2DConditionModel(sample_size=size, norm_num_groups=8, cross_attention_dim=context, **config).eval()
    parameters = named(model)
    fill(parameters)
    out = model(image(4, size), LEVELS, text(5, context), added_cond_kwargs=added).sample
    return record(out, parameters, gradients)


def unets():
    down, attend = "DownBlock2D", "CrossAttnDownBlock2D"
    up, attend_up = "UpBlock2D", "CrossAttnUpBlock2D"
    yield "unet_sd2", unet(
        block_out_channels=(16, 32, 64, 64), layers_per_block=2, use_linear_projection=True, attention_head_dim=(2, 4, 8, 8),
        down_block_types=(attend, attend, attend, down), up_block_types=(up, attend_up, attend_up, attend_up),
    )
    yield "unet_sd1", unet(
        block_out_channels=(16, 32), layers_per_block=1, attention_head_dim=4,
        down_block_types=(attend, down), up_block_types=(up, attend_up),
    )
    yield "unet_sdxl", unet(
        gradients=True, size=8, added={"text_embeds": noise((2, 20), 903, 1.7), "time_ids": torch.tensor([[64, 48, 0, 8, 32, 32], [32, 32, 4, 0, 32, 32]])},
        block_out_channels=(16, 32, 64), layers_per_block=1, use_linear_projection=True, attention_head_dim=(2, 4, 8),
        transformer_layers_per_block=(1, 1, 2), addition_embed_type="text_time", addition_time_embed_dim=6,
        projection_class_embeddings_input_dim=20 + 6 * 6,
        down_block_types=(down, attend, attend), up_block_types=(attend_up, attend_up, up),
    )


def if_unets():
    for name, projected in (("if_unet", None), ("if_unet_projected", 48)):
        levels = 3
        model = UNet2DConditionModel(
            sample_size=8, in_channels=4, out_channels=4 if projected is None else 8, block_out_channels=(32, 64, 96), layers_per_block=2, norm_num_groups=32,
            cross_attention_dim=64, encoder_hid_dim=projected, encoder_hid_dim_type=None if projected is None else "text_proj",
            attention_head_dim=16, addition_embed_type="text", addition_embed_type_num_heads=8, act_fn="gelu", resnet_time_scale_shift="scale_shift",
            cross_attention_norm="group_norm", mid_block_type="UNetMidBlock2DSimpleCrossAttn",
            down_block_types=("SimpleCrossAttnDownBlock2D",) * (levels - 1) + ("ResnetDownsampleBlock2D",),
            up_block_types=("ResnetUpsampleBlock2D",) + ("SimpleCrossAttnUpBlock2D",) * (levels - 1),
        ).eval()
        parameters = named(model)
        fill(parameters)
        out = model(image(4, 8), LEVELS, text(5, projected or 64)).sample
        yield name, record(out, parameters)


def pixarts():
    common = dict(num_attention_heads=4, attention_head_dim=8, num_layers=3, in_channels=4, out_channels=8, patch_size=2, use_additional_conditions=False)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    variants = (
        ("pixart", dict(sample_size=8, cross_attention_dim=32, caption_channels=24), None, True),
        ("pixart_masked", dict(sample_size=8, cross_attention_dim=32, caption_channels=24), mask, False),
        ("pixart_no_caption", dict(sample_size=128, cross_attention_dim=24, caption_channels=None), None, False),
    )
    for name, config, mask, gradients in variants:
        model = PixArtTransformer2DModel(**common, **config).eval()
        parameters = named(model)
        fill(parameters)
        out = model(
            image(4, 8), text(5, 24), LEVELS, added_cond_kwargs={"resolution": None, "aspect_ratio": None}, encoder_attention_mask=mask
        ).sample
        yield name, record(out, parameters, gradients)


class Caption(nn.Module):
    """Stands where DiT looks up a class."""

    def __init__(self, projection, pooled):
        super().__init__()
        self.projection = [projection]  # a list, so that it is not a parameter of every block
        self.pooled = pooled

    def forward(self, _):
        return self.projection[0](self.pooled)


def dits():
    def model(size=8):
        return DiTTransformer2DModel(
            num_attention_heads=4, attention_head_dim=8, num_layers=3, in_channels=4, out_channels=8, patch_size=2, sample_size=size, num_embeds_ada_norm=10
        ).eval()

    classes = torch.tensor([7, 10])

    released = model(16)
    parameters = named(released)
    fill(parameters)
    yield "dit_released", record(released(image(4, 8), LEVELS, classes).sample, parameters)

    # The paper's: one embedding, its copies in the other blocks tied to it, with the frequencies of the authors' code.
    def tie(shared):
        parameters = {}
        for name, parameter in shared.named_parameters():
            block, _, rest = name.partition(".norm1.emb.")
            parameters.setdefault(f"transformer_blocks.0.norm1.emb.{rest}" if rest else name, []).append(parameter)
        for block in shared.transformer_blocks:
            block.norm1.emb.time_proj.downscale_freq_shift = 0
        return parameters

    shared = model()
    parameters = tie(shared)
    fill(parameters)
    yield "dit", record(shared(image(4, 8), LEVELS, classes).sample, parameters)

    told = model()
    projection = PixArtAlphaTextProjection(in_features=24, hidden_size=32)
    for block in told.transformer_blocks:
        block.norm1.emb.class_embedder = Caption(projection, text(5, 24).mean(1))
    parameters = tie(told) | {f"caption_projection.{name}": [parameter] for name, parameter in projection.named_parameters()}
    fill(parameters)
    yield "dit_text", record(told(image(4, 8), LEVELS, classes).sample, parameters)


class UvitAttention(nn.Module):
    def __init__(self, width, heads, bias):
        super().__init__()
        self.qkv, self.proj, self.heads = nn.Linear(width, 3 * width, bias=bias), nn.Linear(width, width), heads

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = (t.view(batch, length, self.heads, -1).transpose(1, 2) for t in self.qkv(x).split(width, dim=-1))
        weights = (q @ k.transpose(-1, -2) / math.sqrt(width // self.heads)).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(batch, length, width))


class UvitMlp(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        return self.fc2(nn.functional.gelu(self.fc1(x)))


class UvitBlock(nn.Module):
    def __init__(self, width, heads, bias, skip):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width), UvitAttention(width, heads, bias)
        self.norm2, self.mlp = nn.LayerNorm(width), UvitMlp(width)
        self.skip_linear = nn.Linear(2 * width, width) if skip else None

    def forward(self, x, skip=None):
        if self.skip_linear is not None:
            x = self.skip_linear(torch.cat([x, skip], dim=-1))
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    def __init__(self, channels, width, patch):
        super().__init__()
        self.proj = nn.Conv2d(channels, width, patch, stride=patch)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class Uvit(nn.Module):
    """Figure 1 of the paper: all inputs are tokens, and branches of the first half are joined to the second by concatenation and a linear layer."""

    def __init__(self, size, channels, patch, width, depth, heads, context, tokens, bias, time_layers, final):
        super().__init__()
        self.width, self.patch, self.channels, self.size = width, patch, channels, size
        self.patch_embed = PatchEmbed(channels, width, patch)
        self.time_embed = nn.Sequential(nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width)) if time_layers else nn.Identity()
        self.context_embed = nn.Linear(context, width)
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + tokens + (size // patch) ** 2, width))
        block = lambda skip: UvitBlock(width, heads, bias, skip)
        self.in_blocks = nn.ModuleList(block(False) for _ in range(depth // 2))
        self.mid_block = block(False)
        self.out_blocks = nn.ModuleList(block(True) for _ in range(depth // 2))
        self.norm = nn.LayerNorm(width)
        self.decoder_pred = nn.Linear(width, patch * patch * channels)
        self.final_layer = nn.Conv2d(channels, channels, 3, padding=1) if final else nn.Identity()

    def forward(self, x, level, context):
        half = self.width // 2
        angles = level[:, None].float() * torch.exp(-math.log(10000) * torch.arange(half) / half)[None]
        time = self.time_embed(torch.cat([angles.cos(), angles.sin()], dim=-1))
        h = torch.cat([time[:, None], self.context_embed(context), self.patch_embed(x)], dim=1) + self.pos_embed
        kept = []
        for block in self.in_blocks:
            h = block(h)
            kept.append(h)
        h = self.mid_block(h)
        for block in self.out_blocks:
            h = block(h, kept.pop())
        h = self.decoder_pred(self.norm(h))[:, 1 + context.shape[1] :]
        side, p = self.size // self.patch, self.patch
        squares = h.view(-1, side, side, p, p, self.channels)
        return self.final_layer(torch.einsum("bhwpqc->bchpwq", squares).reshape(-1, self.channels, side * p, side * p))


def uvits():
    for name, bias, time_layers, final in (("uvit", False, False, True), ("uvit_otherwise", True, True, False)):
        model = Uvit(8, 4, 2, 32, 4, 4, 24, 5, bias, time_layers, final).eval()
        parameters = named(model)
        fill(parameters)
        yield name, record(model(image(4, 8), LEVELS, text(5, 24)), parameters)


def totals():
    """Parameters of what the packages build at full size, on the meta device."""
    down, attend, up, attend_up = "DownBlock2D", "CrossAttnDownBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"
    sdxl = dict(
        block_out_channels=(320, 640, 1280), attention_head_dim=(5, 10, 20), transformer_layers_per_block=(1, 2, 10), use_linear_projection=True,
        down_block_types=(down, attend, attend), up_block_types=(attend_up, attend_up, up),
    )

    def if_xl(c, **changes):
        simple, plain = "SimpleCrossAttn{}Block2D", {"Down": "ResnetDownsampleBlock2D", "Up": "ResnetUpsampleBlock2D"}
        attention = changes.pop("attention")
        kind = lambda way, there: simple.format(way) if there else plain[way]
        return UNet2DConditionModel(
            block_out_channels=(c, 2 * c, 3 * c, 4 * c), layers_per_block=3, attention_head_dim=64, addition_embed_type="text", addition_embed_type_num_heads=64,
            act_fn="gelu", resnet_time_scale_shift="scale_shift", cross_attention_norm="group_norm", mid_block_type="UNetMidBlock2DSimpleCrossAttn",
            down_block_types=tuple(kind("Down", there) for there in attention), up_block_types=tuple(kind("Up", there) for there in reversed(attention)),
            **changes,
        )

    pixart = lambda **c: PixArtTransformer2DModel(num_attention_heads=16, in_channels=4, out_channels=8, sample_size=32, **c)
    dit = lambda heads, head, layers: DiTTransformer2DModel(num_attention_heads=heads, attention_head_dim=head, num_layers=layers, out_channels=8)
    builders = {
        "sd1.5": lambda: UNet2DConditionModel(attention_head_dim=8, cross_attention_dim=768),
        "sd2.1": lambda: UNet2DConditionModel(attention_head_dim=(5, 10, 20, 20), cross_attention_dim=1024, use_linear_projection=True),
        "sdxl-c320": lambda: UNet2DConditionModel(cross_attention_dim=1024, **sdxl),
        "sdxl-base": lambda: UNet2DConditionModel(
            cross_attention_dim=2048, addition_embed_type="text_time", addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816, **sdxl
        ),
        "if-xl-c512": lambda: if_xl(512, attention=(True, True, True, False), cross_attention_dim=1024),
        "if-xl-c704": lambda: if_xl(704, attention=(True, True, True, False), cross_attention_dim=1024),
        "if-i-xl": lambda: if_xl(
            704, attention=(False, True, True, True), in_channels=3, out_channels=6, cross_attention_dim=2816, encoder_hid_dim=4096, encoder_hid_dim_type="text_proj"
        ),
        "pixart-alpha-xl2": lambda: pixart(attention_head_dim=72, num_layers=28, cross_attention_dim=1152, caption_channels=4096),
        "pixart-h1536-d28": lambda: pixart(attention_head_dim=96, num_layers=28, cross_attention_dim=1536, caption_channels=1024),
        "pixart-h1024-d56": lambda: pixart(attention_head_dim=64, num_layers=56, cross_attention_dim=1024, caption_channels=None),
        "dit-xl2-released": lambda: dit(16, 72, 28),
    }
    with torch.device("meta"):
        return {name: sum(p.numel() for p in build().parameters()) for name, build in builders.items()}


if __name__ == "__main__":
    golden = {"versions": {"torch": torch.__version__.split("+")[0], "diffusers": diffusers.__version__}, "totals": totals()}
    for group in (unets, if_unets, pixarts, dits, uvits):
        golden.update(group())
    lines = ",\n".join(f'"{name}": {json.dumps(entry)}' for name, entry in golden.items())
    pathlib.Path(__file__).with_name("models.json").write_text("{\n" + lines + "\n}\n")
