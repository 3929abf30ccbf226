"""Sound as a recogniser hears it: the first layers of Whisper base's encoder, as a loss that training can follow.

Mel distance spends the few bits of a small codec on everything alike; what words are told apart by is little of it. The
weights are those of the judge (`judges.whisper`), so what this loss gains is to be shown by another recogniser too."""

import struct
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import torchaudio
from torch import Tensor, nn

LAYERS = (0, 2, 4)  # after the convolutions and so many layers of six; the last ones know words, not sounds


def weights(path: Path) -> dict[str, Tensor]:
    """The encoder's tensors in a CTranslate2 `model.bin` (version 6: names end in a zero byte, halves are type 4)."""
    found = {}
    with path.open("rb") as file:

        def number(kind: str) -> int:
            return int(struct.unpack(kind, file.read(struct.calcsize(kind)))[0])

        def text() -> str:
            return file.read(number("<H")).rstrip(b"\0").decode()

        version, _, _, count = number("<I"), text(), number("<I"), number("<I")
        if version != 6:
            raise ValueError(f"{path}: version {version} of the format; this reads 6")
        for _ in range(count):
            name = text()
            shape = [number("<I") for _ in range(number("<B"))]
            kind, data = number("<B"), file.read(number("<I"))
            if name.startswith("encoder/") and kind == 4:
                found[name[8:]] = torch.from_numpy(np.frombuffer(data, "<f2").astype(np.float32).reshape(shape))
    return found


class Listener(nn.Module):
    """Whisper base's encoder on short sound. Nothing in it learns."""

    def __init__(self, path: Path):
        super().__init__()
        for name, tensor in weights(path).items():
            if not name.startswith(tuple(f"layer_{n}/" for n in range(LAYERS[-1], 6))):
                self.register_buffer(name.replace("/", "_"), tensor)
        self.register_buffer("window", torch.hann_window(400))
        self.register_buffer(
            "bank", torchaudio.functional.melscale_fbanks(201, 0.0, 8000.0, 80, 16_000, "slaney", "slaney")
        )

    def get(self, name: str) -> Tensor:
        """A buffer: one of Whisper's tensors with `_` for `/`, the window, or the mel bank."""
        return self.get_buffer(name)

    def mel(self, audio: Tensor) -> Tensor:
        """Whisper's input, `[batch, 80, frames]` at 100 frames a second."""
        power = torch.stft(audio, 400, 160, window=self.get("window"), return_complex=True)[..., :-1].abs().square()
        logs = (power.transpose(1, 2) @ self.get("bank")).clamp(min=1e-10).log10().transpose(1, 2)
        return (logs.maximum(logs.amax((1, 2), keepdim=True) - 8) + 4) / 4

    def linear(self, name: str, x: Tensor) -> Tensor:
        """The linear layer of that name."""
        return F.linear(x, self.get(f"{name}_weight"), self.get(f"{name}_bias"))

    def norm(self, name: str, x: Tensor) -> Tensor:
        """The layer norm of that name."""
        return F.layer_norm(x, x.shape[-1:], self.get(f"{name}_gamma"), self.get(f"{name}_beta"))

    def layer(self, n: int, x: Tensor) -> Tensor:
        """Transformer layer `n` on `[batch, positions, 512]`."""
        name = f"layer_{n}"
        heads = self.linear(f"{name}_self_attention_linear_0", self.norm(f"{name}_self_attention_layer_norm", x))
        query, key, value = heads.unflatten(-1, (3, 8, 64)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        x = x + self.linear(f"{name}_self_attention_linear_1", mixed)
        inner = F.gelu(self.linear(f"{name}_ffn_linear_0", self.norm(f"{name}_ffn_layer_norm", x)))
        return x + self.linear(f"{name}_ffn_linear_1", inner)

    def features(self, audio: Tensor) -> list[Tensor]:
        """Features of `[batch, samples]` at 16 kHz: `[batch, 50 a second, 512]` for each of LAYERS, normalised."""
        x = self.mel(audio)
        with torch.autocast(audio.device.type, torch.bfloat16):
            x = F.gelu(F.conv1d(x, self.get("conv1_weight"), self.get("conv1_bias"), padding=1))
            x = F.gelu(F.conv1d(x, self.get("conv2_weight"), self.get("conv2_bias"), 2, 1)).transpose(1, 2)
            x, found = x + self.get("position_encodings_encodings")[: x.shape[1]], []
            for n in range(LAYERS[-1] + 1):
                if n:
                    x = self.layer(n - 1, x)
                if n in LAYERS:
                    found.append(F.layer_norm(x.float(), x.shape[-1:]))
        return found

    def forward(self, heard: Tensor, wanted: Tensor) -> Tensor:
        """How differently the two sound: mean squared distance of normalised features, 0 alike, 2 unrelated."""
        with torch.no_grad():
            aims = self.features(wanted)
        return torch.stack([(a - b).square().mean() for a, b in zip(self.features(heard), aims, strict=True)]).mean()
