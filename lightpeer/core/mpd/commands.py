"""All commands in one table: what is in it can be done, and is what `commands` lists.

So a client that looks there meets nothing that is refused as not done. `query_for` says what the network is
to be asked before a command is carried out; whoever asks it notes the answer in the catalogue. `carry_out`
then answers at once.
"""

from __future__ import annotations

from typing import Final

from lightpeer.core.mpd import about, browsing, playing, queueing, storing, telling
from lightpeer.core.mpd.speaker import Call, Rule, Session, Speaker
from lightpeer.core.mpd.wire import Ack, Command, Lines
from lightpeer.errors import CommandError

_OF_CONNECTIONS: Final = ("close", "idle", "noidle")


def query_for(speaker: Speaker, session: Session, command: Command, now_s: float) -> str:
    """Return the words to search the network for before a command is carried out; empty: none.

    Args:
        speaker: what it works on.
        session: of the client that gave it.
        command: the command.
        now_s: the time in seconds since 1970.
    """
    try:
        words = _checked(session, command).query(Call(speaker, session, command.arguments, now_s))
    except CommandError:
        return ""  # carrying it out says why
    return "" if speaker.catalogue.is_fresh(words, now_s) else words


def carry_out(speaker: Speaker, session: Session, command: Command, now_s: float) -> Lines:
    """Carry out a command, and return the lines that answer it.

    Args:
        speaker: what it works on.
        session: of the client that gave it.
        command: the command.
        now_s: the time in seconds since 1970.

    Raises:
        CommandError: it is refused.
    """
    return _checked(session, command).run(Call(speaker, session, command.arguments, now_s))


def _checked(session: Session, command: Command) -> Rule:
    """Return what a command does; raise CommandError if the client may not give it so."""
    rule, name = RULES.get(command.name), command.name
    if rule is None:
        raise CommandError(Ack.UNKNOWN, f'unknown command "{name}"')
    if not (session.is_admitted or rule.is_public):
        raise CommandError(Ack.PERMISSION, f'you don\'t have permission for "{name}"')
    if not rule.least <= len(command.arguments) <= rule.most:
        raise CommandError(Ack.ARG, f'wrong number of arguments for "{name}"')
    return rule


def _may(session: Session, name: str) -> bool:
    return name in _OF_CONNECTIONS or session.is_admitted or RULES[name].is_public


def _commands(call: Call) -> Lines:
    return [f"command: {name}" for name in sorted((*RULES, *_OF_CONNECTIONS)) if _may(call.session, name)]


def _not_commands(call: Call) -> Lines:
    return [f"command: {name}" for name in sorted(RULES) if not _may(call.session, name)]


RULES: Final[dict[str, Rule]] = {
    **about.RULES,
    **browsing.RULES,
    **playing.RULES,
    **queueing.RULES,
    **storing.RULES,
    **telling.RULES,
    "commands": Rule(_commands, is_public=True),
    "notcommands": Rule(_not_commands, is_public=True),
}
