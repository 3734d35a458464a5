"""Pairs of events and true calls by scipy: what ``counter.events.matching.pair`` is checked by."""

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching


def match(events, truth, iou):
    """As many pairs (event, call) as there can be, in order of event; each of ``iou`` or more."""
    allowed = [[_is_enough(event, call, iou) for call in truth] for event in events]
    if not np.any(allowed):
        return []
    call_of = maximum_bipartite_matching(csr_array(np.array(allowed, np.int8)), perm_type="column")
    return [(event, int(call)) for event, call in enumerate(call_of) if call >= 0]


def _is_enough(event, call, iou):
    """Whether two intervals share so much of all the time that they cover."""
    shared = min(event[1], call[1]) - max(event[0], call[0])
    union = event[1] - event[0] + call[1] - call[0] - shared
    return shared > 0 and shared >= iou * union
