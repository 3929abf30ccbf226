"""What a page did: its faults, and the samples that it gave to the loudspeaker."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
from playwright.sync_api import ConsoleMessage, Page, Request
from starlette.responses import Response
from starlette.routing import Route

# A tap between what plays and the loudspeaker. The test's server serves it, as the page's policy allows no other file.
TAP_PATH = "/page/files/tap.js"
TAP_FILE = """
registerProcessor("tap", class extends AudioWorkletProcessor {
  process(inputs) {
    if (inputs[0][0]) this.port.postMessage(Float32Array.from(inputs[0][0]));
    return true;
  }
});
"""
TAP = """
window.heard = [];
if (globalThis.AudioWorklet) {
  const addModule = AudioWorklet.prototype.addModule;
  AudioWorklet.prototype.addModule = async function (address) {
    await addModule.call(this, "/page/files/tap.js");
    await addModule.call(this, address);
  };
}
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (to, ...rest) {
  if (globalThis.AudioWorkletNode && this instanceof AudioWorkletNode && to instanceof AudioDestinationNode) {
    const tap = new AudioWorkletNode(this.context, "tap", { numberOfOutputs: 0 });
    tap.port.onmessage = ({ data }) => heard.push(data);
    connect.call(this, tap);
  }
  if (this instanceof ScriptProcessorNode) {
    const fill = this.onaudioprocess;
    this.onaudioprocess = (event) => {
      fill(event);
      heard.push(Float32Array.from(event.outputBuffer.getChannelData(0)));
    };
  }
  return connect.call(this, to, ...rest);
};
"""
tap_route = Route(TAP_PATH, lambda request: Response(TAP_FILE, media_type="text/javascript"))

HEARD = """() => {
  const all = new Float32Array(heard.reduce((sum, piece) => sum + piece.length, 0));
  heard.reduce((at, piece) => (all.set(piece, at), at + piece.length), 0);
  const bytes = new Uint8Array(all.buffer);
  let letters = "";
  for (let i = 0; i < bytes.length; i += 8192) letters += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(letters);
}"""


# Chromium says so of the only node that plays where there are no worklets.
EXPECTED = ("Failed to load resource", "The ScriptProcessorNode is deprecated")


class Watch:
    """Collects what should not happen on a page: errors, breaches of its policy, requests to other servers."""

    def __init__(self, page: Page, server: str) -> None:
        self.faults: list[str] = []
        self._server = server
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(EXPECTED):
            self.faults.append(message.text)

    def _request(self, request: Request) -> None:
        address = request.url
        if address.startswith(("http", "ws")) and not address.startswith(self._server):
            self.faults.append(f"asked elsewhere: {address}")


def tap(page: Page) -> None:
    """Listen to what the page plays; before the page is opened."""
    page.add_init_script(TAP)


def heard(page: Page) -> np.ndarray:
    """Everything played so far as int16, without silence."""
    samples = np.frombuffer(base64.b64decode(page.evaluate(HEARD)), np.float32) * 32768
    assert np.array_equal(samples, np.rint(samples)), "the samples were changed on their way"
    return loud(samples.astype(np.int16))


def loud(samples: np.ndarray) -> np.ndarray:
    """The samples that are not 0: while the page waits for more, it plays zeros between them (pure)."""
    return samples[samples != 0]


def downloaded(page: Page, button: str, folder: Path) -> Path:
    """The file that a click on the first button of that name saves."""
    with page.expect_download() as waiting:
        page.get_by_role("button", name=button, exact=True).first.click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path
