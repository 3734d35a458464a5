"""What a model card says of how the event rules were found, by what they were learned on."""

from __future__ import annotations

LAID, IN_A_ROW, ANNOTATED = "laid", "in a row", "annotated"

_CHOSEN = (
    " The rules of least count error on all of these were taken: of equals the strictest of what "
    "shortens, drops or keeps whole, else the middle."
)
HOW_RULES = {
    LAID: (
        "Each fold's model scored recordings made of sources it had not met: calls laid over "
        "backgrounds at known times, sparse and in chorus, a third without any call; the final "
        "model did the same with the validation sources." + _CHOSEN
    ),
    IN_A_ROW: (
        "Each fold's model scored recordings made of sources it had not met: clips one after "
        "another, each of another label than the one before; the final model did the same with "
        "the validation sources." + _CHOSEN
    ),
    ANNOTATED: (
        "Each fold's model scored the annotated recordings that it had not met; the final model "
        "did the same with those of validation." + _CHOSEN
    ),
}
_MADE = (
    "Made recordings of sources that the scoring model had not met (cross-fitted over folds of "
    "sources, and the final model on the validation sources). The rules were chosen on these same "
    "recordings, so expect somewhat more error."
)
HOW_EXPECTED = {
    LAID: _MADE,
    IN_A_ROW: _MADE,
    ANNOTATED: (
        "Annotated recordings that the scoring model had not met (cross-fitted, and the final "
        "model on those of validation). The rules were chosen on these same recordings, so expect "
        "more error."
    ),
}
