"""The web server of the pages: Streamlit, told to keep to itself."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from counter.errors import CallcountError
from counter.review.desk import Desk, set_desk

FIRST_PORT, N_PORTS = 8501, 50
# The largest recording that the overview takes, and the largest message either way.
_UPLOAD_MB, _MESSAGE_MB = 200, 50
_SCRIPT = Path(__file__).parent / "app" / "start.py"


@dataclass(frozen=True)
class At:
    """Where the pages are served, and whether a browser is opened there."""

    address: str
    port: int
    opens_browser: bool

    @property
    def url(self) -> str:
        """What to open."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{self.port}"


def find_port(address: str, wanted: int | None) -> int:
    """The port wanted, else the first free one from ``FIRST_PORT`` on.

    Raises
    ------
    CallcountError
        It is in use, none is free, or the address is not one of this machine.
    """
    tried = range(FIRST_PORT, FIRST_PORT + N_PORTS) if wanted is None else [wanted]
    for port in tried:
        try:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with socket.socket(family, socket.SOCK_STREAM) as one:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.bind((address, port))
                return int(one.getsockname()[1])
        except OSError as error:
            why = error.strerror or str(error)
    where = f"port {wanted}" if wanted is not None else f"ports {tried[0]} to {tried[-1]}"
    raise CallcountError(
        f"cannot serve at {address}, {where}: {why}.", "Give another with --port or --address."
    )


def serve(desk: Desk, place: At) -> None:
    """Serve the pages until Ctrl-C."""
    from streamlit import net_util
    from streamlit.web import bootstrap

    set_desk(desk)
    # A page from elsewhere that wants to talk to these is refused. Streamlit would first ask a
    # server of Amazon's for this machine's outer address, and no setting keeps it from that.
    net_util.get_external_ip = _no_address
    options = _options(place)
    bootstrap.load_config_options(options)
    bootstrap.run(str(_SCRIPT), False, [], options)


def _no_address() -> None:
    """The outer address of this machine: nobody is asked for it."""


def _options(place: At) -> dict[str, object]:
    """Settings of Streamlit; they go before what a config file of the user's may say."""
    told: dict[str, object] = {
        "server_address": place.address,
        "server_port": place.port,
        # nothing is sent to anybody, nothing asked, nothing advertised
        "browser_gatherUsageStats": False,
        "server_showEmailPrompt": False,
        "logger_hideWelcomeMessage": True,
        "logger_level": "error",
        "client_toolbarMode": "minimal",
        "client_showErrorDetails": "none",
        # the report's blue: Streamlit's red is too faint for text
        "theme_light_primaryColor": "#005b8f",
        "theme_dark_primaryColor": "#7cc4ee",
        # no file is served, and nobody else's page may talk to this one
        "server_enableStaticServing": False,
        "server_enableCORS": True,
        "server_enableXsrfProtection": True,
        "server_baseUrlPath": "",
        "server_fileWatcherType": "none",
        "server_runOnSave": False,
        "server_maxUploadSize": _UPLOAD_MB,
        "server_maxMessageSize": _MESSAGE_MB,
        "global_developmentMode": False,
        "runner_magicEnabled": False,
        # a collection behind every answer would take longer than the answer
        "runner_postScriptGC": False,
    }
    # else as Streamlit finds out: where there is a screen
    return told if place.opens_browser else {**told, "server_headless": True}
