"""What the makers of tests/golden/checkpoints share: sizes, random weights and inputs, and the files."""
import math
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

OUT = Path(__file__).parent / "checkpoints"
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 28}


def perturb(model, scale=1.0):
    """Weights large enough that a part that is left out shows, and gains and biases off their rests."""
    for name, p in model.named_parameters():
        if p.dim() > 1 and "embed" not in name and "token" not in name and "probe" not in name:
            torch.nn.init.normal_(p, 0.0, scale * 1.2 / math.sqrt(p[0].numel()))
        else:
            p.data += 0.25 * torch.randn_like(p)
        p.data = p.data.half().float()  # files hold halves, and what they hold is what is run
    return model.float().eval()


def masks(rows, length):
    """Padding on the right, on the left, in the middle, and none."""
    mask = torch.ones(rows, length, dtype=torch.int64)
    mask[0, length - length // 3:] = 0
    if rows > 1:
        mask[1, :length // 4] = 0
    if rows > 2:
        mask[2, length // 3:length // 2] = 0
    return mask


def ids(rows, length, words):
    return torch.randint(3, words - 1, (rows, length))


def states(out, *depths):
    """hidden_states of these numbers of blocks, as `sterna model check` names them."""
    return {f"hidden_states.{n}": out.hidden_states[n] for n in depths}


def save(name, model, golden):
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    (model if name == "bert" else model.half()).save_pretrained(folder)
    write_golden(name, golden)


def write_golden(name, golden):
    save_file({k: v.detach().clone().contiguous() for k, v in golden.items()}, OUT / f"{name}.golden.safetensors")
    for file in [*OUT.glob(f"{name}/**/*"), *OUT.glob(f"{name}.*")]:
        if file.is_file():
            file.chmod(0o644)
