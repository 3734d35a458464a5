"""How far two persons say the same of the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from counter.review.store import Answer, Key, Said


@dataclass(frozen=True)
class Agreement:
    """Two persons compared.

    Attributes
    ----------
    first, second : str
        Their names.
    n_both : int
        Items that both answered, at least 1.
    n_same : int
        Those of which both say the same.
    kappa : float or None
        Cohen's kappa, -1 to 1; of counts with linear weights. None where both gave one and the
        same answer throughout, so that no agreement could have come by chance alone.
    """

    first: str
    second: str
    n_both: int
    n_same: int
    kappa: float | None

    @property
    def cells(self) -> dict[str, str | int]:
        """A row of a table."""
        return {
            "reviewers": f"{self.first}, {self.second}",
            "answered by both": self.n_both,
            "same answer": f"{self.n_same} ({100 * self.n_same / self.n_both:.0f} %)",
            "Cohen's kappa": "-" if self.kappa is None else f"{self.kappa:.2f}",
        }


def agreements(newest: Iterable[Answer]) -> list[Agreement]:
    """Every two persons who answered the same items, in order of name; empty without any.

    An answer of another label is the same only where the label is. ``unsure`` is an answer.

    Parameters
    ----------
    newest : iterable of Answer
        The newest answer of each person to each item, all of one kind.
    """
    by_person: dict[str, dict[Key, Said]] = defaultdict(dict)
    for one in newest:
        by_person[one.reviewer][one.key] = one.said
    found = []
    for first, second in combinations(sorted(by_person), 2):
        common = by_person[first].keys() & by_person[second].keys()
        pairs = [(by_person[first][key], by_person[second][key]) for key in sorted(common)]
        if pairs:
            n_same = sum(a.text == b.text for a, b in pairs)
            found.append(Agreement(first, second, len(pairs), n_same, _kappa(pairs)))
    return found


def _kappa(pairs: list[tuple[Said, Said]]) -> float | None:
    """Cohen's kappa (Cohen 1960), of counts with linear weights (Cohen 1968)."""
    from sklearn.metrics import cohen_kappa_score

    counts = [(a.calls, b.calls) for a, b in pairs if a.calls is not None and b.calls is not None]
    one: list[int | str]
    other: list[int | str]
    known: list[int | str]
    if len(counts) == len(pairs):
        one, other = [a for a, _ in counts], [b for _, b in counts]
        known, weights = [*range(max(max(pair) for pair in counts) + 1)], "linear"
    else:
        one, other = [a.text for a, _ in pairs], [b.text for _, b in pairs]
        known, weights = [*sorted({a.text for pair in pairs for a in pair})], None
    if len({*one, *other}) == 1:
        return None
    return float(cohen_kappa_score(one, other, labels=known, weights=weights))
