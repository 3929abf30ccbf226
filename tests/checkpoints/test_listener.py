"""The recogniser that codec training listens to, against transformers' own Whisper with the same weights."""

import struct
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from checkpoints.recipe.judging.listener import LAYERS, Listener, weights

FRAMES = 40  # of the encoder, 0.8 s


def ctranslate2_names(encoder: WhisperEncoder) -> dict[str, torch.Tensor]:
    """The encoder's weights as CTranslate2 calls and stacks them."""
    found = {"encoder/position_encodings/encodings": encoder.embed_positions.weight}
    for n in (1, 2):
        conv = getattr(encoder, f"conv{n}")
        found |= {f"encoder/conv{n}/weight": conv.weight, f"encoder/conv{n}/bias": conv.bias}
    for n, layer in enumerate(encoder.layers):
        name, attention = f"encoder/layer_{n}", layer.self_attn
        heads = (attention.q_proj, attention.k_proj, attention.v_proj)
        biases = [torch.zeros(512) if part.bias is None else part.bias for part in heads]
        for part, norm in (("self_attention", layer.self_attn_layer_norm), ("ffn", layer.final_layer_norm)):
            found |= {f"{name}/{part}/layer_norm/gamma": norm.weight, f"{name}/{part}/layer_norm/beta": norm.bias}
        found |= {
            f"{name}/self_attention/linear_0/weight": torch.cat([part.weight for part in heads]),
            f"{name}/self_attention/linear_0/bias": torch.cat(biases),
        }
        linears = {"self_attention/linear_1": attention.out_proj, "ffn/linear_0": layer.fc1, "ffn/linear_1": layer.fc2}
        for part, linear in linears.items():
            found |= {f"{name}/{part}/weight": linear.weight, f"{name}/{part}/bias": linear.bias}
    return found


def write(path: Path, tensors: dict[str, torch.Tensor], version: int = 6) -> None:
    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    with path.open("wb") as file:
        file.write(struct.pack("<I", version) + text("WhisperSpec") + struct.pack("<II", 3, len(tensors) + 1))
        file.write(text("decoder/alibi") + struct.pack("<BBIB", 0, 1, 1, 0))  # what is not the encoder's is passed over
        for name, tensor in tensors.items():
            data = tensor.detach().half().numpy().tobytes()
            shape = struct.pack(f"<B{tensor.ndim}I", tensor.ndim, *tensor.shape)
            file.write(text(name) + shape + struct.pack("<BI", 4, len(data)) + data)


@pytest.fixture(scope="module")
def encoder() -> WhisperEncoder:
    torch.manual_seed(0)
    config = WhisperConfig(
        d_model=512,
        encoder_attention_heads=8,
        encoder_ffn_dim=2048,
        encoder_layers=LAYERS[-1] + 1,
        max_source_positions=FRAMES,
    )
    encoder = WhisperEncoder(config).eval()
    for weight in encoder.parameters():
        weight.data = (weight if weight.ndim == 1 else torch.randn_like(weight) * 0.05).half().float()
    return encoder


@pytest.fixture(scope="module")
def listener(encoder: WhisperEncoder, tmp_path_factory: pytest.TempPathFactory) -> Listener:
    path = tmp_path_factory.mktemp("whisper") / "model.bin"
    write(path, ctranslate2_names(encoder))
    return Listener(path)


def test_hears_what_whisper_hears(encoder: WhisperEncoder, listener: Listener):
    audio = torch.randn(2, FRAMES * 320) * 0.1
    with torch.no_grad():
        states = encoder(listener.mel(audio), output_hidden_states=True).hidden_states
        ours = listener.features(audio)
    for n, features in zip(LAYERS, ours, strict=True):
        wanted = F.layer_norm(states[n], (512,))
        assert features.shape == (2, FRAMES, 512)
        assert F.cosine_similarity(features.flatten(), wanted.flatten(), 0) > 0.999


def test_the_distance_is_nothing_for_the_same_and_grows_with_noise(listener: Listener):
    audio = (torch.sin(torch.arange(FRAMES * 320) / 20) * 0.3)[None].requires_grad_()
    noise = torch.randn(1, FRAMES * 320)
    distances = [listener(audio + level * noise, audio).item() for level in (0.0, 0.01, 0.1)]
    assert distances[0] == 0 and distances[0] < distances[1] < distances[2]
    listener(audio + 0.01 * noise, audio.detach()).backward()
    assert audio.grad is not None and audio.grad.abs().sum() > 0


def test_another_version_of_the_format_is_named(tmp_path: Path):
    write(tmp_path / "model.bin", {}, version=7)
    with pytest.raises(ValueError, match="version 7 of the format; this reads 6"):
        weights(tmp_path / "model.bin")
