"""What a review asks, keeps and hands on; its page is tried in ``test_review_browser``."""

import importlib.util
import json
import re
import shutil
import socket
import sqlite3
import tempfile
import threading
import time
import tracemalloc
from dataclasses import replace
from datetime import datetime, timezone
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile as sf
import yaml
from audio_files import write
from bundles import MODEL_RATE_HZ, TRAINED, calls
from hypothesis import assume, given
from hypothesis import strategies as st
from outcomes import refusal, rows_of

from counter.bundle import read_bundle
from counter.cli.main import run
from counter.errors import OutputError
from counter.estimation.sample_table import read_plan as read_sample
from counter.estimation.stretches import files_at
from counter.formats.annotations import read_annotations
from counter.mining.mine_table import read_plan as read_mined
from counter.mining.mine_table import read_review
from counter.report.event_media import Cutting
from counter.review.answers import (
    COUNTED,
    NO,
    OTHER,
    UNSURE,
    YES,
    Answer,
    Judgement,
    Key,
    Store,
    agreements,
)
from counter.review.item_media import ItemCutter, ReadyMedia
from counter.review.pages import review_app
from counter.review.questions import (
    ALL,
    BEST,
    BY_CHANCE,
    DOUBTFUL,
    Items,
    Walk,
    Wish,
    clip_items,
    event_items,
    line_up,
    own_answers,
    stretch_items,
)
from counter.review.server import is_loopback
from counter.review.session import ReviewSession, ReviewTask
from counter.tables.results import read_results
from training.data.clip_set import BACKGROUND
from training.data.clip_sources import read_clips
from training.settings.train_settings import ClipSettings

EVIL = "<script>alert(1)<!-- \"&'.wav"
TONES_S = {
    "Bog_20240401_000000.wav": (3.0, 8.0, 14.0, 25.0),
    "Ridge_20240401_000000.wav": (5.0, 16.0),
    EVIL: (10.0,),
}
DURATION_S = 40.0
TINY = {
    "name": "tone",
    "network": {"channels": (4, 4, 4), "head_channels": 8},
    "fit": {"epochs": 1, "windows_per_epoch": 32, "batch_size": 16, "window_s": 2.048},
    "rules": {"folds": 2, "recordings_per_fold": 3, "recording_s": 20},
    "models": {"mel": {"kind": "mel", "n_bands": 24}},
}


@pytest.fixture(scope="module")
def scanned(tone_bundle, tmp_path_factory):
    """A scan of seven tones, a sample of it, and clips mined from its recordings."""
    folder = tmp_path_factory.mktemp("review")
    (folder / "rec").mkdir()
    for seed, (name, starts_s) in enumerate(TONES_S.items()):
        sound = calls(DURATION_S, starts_s, seed=seed)
        write(folder / "rec" / name, sound, MODEL_RATE_HZ, subtype="PCM_16")
    model = ["--model", str(tone_bundle.path)]
    output = ["-o", str(folder / "r.csv")]
    assert run(["scan", str(folder / "rec"), "--no-plots", *output, *model]) == 0
    assert run(["sample", str(folder / "r.csv"), "-n", "9", "-o", str(folder / "s")]) == 0
    assert run(["mine", str(folder / "rec"), "-n", "6", "-o", str(folder / "m"), *model]) == 0
    return folder


@pytest.fixture
def work(scanned, tmp_path):
    """A copy of one's own; the recordings stay where they were scanned."""
    return shutil.copytree(scanned, tmp_path / "w", ignore=shutil.ignore_patterns("rec"))


def items_of(folder, kind="event"):
    results = read_results(folder / "r.csv")
    origins = results.origins
    if kind == "stretch":
        return stretch_items(read_sample(folder / "s" / "sample.csv"), folder / "s", origins)
    if kind == "clip":
        return clip_items(read_mined(folder / "m"), folder / "m", origins)
    return event_items(results)


def nothing_cut(rows):
    return iter([dict.fromkeys(rows, "not cut in this test")])


def task_of(folder, kind="event", **changed):
    made = ReviewTask(
        items=items_of(folder, kind),
        media=ReadyMedia(nothing_cut),
        store=Store(folder / "r" / "review.sqlite"),
        labels=("tone",),
        is_free=kind != "clip",
        bands={"tone": (200.0, 3000.0)},
        origins={},
    )
    return replace(made, **changed)


def answer_all(folder, reviewer, says, kind="event"):
    """One person's answers to all, as the page sends them; ``says`` is asked about each item."""
    visit = ReviewSession(task_of(folder, kind), reviewer, Wish(answer=ALL))
    while (row := visit.walk.row) is not None:
        visit.take({"seq": visit.shown, **says(visit.task.items.item(row))})
    visit.task.store.close()
    return visit


def truly(item):
    """How many tones there are between the lines."""
    starts_s = TONES_S[item.key.recording]
    return sum(item.start_s <= start_s + 0.75 < item.end_s for start_s in starts_s)


def yes_or_no(item):
    return {"verdict": YES if truly(item) else NO}


def key(number, label="tone"):
    return Key("event", "a.wav", label, 1000 * number, 1000 * number + 500)


class TestStore:
    def test_an_answer_is_on_the_disk_when_it_was_given(self, tmp_path):
        store = Store(tmp_path / "review.sqlite")
        before = datetime.now(timezone.utc)
        store.add(key(1), Judgement(YES), "ann")
        # another process, while the first holds the file
        with sqlite3.connect(tmp_path / "review.sqlite") as db:
            ((recording, who, when, verdict),) = db.execute(
                "SELECT recording, reviewer, answered_at, verdict FROM answers"
            ).fetchall()
            assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert (recording, who, verdict) == ("a.wav", "ann", YES)
        given = datetime.fromisoformat(when)
        assert given.utcoffset().total_seconds() == 0
        assert abs((given - before).total_seconds()) < 60

    def test_the_newest_counts_and_the_earlier_ones_stay(self, tmp_path):
        store = Store(tmp_path / "review.sqlite")
        store.add(key(1), Judgement(YES), "ann")
        store.add(key(1), Judgement(NO), "ben")
        store.add(key(1), Judgement(OTHER, "toad"), "ann")
        store.add(Key("stretch", "a.wav", "tone", 0, 10), Judgement(COUNTED, calls=3), "ann")
        assert [one.judgement.text for one in store.newest("event")] == ["no", "other: toad"]
        assert [one.judgement.text for one in store.every("event")] == ["yes", "no", "other: toad"]
        assert [one.judgement.text for one in store.newest("stretch")] == ["3"]
        store.close()
        again = Store(tmp_path / "review.sqlite")
        assert again.reviewers() == ["ann", "ben"]
        assert len(again.every("event")) == 3

    def test_threads_share_it(self, tmp_path):
        store = Store(tmp_path / "review.sqlite")
        workers = [
            threading.Thread(
                target=lambda who=who: [store.add(key(n), Judgement(YES), who) for n in range(20)]
            )
            for who in "abcd"
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert len(store.newest("event")) == 80

    @pytest.mark.parametrize("content", [b"my own notes" * 20, b"SQLite format 3\0" + bytes(200)])
    def test_what_is_not_ours_is_left_alone(self, tmp_path, content):
        path = tmp_path / "review.sqlite"
        path.write_bytes(content)
        with pytest.raises(OutputError, match="was not made by callcount"):
            Store(path)
        assert path.read_bytes() == content


class TestQueue:
    def test_every_event_is_an_item_and_is_found_by_its_key(self, scanned):
        items = items_of(scanned)
        rows = rows_of(scanned / "r" / "events.csv")
        assert len(items) == len(rows) == sum(map(len, TONES_S.values()))
        for row, told in enumerate(rows):
            item = items.item(row)
            assert (item.key.recording, item.key.label) == (told["recording"], told["label"])
            assert item.score == float(told["score"])
            assert item.site == told["site"]
            assert items.row_of(item.key) == row
            assert items.row_of(replace(item.key, end_ms=item.key.end_ms + 1)) is None
            assert items.row_of(replace(item.key, recording="gone.wav")) is None

    def test_a_wish_chooses(self, scanned):
        items = items_of(scanned)
        assert items.sites == ("Bog", "Ridge")
        bog = line_up(items, {}, Wish(sites=("Bog",)))
        assert {items.item(int(row)).site for row in bog} == {"Bog"}
        assert len(bog) == 4
        own = {int(bog[0]): Judgement(YES), int(bog[1]): Judgement(UNSURE)}
        assert len(line_up(items, own, Wish())) == len(items) - 2
        assert line_up(items, own, Wish(answer=UNSURE)).tolist() == [bog[1]]
        assert len(line_up(items, own, Wish(answer=ALL))) == len(items)
        middle = float(np.median(items.score))
        above = line_up(items, {}, Wish(scores=(middle, 1.0)))
        assert (items.score[above] >= middle).all()
        assert line_up(items, {}, Wish(labels=("tone",))).tolist() == list(range(len(items)))
        assert line_up(items, {}, Wish(labels=("gone",))).size == 0

    def test_orders(self, scanned):
        items = items_of(scanned)
        scores = items.score[line_up(items, {}, Wish(order=DOUBTFUL))]
        assert (np.diff(scores) >= 0).all()
        assert (np.diff(items.score[line_up(items, {}, Wish(order=BEST))]) <= 0).all()
        drawn = line_up(items, {}, Wish(order=BY_CHANCE))
        assert sorted(drawn) == list(range(len(items)))
        # what was answered leaves the others in their order
        left = line_up(items, {int(drawn[2]): Judgement(YES)}, Wish(order=BY_CHANCE))
        assert left.tolist() == [row for row in drawn if row != drawn[2]]

    @given(st.lists(st.sampled_from(["answer", "back"]), max_size=40), st.integers(0, 8))
    def test_a_way_ends_when_all_is_answered(self, steps, n):
        walk = Walk(np.arange(100, 100 + n))
        seen = set()
        for step in steps:
            if walk.row is None or step == "back":
                walk.back()
            else:
                seen.add(walk.row)
                following = next(iter(walk.ahead(1)), None)
                walk.answered()
                assert walk.row == following or walk.row is None or walk.row not in seen
            assert walk.n_left == n - len(seen)
            assert set(walk.ahead(50)).isdisjoint(seen)
        while walk.row is not None:
            seen.add(walk.row)
            walk.answered()
        assert walk.n_left == len(set(range(100, 100 + n)) - seen)

    def test_a_million_events(self):
        n, rng = 1_000_000, np.random.default_rng(0)
        recording = np.sort(rng.integers(0, 5000, n))
        start_s = rng.integers(0, 3_600_000, n) / 1000
        tracemalloc.start()
        items = Items(
            kind="event",
            recordings=tuple(f"{number}.wav" for number in range(5000)),
            labels=("a", "b"),
            recording=recording,
            label=rng.integers(0, 2, n),
            start_s=start_s,
            end_s=start_s + 1,
            peak_s=start_s,
            score=rng.random(n),
            site_of=("here", "there") * 2500,
        )
        answers = [
            Answer(items.item(row).key, Judgement(YES), "ann", "") for row in range(0, n, 1000)
        ]
        began_s = time.perf_counter()
        own = own_answers(items, answers, "ann")
        line = line_up(items, own, Wish(sites=("here",), scores=(0.5, 1.0), order=DOUBTFUL))
        took_s = time.perf_counter() - began_s
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert set(own) == set(range(0, n, 1000))
        assert 200_000 < len(line) < 300_000
        assert Walk(line).ahead(12) == line[1:13].tolist()
        assert peak_bytes < 250e6
        assert took_s < 20  # 1 s on a machine that does nothing else


class TestReadyMedia:
    def test_what_comes_next_is_ready_before_it_is_asked_for(self):
        cut = []

        def cutter(rows):
            for row in rows:
                cut.append((threading.current_thread().name, row))
                yield {row: f"cut {row}"}

        media = ReadyMedia(cutter)
        media.prepare([1, 2, 3])
        for _ in range(200):
            if all(media.ready(row) for row in (1, 2, 3)):
                break
            time.sleep(0.01)
        assert [media.get(row) for row in (1, 2, 3)] == ["cut 1", "cut 2", "cut 3"]
        assert cut == [("item media", 1), ("item media", 2), ("item media", 3)]
        assert media.get(9) == "cut 9"
        assert cut[-1] == (threading.current_thread().name, 9)

    def test_it_holds_few(self):
        media = ReadyMedia(lambda rows: iter([{row: _cutting(3_000_000) for row in rows}]))
        for row in range(60):
            media.get(row)
        held = sum(media.ready(row) is not None for row in range(60))
        assert 10 < held <= 64e6 / 3e6
        media = ReadyMedia(lambda rows: iter([{row: _cutting(10) for row in rows}]))
        for row in range(500):
            media.get(row)
        assert sum(media.ready(row) is not None for row in range(500)) <= 64


def _cutting(n_bytes):
    return Cutting(bytes(n_bytes), b"", 0.0, 1.0, 4000.0, None, 1)


class TestSession:
    def test_only_an_answer_to_what_is_shown_is_taken(self, work):
        visit = ReviewSession(task_of(work), "ann", Wish())
        good = {"seq": visit.shown, "verdict": YES}
        for bad in (
            None,
            {},
            {"seq": visit.shown},
            {"seq": visit.shown - 1, "verdict": YES},
            {"seq": visit.shown, "verdict": "maybe"},
            {"seq": visit.shown, "verdict": OTHER, "other": "  "},
            {"seq": visit.shown, "verdict": COUNTED, "calls": 2},
        ):
            visit.take(bad)
        assert visit.task.store.every("event") == []
        visit.take(good)
        visit.take(good)  # it came twice
        assert len(visit.task.store.every("event")) == 1

    @pytest.mark.parametrize("calls", [-1, 1.5, "2", None, 10_000])
    def test_a_number_of_calls_is_whole_and_sane(self, work, calls):
        visit = ReviewSession(task_of(work, "stretch"), "ann", Wish())
        visit.take({"seq": visit.shown, "verdict": COUNTED, "calls": calls})
        visit.take({"seq": visit.shown, "verdict": YES})
        assert visit.task.store.every("stretch") == []

    def test_mined_clips_are_of_the_labels_that_are_trained_on(self, work):
        visit = ReviewSession(task_of(work, "clip"), "ann", Wish())
        visit.take({"seq": visit.shown, "verdict": OTHER, "other": "toad"})
        assert visit.task.store.every("clip") == []

    def test_closing_and_coming_back(self, work):
        first = ReviewSession(task_of(work), "ann", Wish())
        for verdict in (YES, NO, UNSURE):
            first.take({"seq": first.shown, "verdict": verdict})
        again = ReviewSession(task_of(work), "ann", Wish())
        assert again.walk.row == first.walk.row
        assert again.own == first.own
        assert ReviewSession(task_of(work), "ben", Wish()).walk.row == 0

    def test_time_left_is_told_once_there_is_a_pace(self, work, monkeypatch):
        now_s = iter(range(0, 1000, 7))
        monkeypatch.setattr("counter.review.session.time.monotonic", lambda: float(next(now_s)))
        visit = ReviewSession(task_of(work), "ann", Wish())
        for _ in range(5):
            visit.take({"seq": visit.shown, "verdict": YES})
            assert visit.left_s is None
        visit.take({"seq": visit.shown, "verdict": YES})
        assert visit.left_s == 7 * visit.walk.n_left


class TestPage:
    """What stands around an item: how far one is, and what one wants to see."""

    @pytest.fixture
    def page(self, work, visit_of):
        items = replace(
            items_of(work),
            labels=("tone", "toad"),
            label=np.arange(7) % 2,
            score=np.linspace(0.3, 0.9, 7),
        )
        task = task_of(work, items=items)
        results = read_results(work / "r.csv")
        return visit_of(review_app("r", results, task, reviewer="ann", token=""))

    def begin(self, page, reviewer="ann", **wish):
        reply = page.post("/session", {"reviewer": reviewer, "wish": wish})
        assert reply.status == 200
        return reply.data

    def told(self, page, reviewer="ann", **wish):
        return self.begin(page, reviewer, **wish)["progress"]

    def test_it_asks_what_is_wanted_and_tells_what_and_how_long_is_left(self, page, monkeypatch):
        assert self.told(page) == "0 of 7 answered, 7 left here"
        html = page.get("/").text
        boxes = re.findall(r'<input type="checkbox" name="(\w+)" value="(\w+)"', html)
        known = {
            legend: [v for n, v in boxes if n == legend.lower()]
            for legend in re.findall(r"<legend>(\w+)<", html)
        }
        assert known == {"Sites": ["Bog", "Ridge"], "Labels": ["tone", "toad"], "Scores": []}
        assert 'value="ann"' in html
        assert self.told(page, sites=["Ridge"]) == "0 of 7 answered, 2 left here"
        assert self.told(page, labels=["toad"]) == "0 of 7 answered, 3 left here"
        assert self.told(page, scores=[0.55, 0.75]) == "0 of 7 answered, 2 left here"
        clock = SimpleNamespace(monotonic=iter(range(0, 1000, 90)).__next__)
        monkeypatch.setattr("counter.review.session.time", clock)
        now = self.begin(page)
        assert "about" not in now["progress"]
        session = now["session"]
        for _ in range(6):
            reply = page.post("/answer", {"session": session, "seq": now["seq"], "verdict": YES})
            now = reply.data
        assert now["progress"] == "6 of 7 answered, 1 left here, about 2 min"
        assert self.told(page, "ben") == "0 of 7 answered, 7 left here"

    def test_the_end_is_told_and_left_by_back(self, page):
        now = self.begin(page, scores=[0.9, 1.0])
        assert now["item"]["row"] == 6
        answer = {"session": now["session"], "seq": now["seq"]}
        end = page.post("/answer", {**answer, "verdict": NO}).data
        assert (end["item"], end["end"]) == (None, "Nothing is left here.")
        back = page.post("/answer", {**answer, "seq": end["seq"], "verdict": "back"}).data
        assert (back["item"]["row"], back["item"]["answered"]) == (6, "no")
        assert self.begin(page, scores=[0.95, 1.0])["end"] == "Nothing to show here."

    def test_two_sessions_of_two_persons_do_not_disturb_each_other(self, page):
        ann, ben = self.begin(page), self.begin(page, "ben")
        for now, verdict in ((ann, YES), (ben, NO)):
            given = {"session": now["session"], "seq": now["seq"], "verdict": verdict}
            assert page.post("/answer", given).data["progress"].startswith("1 of 7")
        assert page.get("/agreement").text.count("<tr>") == 2
        assert "0 (0 %)" in page.get("/agreement").text

    def test_an_answer_to_what_was_shown_before_a_restart_is_not_taken(self, page):
        now = self.begin(page)
        lost = page.post("/answer", {"session": "gone", "seq": now["seq"], "verdict": YES})
        assert (lost.status, lost.data) == (410, {"error": "the page was begun anew."})
        late = {"session": now["session"], "seq": now["seq"] - 1, "verdict": YES}
        assert page.post("/answer", late).data["seq"] == now["seq"]

    def test_an_answer_that_cannot_be_stored_is_told_and_what_is_shown_stays(self, work, visit_of):
        task = task_of(work)

        class FullDisk:
            newest = task.store.newest

            def add(self, *answer):
                raise OutputError("cannot write r/review.sqlite: the disk is full.", "Make room.")

        results = read_results(work / "r.csv")
        app = review_app("r", results, replace(task, store=FullDisk()), reviewer="a", token="")
        page = visit_of(app)
        now = self.begin(page)
        given = {"session": now["session"], "seq": now["seq"], "verdict": YES}
        for _ in range(2):
            reply = page.post("/answer", given)
            assert reply.status == 500
            assert "the disk is full" in reply.data["error"]
            assert "Traceback" not in reply.text

    @pytest.mark.parametrize(
        "given",
        [
            b"",
            b"[1]",
            b"\xff{",
            {"reviewer": "", "wish": {}},
            {"reviewer": "a"},
            {"reviewer": 7, "wish": {}},
            {"reviewer": "a", "wish": {"sites": "Bog"}},
            {"reviewer": "a", "wish": {"scores": [0.1]}},
            {"reviewer": "a", "wish": {"scores": ["0", "1"]}},
            {"reviewer": "a", "wish": {"order": "backwards"}},
            {"reviewer": "a", "wish": {"answer": ["yes"]}},
            b'{"reviewer": "a", "wish": {}}' + b" " * 200_000,
        ],
    )
    def test_what_cannot_be_understood_begins_nothing(self, page, given):
        assert page.post("/session", given).status == 400
        assert page.post("/answer", given).status == 410


def until(is_so, within_s=20.0):
    end_s = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.01)


class TestSafety:
    """Who is answered, and with what around it."""

    @pytest.fixture
    def page(self, work, visit_of):
        app = review_app("r", read_results(work / "r.csv"), task_of(work), reviewer="a", token="")
        return visit_of(app)

    @pytest.fixture
    def locked(self, work, visit_of):
        results, task = read_results(work / "r.csv"), task_of(work)
        return visit_of(review_app("r", results, task, reviewer="a", token="blue heron 7"))

    def test_every_answer_forbids_frames_and_other_hosts(self, page):
        for path in ("/", "/overview", "/try", "/review.js", "/gone", "/agreement"):
            headers = page.get(path).headers
            policy = headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'")
            assert "frame-ancestors 'none'" in policy
            assert "http" not in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "same-origin"
            assert "server" not in headers

    def test_a_foreign_name_for_this_machine_gets_nothing(self, page):
        for path in ("/", "/overview", "/review.js", "/agreement"):
            reply = page.get(path, Host="evil.example")
            assert (reply.status, "this machine alone" in reply.text) == (403, True)
        here = {"Host": "evil.example", "Origin": "http://evil.example"}
        assert page.post("/session", {"reviewer": "a", "wish": {}}, **here).status == 403

    @pytest.mark.parametrize(
        "origin", ["http://evil.example", "null", "", "http://127.0.0.1:1", None, "http://["]
    )
    @pytest.mark.parametrize("path", ["/session", "/answer", "/try", "/token"])
    def test_a_page_of_others_changes_nothing(self, page, locked, origin, path):
        for one in (page, locked):
            assert one.post(path, {"reviewer": "a", "wish": {}}, Origin=origin).status == 403

    def test_a_token_is_wanted_for_all_and_a_wrong_one_costs_a_second(self, locked):
        for path in ("/", "/overview", "/try", "/agreement", "/review.js"):
            reply = locked.get(path)
            assert (reply.status, "Token" in reply.text) == (401, True)
            assert "Bog" not in reply.text
        for style in re.findall(r'stylesheet" href="(.*?)"', locked.get("/").text):
            reply = locked.get(f"/{style}")
            assert (reply.status, reply.headers["content-type"][:8]) == (200, "text/css")
        assert locked.post("/session", {"reviewer": "a", "wish": {}}).status == 401
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        began_s = time.monotonic()
        for wrong in (b"token=blue+heron", b"", b"token=", b"token=" + b"x" * 50_000, b"token=%ff"):
            reply = locked.post("/token", wrong, **form)
            assert (reply.status, "That is not the token." in reply.text) == (401, True)
            assert "set-cookie" not in reply.headers
        assert time.monotonic() - began_s > 5
        let_in = locked.post("/token", b"token=blue+heron+7", **form)
        assert (let_in.status, let_in.headers["location"]) == (303, "/")
        cookie = let_in.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        assert "heron" not in cookie
        own = {"Cookie": cookie.partition(";")[0]}
        assert "Bog" in locked.get("/", **own).text
        assert locked.post("/session", {"reviewer": "a", "wish": {}}, **own).status == 200
        assert locked.get("/", Cookie=own["Cookie"] + "x").status == 401

    def test_no_file_has_an_address(self, page, work):
        secrets = (work / "r.csv").read_bytes()[:40], b"root:", b"import "
        for path in (
            "/r.csv",
            "/..%2fr.csv",
            "/pages.py",
            "/review.html",
            "/..%2f..%2fetc/passwd",
            "//etc/passwd",
            "/static/x",
            "/%00",
            "/openapi.json",
        ):
            reply = page.get(path)
            assert reply.status == 404, path
            assert not any(secret in reply.body for secret in secrets)

    def test_a_page_that_is_left_while_it_sends_leaves_no_trace(
        self, page, caplog, tmp_path, monkeypatch
    ):
        received = tmp_path / "received"
        received.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(received))
        with socket.create_connection(("127.0.0.1", page.port)) as asked:
            head = f"POST /try?name=a HTTP/1.1\r\nHost: {page.host}\r\nContent-Length: 5000"
            asked.sendall(f"{head}\r\nOrigin: http://{page.host}\r\n\r\nRIFF".encode())
            until(lambda: list(received.iterdir()))
            asked.close()
            until(lambda: not list(received.iterdir()))
        assert page.get("/try").status == 200
        assert caplog.text == ""

    def test_a_recording_that_is_too_large_is_cut_off(self, page, monkeypatch):
        monkeypatch.setattr("counter.review.pages.MOST_UPLOAD_BYTES", 1000)
        reply = page.post("/try?name=a.wav&place=file", bytes(5000))
        assert (reply.status, reply.text) == (413, "The recording is too large.")


def test_what_is_sent_of_an_item(scanned, tmp_path):
    results = read_results(scanned / "r.csv")
    items = event_items(results)
    task = ReviewTask(
        items,
        ReadyMedia(ItemCutter(items, files_at(results, None), results.band_hz)),
        Store(tmp_path / "review.sqlite"),
        ("tone", "other"),
        True,
        results.band_hz,
        results.origins,
    )
    visit = ReviewSession(task, "ann", Wish())
    told = [visit.item_message(row) for row in range(len(items))]
    for row, one in enumerate(told):
        item = items.item(row)
        assert one["facts"][0] == item.key.recording
        assert one["mark_s"] == [item.start_s, item.end_s]
        assert one["start_s"] == pytest.approx(max(0.0, item.start_s - 2), abs=0.01)
        assert one["sound_s"] == pytest.approx(one["end_s"] - one["start_s"])
        assert one["others"] == ["other"]
        assert len(json.dumps(one)) < 500_000
    assert [one for one in told if one["facts"][0] == EVIL][0]["missing"] == ""


def test_a_recording_that_is_gone_is_told_in_words(work):
    items = event_items(read_results(work / "r.csv"))
    (found,) = ItemCutter(items, {}, {})([0])
    assert found == {0: "The recording is not there."}


class TestAgreement:
    def agree(self, pairs):
        answers = [
            Answer(key(number), said, who, "")
            for number, two in enumerate(pairs)
            for who, said in zip(("ann", "ben"), two, strict=True)
            if said is not None
        ]
        return agreements(answers)

    def test_kappa_is_cohens(self):
        # Cohen's kappa of the table ((20, 5), (10, 15)) is 0.4
        pairs = [(Judgement(YES), Judgement(YES))] * 20 + [(Judgement(YES), Judgement(NO))] * 5
        pairs += [(Judgement(NO), Judgement(YES))] * 10 + [(Judgement(NO), Judgement(NO))] * 15
        (found,) = self.agree([*pairs, (Judgement(YES), None)])
        assert (found.first, found.second) == ("ann", "ben")
        assert (found.n_both, found.n_same) == (50, 35)
        assert found.kappa == pytest.approx(0.4)

    def test_counts_that_are_near_agree_more_than_counts_that_are_far(self):
        def kappa(*pairs):
            said = [tuple(Judgement(COUNTED, calls=n) for n in pair) for pair in pairs]
            return self.agree(said)[0].kappa

        same = ((0, 0), (2, 2), (5, 5))
        assert kappa(*same) == pytest.approx(1)
        assert kappa(*same, (3, 4)) > kappa(*same, (3, 9))

    @pytest.mark.parametrize("weights", ["linear", None])
    @given(pairs=st.lists(st.tuples(*2 * [st.integers(0, 3)]), min_size=1))
    def test_kappa_is_that_of_scikit_learn(self, weights, pairs):
        metrics = pytest.importorskip("sklearn.metrics", reason="pip install 'callcount[train]'")
        assume(len({one for pair in pairs for one in pair}) > 1)
        to_answer = (
            (lambda n: Judgement(COUNTED, calls=n))
            if weights
            else (lambda n: Judgement(OTHER, f"{n}"))
        )
        (found,) = self.agree([tuple(map(to_answer, pair)) for pair in pairs])
        theirs = metrics.cohen_kappa_score(
            *zip(*pairs, strict=True), labels=range(4), weights=weights
        )
        assert found.kappa == pytest.approx(theirs, abs=1e-12)

    def test_one_answer_throughout_has_no_kappa(self):
        (found,) = self.agree([(Judgement(YES), Judgement(YES))] * 3)
        assert (found.n_same, found.kappa) == (3, None)

    def test_other_labels_agree_only_where_they_are_the_same(self):
        (found,) = self.agree(
            [(Judgement(OTHER, "toad"), Judgement(OTHER, "frog")), (Judgement(NO), Judgement(NO))]
        )
        assert found.n_same == 1

    def test_nobody_to_compare(self):
        assert self.agree([(Judgement(YES), None)]) == []

    def test_the_command_prints_it(self, work, capsys):
        assert run(["review", str(work / "r.csv"), "--compare"]) == 2
        assert "nothing was answered yet" in refusal(capsys)
        answer_all(work, "ann", yes_or_no)
        assert run(["review", str(work / "r.csv"), "--compare"]) == 2
        assert "no two reviewers answered the same event; 7 were answered" in refusal(capsys)
        answer_all(work, "ben", lambda item: {"verdict": NO if item.row == 0 else YES})
        assert run(["review", str(work / "r.csv"), "--compare"]) == 0
        said = capsys.readouterr().out
        assert "ann, ben" in said
        assert "6 (86 %)" in said


class TestExport:
    def export(self, folder, *flags):
        return run(["review", str(folder / "r.csv"), "--export", str(folder / "out"), *flags])

    def test_events_are_truth_for_evaluate(self, work, capsys):
        def says(item):
            if item.key.recording == EVIL:
                return {"verdict": OTHER, "other": "=toad"}
            return {"verdict": NO if item.row == 0 else YES}

        visit = answer_all(work, "ann", says)
        assert self.export(work) == 0
        first = visit.task.items.item(0).key
        assert first.recording == EVIL  # "<" comes before letters
        n_yes = sum(said.verdict == YES for said in visit.own.values())
        assert len(rows_of(work / "out" / "truth.csv")) == n_yes == 6
        truth = str(work / "out" / "truth.csv")
        assert run(["evaluate", str(work / "r.csv"), "--truth", truth]) == 0
        figures = rows_of(work / "r" / "evaluation" / "evaluation.csv")
        found = {row["measure"]: row["value"] for row in figures}
        assert float(found["precision"]) == pytest.approx(6 / 7, abs=1e-3)

    def test_raven_tables_hold_calls_and_no_calls_apart(self, work):
        answer_all(work, "ann", lambda item: {"verdict": NO if item.row < 2 else YES})
        assert self.export(work) == 0
        items = items_of(work)
        for name, rows in (("calls", range(2, 7)), ("no_calls", range(2))):
            told = read_annotations(work / "out" / f"{name}.raven.txt")
            assert [(one.recording, one.label) for one in told] == [
                (items.item(row).key.recording, "tone") for row in rows
            ]
            starts_s = [items.item(row).start_s for row in rows]
            assert [one.start_s for one in told] == pytest.approx(starts_s, abs=0.001)

    def test_all_answers_stand_in_one_table(self, work, capsys):
        answer_all(work, "ann", lambda item: {"verdict": YES})
        answer_all(work, "=ben", lambda item: {"verdict": UNSURE})
        assert self.export(work, "--reviewer", "ann") == 0
        assert "reviewers differ" not in capsys.readouterr().err
        rows = rows_of(work / "out" / "answers.csv")
        assert len(rows) == 14
        assert {row["answer"] for row in rows if row["counts"] == "1"} == {YES}
        assert {row["reviewer"] for row in rows} == {"ann", "'=ben"}
        shutil.rmtree(work / "out")
        assert self.export(work) == 0
        assert "reviewers differ about 7: the newest answer counts" in capsys.readouterr().err
        assert rows_of(work / "out" / "truth.csv") == []

    def test_a_sample_corrects_the_counts(self, work, capsys):
        answer_all(
            work,
            "ann",
            lambda item: {"verdict": COUNTED, "calls": truly(item)},
            kind="stretch",
        )
        assert self.export(work, "--sample", str(work / "s" / "sample.csv")) == 0
        table = work / "out" / "sample.csv"
        assert [int(row["true_calls"]) for row in rows_of(table)] == [
            truly(items_of(work, "stretch").item(row)) for row in range(9)
        ]
        assert run(["estimate", str(work / "r.csv"), str(table)]) == 0
        overall = rows_of(work / "out" / "estimate.csv")[-1]
        assert float(overall["calls"]) == pytest.approx(7, abs=0.5)

    def test_what_was_counted_by_hand_stays(self, work):
        table = work / "s" / "sample.csv"
        head, *lines = table.read_text(encoding="utf-8").splitlines()
        lines = [f"{line}8" for line in lines]
        table.write_text("\n".join([head, *lines]), encoding="utf-8")
        visit = ReviewSession(task_of(work, "stretch"), "ann", Wish())
        visit.take({"seq": visit.shown, "verdict": COUNTED, "calls": 1})
        visit.take({"seq": visit.shown, "verdict": UNSURE})
        assert self.export(work, "--sample", str(table)) == 0
        counts = [row["true_calls"] for row in rows_of(work / "out" / "sample.csv")]
        assert counts == ["1", *["8"] * 8]

    def test_mined_clips_are_a_table_for_train(self, work):
        visit = answer_all(work, "ann", yes_or_no, kind="clip")
        assert self.export(work, "--mined", str(work / "m")) == 0
        review = read_review(work / "out")
        assert len(review.answers) == 6
        for row, answer in enumerate(review.answers):
            said = visit.own[row]
            assert answer.label == ("tone" if said.verdict == YES else "")

    def test_events_are_clips_for_train(self, work, tmp_path):
        answer_all(work, "ann", lambda item: {"verdict": NO if item.row == 0 else YES})
        assert self.export(work) == 0
        mined = work / "out" / "mined"
        clip_folders(tmp_path)
        settings = ClipSettings(
            labels={"tone": str(tmp_path / "clips" / "tone")},
            background=str(tmp_path / "clips" / "noise"),
            reviewed=(str(mined),),
        )
        clips = [one for one in read_clips(settings, MODEL_RATE_HZ).clips if one.asked is not None]
        assert sorted(one.label for one in clips) == [BACKGROUND, *[0] * 6]
        for one in clips:
            item = items_of(work).item(0)
            assert len(one.samples) >= 0.9 * (item.end_s - item.start_s) * MODEL_RATE_HZ
            whole, rate_hz = sf.read(mined / one.name.removeprefix("mined/"))
            assert rate_hz == MODEL_RATE_HZ
            assert len(whole) >= len(one.samples)

    @pytest.mark.slow
    def test_training_runs_on_reviewed_events(self, work, tmp_path, capsys):
        answer_all(work, "ann", lambda item: {"verdict": NO if item.row == 0 else YES})
        assert self.export(work) == 0
        clip_folders(tmp_path)
        config = tmp_path / "tiny.yaml"
        config.write_text(yaml.safe_dump(json.loads(json.dumps(TINY))))
        given = ["--positive", tmp_path / "clips" / "tone", "--negative", tmp_path / "clips/noise"]
        reviewed = ["--reviewed", work / "out" / "mined", "-o", tmp_path / "models"]
        assert run(["train", "--config", *map(str, [config, *given, *reviewed])]) in TRAINED
        (origin,) = read_bundle(tmp_path / "models" / "tone").spec.provenance["origins"]
        assert (origin["calls_of_tone"], origin["no_call"]) == (6, 1)

    def test_what_is_left_open_is_told(self, work, capsys):
        visit = ReviewSession(task_of(work), "ann", Wish())
        visit.take({"seq": visit.shown, "verdict": YES})
        visit.take({"seq": visit.shown, "verdict": UNSURE})
        assert self.export(work) == 0
        said = capsys.readouterr()
        assert "5 events are not answered and 1 are unsure" in said.err
        assert "2 of 7 answered" in said.out

    def test_what_cannot_be_exported(self, work, capsys):
        answer_all(work, "ann", yes_or_no)
        assert self.export(work, "--reviewer", "zoe") == 2
        assert "no event was answered by zoe; there are answers by ann" in refusal(capsys)
        assert self.export(work, "--mined", str(work / "m")) == 2
        assert "no clip was answered" in refusal(capsys)
        (work / "out").mkdir()
        (work / "out" / "notes.txt").write_text("mine")
        assert self.export(work) == 2
        assert "exists already" in refusal(capsys)
        assert [path.name for path in (work / "out").iterdir()] == ["notes.txt"]


def clip_folders(folder):
    """Three sources with the tone, and three without."""
    for seed, source in enumerate("xyz"):
        for number in (1, 2):
            for kind, starts_s in (("tone", (0.0,)), ("noise", ())):
                (folder / "clips" / kind).mkdir(parents=True, exist_ok=True)
                sound = calls(1.5, starts_s, seed=10 * seed + number)
                path = folder / "clips" / kind / f"{source}{kind}-{number}.wav"
                write(path, sound, MODEL_RATE_HZ, subtype="PCM_16")


class TestCommand:
    @pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.5", "::", "myhost"])
    def test_it_is_for_this_machine_alone_without_a_token(self, work, capsys, address, monkeypatch):
        monkeypatch.delenv("CALLCOUNT_TOKEN", raising=False)
        assert run(["review", str(work / "r.csv"), "--address", address]) == 2
        assert "can be reached from other machines. Give a --token" in refusal(capsys)

    @pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
    def test_without_its_server_it_says_what_to_install(self, work, capsys, monkeypatch, missing):
        found = importlib.util.find_spec
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name: None if name == missing else found(name)
        )
        assert run(["review", str(work / "r.csv")]) == 2
        assert "pip install 'callcount[review]'" in refusal(capsys)

    def test_a_port_that_is_taken(self, work, capsys):
        import socket

        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            one.listen()
            port = one.getsockname()[1]
            assert run(["review", str(work / "r.csv"), "--port", str(port)]) == 2
        assert f"cannot serve at 127.0.0.1, port {port}" in refusal(capsys)

    @pytest.mark.parametrize(
        ("flags", "told"),
        [
            (("--sample", "s/sample.csv", "--mined", "m"), "cannot be reviewed at once"),
            (("--sample", "gone.csv"), "there is no table of a sample at gone.csv"),
            (("--sample", "s"), "s is a folder. Name the table in it, as s/sample.csv"),
            (("--mined", "gone"), "cannot read gone/mine.json: it is missing"),
            (("--audio", "gone"), "--audio gone is no folder"),
        ],
    )
    def test_wrong_flags(self, work, capsys, flags, told, monkeypatch):
        monkeypatch.chdir(work)
        assert run(["review", "r.csv", *flags]) == 2
        assert told in refusal(capsys)

    def test_recordings_that_are_gone_are_told(self, work, capsys, monkeypatch, visit_of):
        (work / "empty").mkdir()
        served = []
        monkeypatch.setattr(
            "counter.cli.review.serve", lambda *given, **how: served.append((*given, how["opens"]))
        )
        assert run(["review", str(work / "r.csv"), "--audio", str(work / "empty")]) == 0
        said = capsys.readouterr().err
        assert "3 recordings with events are no longer where they were scanned" in said
        ((app, listening, url),) = served
        assert url in said
        assert url.startswith("http://127.0.0.1:")
        listening.close()
        page = visit_of(app)
        begun = page.post("/session", {"reviewer": "ann", "wish": {}}).data
        assert begun["item"]["row"] == 0
        assert begun["item"]["missing"] == "The recording is not there."

    def test_no_results(self, tmp_path, capsys):
        assert run(["review", str(tmp_path / "r.csv")]) == 2
        assert "no results of a scan" in refusal(capsys)

    def test_a_sample_of_another_model(self, work, capsys):
        path = work / "s" / "sample.json"
        path.write_text(path.read_text().replace(read_sample_hash(path), "0" * 64))
        flags = ["--sample", str(work / "s" / "sample.csv")]
        assert run(["review", str(work / "r.csv"), *flags]) == 2
        assert "are of different bundles" in refusal(capsys)


def read_sample_hash(path):
    return json.loads(path.read_text())["bundle_hash"]


@pytest.mark.parametrize(
    ("host", "is_here"),
    [
        ("127.0.0.1:8501", True),
        ("localhost", True),
        ("[::1]:8501", True),
        ("evil.example:8501", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
        ("[", False),
    ],
)
def test_a_foreign_name_for_this_machine_is_refused(host, is_here):
    assert is_loopback(host) == is_here
