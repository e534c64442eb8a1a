"""How far a search may go, and how many holders it brings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lightpeer.core.search.walks import Budget

RECORDS_TO_OPEN: Final = 5  # the asked peer's own, and of as many holders as a stream may turn to


def budget_for(answered: int, *, found_any: bool) -> Budget:
    """Return how far a search may go when so many peers have answered, and it was not enough."""
    from lightpeer.core.search.walks import DEFAULT_BUDGET, GREATEST_BUDGET, NO_BUDGET

    if answered == 0:
        return DEFAULT_BUDGET
    return GREATEST_BUDGET if answered == 1 and not found_any else NO_BUDGET
