"""How flat the cost is about tuned rules, as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counter.evaluation.rulesearch import RULE_OF, Tried, flat_limit
from counter.evaluation.season import table_costs
from counter.output.chartstyle import CHOSEN, GREY, RIGHT, SHARED, figure_for
from counter.output.tuning_tables import TunedLabel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 2
_NAMES = {
    "threshold": "threshold (score)",
    "release": "release (score)",
    "smooth_s": "smooth_s (s)",
    "gap_s": "gap_s (s)",
    "part_s": "part_s (s)",
    "part_depth": "part_depth (share)",
    "min_duration_s": "min_duration_s (s)",
    "max_duration_s": "max_duration_s (s)",
}


def draw_tuning(path: Path, labels: Sequence[TunedLabel]) -> None:
    """Draw the cost against every rule, a panel a rule, the other rules as chosen.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    rules = list(RULE_OF.values())
    n_rows = -(-len(rules) // _COLUMNS)
    with figure_for(path, 1 + 2.4 * n_rows * len(labels)) as figure:
        panels = figure.subplots(n_rows * len(labels), _COLUMNS, squeeze=False).ravel()
        for number, axes in enumerate(panels):
            label, rule = labels[number // len(rules)], rules[number % len(rules)]
            _draw(axes, label, rule)
            if number % _COLUMNS == 0:
                axes.set_ylabel("cost (calls a recording)")
            if number % len(rules) == 0:
                axes.set_title(f"{label.label}: chosen on all recordings", loc="left")
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=3)


def _draw(axes: Axes, label: TunedLabel, rule: str) -> None:
    tried = [one for one in label.tuned.tried if one.rule == rule]
    limit = flat_limit(min(one.cost for one in tried))
    axes.axhspan(0, limit, color=CHOSEN, alpha=0.12, lw=0, label="little above the least")
    axes.plot([one.value for one in tried], [one.cost for one in tried], color=RIGHT, lw=1)
    for is_near, face, name in ((True, RIGHT, "near the least"), (False, "white", "worse")):
        _dots(axes, [one for one in tried if one.is_near == is_near], face, name)
    _lines(axes, label, rule)
    if rule == "threshold":
        axes.set_xscale("logit")
        ticks = [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_xticks([], minor=True)
    # values far off cost so much that nothing else would be seen
    before = float(table_costs(label.tuned.before).mean())
    top = max(3 * limit, 1.2 * before)
    axes.set(xlabel=_NAMES[rule], ylim=(-0.06 * top, top))


def _dots(axes: Axes, tried: Sequence[Tried], face: str, name: str) -> None:
    style: Any = {"mfc": face, "mec": RIGHT, "ms": 6, "label": name}
    axes.plot([one.value for one in tried], [one.cost for one in tried], "o", **style)


def _lines(axes: Axes, label: TunedLabel, rule: str) -> None:
    before, chosen = getattr(label.before, rule), getattr(label.tuned.rules, rule)
    axes.axvline(before, color=GREY, lw=1.5, ls=(0, (1, 1)), label="as scanned")
    axes.axvline(chosen, color=CHOSEN, lw=1.5, ls="-.", label="tuned")
    folds = [getattr(rules, rule) for rules in label.tuned.fold_rules]
    style: Any = {"color": SHARED, "ms": 7, "clip_on": False, "label": "tuned without a fold"}
    low = axes.get_xaxis_transform()
    axes.plot(folds, [0.02] * len(folds), "^", transform=low, zorder=3, **style)
