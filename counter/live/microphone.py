"""Sound from a device of this machine, by sounddevice (PortAudio)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any

import numpy as np

from counter.audio.channels import downmix
from counter.audio.decoder import check_shape
from counter.errors import AudioError, CallcountError
from counter.live.capture import BLOCK_S, Capture
from counter.quiet import quiet_stderr
from counter.records import FloatArray

# A device that is there gives ten blocks a second.
_SILENT_S = 3.0


@dataclass(frozen=True)
class Device:
    """A device that records."""

    number: int  # what ``--device`` takes
    name: str  # a part of it that no other has does as well
    channels: int  # at most
    rate_hz: int  # its own
    is_default: bool  # used where none is named


def list_devices() -> list[Device]:
    """All devices that record; none where there is none.

    Raises
    ------
    CallcountError
        sounddevice or PortAudio is not installed.
    """
    sounddevice = _sounddevice()
    default = sounddevice.default.device[0]
    return [
        Device(
            number=one["index"],
            name=" ".join(one["name"].split()),
            channels=one["max_input_channels"],
            rate_hz=int(one["default_samplerate"]),
            is_default=one["index"] == default,
        )
        for one in sounddevice.query_devices()
        if one["max_input_channels"]
    ]


class Microphone:
    """Blocks of a device; what is not taken in time is lost, and counted.

    ``device`` is its number, or a part of its name; the system's own where none is named. It is
    asked for ``rate_hz``, or its own rate, and for so many channels, whose mean is heard.

    Raises
    ------
    CallcountError
        There is no such device, it does not record so, or what it takes is not installed.
    """

    def __init__(self, device: str | None, rate_hz: int | None, channels: int) -> None:
        self._sounddevice = _sounddevice()
        asked: int | str | None = int(device) if device and device.isdigit() else device
        found = self._asked(asked)
        self.name = " ".join(found["name"].split())
        self.rate_hz = rate_hz or int(found["default_samplerate"])
        check_shape(self.rate_hz, channels)
        self.begun: datetime | None = None  # when the first sample was recorded, once it was
        self._capture = Capture()
        self._last_block_s = 0.0
        try:
            with quiet_stderr():  # PortAudio tells its own lines as well
                self._stream = self._sounddevice.InputStream(
                    device=found["index"],
                    samplerate=self.rate_hz,
                    channels=channels,
                    blocksize=int(self.rate_hz * BLOCK_S),
                    dtype="float32",
                    callback=self._on_block,
                )
        except self._sounddevice.PortAudioError as error:
            raise CallcountError(
                f"device {self.name} cannot record {channels} channel(s) at {self.rate_hz} Hz: "
                f"{_why(error)}.",
                "Give other --rate or --channels; `callcount listen --list-devices` shows some.",
            ) from error

    def start(self, capture: Capture) -> None:
        """Record, on PortAudio's own thread."""
        self._capture = capture
        self._last_block_s = time.monotonic()
        try:
            self._stream.start()
        except self._sounddevice.PortAudioError as error:
            raise AudioError(f"device {self.name} does not start: {_why(error)}.") from error

    def check(self) -> None:
        """End the capture where the device is gone: it stopped by itself, or gives nothing."""
        silent_s = time.monotonic() - self._last_block_s
        if not self._stream.active or silent_s > _SILENT_S:
            self._capture.end(failure=f"device {self.name} disappeared: it gives no sound any more")

    def stop(self) -> None:
        """Give the device back."""
        self._stream.abort(ignore_errors=True)
        self._stream.close(ignore_errors=True)

    def _on_block(self, block: FloatArray, n_samples: int, clock: Any, flags: Any) -> None:
        if self.begun is None:  # a device may take seconds to wake
            ago_s = n_samples / self.rate_hz + self._stream.latency
            self.begun = datetime.now().astimezone() - timedelta(seconds=ago_s)
        before_s, self._last_block_s = self._last_block_s, time.monotonic()
        if flags.input_overflow:
            passed = int((self._last_block_s - before_s) * self.rate_hz)
            self._capture.lose(max(0, passed - n_samples))
        mono = np.empty(n_samples, dtype=np.float32)
        downmix(block.copy(), mono)
        self._capture.put_or_lose(mono)

    def _asked(self, device: int | str | None) -> dict[str, Any]:
        which = "no microphone" if device is None else f"no device {device!r} that records"
        try:
            found: dict[str, Any] = self._sounddevice.query_devices(device, "input")
        except (ValueError, self._sounddevice.PortAudioError) as error:
            raise CallcountError(
                f"{which}: {_why(error)}.", "`callcount listen --list-devices` shows which are."
            ) from error
        return found


def _why(error: Exception) -> str:
    return " ".join(str(error.args[0] if error.args else error).split()).rstrip(".")


def _sounddevice() -> ModuleType:
    try:
        import sounddevice
    except ImportError as error:
        fix = "Install it with pip install 'callcount[live]', or feed a stream with --input -."
        raise CallcountError(f"a microphone needs sounddevice: {error}.", fix) from error
    except OSError as error:
        fix = "Install it: on Debian and Ubuntu, apt-get install libportaudio2."
        raise CallcountError(f"a microphone needs PortAudio: {error}.", fix) from error
    module: ModuleType = sounddevice
    return module
