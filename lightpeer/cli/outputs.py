"""`lightpeer play --output list`: where sound can go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightpeer.errors import AudioError

if TYPE_CHECKING:
    from lightpeer.console.output import Output

OTHERS = {
    "wav:FILE": "a file",
    "pipe": "stdout: s16le, stereo, 48 kHz",
    "command:PROGRAM": "WAV on its stdin",
    "null": "no sound",
}


def list_outputs(output: Output) -> int:
    """Print the sound devices, of whose names a part is enough, and other outputs; return the exit status."""
    from lightpeer.audio.device import ELSEWHERE

    try:
        _list_devices(output)
    except AudioError as error:  # the others work all the same
        output.notify(str(error).removesuffix(ELSEWHERE))
    for name, what in OTHERS.items():
        output.result("output", output.fit(f"{name}  {what}"), output=name, is_default=False)
    return 0


def _list_devices(output: Output) -> None:
    """Print the sound devices; raise AudioError if they cannot be listed."""
    from lightpeer.audio.device import output_devices

    devices = output_devices()
    if not devices:
        output.notify("no sound device was found")
    for device in devices:
        chosen = ", the default" if device.is_default else ""
        name = f"sounddevice:{device.name}"
        text = output.fit(f"{name}  {device.system}{chosen}")
        output.result("output", text, output=name, is_default=device.is_default)
