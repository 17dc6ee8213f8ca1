"""Writes companions/: what diffusers, transformers, pytorch-fid and torch-fidelity compute for the networks that tests/companions.rs builds too.

    pip install torch==2.11.0 torchvision diffusers transformers tokenizers pytorch-fid torch-fidelity && python companions.py

No weights are stored beside the outputs: both sides compute them from a parameter's name by whole-number arithmetic. The exceptions are
companions/checkpoints, tiny ones in the very format that diffusers and transformers save, and companions/tokenizers.
"""

import json
import math
import pathlib
import shutil
import tempfile

import numpy as np
import pytorch_fid.inception
import torch
import torchvision
import transformers
from diffusers import AutoencoderKL, PixArtTransformer2DModel, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from transformers import (
    CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPVisionConfig, CLIPVisionModelWithProjection, T5Config, T5EncoderModel,
)

torch.set_num_threads(1)
HERE = pathlib.Path(__file__).with_name("companions")


def noise(name, count):
    """Numbers in [-1, 1) that depend on a name and a place: FNV-1a of the name, then a finalizer of 32 bits."""
    key = 2166136261
    for byte in name.encode():
        key = (key ^ byte) * 16777619 % 2**32
    x = (np.arange(count, dtype=np.uint64) * 2654435761 + key) % 2**32
    for shift, factor in ((16, 2246822507), (13, 3266489909)):
        x = (x ^ (x >> shift)) * factor % 2**32
    x = x ^ (x >> 16)
    return x.astype(np.float64) / 2**31 - 1.0


def tensor(name, shape, amplitude=1.0):
    return torch.from_numpy(amplitude * noise(name, math.prod(shape))).float().view(shape)


def value(name, shape, gain):
    if len(shape) > 1:
        return tensor(name, shape, math.sqrt(gain / math.prod(shape[1:])))
    if name.endswith("running_var"):
        return 1.0 + tensor(name, shape, 0.5)
    scales = name.endswith("weight") and any(word in name for word in ("norm", "layrnorm", ".bn."))
    return tensor(name, shape, 0.2) + (1.0 if scales else 0.0)


def fill(model, gain=3.0, prefix=""):
    state = {name: value(prefix + name, tuple(t.shape), gain) for name, t in model.state_dict().items() if t.is_floating_point()}
    model.load_state_dict(state, strict=False)
    return model.eval()


def sampled(t):
    """Some fifty numbers spread over all, and their mean magnitude over all."""
    flat = t.detach().flatten().double()
    return {"shape": list(t.shape), "every": (step := max(1, len(flat) // 50)), "some": [float(np.float32(x)) for x in flat[::step]], "magnitude": flat.abs().mean().item()}


def outputs(**tensors):
    return {name: sampled(t) for name, t in tensors.items() if t is not None}


# Networks.


def autoencoder(channels, layers, **more):
    return AutoencoderKL(
        block_out_channels=channels, layers_per_block=layers, down_block_types=["DownEncoderBlock2D"] * len(channels),
        up_block_types=["UpDecoderBlock2D"] * len(channels), latent_channels=4, **more,
    )


def vae(channels, layers, groups):
    model = fill(autoencoder(channels, layers, norm_num_groups=groups))
    side = 4 << (len(channels) - 1)
    sample, latent = tensor("sample", (2, 3, side, side)), tensor("latent", (1, 4, 3, 5))
    with torch.no_grad():
        posterior = model.encode(sample).latent_dist
        return outputs(
            mean=posterior.mean, logvar=posterior.logvar, sample=model.decode(posterior.mode()).sample, decoded=model.decode(latent).sample,
            divergence=posterior.kl(),
        )


def clip_text_config(tower, vocabulary, tokens, end, projection=16):
    width, layers, heads, mlp, act = tower
    return CLIPTextConfig(
        hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=mlp, hidden_act=act, vocab_size=vocabulary,
        max_position_embeddings=tokens, projection_dim=projection, bos_token_id=vocabulary - 2, eos_token_id=end, pad_token_id=0,
    )


IDS = [[48, 3, 17, 9, 49, 0, 0], [48, 21, 30, 2, 11, 5, 49]]


def clip_text(act, projected):
    config = clip_text_config((32, 3, 4, 80, act), 50, 9, 49)
    model = fill(CLIPTextModelWithProjection(config))
    with torch.no_grad():
        out = model(torch.tensor(IDS), output_hidden_states=True)
        inner = model.text_model
        pooled = inner(torch.tensor(IDS)).pooler_output
        return outputs(
            last_hidden_state=out.last_hidden_state, penultimate_hidden_state=out.hidden_states[-2],
            penultimate_hidden_state_normed=inner.final_layer_norm(out.hidden_states[-2]), pooler_output=pooled,
            text_embeds=out.text_embeds if projected else None,
        )


def clip_image():
    config = CLIPVisionConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=80, hidden_act="quick_gelu", image_size=30, patch_size=7,
        projection_dim=16,
    )
    model = fill(CLIPVisionModelWithProjection(config))
    with torch.no_grad():
        out = model(tensor("pixel_values", (2, 3, 30, 30)))
        pooled = model.vision_model(tensor("pixel_values", (2, 3, 30, 30))).pooler_output
    return outputs(last_hidden_state=out.last_hidden_state, pooler_output=pooled, image_embeds=out.image_embeds)


def t5_config(width, layers, heads, head_dim, mlp, vocabulary, buckets=32, distance=128):
    return T5Config(
        vocab_size=vocabulary, d_model=width, d_kv=head_dim, d_ff=mlp, num_layers=layers, num_heads=heads, feed_forward_proj="gated-gelu",
        relative_attention_num_buckets=buckets, relative_attention_max_distance=distance, is_encoder_decoder=False, use_cache=False,
    )


def t5(masked):
    model = fill(T5EncoderModel(t5_config(32, 3, 4, 12, 80, 50, 8, 20)))
    with torch.no_grad():  # tied: the later name would win
        model.shared.weight.copy_(value("shared.weight", (50, 32), 3.0))
    length = 40
    ids = torch.from_numpy((noise("input_ids", 2 * length) * 25 + 25).astype(np.int64)).view(2, length)
    mask = torch.ones_like(ids)
    mask[0, 23:] = 0
    with torch.no_grad():
        out = model(ids, attention_mask=mask if masked else None).last_hidden_state
    return outputs(last_hidden_state=out)


def pictures():
    return torch.from_numpy(((noise("pictures", 2 * 3 * 40 * 56) + 1.0) * 128).astype(np.uint8)).view(2, 3, 40, 56)


def inception_by_pytorch_fid():
    pytorch_fid.inception.load_state_dict_from_url = lambda *_, **__: {}
    load, torchvision.models.Inception3.load_state_dict = torchvision.models.Inception3.load_state_dict, lambda *_, **__: None
    model = pytorch_fid.inception.fid_inception_v3()
    torchvision.models.Inception3.load_state_dict = load
    fill(model, 6.0)
    pytorch_fid.inception.fid_inception_v3 = lambda: model
    whole = pytorch_fid.inception.InceptionV3([3]).eval()
    with torch.no_grad():
        return model, outputs(features=whole(pictures().float() / 255)[0].flatten(1))


def inception_by_torch_fidelity(model):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "weights.pth"
        torch.save(model.state_dict(), path)
        whole = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(path))
        with torch.no_grad():
            return outputs(features=whole(pictures())[0])


# Counts of whole models, from their shapes alone.


def counted(build, run):
    with torch.device("meta"):
        model = build().eval()
    macs = 0

    def linear(layer, inputs, out):
        nonlocal macs
        macs += inputs[0].numel() * layer.out_features

    def conv(layer, inputs, out):
        nonlocal macs
        macs += out.numel() * layer.in_channels * math.prod(layer.kernel_size)

    for layer in model.modules():
        if isinstance(layer, torch.nn.Linear):
            layer.register_forward_hook(linear)
        elif isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(conv)
    with torch.no_grad(), torch.device("meta"):
        run(model)
    return {"params": sum(p.numel() for p in model.parameters()), "macs": macs}


def counts():
    ids = lambda tokens: torch.zeros((1, tokens), dtype=torch.long)
    found = {}
    for name in ("vae-sd", "vae-sdxl"):
        run = lambda model: model(torch.zeros(1, 3, 256, 256))
        found[name] = counted(lambda: autoencoder([128, 256, 512, 512], 2), run)
    texts = {"clip-l": (768, 12, 12, 3072, "quick_gelu"), "clip-h-sd2": (1024, 23, 16, 4096, "gelu"), "clip-bigg": (1280, 32, 20, 5120, "gelu")}
    for name, tower in texts.items():
        kind = CLIPTextModelWithProjection if name == "clip-bigg" else CLIPTextModel
        config = clip_text_config(tower, 49408, 77, 49407, 1280)
        found[name] = counted(lambda: kind(config), lambda model: model(ids(77)))
    images = {
        "clip-image-l": (1024, 24, 16, 4096, "quick_gelu", 768), "clip-image-h": (1280, 32, 16, 5120, "gelu", 1024),
        "clip-image-bigg": (1664, 48, 16, 8192, "gelu", 1280),
    }
    for name, (width, layers, heads, mlp, act, projection) in images.items():
        config = CLIPVisionConfig(
            hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=mlp, hidden_act=act, image_size=224,
            patch_size=14, projection_dim=projection,
        )
        found[name] = counted(lambda: CLIPVisionModelWithProjection(config), lambda model: model(torch.zeros(1, 3, 224, 224)))
    sizes = {
        "t5-small": (512, 8, 6, 1024), "t5-base": (768, 12, 12, 2048), "t5-large": (1024, 24, 16, 2816), "t5-xl": (2048, 24, 32, 5120),
        "t5-xxl": (4096, 24, 64, 10240),
    }
    for name, (width, layers, heads, mlp) in sizes.items():
        config = t5_config(width, layers, heads, 64, mlp, 32128)
        found[name] = counted(lambda: T5EncoderModel(config), lambda model: model(ids(120)))

    def inception():
        whole = pytorch_fid.inception.InceptionV3([3], resize_input=False).blocks
        return whole.to("meta")

    run = lambda blocks: torch.nn.Sequential(*blocks)(torch.zeros(1, 3, 299, 299))
    found["inception-fid"] = counted(inception, run)
    return found


# Checkpoints as other programs save them.


def checkpoints():
    torch.manual_seed(5)
    folder = HERE / "checkpoints"
    shutil.rmtree(folder, ignore_errors=True)
    found = {}

    # An autoencoder in half precision, and the same under the names of 2022.
    model = autoencoder([4, 8], 1, norm_num_groups=2).half()
    model.save_pretrained(folder / "vae")
    state = load_file(folder / "vae" / "diffusion_pytorch_model.safetensors")
    old = {}
    for name, t in state.items():
        for new, before in ((".to_q.", ".query."), (".to_k.", ".key."), (".to_v.", ".value."), (".to_out.0.", ".proj_attn.")):
            name = name.replace(new, before)
        old[name] = t
    (folder / "vae-2022").mkdir()
    save_file(old, folder / "vae-2022" / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    model = AutoencoderKL.from_pretrained(folder / "vae").float().eval()
    with torch.no_grad():
        found["vae"] = outputs(sample=model(tensor("sample", (1, 3, 8, 8))).sample)

    # A text tower as transformers saves it, and the same inside a file of both towers with the buffers that old versions kept.
    model = CLIPTextModel(clip_text_config((16, 2, 2, 32, "quick_gelu"), 50, 9, 49)).eval()
    model.save_pretrained(folder / "clip")
    with torch.no_grad():
        found["clip"] = outputs(last_hidden_state=model(torch.tensor(IDS)).last_hidden_state)
    state = load_file(folder / "clip" / "model.safetensors")
    whole = {name if name.startswith("text_model.") else f"text_model.{name}": t for name, t in state.items()}
    whole |= {
        "text_model.embeddings.position_ids": torch.arange(9).unsqueeze(0), "vision_model.embeddings.position_ids": torch.arange(5).unsqueeze(0),
        "vision_model.post_layernorm.weight": torch.ones(16), "visual_projection.weight": torch.ones(4, 16), "text_projection.weight": torch.ones(4, 16),
        "logit_scale": torch.tensor(2.6592),
    }
    (folder / "clip-whole").mkdir()
    save_file(whole, folder / "clip-whole" / "model.safetensors", {"format": "pt"})

    # T5 in bfloat16, in several files with an index; and one with its tied table under both names.
    model = T5EncoderModel(t5_config(16, 2, 2, 8, 32, 50)).to(torch.bfloat16)
    model.save_pretrained(folder / "t5", max_shard_size="4KB")
    state = model.state_dict()
    (folder / "t5-tied").mkdir()
    save_file({name: t.clone() for name, t in state.items()}, folder / "t5-tied" / "model.safetensors", {"format": "pt"})
    model = T5EncoderModel.from_pretrained(folder / "t5", dtype=torch.float32).eval()
    with torch.no_grad():
        found["t5"] = outputs(last_hidden_state=model(torch.tensor(IDS)).last_hidden_state)

    # Denoisers in half precision.
    sample, level, text = tensor("sample", (2, 4, 8, 8)), torch.tensor([3, 721]), tensor("text", (2, 5, 6))
    model = UNet2DConditionModel(
        sample_size=8, block_out_channels=(4, 8), layers_per_block=1, norm_num_groups=2, cross_attention_dim=6, use_linear_projection=True,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), attention_head_dim=(1, 2),
    )
    model.half().save_pretrained(folder / "unet")
    model = UNet2DConditionModel.from_pretrained(folder / "unet").float().eval()
    with torch.no_grad():
        found["unet"] = outputs(sample=model(sample, level, text).sample)
    model = PixArtTransformer2DModel(
        num_attention_heads=2, attention_head_dim=8, in_channels=4, out_channels=8, num_layers=2, cross_attention_dim=16, sample_size=8,
        caption_channels=6,
    )
    model.half().save_pretrained(folder / "pixart")
    model = PixArtTransformer2DModel.from_pretrained(folder / "pixart").float().eval()
    with torch.no_grad():
        conditions = {"resolution": None, "aspect_ratio": None}
        found["pixart"] = outputs(sample=model(sample, encoder_hidden_states=text, timestep=level, added_cond_kwargs=conditions).sample)
    for readme in folder.rglob("README.md"):
        readme.unlink()
    return found


# Tokenizers.

TEXTS = [
    "a red cube left of two blue spheres", "", "A Photo of  an ASTRONAUT riding a horse, 4k!", "it's café 50% off",
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen",
]
CORPUS = [
    "a red cube left of two blue spheres", "a photo of an astronaut riding a horse on the moon", "one two three four five six seven eight nine ten",
    "eleven twelve thirteen fourteen fifteen, it's fifty percent off", "the quick brown fox jumps over the lazy dog", "caf\u00e9 4k 50%",
] * 4


def kept(name):
    """The model of a tokenizer that is there already: training breaks ties as it likes, and would give another one each time."""
    path = HERE / "tokenizers" / name
    return json.loads(path.read_text())["model"] if path.exists() else None


def tokenizer_of_clip():
    if model := kept("clip.json"):
        return transformers.CLIPTokenizer(vocab=model["vocab"], merges=[tuple(merge) for merge in model["merges"]])
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    bpe = Tokenizer(models.BPE(unk_token="<|endoftext|>", continuing_subword_prefix="", end_of_word_suffix="</w>"))
    bpe.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    pattern = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    bpe.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False),
    ])
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=330, initial_alphabet=["!"] + sorted(set(pre_tokenizers.ByteLevel.alphabet()) - {"!"}), end_of_word_suffix="</w>", show_progress=False,
    )
    bpe.train_from_iterator([text.lower() for text in CORPUS], trainer)
    # CLIP numbers `!` as 0 and its two own tokens last.
    learned = json.loads(bpe.to_str())["model"]
    order = sorted(learned["vocab"], key=lambda token: (token != "!", learned["vocab"][token]))
    vocab = {token: number for number, token in enumerate(order + ["<|startoftext|>", "<|endoftext|>"])}
    merges = [tuple(merge) for merge in learned["merges"]]
    return transformers.CLIPTokenizer(vocab=vocab, merges=merges)


def tokenizer_of_t5():
    if model := kept("t5.json"):
        return transformers.T5Tokenizer(vocab=[tuple(pair) for pair in model["vocab"]], extra_ids=0)
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    unigram = Tokenizer(models.Unigram())
    unigram.normalizer = normalizers.Nmt()
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=120, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False)
    unigram.train_from_iterator(CORPUS, trainer)
    vocab = [tuple(pair) for pair in json.loads(unigram.to_str())["model"]["vocab"]]
    return transformers.T5Tokenizer(vocab=vocab, extra_ids=0)


def tokenizers():
    folder = HERE / "tokenizers"
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, tokenizer, lengths in (("clip", tokenizer_of_clip(), (77, 12)), ("t5", tokenizer_of_t5(), (120, 9))):
        with tempfile.TemporaryDirectory() as saved:
            tokenizer.save_pretrained(saved)
            # Without indentation: a fraction of the size.
            whole = json.loads((pathlib.Path(saved) / "tokenizer.json").read_text())
            (folder / f"{name}.json").write_text(json.dumps(whole, ensure_ascii=False, separators=(",", ":")) + "\n")
        for length in lengths:
            kinds = {name: tokenizer.pad_token}
            if name == "clip":
                kinds["openclip"] = "!"
            for kind, pad in kinds.items():
                tokenizer.pad_token = pad
                read = tokenizer(TEXTS, padding="max_length", truncation=True, max_length=length)
                end = tokenizer.eos_token_id
                ids = read["input_ids"]
                found[f"{kind}-{length}"] = {"ids": ids, "mask": read["attention_mask"], "end": end}
            tokenizer.pad_token = kinds[name]
    return found


HERE.mkdir(exist_ok=True)
fid, by_pytorch_fid = inception_by_pytorch_fid()
reference = {
    "noise": noise("a name", 5).tolist(),
    "vae": vae([32, 64], 1, 8),
    "vae_deep": vae([16, 16, 32], 2, 4),
    "clip_text": clip_text("quick_gelu", False),
    "clip_text_projected": clip_text("gelu", True),
    "clip_image": clip_image(),
    "t5": t5(False),
    "t5_masked": t5(True),
    "inception_pytorch_fid": by_pytorch_fid,
    "inception_tensorflow": inception_by_torch_fidelity(fid),
    "counts": counts(),
    "checkpoints": checkpoints(),
    "tokens": {"texts": TEXTS, **tokenizers()},
}
(HERE / "reference.json").write_text(json.dumps(reference, separators=(",", ":")).replace('},"', '},\n"') + "\n")
