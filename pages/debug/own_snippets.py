"""Code that a visitor may copy: how a network leaves PyTorch, and how a Python model joins this app. Tests run it."""

EXPORT = """import torch

x = torch.zeros(1, 3, 512, 512)  # a picture of the size that the network knows
torch.onnx.export(
    network.eval(), (x,), path, dynamo=False, input_names=["image"], output_names=["logits"],
    dynamic_axes={"image": {2: "height", 3: "width"}, "logits": {2: "rows", 3: "columns"}},
)
"""

NAMES = """import json
import onnx

model = onnx.load(path)  # optional: written into the file, it is never asked for again
onnx.helper.set_model_props(model, {
    "classes": json.dumps(classes), "scale": "x / 255",
    "mean": "0.485, 0.456, 0.406", "std": "0.229, 0.224, 0.225",
})
onnx.save_model(model, path, save_as_external_data=False)
"""

SAVE = """import safetensors.torch

state = {k: v.half() if v.is_floating_point() else v for k, v in network.state_dict().items()}
safetensors.torch.save_file(state, path)
"""

REGISTER = '''"""my_package/saccade.py: a model of mine for Saccade."""
import torch
from torch import nn

from engine.cards import Card
from engine.registry import register
from engine.segmentation.onepass import OnePass

CLASSES = ("dark", "bright")


class Threshold(nn.Module):
    """(B, 3, H, W) RGB as x / 127.5 - 1 -> logits (B, 2, H / 4, W / 4)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        grey = nn.functional.avg_pool2d(x.mean(1, keepdim=True), 4)
        return torch.cat([-grey, grey], 1)


def build(card: Card, device: str) -> OnePass:
    """Called once for each device; load your weights here."""
    return OnePass(card, Threshold(), device)


def register_models() -> None:
    """Named by the entry point; called once when the app starts."""
    card = Card("threshold", "Threshold", "Bright or dark, nothing else.", paper="", slides="", data="none", split="",
                classes=CLASSES, settings={"longest": [32, 640]})
    register(card, build)
'''

ENTRY = """# pyproject.toml of my_package, installed beside Saccade by: pip install -e .
[project.entry-points."saccade.models"]
threshold = "my_package.saccade:register_models"
"""
