"""What a model card says of how the event rules were found, by what they were learned on."""

from __future__ import annotations

LAID, IN_A_ROW, ANNOTATED = "laid", "in a row", "annotated"

_FOLDS = {
    LAID: (
        "Each fold's model scored recordings made of sources it had not met: calls laid over "
        "backgrounds at known times, sparse and in chorus, a third without any call"
    ),
    IN_A_ROW: (
        "Each fold's model scored recordings made of sources it had not met: clips one after "
        "another, each of another label than the one before"
    ),
    ANNOTATED: "Each fold's model scored the annotated recordings that it had not met",
}
_FINAL = {
    LAID: "; the final model did the same with the validation sources",
    IN_A_ROW: "; the final model did the same with the validation sources",
    ANNOTATED: "; the final model did the same with those of validation",
}
_CHOSEN = (
    ". The rules of least count error on all of these were taken: of equals the strictest of what "
    "shortens, drops or keeps whole, else the middle."
)
_MEAN = (
    " The model is the mean of the folds' models, and makes fewer false events than each of them "
    "alone, on which the rules were learned: so the threshold stands a third of the way from the "
    "lowest to the highest of its equals."
)
_EXPECTED = {
    LAID: "Made recordings of sources that the scoring model had not met",
    IN_A_ROW: "Made recordings of sources that the scoring model had not met",
    ANNOTATED: "Annotated recordings that the scoring model had not met",
}
_SCORED_BY = {
    True: " (each by one of the folds' models alone, not by their mean).",
    False: " (cross-fitted over folds of sources, and the final model on those of validation).",
}
_SAME = {
    LAID: " The rules were chosen on these same recordings, so expect somewhat more error.",
    IN_A_ROW: " The rules were chosen on these same recordings, so expect somewhat more error.",
    ANNOTATED: " The rules were chosen on these same recordings, so expect more error.",
}


def how_rules(learned_on: str, *, is_mean: bool) -> str:
    """How rules were found; ``is_mean``: whether the model is the mean of the folds' models."""
    final, mean = ("", _MEAN) if is_mean else (_FINAL[learned_on], "")
    return _FOLDS[learned_on] + final + _CHOSEN + mean


def how_expected(learned_on: str, *, is_mean: bool) -> str:
    """What the expected figures were found on; as ``how_rules``."""
    return _EXPECTED[learned_on] + _SCORED_BY[is_mean] + _SAME[learned_on]
