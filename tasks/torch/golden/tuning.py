"""Writes companions/tuning.json: what torch and transformers make of CLIP's towers that learn a preference as HPS v2 does; tests/companions/tuning.rs makes the same.

    pip install torch==2.11.0 numpy transformers && python tuning.py

The loss is that of HPS v2's released code (cross-entropy of a text's cosines with two images, times the inverse temperature), but the mean over pairs where theirs is the
sum; what stands still is what its options lock: of each tower the embeddings and the first layers. The temperature is trained. Weights are numbers by name, as in
companions.py.
"""

import json
import math
import pathlib

import numpy as np
import torch
import transformers

torch.set_num_threads(1)


def noise(name, count):
    """As in companions.py."""
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


def value(name, shape):
    if len(shape) > 1:
        return tensor(name, shape, math.sqrt(3.0 / math.prod(shape[1:])))
    scales = name.endswith("weight") and any(word in name for word in ("norm", "layrnorm"))
    return tensor(name, shape, 0.2) + (1.0 if scales else 0.0)


def towers():
    tower = dict(hidden_size=32, num_attention_heads=4, intermediate_size=80, hidden_act="gelu", projection_dim=16)
    text = dict(tower, num_hidden_layers=3, vocab_size=50, max_position_embeddings=9, bos_token_id=48, eos_token_id=49, pad_token_id=0)
    vision = dict(tower, num_hidden_layers=2, image_size=12, patch_size=4)
    model = transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=16))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(value(name, tuple(parameter.shape)))
        model.logit_scale.fill_(2.5)
    return model.train()  # there is no dropout


def lock(model, text, image):
    """open_clip's lock_text_tower and lock_image_tower, on transformers' modules, with so many layers locked; with none, nothing is."""
    inner, seen = model.text_model, model.vision_model
    locked = [inner.embeddings, *inner.encoder.layers[:text]] if text else []
    locked += [seen.embeddings, seen.pre_layrnorm, *seen.encoder.layers[:image]] if image else []
    for module in locked:
        module.requires_grad_(False)


IDS = torch.tensor([[48, 3, 17, 9, 49, 0, 0], [48, 21, 30, 2, 11, 5, 49], [48, 7, 49, 0, 0, 0, 0]])


def embed(out):
    return torch.nn.functional.normalize(out if torch.is_tensor(out) else out.pooler_output, dim=-1)


def hps_loss(model, better, worse):
    """HPSLoss of the released code, with the first image preferred, over the number of pairs."""
    texts, images = embed(model.get_text_features(IDS)), embed(model.get_image_features(torch.cat([better, worse])))
    first, second = (model.logit_scale.exp() * texts @ images.T).chunk(2, dim=-1)
    index = torch.arange(len(IDS))
    logits = torch.stack([first[index, index], second[index, index]], dim=-1)
    return torch.nn.functional.cross_entropy(logits, torch.zeros(len(IDS), dtype=torch.long))


def case(text, image):
    model = towers()
    lock(model, text, image)
    better, worse = tensor("one", (3, 3, 12, 12)), tensor("other", (3, 3, 12, 12))
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    decayed = [p for p in trained.values() if p.ndim >= 2]
    others = [p for p in trained.values() if p.ndim < 2]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.35}, {"params": others, "weight_decay": 0.0}], lr=1e-3, betas=(0.9, 0.98), eps=1e-8)
    losses, gradients = [], {}
    for step in range(3):
        optimizer.zero_grad()
        loss = hps_loss(model, better, worse)
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            gradients = {name: p.grad.norm().item() for name, p in trained.items()}
        optimizer.step()
    return {
        "frozen": {"text": text, "image": image}, "losses": losses, "gradients": gradients,
        "weights": {name: p.detach().double().norm().item() for name, p in trained.items()}, "logit_scale": model.logit_scale.item(),
    }


golden = {"versions": {m.__name__: m.__version__ for m in (torch, transformers)}, "cases": [case(0, 0), case(2, 1), case(3, 2)]}
pathlib.Path(__file__).with_name("companions").joinpath("tuning.json").write_text(json.dumps(golden, indent=1) + "\n")
