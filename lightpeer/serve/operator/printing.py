"""A server's events as its command prints them: a sentence for people, a name and fields for programs.

Programs rely on the names and fields, so they are kept here, apart from the classes.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from lightpeer.core.addresses import format_endpoint
from lightpeer.serve.operator import events

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from lightpeer.console.output import Output
    from lightpeer.serve.operator.events import ServerEvent


class Printer:
    """Prints a server's events; an instance serves as `Operator.tell`."""

    def __init__(
        self, output: Output, above: Callable[[], AbstractContextManager[object]] = nullcontext
    ) -> None:
        """Print to `output`, each event within a block of `above`, which clears the line for it."""
        self._output = output
        self._above = above

    def __call__(self, event: ServerEvent) -> None:
        """Print an event. An error of the output, as when its reader has gone, ends the server."""
        with self._above():
            self._print(event)

    def _print(self, event: ServerEvent) -> None:
        output = self._output
        match event:
            case events.Listening(address, peer_id):
                rpc = format_endpoint(address)
                output.result("listening", f"listening on {rpc} as {peer_id}", rpc=rpc, peer_id=peer_id)
            case events.Invited(invite):
                output.remark("invite", f"invite others: lightpeer join {invite}", invite=invite)
                self._draw(invite)
            case events.OnlyHere(port):
                text = f"only this machine can reach this peer: give --listen {port} to let in others"
                output.remark("only_here", text, port=port)
            case events.Reached(address):
                at = format_endpoint(address)
                output.remark("reached", f"others reach this peer at {at}", address=at)
            case events.NotReached(port):
                text = (
                    f"nobody else has reached this peer yet: let TCP and UDP pass at port {port} in this "
                    "machine's firewall, and forward it in the router if others are outside"
                )
                output.remark("not_reached", text, port=port)
            case events.RoleChanged(serves):
                text = "serving again" if serves else "no longer serving, until the next signal"
                output.remark("role", text, serves=serves)
            case events.Imported(tracks, hours, summary):
                what = "1 track" if tracks == 1 else f"{tracks} tracks"
                length = f"{hours:.3g} hours" if hours >= 1 else f"{60 * hours:.2g} minutes"
                text = f"{what}, {length} of music: {summary}"
                output.remark("imported", text, tracks=tracks, hours=round(hours, 3), summary=summary)
            case events.Mirrored(uri, title):
                output.remark("mirrored", f"mirrored {title}", uri=uri, title=title)
            case events.Mended(tracks):
                what = "1 track" if tracks == 1 else f"{tracks} tracks"
                output.remark("mended", f"imported {what} again", tracks=tracks)
            case events.ListsRead(summary):
                output.remark("lists", summary)
            case events.Withdrawn(uri):
                output.remark("withdrawn", f"withdrawn for good: {uri}", uri=uri)
            case events.Trouble(message):
                output.notify(message)
            case events.LibraryTrouble(message):
                output.warn(message)

    def _draw(self, invite: str) -> None:
        """Draw an invite for a phone's camera, where there is a terminal that can show it."""
        output = self._output
        is_shown = output.stream.isatty() and not output.json
        if not is_shown or (output.stream.encoding or "").lower() != "utf-8":
            return
        from lightpeer.console.qr import qr_lines

        for line in qr_lines(invite):
            output.remark("qr", line)
