"""Trains the codec: `python -m checkpoints.recipe.train_codec checkpoints/recipe/starter.yaml [--device cuda]`.

First a plain autoencoder, then its codebooks are filled with latents and quantisation begins: quantised from the first
step they collapse to a few entries. Entries that are not used are replaced by current latents, for the first 70 % of a
phase. A phase may be the decoder's alone: what a language model has learned from the codes stays valid. The loss is
log-mel and spectral convergence at four resolutions, and how differently a recogniser hears it; there is no adversary.
State is saved as it goes, and the command goes on from it."""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import torchaudio
from torch import Tensor, nn

from checkpoints.recipe import state
from checkpoints.recipe.judging import judges
from checkpoints.recipe.judging.listener import Listener
from checkpoints.recipe.networks import codec as codec_network
from checkpoints.recipe.settings import CodecTraining, Settings, load, scheduled

# Transform, hop, mel bands. Only the first tells the harmonics of low voices apart.
RESOLUTIONS = ((2048, 512, 128), (1024, 256, 80), (512, 128, 64), (256, 64, 32))


class Loss(nn.Module):
    """Mel distance (mean of |log10|) and spectral convergence, each the mean over the resolutions."""

    def __init__(self, rate: int):
        super().__init__()
        for size, _, bands in RESOLUTIONS:
            self.register_buffer(f"window{size}", torch.hann_window(size))
            bank = torchaudio.functional.melscale_fbanks(size // 2 + 1, 0.0, rate / 2, bands, rate, "slaney", "slaney")
            self.register_buffer(f"bank{size}", bank)

    def forward(self, heard: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Both distances between two `[batch, samples]`."""
        mel, convergence = heard.new_zeros(()), heard.new_zeros(())
        for size, hop, _ in RESOLUTIONS:
            window, bank = getattr(self, f"window{size}"), getattr(self, f"bank{size}")
            one, two = (
                torch.stft(x, size, hop, window=window, return_complex=True).abs().transpose(1, 2)
                for x in (heard, wanted)
            )
            logs = [(x @ bank).clamp(min=1e-4).log10() for x in (one, two)]
            mel = mel + (logs[0] - logs[1]).abs().mean()
            convergence = convergence + (one - two).norm() / (two.norm() + 1e-3)
        return mel / len(RESOLUTIONS), convergence / len(RESOLUTIONS)


class Crops:
    """Random stretches of the corpus, each part as often as its weight says, at random loudness."""

    def __init__(self, settings: Settings, training: CodecTraining):
        self.length = round(training.seconds * 16_000)
        found = [(settings.work / "data" / f"{part.name}.pcm", part.weight) for part in settings.parts if part.weight]
        if not any(path.exists() for path, _ in found):
            raise SystemExit(f"no part is rendered in {settings.work / 'data'}: run checkpoints.recipe.data first")
        self.parts = [np.memmap(path, np.int16, "r") for path, _ in found if path.exists()]
        weights = np.array([weight for path, weight in found if path.exists()])
        self.shares = weights / weights.sum()

    def draw(self, rng: np.random.Generator, batch: int) -> Tensor:
        """`[batch, samples]`, float32."""
        crops = []
        for part in rng.choice(len(self.parts), batch, p=self.shares):
            start = rng.integers(0, len(self.parts[part]) - self.length)
            crop = self.parts[part][start : start + self.length].astype(np.float32) / 32768
            crops.append(torch.from_numpy(crop * 10 ** (rng.uniform(-6, 3) / 20)))
        return torch.stack(crops).clamp(-1, 1)


class Codec(nn.Module):
    """The codec in training form, with the use of every codebook entry."""

    def __init__(self, path: Path, compiled: bool):
        super().__init__()
        self.dac = codec_network.build(path)
        quantizer = self.dac.quantizer
        self.quantizers = [*quantizer.semantic_quantizer.quantizers, *quantizer.quantizer.quantizers]
        for number, entry in enumerate(self.quantizers):
            self.register_buffer(f"use{number}", torch.ones(entry.codebook_size))
        wrap = torch.compile if compiled else lambda function: function
        self.encode = wrap(lambda x: codec_network.run(self.dac.encoder, x))
        self.decode = wrap(lambda x: codec_network.run(self.dac.decoder, x))

    def autocast(self, audio: Tensor) -> torch.autocast:
        """bf16 where it is safe, on the device that holds the audio."""
        return torch.autocast(audio.device.type, torch.bfloat16)

    def latents(self, audio: Tensor) -> Tensor:
        """`[batch, samples]` to `[batch, latent, steps]`, float32."""
        with self.autocast(audio):
            return self.encode(codec_network.last(audio[:, None]))[:, :, 0].float()

    def sound(self, latents: Tensor) -> Tensor:
        """`[batch, latent, steps]` to `[batch, samples]`, float32."""
        with self.autocast(latents):
            return self.decode(codec_network.last(latents))[:, 0, 0].float()

    def plain(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Without quantisation: the sound again, and what would be quantised."""
        quantizer = self.dac.quantizer
        z = quantizer.pre_module(quantizer.downsample(self.latents(audio)))
        return self.sound(quantizer.upsample(quantizer.post_module(z))), z

    def learn_codes(self, learn: bool) -> None:
        """Whether everything up to the codes, and their meaning, learns too."""
        quantizer = self.dac.quantizer
        before = (self.dac.encoder, quantizer.downsample, quantizer.pre_module)
        for module in (*before, quantizer.semantic_quantizer, quantizer.quantizer):
            module.requires_grad_(learn)

    def again(self, audio: Tensor) -> Tensor:
        """The sound of the audio's codes."""
        with torch.no_grad():
            codes = self.dac.quantizer(self.latents(audio)).codes
        return self.sound(self.dac.quantizer.decode(codes))

    @torch.no_grad()
    def fill(self, z: Tensor) -> None:
        """Fills every codebook with projected latents that the codebooks before it left over."""
        for entry in self.quantizers:
            found = F.normalize(entry.in_proj(z).transpose(1, 2).reshape(-1, entry.codebook_dim))
            rows = torch.randint(0, len(found), (entry.codebook_size,), device=z.device)
            entry.codebook.weight.copy_(found[rows] + 0.01 * torch.randn_like(entry.codebook.weight))
            z = z - entry(z)[0]

    @torch.no_grad()
    def count(self, latents: Tensor, codes: Tensor, revive: bool) -> None:
        """Follows how often each entry is used; `revive` replaces those that are not by current latents."""
        rows = latents.transpose(1, 2).reshape(-1, latents.shape[1])
        for number, entry in enumerate(self.quantizers):
            use, width = getattr(self, f"use{number}"), entry.codebook_dim
            heard = codes[:, number].reshape(-1)
            use.mul_(0.98).scatter_add_(0, heard, torch.full_like(heard, 0.02, dtype=use.dtype))
            dead = (use < 0.003).nonzero()[:, 0]
            if revive and len(dead):
                own = rows[:, number * width : (number + 1) * width]
                chosen = torch.randint(0, len(own), (min(len(dead), len(own) // 3),), device=rows.device)
                entry.codebook.weight[dead[: len(chosen)]] = own[chosen]
                use[dead[: len(chosen)]] = 0.02

    def perplexities(self) -> list[int]:
        """For each codebook the number of entries that would be used if all were used alike."""
        shares = [getattr(self, f"use{n}") / getattr(self, f"use{n}").sum() for n in range(len(self.quantizers))]
        return [round(float(torch.exp(-(share * (share + 1e-9).log()).sum()))) for share in shares]


def train(settings: Settings, training: CodecTraining, device: str) -> None:
    """Train up to the last phase's end, from the state that is kept."""
    torch.manual_seed(settings.seed)
    codec = Codec(training.architecture, training.compile).to(device).train()
    loss_of, crops = Loss(codec.dac.sample_rate).to(device), Crops(settings, training)
    optimizer = torch.optim.AdamW(codec.parameters(), lr=0.0, betas=(0.8, 0.99), weight_decay=1e-3)
    listener = Listener(judges.whisper_weights(settings.work / "whisper")).to(device) if training.listening else None
    kept = settings.work / "codec-state.pth"
    step = state.resume(kept, [optimizer], device, codec=codec)
    log, history, started, began = (settings.work / "codec.log").open("a"), [], time.monotonic(), step
    while step < training.phases[-1].until:
        phase, share, rate = scheduled(training.phases, step)
        rate *= min(1.0, (step - began + 1) / 50)
        for group in optimizer.param_groups:
            group["lr"] = rate
        rng = np.random.default_rng((settings.seed, step))
        audio = crops.draw(rng, phase.batch).to(device)
        if step == training.plain_steps:
            codec.fill(torch.cat([codec.plain(crops.draw(rng, phase.batch).to(device))[1] for _ in range(4)]))
        codec.learn_codes(not phase.decoder)
        if phase.decoder:
            heard, extra, commitment = codec.again(audio), 0.0, torch.zeros(())
        elif step < training.plain_steps:
            heard, extra, commitment = codec.plain(audio)[0], 0.0, torch.zeros(())
        else:
            result = codec.dac.quantizer(codec.latents(audio))
            heard, commitment = codec.sound(result.z), result.commitment_loss
            extra = 0.25 * commitment + result.codebook_loss
        mel, convergence = loss_of(heard, audio)
        listening = listener(heard, audio) if listener else torch.zeros(())
        optimizer.zero_grad()
        (15 * mel + convergence + training.listening * listening + extra).backward()
        nn.utils.clip_grad_norm_(codec.parameters(), 5.0)
        optimizer.step()
        if step >= training.plain_steps and not phase.decoder:
            codec.count(result.latents, result.codes, revive=step % 25 == 0 and share < 0.7)
        step += 1
        history.append((mel.item(), convergence.item(), listening.item(), commitment.item()))
        if step % 50 == 0:
            names = ("mel", "convergence", "listening", "commitment")
            means = dict(zip(names, np.mean(history, 0).round(4).tolist(), strict=True))
            seconds = round((time.monotonic() - started) / 50, 3)
            line = json.dumps({"step": step, **means, "perplexity": codec.perplexities()[::3], "seconds": seconds})
            print(line, flush=True)
            log.write(line + "\n")
            log.flush()
            history, started = [], time.monotonic()
        if step % 500 == 0 or step == training.phases[-1].until:
            state.write(kept, codec=codec.state_dict(), optimizers=[optimizer.state_dict()], step=step)
            crops = Crops(settings, training)  # with the parts that were rendered meanwhile


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("settings", type=Path)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    chosen = load(arguments.settings)
    train(chosen, chosen.codec, arguments.device)
